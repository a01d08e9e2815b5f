"""The caps on unfinished jobs hold for submissions that come at the same time."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.service import fake_solver
from tests.service.fake_solver import simulate_spec
from tests.service.workers import Bench
from tests.support.servers import wait_until

from equipoise_service.errors import MalformedError, OverloadedError
from equipoise_service.jobs.job_service import JobService
from equipoise_service.jobs.submissions import Receipt, Submission
from equipoise_service.settings import Settings
from equipoise_service.uploads.datasets import DatasetLibrary
from equipoise_service.users.callers import Caller
from equipoise_solver.specs import parse_spec

ADA, BEN = (Caller(user, frozenset({"submit", "read"})) for user in ("ada", "ben"))
FIRST = Submission(parse_spec(simulate_spec(seed=1)), caller=ADA)
OTHER = replace(FIRST, spec=parse_spec(simulate_spec(seed=2)))


def both(
    bench: Bench,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    second: Submission,
    **caps: int,
) -> tuple[Receipt, Future[Receipt]]:
    """What becomes of FIRST, and of another submission that comes after FIRST has counted the jobs."""
    library = DatasetLibrary(bench.database, bench.store)
    service = JobService(
        settings.model_copy(update=caps),
        table=bench.table,
        queue=bench.queue,
        store=bench.store,
        library=library,
        prepare=fake_solver.prepare,
    )
    enqueue, late = bench.queue.enqueue, Future[Receipt]()

    def is_stopped() -> bool:
        """Whether the second one has ended, or waits for the first; SQLite does not show who waits."""
        if late.done() or bench.database.dialect.name == "sqlite":
            return True
        with bench.database.connect() as connection:
            return bool(connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

    with ThreadPoolExecutor(1) as pool:

        def enqueue_late(*args: Any, **options: Any) -> None:
            nonlocal late
            monkeypatch.setattr(bench.queue, "enqueue", enqueue)
            late = pool.submit(service.submit, second)
            wait_until(is_stopped, what="the second submission waits or ends")
            enqueue(*args, **options)

        monkeypatch.setattr(bench.queue, "enqueue", enqueue_late)
        first = service.submit(FIRST)
    return first, late


def test_the_cap_of_a_user_holds(
    bench: Bench, engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two jobs at the same time the second is one too many."""
    first, late = both(bench, engine_settings, monkeypatch, OTHER, max_unfinished_jobs_per_user=1)
    with pytest.raises(MalformedError, match="1 jobs of yours wait or run already"):
        late.result()
    assert [job.id for job in bench.table.newest(limit=9)] == [first.job.id]


def test_the_cap_of_all_users_holds(
    bench: Bench, engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users wait for each other where the room may not do for both."""
    second = replace(OTHER, caller=BEN)
    first, late = both(bench, engine_settings, monkeypatch, second, max_unfinished_jobs=1)
    with pytest.raises(OverloadedError, match="1 jobs wait or run already"):
        late.result()
    assert [job.id for job in bench.table.newest(limit=9)] == [first.job.id]


def test_users_do_not_wait_for_each_other_where_there_is_room(
    bench: Bench, engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caps on each user, met by both, refuse neither."""
    second = replace(OTHER, caller=BEN)
    first, late = both(bench, engine_settings, monkeypatch, second, max_unfinished_jobs_per_user=1)
    assert (first.is_new, late.result().is_new) == (True, True)


def test_the_same_spec_twice_at_once_is_one_job_however_little_room_is_left(
    bench: Bench, engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is not refused: it finds the job of the first."""
    first, late = both(bench, engine_settings, monkeypatch, FIRST, max_unfinished_jobs_per_user=1)
    assert (late.result().job.id, late.result().is_new) == (first.job.id, False)
