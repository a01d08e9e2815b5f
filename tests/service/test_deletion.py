"""Jobs that are deleted while others delete them as well, or submit their specs again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.service import fake_solver
from tests.service.fake_solver import simulate_spec
from tests.service.workers import Bench

from equipoise_service.errors import ConflictError, NotFoundError, OverloadedError
from equipoise_service.jobs.engine_queue import JobQueue
from equipoise_service.jobs.job_service import JobService
from equipoise_service.jobs.job_table import Job, JobTable
from equipoise_service.jobs.submissions import Submission
from equipoise_service.settings import Settings
from equipoise_service.storage.tables import job_tags, jobs
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


@pytest.mark.parametrize("key", [None, "once"])
def test_a_submission_whose_job_is_deleted_begins_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    """Found by its spec or by its key, and deleted before it is held: the job is queued anew."""
    submission = replace(SUBMISSION, idempotency_key=key)
    old = desk.jobs.submit(submission).job
    with desk.table.engine.begin() as connection:
        connection.execute(sa.update(jobs).values(status="succeeded"))

    def forget() -> None:
        desk.jobs.forget(old.id, LOCAL)

    once_before(monkeypatch, desk.table, "kept" if key is None else "find", forget)
    job, is_new = desk.jobs.submit(submission)
    assert (job.id, job.status, job.tags, is_new) == (old.id, "queued", ("first",), True)
    assert desk.queue.states([job.id]) == {job.id: "waiting"}


def test_a_submission_whose_job_is_always_deleted_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins again only so often, then it asks to come back."""
    desk.jobs.submit(SUBMISSION)
    monkeypatch.setattr(desk.table, "kept", lambda *_: False)
    with pytest.raises(OverloadedError, match="again and again"):
        desk.jobs.submit(SUBMISSION)


def test_a_job_that_a_submission_holds_is_deleted_after_it(desk: Desk) -> None:
    """No tag is left behind without its job."""
    job = cancelled(desk)
    with ThreadPoolExecutor(1) as deleting:
        with desk.table.engine.begin() as connection:
            assert desk.table.kept(connection, job.id)
            deletion = deleting.submit(desk.jobs.forget, job.id, LOCAL)
            desk.table.add_tags(connection, job.id, ["first", "second"])
            found = desk.table.find(connection, job.id)
            assert found is not None
            assert found.tags == ("first", "second")
        deletion.result()
    with desk.table.engine.connect() as connection:
        assert connection.execute(sa.select(job_tags)).all() == []


def test_two_submissions_may_add_the_same_tag(desk: Desk) -> None:
    """The tag that another one adds this moment is waited for, and is there once."""
    job = desk.jobs.submit(SUBMISSION).job
    with ThreadPoolExecutor(1) as other:
        with desk.table.engine.begin() as connection:
            desk.table.add_tags(connection, job.id, ["second"])
            receipt = other.submit(desk.jobs.submit, replace(SUBMISSION, tags=("second", "third")))
        assert receipt.result().job.tags == ("first", "second", "third")
