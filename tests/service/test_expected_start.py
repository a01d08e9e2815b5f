"""Places in the queues and expected starts, against the rule by which workers take jobs."""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.postgres import new_database

from equipoise_service.jobs.expected_start import Line, Outlooks, Rank, ahead, outlook, turn_order
from equipoise_service.jobs.fleet import Fleet, FleetWatch, Post
from equipoise_service.jobs.job_table import Job, JobTable
from equipoise_service.jobs.queues import CPU, GPU, QUICK, URGENT
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate
from equipoise_service.storage.tables import job_shards, jobs, workers
from equipoise_service.telemetry.service_state import Share, StateReader
from equipoise_service.workers.slots import in_turn

NOW = 1_000_000.0
ONE_CPU = Fleet((Post("cpu", frozenset({QUICK, URGENT, CPU}), 2),))


def started_by_one_slot(lines: dict[str, Line]) -> list[tuple[str, int]]:
    """Users and numbers of their jobs in the order in which a single slot takes them by `slots.in_turn`."""
    left = {user: line.n_waiting for user, line in lines.items()}
    order = sorted(lines, key=lambda user: turn_order(lines, user))
    served = {user: number for number, user in enumerate(order)}
    started, turn = [], len(order)
    while waiting := [user for user, n in left.items() if n > 0]:
        # When the slot is free nothing runs, so those served longest ago come first.
        user = in_turn(waiting, {}, served)[0]
        started.append((user, lines[user].n_waiting - left[user]))
        left[user] -= 1
        served[user] = turn = turn + 1
    return started


a_line = st.builds(
    Line,
    n_waiting=st.integers(0, 7),
    waiting_s=st.just(0.0),
    since=st.integers(0, 3).map(float),
    n_running=st.integers(0, 2),
)


@given(st.dictionaries(st.sampled_from("abcdef"), a_line, min_size=1))
def test_places_are_the_order_in_which_a_slot_takes_the_jobs(lines: dict[str, Line]) -> None:
    """Every job's place is the number of jobs that a slot takes before it, whoever waits."""
    for place, (user, number) in enumerate(started_by_one_slot(lines)):
        assert ahead(lines, user, Rank(number, 0.0))[0] == place


@given(st.dictionaries(st.sampled_from("abcdef"), a_line, min_size=1), st.integers(0, 6))
def test_the_kth_job_waits_for_at_most_k_jobs_of_each_other_user(lines: dict[str, Line], n: int) -> None:
    """However many jobs another user has, no more than k of them start before a user's k-th."""
    for user, line in lines.items():
        if line.n_waiting > n:
            others = sum(min(n + 1, lines[other].n_waiting) for other in lines if other != user)
            assert ahead(lines, user, Rank(n, 0.0))[0] <= n + others


def test_one_job_of_a_new_user_waits_for_one_job_of_another_with_500() -> None:
    """A user with 500 jobs in the queue is at most one job ahead of a newcomer, and none if one runs."""
    crowd = {"many": Line(500, 5000.0, 1.0, 0, 0.0), "one": Line(1, 10.0, 2.0)}
    assert ahead(crowd, "one", Rank(0, 0.0)) == (1, 10.0)
    assert ahead({**crowd, "many": Line(499, 4990.0, 1.0, 1, 10.0)}, "one", Rank(0, 0.0)) == (0, 0.0)


def expected_s(lines: Any, queue: str, user: str, fleet: Fleet = ONE_CPU, **options: Any) -> float | None:
    rank = options.pop("rank", Rank(0, 0.0))
    most = options.pop("most_running", None)
    found = outlook(lines, queue=queue, user=user, rank=rank, fleet=fleet, now=NOW, most_running=most)
    return None if found.starts_at is None else found.starts_at - NOW


def test_a_job_starts_at_once_where_a_slot_is_free() -> None:
    """With more slots than jobs that run or go before, a job starts now."""
    lines = {CPU: {"u": Line(1, 30.0, 1.0), "v": Line(0, 0.0, 0.0, 1, 40.0)}}
    assert expected_s(lines, CPU, "u", Fleet(ONE_CPU.posts * 2)) == 0.0
    assert expected_s(lines, CPU, "u") == 40.0


def test_slots_share_the_work_that_goes_before() -> None:
    """What runs and what goes before is divided by the slots that serve the queue."""
    lines = {CPU: {"u": Line(3, 30.0, 1.0, 1, 4.0), "v": Line(2, 100.0, 2.0, 1, 6.0)}}
    rank = Rank(2, 20.0)
    assert expected_s(lines, CPU, "u", rank=rank) == 4.0 + 6.0 + 20.0 + 100.0
    assert expected_s(lines, CPU, "u", Fleet(ONE_CPU.posts * 2), rank=rank) == 65.0


def test_quick_jobs_share_workers_not_slots() -> None:
    """A worker has many slots for them and computes one at a time; while slots are free one starts now."""
    lines = {QUICK: {"u": Line(1001, 50.05, 1.0, 16, 0.8)}}
    assert expected_s(lines, QUICK, "u", rank=Rank(1000, 50.0)) == pytest.approx(50.8)
    assert expected_s(lines, QUICK, "u", Fleet(ONE_CPU.posts * 2), rank=Rank(1000, 50.0)) == pytest.approx(
        25.4
    )
    assert expected_s({QUICK: {"u": Line(1, 0.05, 1.0, 9, 0.4)}}, QUICK, "u") == 0.0


def test_urgent_jobs_go_before_those_of_the_devices_and_wait_for_what_runs() -> None:
    """An urgent job is ahead of every waiting one on a device, and waits only for running ones."""
    lines = {CPU: {"u": Line(1, 30.0, 1.0, 1, 8.0)}, URGENT: {"v": Line(1, 50.0, 2.0)}}
    found = outlook(lines, queue=CPU, user="u", rank=Rank(0, 0.0), fleet=ONE_CPU, now=NOW, most_running=None)
    assert (found.position, found.starts_at) == (1, NOW + 58.0)
    assert expected_s(lines, URGENT, "v") == 8.0


def test_no_start_is_promised_while_nobody_serves_the_queue() -> None:
    """A job for a card has a place but no time while no worker with a card is there."""
    lines = {GPU: {"u": Line(1, 30.0, 1.0)}}
    assert expected_s(lines, GPU, "u") is None


def test_a_cap_on_running_jobs_delays_a_users_own() -> None:
    """With one running job at most per user, a second one waits for the first, though slots are free."""
    lines = {CPU: {"u": Line(1, 30.0, 1.0, 1, 12.0)}}
    fleet = Fleet(ONE_CPU.posts * 4)
    assert expected_s(lines, CPU, "u", fleet) == 0.0
    assert expected_s(lines, CPU, "u", fleet, most_running=1) == 12.0


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], scope="module")
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    url = f"sqlite:///{tmp_path_factory.mktemp('places') / 'test.db'}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        url = Settings(database_url=new_database(server)).database
    engine = connect(url)
    migrate(engine)
    yield engine
    engine.dispose()


def fill(engine: sa.Engine, rows: list[tuple[str, str, str, int, float]]) -> list[Job]:
    """Jobs of (queue, owner, status, priority, seconds), submitted one second after the other."""
    content = [
        {
            "id": f"job_{number:032x}",
            "content_id": f"job_{number:032x}",
            "attempt": 1,
            "task": "simulate",
            "spec": "{}",
            "spec_hash": "",
            "status": status,
            "queue": queue,
            "owner": owner,
            "priority": priority,
            "timeout_seconds": 60.0,
            "progress": 0.25 if status == "running" else 0.0,
            "live": "{}",
            "submitted_at": NOW - 1000.0 + number,
            "updated_at": NOW,
            "revision": 1,
            "cost_seconds": seconds,
        }
        for number, (queue, owner, status, priority, seconds) in enumerate(rows)
    ]
    with engine.begin() as connection:
        connection.execute(jobs.delete())
        connection.execute(job_shards.delete())
        connection.execute(workers.delete())
        connection.execute(jobs.insert(), content)
    return JobTable(engine).newest(limit=len(rows))[::-1]


def workers_are_there(engine: sa.Engine, n_workers: int) -> None:
    row = {"host": "h", "process_space": "", "process": "", "device": "cpu", "threads": 2, "version": "1"}
    with engine.begin() as connection:
        for number in range(n_workers):
            times = {"started_at": 4e9, "seen_at": 4e9}
            connection.execute(
                workers.insert().values(id=f"w{number}", queues="quick,urgent,cpu", **row, **times)
            )


def cut(engine: sa.Engine, job: Job, shards: list[tuple[str, float]]) -> None:
    """Cut a job into shards of (status, progress)."""
    rows = [
        {
            "job_id": job.id,
            "number": number,
            "status": status,
            "progress": progress,
            "live": "{}",
            "updated_at": NOW,
        }
        for number, (status, progress) in enumerate(shards)
    ]
    with engine.begin() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job.id).values(n_shards=len(rows)))
        connection.execute(job_shards.insert(), rows)


def outlooks(engine: sa.Engine, **options: Any) -> Outlooks:
    return Outlooks(engine, FleetWatch(engine, ttl_s=30.0), clock=lambda: NOW, **options)


a_row = st.tuples(
    st.sampled_from([CPU, CPU, URGENT]),
    st.sampled_from("uvw"),
    st.sampled_from(["queued", "queued", "queued", "running"]),
    st.integers(0, 2),
    st.integers(1, 9).map(float),
)


def brute_force_places(found: list[Job]) -> dict[str, int]:
    """Places by letting one slot take the jobs, urgent ones first."""
    places: dict[str, int] = {}
    for queue in (URGENT, CPU):
        own = [job for job in found if job.queue == queue]
        lines = {}
        for owner in {job.owner for job in own}:
            mine = [job for job in own if job.owner == owner]
            waiting = [job for job in mine if job.status == "queued"]
            since = min((job.submitted_at for job in waiting), default=0.0)
            lines[owner] = Line(len(waiting), 0.0, since, len(mine) - len(waiting))
        for user, number in started_by_one_slot(lines):
            mine = [job for job in own if job.owner == user and job.status == "queued"]
            mine.sort(key=lambda job: (-job.priority, job.submitted_at))
            places[mine[number].id] = len(places)
    return places


@hypothesis.settings(max_examples=40, deadline=None)
@given(st.lists(a_row, min_size=1, max_size=14))
@example([(CPU, "u", "queued", 0, 1.0), (CPU, "u", "queued", 2, 2.0), (CPU, "v", "running", 0, 3.0)])
def test_places_in_the_database_are_those_of_a_simulation(
    database: sa.Engine, rows: list[tuple[str, str, str, int, float]]
) -> None:
    """For any jobs, a page's places and each single job's are those that a simulated slot gives."""
    found = fill(database, rows)
    places = brute_force_places(found)
    page = outlooks(database).of(found)
    assert {name: place.position for name, place in page.items()} == places
    for job in found:
        single = outlooks(database).of([job])
        assert single == {name: place for name, place in page.items() if name == job.id}


def test_seconds_of_the_database_make_the_expected_start(database: sa.Engine) -> None:
    """Running jobs count with what is left of them, waiting ones with all they take."""
    found = fill(
        database,
        [(CPU, "u", "running", 0, 40.0), (CPU, "v", "queued", 0, 7.0), (CPU, "u", "queued", 0, 9.0)],
    )
    workers_are_there(database, 1)
    view = outlooks(database).of(found)
    assert [view[job.id].position for job in found[1:]] == [0, 1]
    assert [view[job.id].starts_at for job in found[1:]] == [NOW + 30.0, NOW + 37.0]
    new = outlooks(database).of_new(queue=CPU, user="w", priority=0)
    assert (new.position, new.starts_at) == (1, NOW + 37.0)


def test_running_shards_hold_slots_and_waiting_ones_go_in_turn(database: sa.Engine) -> None:
    """Shards that run hold slots; each round starts one that waits; the job itself counts nowhere."""
    found = fill(
        database,
        [(CPU, "u", "running", 0, 40.0), (CPU, "v", "queued", 0, 7.0), (CPU, "u", "queued", 0, 9.0)],
    )
    cut(database, found[0], [("done", 1.0), ("running", 0.2), ("running", 0.5), ("queued", 0.0)])
    workers_are_there(database, 2)
    left_s, waiting_s, at_a_time = 10.0 * (0.8 + 0.5), 10.0, 2
    view = outlooks(database).of(found)
    assert [view[job.id].position for job in found[1:]] == [0, 2]
    starts = [view[job.id].starts_at for job in found[1:]]
    assert starts == pytest.approx([NOW + left_s / at_a_time, NOW + (left_s + waiting_s + 7.0) / at_a_time])
    for job in found[1:]:
        assert outlooks(database).of([job]) == {job.id: view[job.id]}
    state = StateReader(database, ttl_s=30.0, clock=lambda: NOW).queues()[1]
    on_cpu = next(queue for queue in state if queue.name == CPU)
    assert on_cpu.shares == {"u": Share(queued=2, running=2), "v": Share(queued=1)}
    assert (on_cpu.running, on_cpu.queued, on_cpu.slots) == (2, 3, 2)
    assert on_cpu.oldest_at == found[0].submitted_at


def test_a_job_whose_shards_are_done_or_stopped_holds_only_what_runs(database: sa.Engine) -> None:
    """While a job is merged it holds no slot, and shards of one being cancelled do not wait any more."""
    found = fill(
        database,
        [(CPU, "u", "running", 0, 40.0), (CPU, "v", "cancelling", 0, 20.0), (CPU, "w", "queued", 0, 9.0)],
    )
    cut(database, found[0], [("done", 1.0), ("done", 1.0)])
    cut(database, found[1], [("running", 0.0), ("queued", 0.0)])
    workers_are_there(database, 2)
    assert [place.starts_at for place in outlooks(database).of(found).values()] == [NOW]
    on_cpu = next(q for q in StateReader(database, ttl_s=30.0).queues()[1] if q.name == CPU)
    assert on_cpu.shares == {"v": Share(running=1), "w": Share(queued=1)}


def test_a_page_takes_as_many_queries_as_one_job(database: sa.Engine) -> None:
    """The places of a page are read by two queries, however long it is; of finished jobs by none."""
    found = fill(database, [(CPU, "uvw"[n % 3], "queued", 0, 1.0) for n in range(60)])
    queries: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "equipoise_jobs" in statement:
            queries.append(statement)

    sa.event.listen(database, "before_cursor_execute", note)
    try:
        assert len(outlooks(database).of(found)) == 60
        assert len(queries) == 2
        assert len(outlooks(database).of(found[:1])) == 1
        assert len(queries) == 4
        assert outlooks(database).of([]) == {}
        assert len(queries) == 4
    finally:
        sa.event.remove(database, "before_cursor_execute", note)
