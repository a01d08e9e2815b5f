"""Metrics: Prometheus can read them, they are the same everywhere, and what counts never goes back."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from tests.service import fake_solver
from tests.service.asgi_client import AppClient, started
from tests.service.fake_solver import simulate_spec
from tests.support.postgres import new_database

from equipoise_service.http.app import create_app
from equipoise_service.http.request_counts import RequestCounts
from equipoise_service.http.routes.operations import get_state_reader
from equipoise_service.jobs.job_table import JobTable, NewJob, job_id_of
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate
from equipoise_service.storage.tables import workers
from equipoise_service.telemetry import counters
from equipoise_service.telemetry.counters import Increment
from equipoise_service.telemetry.metric_table import METRICS, PATH_STEPS, REQUESTS, SUBMITTED, WAIT
from equipoise_service.telemetry.service_state import StateReader


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty database with our tables."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'a.db'}"
    else:
        url = new_database(request.getfixturevalue("postgres_server")).replace("://", "+psycopg://")
    engine = connect(url)
    migrate(engine)
    yield engine
    engine.dispose()


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def new_job(number: int, queue: str = "cpu") -> NewJob:
    return NewJob(
        content_id=f"job_{number:032x}",
        task="simulate",
        spec="{}",
        spec_hash="0" * 64,
        queue=queue,
        priority=0,
        timeout_seconds=60.0,
        tags=(),
        owner="ann",
        answer_key=f"job_{number:032x}",
    )


def submitted(table: JobTable, number: int, queue: str = "cpu") -> str:
    new = new_job(number, queue)
    with table.engine.begin() as connection:
        assert table.insert(connection, new, 1) is not None
    return job_id_of(new.content_id, 1)


def families(text: str) -> dict[str, Family]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(api: AppClient, name: str, **labels: str) -> float:
    """A sample of the page; 0 if it is not there."""
    found = [
        sample.value
        for family in families(api.get("/metrics").text).values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) <= 1
    return found[0] if found else 0.0


def worker_row(name: str, **changes: Any) -> dict[str, Any]:
    row = {"id": name, "host": "lab", "process_space": "", "process": "1:", "device": "cpu", "threads": 2}
    row |= {"queues": "quick,cpu", "version": "1", "started_at": 1.0, "seen_at": 4e9, "health": "{}"}
    return {**row, **changes}


def test_the_page_has_every_metric_as_it_is_declared(api: AppClient) -> None:
    """Names, kinds, helps and labels on the page are those of the table; Prometheus' parser reads it."""
    api.post("/v1/jobs", json={"spec": simulate_spec(seed=1)})
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = families(answer.text)
    assert {metric.name.removesuffix("_total") for metric in METRICS} == set(found)
    for metric in METRICS:
        family = found[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.text)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample


def test_jobs_are_counted_on_their_way(database: sa.Engine) -> None:
    """Submissions, first starts, ends, waits, runs and failures add up; a second start is not counted."""
    clock = Clock()
    table = JobTable(database, clock=clock)
    good, bad, odd, cancelled = (submitted(table, number) for number in range(4))
    clock.now += 3.0
    assert table.move(good, "running")
    clock.now += 20.0
    assert table.move(good, "running")
    clock.now += 100.0
    assert table.move(good, "succeeded")
    assert not table.move(good, "succeeded")
    assert table.move(bad, "failed", error_code="worker_crashed")
    assert table.move(odd, "failed", error_code="made-up-by-somebody")
    assert table.move(cancelled, "cancelled")
    with database.connect() as connection:
        found = counters.read(connection)
    assert found == {
        "equipoise_jobs_submitted_total": {("cpu", "no"): 4.0},
        "equipoise_jobs_finished_total": {
            ("cpu", "succeeded"): 1.0,
            ("cpu", "failed"): 2.0,
            ("cpu", "cancelled"): 1.0,
        },
        "equipoise_jobs_failed_total": {("worker_crashed",): 1.0, ("other",): 1.0},
        "equipoise_job_wait_seconds_bucket": {("cpu", "5"): 1.0},
        "equipoise_job_wait_seconds_sum": {("cpu",): 3.0},
        "equipoise_job_run_seconds_bucket": {("cpu", "300"): 1.0},
        "equipoise_job_run_seconds_sum": {("cpu",): 120.0},
    }


def test_a_job_that_is_not_taken_is_not_counted(database: sa.Engine) -> None:
    """A second insertion of the same job, and one whose transaction fails, count nothing."""
    table = JobTable(database)
    submitted(table, 1)
    with table.engine.begin() as connection:
        assert table.insert(connection, new_job(1), 1) is None

    def insert_and_fail() -> None:
        with table.engine.begin() as connection:
            table.insert(connection, new_job(2), 1)
            raise KeyError

    with pytest.raises(KeyError):
        insert_and_fail()
    with database.connect() as connection:
        assert counters.read(connection) == {SUBMITTED.name: {("cpu", "no"): 1.0}}


def test_counters_survive_restarts_and_the_removal_of_jobs(settings: Settings) -> None:
    """What was counted stays when the job is deleted and when the service starts again."""
    spec = {"spec": simulate_spec(seed=2)}
    with started(create_app(settings, prepare=fake_solver.prepare)) as api:
        job_id = api.post("/v1/jobs", json=spec).json()["id"]
        api.post(f"/v1/jobs/{job_id}/cancel")
        assert api.delete(f"/v1/jobs/{job_id}").status_code == 204
        assert value(api, "equipoise_jobs_finished_total", queue="cpu", status="cancelled") == 1.0
    with started(create_app(settings, prepare=fake_solver.prepare)) as api:
        assert value(api, "equipoise_jobs", status="cancelled") == 0.0
        assert value(api, "equipoise_jobs_finished_total", queue="cpu", status="cancelled") == 1.0
        assert value(api, "equipoise_jobs_submitted_total", queue="cpu", answered="no") == 1.0
        labels = {"route": "/v1/jobs/{job_id}", "method": "DELETE", "status": "204"}
        assert value(api, "equipoise_http_requests_total", **labels) == 1.0


def test_every_process_shows_the_same(settings: Settings) -> None:
    """A request that one process answered is on the page of another one, once it was brought there."""
    apps = [create_app(settings, prepare=fake_solver.prepare) for _ in range(2)]
    with started(apps[0]) as first, started(apps[1]) as second:
        for _ in range(3):
            first.get("/v1/limits")
        second.get("/v1/limits")
        labels = {"route": "/v1/limits", "method": "GET"}
        assert value(first, "equipoise_http_requests_total", **labels, status="200") == 3.0
        assert value(second, "equipoise_http_requests_total", **labels, status="200") == 4.0
        assert value(first, "equipoise_http_request_duration_seconds_count", **labels) == 4.0


def test_callers_cannot_make_up_labels(api: AppClient) -> None:
    """Unknown paths and methods and ids of jobs share their labels; probes are not counted."""
    for number in range(30):
        api.get(f"/v1/nothing/{number}")
        api.get(f"/v1/jobs/{number}")
        api.request(f"FETCH{number}", "/v1/limits")
    api.get("/healthz")
    family = families(api.get("/metrics").text)["equipoise_http_requests"]
    found = {(sample.labels["route"], sample.labels["method"]): sample.value for sample in family.samples}
    assert found == {
        ("other", "GET"): 30.0,
        ("/v1/jobs/{job_id}", "GET"): 30.0,
        ("/v1/limits", "other"): 30.0,
    }


def test_workers_are_shown_under_names_that_last(api: AppClient, settings: Settings) -> None:
    """Workers that are alive count by device and state; their numbers do not depend on their ids."""
    health = '{"path_steps_per_second": 2.5e6, "busy_fraction": 0.75, "memory_bytes": null}'
    rows = [
        worker_row("lab/1", started_at=2.0, health=health),
        worker_row("lab/0", started_at=3.0, status="draining"),
        worker_row("lab/2", device="cuda:1", queues="urgent,gpu"),
        worker_row("lab/3", seen_at=5.0),
        worker_row("lab/4", stopped_at=6.0),
    ]
    engine = connect(settings.database)
    with engine.begin() as connection:
        for row in rows:
            connection.execute(workers.insert().values(**row))
    engine.dispose()
    assert value(api, "equipoise_workers", device="cpu", state="ready") == 1.0
    assert value(api, "equipoise_workers", device="cpu", state="draining") == 1.0
    assert value(api, "equipoise_workers", device="cuda:1", state="ready") == 1.0
    labels = {"host": "lab", "device": "cpu", "number": "0"}
    assert value(api, "equipoise_worker_path_steps_per_second", **labels) == 2.5e6
    assert value(api, "equipoise_worker_busy_ratio", **labels) == 0.75
    assert value(api, "equipoise_queue_slots", queue="gpu") == 1.0
    # The draining worker takes no jobs any more.
    assert value(api, "equipoise_queue_slots", queue="cpu") == 1.0
    assert "lab/" not in api.get("/metrics").text


def test_many_count_at_once_and_nothing_is_lost(database: sa.Engine) -> None:
    """Transactions that count at the same time add up exactly."""

    def work() -> None:
        for _ in range(20):
            with database.begin() as connection:
                counters.add(connection, counters.of_chunk(device="cpu", path_steps=1e6, seconds=0.5))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.connect() as connection:
        found = counters.read(connection)
    assert found[PATH_STEPS.name] == {("cpu",): 120e6}
    assert found["equipoise_worker_busy_seconds_total"] == {("cpu",): 60.0}


def test_a_page_takes_as_many_queries_with_many_jobs(database: sa.Engine) -> None:
    """The number of queries does not depend on the number of jobs and users."""
    table = JobTable(database)
    reader = StateReader(database, ttl_s=30.0)
    statements: list[str] = []
    event.listen(database, "before_cursor_execute", lambda *given: statements.append(given[2]))

    def n_queries() -> int:
        statements.clear()
        state = reader.read()
        assert sum(state.jobs.values()) == sum(queue.queued for queue in state.queues)
        return len(statements)

    submitted(table, 0)
    few = n_queries()
    for number in range(1, 40):
        submitted(table, number, queue=("quick", "cpu", "gpu")[number % 3])
    assert n_queries() == few <= 6


def test_counts_wait_for_a_database_that_is_away(database: sa.Engine) -> None:
    """Requests that could not be brought to the database are brought there later, once."""
    counts = RequestCounts()
    for _ in range(3):
        counts.count({"method": "GET", "path": "/"}, 200, 0.01)
    away = sa.create_engine("sqlite:////nowhere/at/all.db")
    with pytest.raises(OperationalError):
        counts.flush(away)
    away.dispose()
    counts.count({"method": "GET", "path": "/"}, 200, 0.01)
    counts.flush(database)
    counts.flush(database)
    with database.connect() as connection:
        assert counters.read(connection)[REQUESTS.name] == {("other", "GET", "200"): 4.0}


def test_the_page_says_that_the_database_is_away(settings: Settings) -> None:
    """Without the database the page is there, says so, and has no number that would be wrong."""

    class Away(StateReader):
        def read(self) -> Any:
            raise OperationalError("SELECT 1", {}, Exception("gone"))

    app = create_app(settings, prepare=fake_solver.prepare)
    with started(app) as api:
        assert value(api, "equipoise_database_up") == 1.0
        app.dependency_overrides[get_state_reader] = lambda: Away(sa.create_engine("sqlite://"), ttl_s=1.0)
        answer = api.get("/metrics")
    assert answer.status_code == 200
    assert set(families(answer.text)) == {"equipoise_build_info", "equipoise_database_up"}
    assert "equipoise_database_up 0.0" in answer.text


def test_metrics_take_a_token(tmp_path: Path) -> None:
    """Where tokens are asked for, the page asks for one too."""
    token = "a-token-of-the-lab"
    settings = Settings(data_dir=tmp_path, token=token)
    with started(create_app(settings, prepare=fake_solver.prepare)) as api:
        assert api.get("/metrics").status_code == 401
        assert api.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("number", [0.0, 0.1, 0.1000001, 60.0, 1e9])
def test_an_observation_is_in_the_bin_that_ends_at_or_above_it(number: float) -> None:
    """The bins of a histogram are closed above, as Prometheus has them."""
    bin_, total = counters.observation(WAIT, ("cpu",), number)
    below = [edge for edge in WAIT.edges if edge < number]
    assert bin_ == Increment("equipoise_job_wait_seconds_bucket", ("cpu", bin_.labels[1]))
    expected = WAIT.edges[len(below)] if len(below) < len(WAIT.edges) else float("inf")
    assert float(bin_.labels[1]) == expected
    assert total == Increment("equipoise_job_wait_seconds_sum", ("cpu",), number)
