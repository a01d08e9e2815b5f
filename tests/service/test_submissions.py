"""What becomes of submissions: answered at once, queued with a place and a time, or refused."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.service import fake_solver
from tests.service.asgi_client import AppClient, started
from tests.service.fake_solver import simulate_spec
from tests.service.users import User, lab

from equipoise_service.http.app import create_app
from equipoise_service.http.deps import Resources
from equipoise_service.jobs.closed_forms import AT_A_TIME, ClosedForms
from equipoise_service.jobs.job_table import JobTable
from equipoise_service.jobs.submissions import Submission
from equipoise_service.settings import Settings
from equipoise_service.storage.store import Store
from equipoise_service.storage.tables import jobs, workers
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.solving import prepare, solve
from equipoise_solver.specs import parse_spec


def closed_form(temperature: float = 0.05) -> dict[str, Any]:
    return {
        "task": "stationary",
        "model": {"kind": "diagonal"},
        "data": {"kind": "gaussian", "slope": 1.3},
        "temperature": temperature,
    }


def submit(api: AppClient | User, spec: dict[str, Any], key: str | None = None, **options: Any) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post("/v1/jobs", json={"spec": spec, **options}, headers=headers)


def simulation(n_steps: int = 100, seed: int = 1) -> dict[str, Any]:
    """A simulation that the fake solver expects to take n_steps microseconds on one thread."""
    return simulate_spec(seed=seed, n_steps=n_steps)


@pytest.fixture
def either_api(engine_settings: Settings) -> Iterator[AppClient]:
    """The API on the real solver, on either kind of database."""
    with started(create_app(engine_settings)) as client:
        yield client


@contextmanager
def solving_by(
    settings: Settings, finish: Callable[[Any, Any], Any]
) -> Iterator[tuple[AppClient, Resources]]:
    """The API on closed forms that end as told, and what it works with."""

    def altered(spec: Any, **options: Any) -> Any:
        work = prepare(spec, **options)
        return SimpleNamespace(
            spec=work.spec,
            cost=work.cost,
            begin=work.begin,
            advance=work.advance,
            finish=lambda checkpoint: finish(work, checkpoint),
        )

    app = create_app(settings, prepare=altered)
    with started(app) as api:
        yield api, app.state.resources


def test_a_closed_form_is_answered_where_it_is_submitted(either_api: AppClient) -> None:
    """The first submission is 202 with a job that has succeeded; the next one finds it: 200."""
    answer = submit(either_api, closed_form(), tags=["b", "a"])
    job = answer.json()
    assert (answer.status_code, job["status"], job["progress"], job["tags"]) == (
        202,
        "succeeded",
        1.0,
        ["a", "b"],
    )
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["queue_position"], job["expected_start"]) == (None, None)
    assert either_api.get(answer.headers["location"]).json() == job
    again = submit(either_api, closed_form(), tags=["c"])
    assert (again.status_code, again.json()["id"], again.json()["tags"]) == (200, job["id"], ["a", "b", "c"])


def test_the_result_is_that_of_the_solver(real_api: AppClient) -> None:
    """What is fetched is what the solver gives, with the seconds it took."""
    job = submit(real_api, closed_form()).json()
    found = real_api.get(job["links"]["result"]).json()
    assert found["seconds"] > 0
    expected = solve(closed_form()).model_dump(mode="json")
    assert {**found, "seconds": None} == {**expected, "seconds": None}


def test_prefer_wait_is_answered_with_200(real_api: AppClient) -> None:
    """Who asks to wait for the end is told that this is it."""
    answer = real_api.post("/v1/jobs", json={"spec": closed_form()}, headers={"Prefer": "wait=5"})
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")


def test_a_key_gives_back_the_job_that_was_answered_at_once(either_api: AppClient) -> None:
    """A repeated request is the same job; another body under the same key is refused."""
    job = submit(either_api, closed_form(), key="k").json()
    again = submit(either_api, closed_form(), key="k")
    assert (again.status_code, again.json()) == (200, job)
    other = submit(either_api, closed_form(0.06), key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(either_api.get("/v1/jobs").json()["jobs"]) == 1


def test_the_same_closed_form_sent_at_the_same_time_is_one_job(either_api: AppClient) -> None:
    """Of several that compute the same, all are given one job."""
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(submit, either_api, closed_form(), f"k{number % 4}") for number in range(8)]
        answers = [future.result() for future in sent]
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(either_api.get("/v1/jobs").json()["jobs"]) == 1


def test_nothing_is_left_of_an_answer_that_is_not_committed(settings: Settings) -> None:
    """A process that ends while it computes leaves no job behind; the spec is computed when sent again."""
    ends = [True]

    def finish(work: Any, checkpoint: Any) -> Any:
        if ends.pop() if ends else False:
            raise SystemExit("the process ends here")
        return work.finish(checkpoint)

    with solving_by(settings, finish) as (api, resources):
        with pytest.raises(SystemExit):
            resources.jobs.submit(Submission(parse_spec(closed_form())))
        assert api.get("/v1/jobs").json()["jobs"] == []
        assert submit(api, closed_form()).json()["status"] == "succeeded"


def test_a_closed_form_without_a_solution_is_refused(settings: Settings) -> None:
    """What the solver refuses while it computes is refused at once, and no job is made."""

    def finish(_work: Any, _checkpoint: Any) -> Any:
        raise InvalidModelError("temperature", given=0.05, allowed="another one")

    with solving_by(settings, finish) as (api, _):
        answer = submit(api, closed_form())
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_model")
        assert api.get("/v1/jobs").json()["jobs"] == []


def test_a_closed_form_that_fails_here_is_left_to_a_worker(settings: Settings) -> None:
    """An unexpected failure makes a queued job, whose end says what became of it."""

    def finish(_work: Any, _checkpoint: Any) -> Any:
        raise RuntimeError("a secret of the inside")

    with solving_by(settings, finish) as (api, _):
        answer = submit(api, closed_form())
        job = answer.json()
        assert (answer.status_code, job["status"], job["queue"]) == (202, "queued", "quick")


def test_few_closed_forms_are_computed_at_a_time(settings: Settings) -> None:
    """No more than a bounded number is computed at once; one that is not served in time is queued."""
    lock, gate, now, most = threading.Lock(), threading.Event(), [0], [0]
    forms = ClosedForms(Store(settings.store), patience_s=0.05)
    real = prepare(closed_form())

    def finish(checkpoint: Any) -> Any:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            if now[0] == AT_A_TIME:
                gate.set()
        release.wait(10)
        with lock:
            now[0] -= 1
        return real.finish(checkpoint)

    release = threading.Event()
    work = SimpleNamespace(
        spec=real.spec, cost=real.cost, begin=real.begin, advance=real.advance, finish=finish
    )
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        running = [pool.submit(forms.solve, work) for _ in range(AT_A_TIME)]
        assert gate.wait(10)
        assert forms.solve(work) is None
        release.set()
        assert all(future.result() is not None for future in running)
    assert most == [AT_A_TIME]
    assert forms.solve(work) is not None


def test_a_result_that_is_there_answers_every_user(engine_settings: Settings) -> None:
    """Another user's submission of a solved spec is a job of their own, answered at once with 200."""
    with lab(engine_settings, max_unfinished_jobs_per_user=1) as service:
        ana, ben = service.user("ana"), service.user("ben")
        first = submit(ana, simulation()).json()
        with service.resources.database.begin() as connection:
            done = {"status": "succeeded", "result": "0" * 64, "progress": 1.0}
            connection.execute(sa.update(jobs).values(**done))
        answer = submit(ben, simulation())
        assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
        assert answer.json()["id"] != first["id"]
        assert submit(ben, simulation(seed=2)).status_code == 202
        assert submit(ben, simulation(seed=1)).status_code == 200


def test_a_user_may_have_so_many_unfinished_jobs(settings: Settings) -> None:
    """Beyond the cap it is 429 with Retry-After, for that user alone, until a job has ended."""
    with lab(settings, max_unfinished_jobs_per_user=2) as service:
        ana, ben = service.user("ana"), service.user("ben")
        first = submit(ana, simulation(seed=1)).json()
        submit(ana, simulation(seed=2))
        answer = submit(ana, simulation(seed=3))
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_jobs")
        assert int(answer.headers["retry-after"]) > 0
        assert submit(ana, simulation(seed=1)).status_code == 202
        assert submit(ben, simulation(seed=3)).status_code == 202
        ana.post(f"/v1/jobs/{first['id']}/cancel")
        assert submit(ana, simulation(seed=3)).status_code == 202


def test_a_user_may_have_one_urgent_job(engine_settings: Settings) -> None:
    """A second unfinished urgent job is 429; it may be sent without urgent, and admins are free."""
    with lab(engine_settings) as service:
        ana, ben, admin = service.user("ana"), service.user("ben"), service.user("root", "admin")
        assert submit(ana, simulation(seed=1), urgent=True).json()["queue"] == "urgent"
        answer = submit(ana, simulation(seed=2), urgent=True)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_jobs")
        assert submit(ana, simulation(seed=2)).json()["queue"] == "cpu"
        assert submit(ben, simulation(seed=2), urgent=True).status_code == 202
        for seed in (3, 4):
            assert submit(admin, simulation(seed=seed), urgent=True).status_code == 202


def test_a_list_of_somebody_else_is_empty(settings: Settings) -> None:
    """Who is no admin and asks for another user's jobs gets none, not their own."""
    with lab(settings) as service:
        ana, ben, admin = service.user("ana"), service.user("ben"), service.user("root", "admin")
        job = submit(ana, simulation()).json()
        assert ben.get("/v1/jobs?owner=ana").json()["jobs"] == []
        assert submit(ben, simulation(seed=2)).status_code == 202
        assert ben.get("/v1/jobs?owner=ana").json() == {"jobs": [], "next_cursor": None}
        assert [found["id"] for found in admin.get("/v1/jobs?owner=ana").json()["jobs"]] == [job["id"]]


def worker_is_there(database: sa.Engine, *, queues: str = "quick,urgent,cpu", device: str = "cpu") -> None:
    row = {"host": "h", "process_space": "", "process": "", "version": "1", "started_at": 4e9, "seen_at": 4e9}
    with database.begin() as connection:
        connection.execute(workers.insert().values(id=device, device=device, queues=queues, threads=2, **row))


def waits_s(job: dict[str, Any]) -> float:
    """Time between submission and expected start of a job, [s]."""
    expected, submitted = (datetime.fromisoformat(job[name]) for name in ("expected_start", "submitted_at"))
    return (expected - submitted).total_seconds()


def test_an_estimate_is_what_the_job_shows_when_it_is_submitted(settings: Settings) -> None:
    """Cost, queue, place and start are foretold, nothing is written, and the submission agrees."""
    app = create_app(settings, prepare=fake_solver.prepare)
    with started(app) as api:
        worker_is_there(app.state.resources.database)
        # 5e6 and 1e6 steps of 1000 paths: 2.5 s and 0.5 s on two threads.
        first = submit(api, simulation(n_steps=5_000_000)).json()
        assert (first["cost"]["seconds"], first["queue_position"]) == (2.5, 0)
        assert waits_s(first) >= 0.0
        body = {"spec": simulation(n_steps=1_000_000, seed=2)}
        foretold = api.post("/v1/estimate", json=body).json()
        assert len(api.get("/v1/jobs").json()["jobs"]) == 1
        assert foretold["cost"] == {
            "path_steps": 1e9,
            "memory_bytes": 1e6,
            "seconds": 0.5,
            "device": "cpu",
            "note": None,
        }
        assert (foretold["queue"], foretold["queue_position"], foretold["n_shards"]) == ("cpu", 1, 1)
        assert (foretold["refusal"], foretold["immediate"]) == (None, False)
        job = submit(api, body["spec"]).json()
        for name in ("cost", "queue", "queue_position", "n_shards", "timeout_seconds"):
            assert job[name] == foretold[name]
        assert waits_s(job) >= 2.5
        assert foretold["expected_start"] < job["expected_start"]


def test_an_estimate_says_what_would_be_refused(settings: Settings) -> None:
    """A refusal is part of the answer, with its code and reason; a spec that makes no sense is refused."""
    small = settings.model_copy(update={"max_path_steps": 1e6, "max_unfinished_jobs": 1})
    with started(create_app(small, prepare=fake_solver.prepare)) as api:
        large = api.post("/v1/estimate", json={"spec": simulation(n_steps=10**4)})
        assert (large.status_code, large.json()["refusal"]["code"]) == (200, "limit_exceeded")
        assert large.json()["cost"]["path_steps"] == 1e7
        submit(api, simulation())
        full = api.post("/v1/estimate", json={"spec": simulation(seed=2)}).json()
        assert (full["refusal"]["code"], full["queue"]) == ("overloaded", None)
        known = api.post("/v1/estimate", json={"spec": simulation()}).json()
        assert (known["immediate"], known["refusal"]) == (False, None)
        assert api.post("/v1/estimate", json={"spec": {"task": "nonsense"}}).status_code == 422


def test_an_estimate_of_a_spec_that_was_sent_is_that_job(settings: Settings) -> None:
    """While it waits its place is shown, while it runs there is none; with its result it is immediate."""
    app = create_app(settings, prepare=fake_solver.prepare)
    with started(app) as api:
        worker_is_there(app.state.resources.database)
        submit(api, simulation(seed=2))
        job = submit(api, simulation(), timeout_seconds=77.0).json()

        def foretold() -> dict[str, Any]:
            found: dict[str, Any] = api.post("/v1/estimate", json={"spec": simulation()}).json()
            return found

        waits = foretold()
        assert (waits["immediate"], waits["refusal"]) == (False, None)
        for name in ("queue", "queue_position", "timeout_seconds"):
            assert waits[name] == job[name]
        assert f"it is job {job['id']}, which is queued" in waits["notes"][0]
        table = JobTable(app.state.resources.database)
        assert table.move(job["id"], "running", worker="w")
        runs = foretold()
        assert (runs["immediate"], runs["queue_position"]) == (False, None)
        assert "which is running" in runs["notes"][0]
        assert table.move(job["id"], "succeeded", result="0" * 64)
        assert (foretold()["immediate"], foretold()["notes"]) == (True, [])


def test_a_spec_sent_again_otherwise_says_what_the_job_keeps(engine_settings: Settings) -> None:
    """An unfinished job keeps urgency, priority and time limit; the note names those asked for otherwise."""
    with lab(engine_settings) as service:
        ana = service.user("ana")
        first = submit(ana, simulation(), priority=3, timeout_seconds=60.0).json()
        same = submit(ana, simulation(), priority=3, timeout_seconds=60.0).json()
        assert (first["cost"]["note"], same["cost"]["note"]) == (None, None)
        again = submit(ana, simulation(), urgent=True, timeout_seconds=50.0).json()
        for name in ("id", "queue", "priority", "timeout_seconds"):
            assert again[name] == first[name]
        assert "keeps urgent false, priority 3, timeout_seconds 60." in again["cost"]["note"]
        plain = submit(ana, simulation(), priority=3).json()
        assert "keeps timeout_seconds 60." in plain["cost"]["note"]
        limited = submit(ana, simulation(seed=2)).json()
        assert submit(ana, simulation(seed=2), timeout_seconds=1e6).json()["cost"]["note"] is None
        shorter = submit(ana, simulation(seed=2), timeout_seconds=5.0).json()["cost"]["note"]
        assert f"keeps timeout_seconds {limited['timeout_seconds']:g}." in shorter


def test_an_estimate_of_a_closed_form_is_immediate(real_api: AppClient) -> None:
    """A closed form would be answered at once, and is not."""
    found = real_api.post("/v1/estimate", json={"spec": closed_form()}).json()
    assert (found["immediate"], found["queue"], found["refusal"]) == (True, None, None)
    assert 0 < found["cost"]["seconds"] < 0.05
    assert real_api.get("/v1/jobs").json()["jobs"] == []


def test_a_job_that_surely_runs_out_of_time_is_refused(settings: Settings) -> None:
    """Beyond four times the service's limit a job is refused, naming the field; up to that it is noted."""
    limit_s, threads = 0.5, 2
    tight = settings.model_copy(update={"max_job_seconds": limit_s, "threads": threads})
    with started(create_app(tight, prepare=fake_solver.prepare)) as api:
        certain = submit(api, simulation(n_steps=int(1e6 * threads * limit_s * 4.1)))
        assert (certain.status_code, certain.json()["code"]) == (422, "limit_exceeded")
        assert certain.json()["errors"][0]["field"] == "n_paths"
        likely = submit(api, simulation(n_steps=int(1e6 * threads * limit_s * 3.9)))
        assert likely.status_code == 202
        assert "may run out of time" in likely.json()["cost"]["note"]


def test_a_time_limit_of_ones_own_refuses_nothing(api: AppClient) -> None:
    """A job that is expected to take longer than its timeout_seconds is taken, and says so."""
    job = submit(api, simulation(n_steps=10**9), timeout_seconds=0.5)
    assert job.status_code == 202
    assert "may run out of time" in job.json()["cost"]["note"]


def test_the_row_of_a_job_says_whose_limit_holds(settings: Settings) -> None:
    """The smaller of the two limits is the job's, and it is remembered whose it is."""
    app = create_app(settings.model_copy(update={"max_job_seconds": 60.0}), prepare=fake_solver.prepare)
    with started(app) as api:
        for seed, asked in enumerate((None, 5.0, 600.0)):
            options: dict[str, Any] = {} if asked is None else {"timeout_seconds": asked}
            submit(api, simulation(seed=seed), **options)
        query = sa.select(jobs.c.timeout_seconds, jobs.c.timeout_by).order_by(jobs.c.submitted_at)
        with app.state.resources.database.connect() as connection:
            found = [tuple(row) for row in connection.execute(query)]
    assert found == [(60.0, "service"), (5.0, "job"), (60.0, "service")]


def test_long_simulations_are_cut_into_parts(settings: Settings) -> None:
    """A job expected to take longer than shard_seconds on a slot has that many parts."""
    short = settings.model_copy(update={"shard_seconds": 1.0, "threads": 2})
    with started(create_app(short, prepare=fake_solver.prepare)) as api:
        assert submit(api, simulation(n_steps=2_000_000)).json()["n_shards"] == 1
        assert submit(api, simulation(n_steps=5_000_000)).json()["n_shards"] == 3


@pytest.mark.parametrize(
    ("options", "field"),
    [({"device": "tpu"}, "device"), ({"urgent": 1}, "urgent"), ({"device": "gpu"}, "device")],
)
def test_wishes_that_make_no_sense_are_refused(api: AppClient, options: dict[str, Any], field: str) -> None:
    """Neither devices that there are not or do not compute the spec, nor an urgency of 1."""
    answer = submit(api, simulation(), **options)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def queries_of(database: sa.Engine, call: Callable[[], Any]) -> int:
    """Number of statements that a call sends."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sa.event.listen(database, "before_cursor_execute", note)
    try:
        call()
    finally:
        sa.event.remove(database, "before_cursor_execute", note)
    return len(seen)


def test_queries_do_not_grow_with_the_page_and_submissions_take_few(settings: Settings) -> None:
    """A page of any length takes three queries; a job that has ended one; a closed form at most eight."""
    app = create_app(settings, prepare=fake_solver.prepare)
    with started(app) as api:
        database = app.state.resources.database
        ids = [submit(api, simulation(seed=seed)).json()["id"] for seed in range(12)]
        for limit in (2, 12):
            assert queries_of(database, lambda limit=limit: api.get(f"/v1/jobs?limit={limit}")) <= 4  # type: ignore[misc]
        api.post(f"/v1/jobs/{ids[0]}/cancel")
        assert queries_of(database, lambda: api.get(f"/v1/jobs/{ids[0]}")) == 1
        assert queries_of(database, lambda: api.get(f"/v1/jobs/{ids[1]}")) <= 4
    app = create_app(settings)
    with started(app) as api:
        submit(api, closed_form())
        database = app.state.resources.database
        assert queries_of(database, lambda: submit(api, closed_form(0.07), key="k")) <= 8
