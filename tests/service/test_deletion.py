"""Jobs that are deleted while others delete them as well, or submit their specs again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.service import fake_solver
from tests.service.fake_solver import simulate_spec
from tests.service.workers import Bench

from equipoise_service.errors import ConflictError, NotFoundError
from equipoise_service.jobs.engine import JobQueue
from equipoise_service.jobs.job_service import JobService
from equipoise_service.jobs.job_table import Job, JobTable
from equipoise_service.jobs.submissions import Submission
from equipoise_service.settings import Settings
from equipoise_service.uploads.datasets import DatasetLibrary
from equipoise_service.users.audit import read
from equipoise_service.users.callers import LOCAL
from equipoise_solver.specs import parse_spec

SUBMISSION = Submission(parse_spec(simulate_spec(seed=1)), tags=("first",))


@dataclass
class Desk:
    """The jobs as the API has them, and what they stand on; nobody runs them."""

    jobs: JobService
    table: JobTable
    queue: JobQueue


@pytest.fixture
def desk(engine_settings: Settings, bench: Bench) -> Desk:
    """One on either kind of database."""
    return Desk(
        JobService(
            engine_settings,
            table=bench.table,
            queue=bench.queue,
            store=bench.store,
            library=DatasetLibrary(bench.database, bench.store),
            prepare=fake_solver.prepare,
        ),
        bench.table,
        bench.queue,
    )


def cancelled(desk: Desk) -> Job:
    """A job that has ended."""
    return desk.jobs.cancel(desk.jobs.submit(SUBMISSION).job.id, LOCAL)


def once_before(monkeypatch: pytest.MonkeyPatch, holder: Any, name: str, act: Callable[[], object]) -> None:
    """Do something right before the next call of a method, and only then."""
    method = getattr(holder, name)

    def acting(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(holder, name, method)
        act()
        return method(*args, **options)

    monkeypatch.setattr(holder, name, acting)


def test_a_late_deletion_leaves_the_new_job_of_the_same_id(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a finished job and its deletion another one deletes it, and it is queued anew."""
    old = cancelled(desk)

    def renew() -> None:
        desk.jobs.forget(old.id, LOCAL)
        assert desk.jobs.submit(SUBMISSION).job.id == old.id

    once_before(monkeypatch, desk.table, "locked", renew)
    with pytest.raises(ConflictError, match="is queued: cancel it first"):
        desk.jobs.forget(old.id, LOCAL)
    job = desk.jobs.get(old.id, LOCAL)
    assert (job.status, job.tags) == ("queued", ("first",))
    assert desk.queue.states([old.id]) == {old.id: "waiting"}
    assert len(read(desk.table.engine, action="delete", limit=9)) == 1


def test_of_two_deletions_one_finds_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job is deleted, and written down as deleted, once."""
    job = cancelled(desk)
    once_before(monkeypatch, desk.table, "locked", lambda: desk.jobs.forget(job.id, LOCAL))
    with pytest.raises(NotFoundError):
        desk.jobs.forget(job.id, LOCAL)
    assert desk.queue.states([job.id]) == {job.id: "unknown"}
    assert len(read(desk.table.engine, action="delete", limit=9)) == 1


def test_a_deletion_that_fails_midway_leaves_the_job(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row, records on the engine and audit entry go together, or not at all."""
    job = cancelled(desk)

    def fail() -> None:
        raise ConnectionError

    once_before(monkeypatch, desk.table, "delete", fail)
    with pytest.raises(ConnectionError):
        desk.jobs.forget(job.id, LOCAL)
    assert desk.jobs.get(job.id, LOCAL).status == "cancelled"
    assert desk.queue.states([job.id]) == {job.id: "stopped"}
    assert read(desk.table.engine, action="delete", limit=9) == []
