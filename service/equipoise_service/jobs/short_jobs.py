"""The rows of short jobs: simulations of milliseconds, which the job engine would record for longer than they
run.

A worker claims some of them, computes them together and ends them together. What is not over at once, because
it takes longer than expected or its worker died, is handed to the engine, which sees it through.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from equipoise_service.jobs.engine_queue import JobQueue
from equipoise_service.jobs.job_table import IS_SHORT, IS_WAITING_SHORT, Job, Status, job_of
from equipoise_service.jobs.queues import CPU
from equipoise_service.storage.database import become_writer
from equipoise_service.storage.tables import jobs
from equipoise_service.telemetry import counters
from equipoise_service.telemetry.counters import Increment

# What is left at least of the time of a job that is handed over, [s]: the engine stops it then.
_LEAST_TIME_S = 0.01


@dataclass(frozen=True)
class Ending:
    """What becomes of a short job after it was computed.

    Attributes:
        job: the job.
        status: how it ends; "running" if the engine is to go on with it.
        result: SHA-256 of the result's bytes.
        seconds: time of computing, [s].
        error_code, error_message: why it has no result.
        is_long: whether it was computed for longer than was expected; then nothing is expected any more.
        counted: what is counted with it.
    """

    job: Job
    status: Status
    result: str | None = None
    seconds: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    is_long: bool = False
    counted: Sequence[Increment] = ()


class ShortJobTable:
    """Queries on short jobs.

    Args:
        engine: database of the service.
        queue: takes those that are handed over.
        clock: seconds since 1970.
    """

    def __init__(self, engine: sa.Engine, queue: JobQueue, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._queue = queue
        self._clock = clock

    def waiting(self) -> list[str]:
        """Users whose short jobs wait."""
        with self._engine.connect() as connection:
            return list(connection.scalars(_WAITING))

    def running(self) -> Mapping[str, int]:
        """How many short jobs run now, on any worker, by user."""
        with self._engine.connect() as connection:
            return {row.owner: row.n for row in connection.execute(_RUNNING)}

    def claim(self, worker: str, user: str, n_jobs: int) -> list[Job]:
        """Let the next short jobs of a user run on a worker; none if other workers are quicker."""
        with self._engine.begin() as connection:
            # The driver of SQLite takes a statement that begins with WITH for no write, and begins nothing.
            become_writer(connection)
            now = self._clock()
            given = {"by_worker": worker, "of_user": user, "n_jobs": n_jobs, "now": now}
            rows = connection.execute(_CLAIM, given).all()
            counters.add(connection, [one for row in rows for one in counters.of_move(row, "running", now)])
        found = [job_of(row._mapping) for row in rows]
        return sorted(found, key=lambda job: (-job.priority, job.submitted_at))

    def end(self, worker: str, endings: Sequence[Ending]) -> dict[str, Ending]:
        """End short jobs of a worker, or hand them to the engine, in one transaction.

        Returns:
            What became of each that the worker still held, by id; one that was stopped meanwhile is
            cancelled.
        """
        by_id = {ending.job.id: ending for ending in endings}
        with self._engine.begin() as connection:
            become_writer(connection)
            now = self._clock()
            held = connection.execute(_HELD, {"ids": list(by_id), "worker": worker}).all()
            final = [_stopped_or(by_id[row.id], row.status) for row in held if _is_of(row, by_id[row.id].job)]
            over = [ending for ending in final if ending.status != "running"]
            if over:
                connection.execute(_END, [_columns(ending, now) for ending in over])
                counters.add(connection, [one for ending in over for one in _counted(ending, now)])
            for ending in final:
                if ending.status == "running":
                    self._hand_over(connection, ending.job, now, is_long=ending.is_long)
        return {ending.job.id: ending for ending in final}

    def stopped(self, batch: Collection[Job]) -> set[str]:
        """Ids of those among some claimed jobs that are to stop: cancelled, taken over, or out of time."""
        found = {job.id: job for job in batch}
        with self._engine.connect() as connection:
            rows = connection.execute(_RUNNING_NOW, {"ids": list(found)}).all()
        running = {row.id for row in rows if _is_of(row, found[row.id])}
        return (found.keys() - running) | {job.id for job in batch if self.is_late(job)}

    def is_late(self, job: Job) -> bool:
        """Whether a job has run for longer than it may."""
        return job.started_at is not None and self._clock() - job.started_at > job.timeout_seconds

    def holders(self, *, silent_s: float) -> set[str]:
        """Workers that hold short jobs, and have held them for so long, [s]."""
        with self._engine.connect() as connection:
            before = self._clock() - silent_s
            return {str(worker) for worker in connection.scalars(_HOLDERS, {"before": before})}

    def take_over(self, workers: Collection[str], *, but: Collection[str] = (), held_s: float = 0.0) -> int:
        """Hand the short jobs that workers hold to the engine; returns how many.

        Args:
            workers: workers that are dead, or end.
            but: ids of jobs that are left alone.
            held_s: jobs that were claimed since then are left alone, [s].
        """
        given = {"workers": list(workers)}
        with self._engine.connect() as connection:
            # Times of other machines are not compared with ours: their clocks may differ.
            latest = self._clock() - held_s if held_s else math.inf
            rows = connection.execute(_HELD_BY, given).all()
            found = {row.id for row in rows if row.updated_at <= latest}.difference(but)
        if not found:
            return 0
        with self._engine.begin() as connection:
            become_writer(connection)
            locked = connection.execute(_HELD_BY.with_for_update(), given).mappings().all()
            taken = [job_of(row) for row in locked if row["id"] in found]
            for job in taken:
                self._hand_over(connection, job, self._clock(), is_long=False)
        return len(taken)

    def _hand_over(self, connection: sa.Connection, job: Job, now: float, *, is_long: bool) -> None:
        """Put a job that runs on the queue of the processors, with the time that it has left."""
        values = {"queue": CPU, "updated_at": now, "revision": jobs.c.revision + 1}
        if is_long:
            values["cost_seconds"] = None
        connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(values))
        self._queue.enqueue(
            connection,
            job.id,
            queue=CPU,
            owner=job.owner,
            priority=job.priority,
            timeout_seconds=max(job.timeout_seconds - (now - (job.started_at or now)), _LEAST_TIME_S),
        )


def _is_of(row: Any, job: Job) -> bool:
    """Whether a row is of that claim: a job that was deleted and submitted again has the same id."""
    return bool(row.started_at == job.started_at)


def _stopped_or(ending: Ending, status: Status) -> Ending:
    """An ending, or that of a job that was cancelled meanwhile."""
    return ending if status == "running" else Ending(ending.job, "cancelled")


def _columns(ending: Ending, now: float) -> dict[str, Any]:
    is_whole = ending.status == "succeeded"
    return {
        "of_job": ending.job.id,
        "status": ending.status,
        "progress": 1.0 if is_whole else ending.job.progress,
        "result": ending.result,
        "seconds": ending.seconds,
        "error_code": ending.error_code,
        "error_message": ending.error_message,
        "finished_at": now,
        "updated_at": now,
    }


def _counted(ending: Ending, now: float) -> list[Increment]:
    ended = replace(ending.job, error_code=ending.error_code)
    return [*ending.counted, *counters.of_move(ended, ending.status, now)]


_WAITING = sa.select(jobs.c.owner).where(IS_WAITING_SHORT).distinct()
_RUNNING = (
    sa.select(jobs.c.owner, sa.func.count().label("n"))
    .where(IS_SHORT, jobs.c.status == "running")
    .group_by(jobs.c.owner)
)
_NEXT = (
    sa.select(jobs.c.id)
    .where(IS_WAITING_SHORT, jobs.c.owner == sa.bindparam("of_user"))
    .order_by(jobs.c.priority.desc(), jobs.c.submitted_at, jobs.c.id)
    .limit(sa.bindparam("n_jobs", type_=sa.Integer))
    .with_for_update(skip_locked=True)
    .cte("next_jobs")  # Evaluated once, which the limit needs.
)
_CLAIM = (
    sa.update(jobs)
    .where(jobs.c.id.in_(sa.select(_NEXT.c.id)))
    .values(
        status="running",
        worker=sa.bindparam("by_worker"),
        started_at=sa.bindparam("now"),
        updated_at=sa.bindparam("now"),
        revision=jobs.c.revision + 1,
    )
    .returning(*jobs.c, sa.literal("").label("tags"))
)
_IS_HELD = sa.and_(IS_SHORT, jobs.c.status.in_(("running", "cancelling")))
_HELD = (
    sa.select(jobs.c.id, jobs.c.status, jobs.c.started_at)
    .where(_IS_HELD, jobs.c.worker == sa.bindparam("worker"))
    .where(jobs.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(jobs.c.id)
    .with_for_update()
)
_HELD_BY = (
    sa.select(*jobs.c, sa.literal("").label("tags"))
    .where(IS_SHORT, jobs.c.status == "running")
    .where(jobs.c.worker.in_(sa.bindparam("workers", expanding=True)))
    .order_by(jobs.c.id)
)
# What else it sets are the columns that it is given.
_END = sa.update(jobs).where(jobs.c.id == sa.bindparam("of_job")).values(revision=jobs.c.revision + 1)
_RUNNING_NOW = sa.select(jobs.c.id, jobs.c.started_at).where(
    IS_SHORT, jobs.c.status == "running", jobs.c.id.in_(sa.bindparam("ids", expanding=True))
)
_HOLDERS = sa.select(jobs.c.worker).where(_IS_HELD, jobs.c.updated_at < sa.bindparam("before")).distinct()
