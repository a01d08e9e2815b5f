"""Running a job in parts: what each durable step of a shard, and of the job it belongs to, does."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import sqlalchemy as sa

from equipoise_service.errors import JOB_ERRORS
from equipoise_service.jobs.job_table import Job, JobTable
from equipoise_service.jobs.patience import in_thread
from equipoise_service.jobs.shards import Shard, ShardTable, shard_id
from equipoise_service.workers import chunks
from equipoise_service.workers.chunks import Outcome
from equipoise_service.workers.runner import NOTHING_DONE, JobRunner, State

# Between two looks of a job at its shards, [s]: at first often, for short ones.
FIRST_LOOK_S = 0.05
LOOK_EVERY_S = 0.5
# Looks between two at what the engine makes of shards that are silent.
ASK_ENGINE_EVERY = 20
# A shard that the engine has ended and that tells nothing is looked at again before its job fails of it.
_ENDED = frozenset({"ended", "failed", "stopped", "unknown"})


class ShardQueue(Protocol):
    """What is asked of the engine."""

    def enqueue_shard(
        self,
        connection: sa.Connection,
        job_id: str,
        number: int,
        *,
        queue: str,
        owner: str,
        priority: int,
        timeout_seconds: float,
    ) -> None:
        """Put a shard on a queue; one that is there stays."""
        ...

    def cancel_shards(self, job_id: str) -> None:
        """Stop the shards of a job."""
        ...

    def states(self, job_ids: Sequence[str]) -> Mapping[str, str]:
        """What the engine makes of some shards."""
        ...


class ShardRunner:
    """The steps of shards and of the jobs they belong to; each may be repeated after a crash.

    Args:
        runner: runs chunks, and ends jobs.
        table: the jobs.
        shards: their shards.
        queue: the engine.
    """

    def __init__(
        self,
        runner: JobRunner,
        table: JobTable,
        shards: ShardTable,
        queue: ShardQueue,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.runner = runner
        self._table = table
        self._shards = shards
        self._queue = queue
        self._clock = clock

    async def begin(self, job_id: str, number: int) -> State:
        """Take a shard up, and its job with it, unless that was stopped before."""
        goes_on = await asyncio.to_thread(self._begin, job_id, number)
        return {**NOTHING_DONE, "goes_on": goes_on}

    async def advance(self, job_id: str, number: int, state: State) -> State:
        """Compute one chunk of a shard and show how far the job is."""
        job = await asyncio.to_thread(self._table.get, job_id)
        if job is None or job.status != "running":
            return {**state, "goes_on": False}

        def record(outcome: Outcome) -> bool:
            return self._shards.record_progress(
                job_id, number, outcome.fraction, outcome.live, self.runner.worker
            )

        return await self.runner.advance_chunk(job, state, shard=(number, job.n_shards), record=record)

    def keep(self, job_id: str, number: int, state: State) -> None:
        """Record the last checkpoint of a shard."""
        self._shards.keep(job_id, number, state["checkpoint"], state["spent"], self.runner.worker)

    async def scatter(self, job_id: str) -> State:
        """Put the shards of a job on its queue, unless it was stopped before."""
        return {"goes_on": await asyncio.to_thread(self._scatter, job_id)}

    async def gather(self, job_id: str, pause: Callable[[], Awaitable[None]]) -> State:
        """Wait until all shards are done; says whether, and otherwise why the job does not go on."""
        delay_s, looks = FIRST_LOOK_S, 0
        silent: set[str] = set()
        while True:
            await pause()
            state = await in_thread(self._look, job_id)
            if state is not None:
                return state
            looks += 1
            if looks % ASK_ENGINE_EVERY == 0:
                ended = await in_thread(self._ended_in_silence, job_id)
                if ended & silent:
                    code = "interrupted_too_often"
                    return {"goes_on": False, "error_code": code, "error_message": JOB_ERRORS[code]}
                silent = ended
            await asyncio.sleep(delay_s)
            delay_s = min(1.5 * delay_s, LOOK_EVERY_S)

    async def merge(self, job_id: str) -> State:
        """Make the result of all shards, and end the job."""
        job = await asyncio.to_thread(self._table.get, job_id)
        if job is None or job.status != "running":
            return {"goes_on": False}
        parts = await asyncio.to_thread(self._shards.of, job_id)
        names = tuple(str(part.checkpoint) for part in parts)
        outcome = await self.runner.compute(chunks.merge, self.runner.input_of(job), names)
        if outcome.error_code is not None:
            return self.runner.failed(job_id, {"goes_on": True}, outcome)
        spent = sum(part.seconds or 0.0 for part in parts) + outcome.seconds
        await asyncio.to_thread(self.runner.succeed, job_id, outcome.result, spent)
        return {"goes_on": True, "result": outcome.result}

    def stop_orphans(self, job_id: str) -> None:
        """Stop the shards of a job that is not to go on."""
        job = self._table.get(job_id)
        if job is None or job.is_final or job.status == "cancelling":
            self._queue.cancel_shards(job_id)

    def _begin(self, job_id: str, number: int) -> bool:
        if not self._table.move(job_id, "running", worker=self.runner.worker):
            return False
        return self._shards.record_progress(job_id, number, 0.0, {}, self.runner.worker)

    def _scatter(self, job_id: str) -> bool:
        with self._table.engine.begin() as connection:
            job = self._table.find(connection, job_id)
            if job is None or job.status not in ("queued", "running"):
                return False
            for number in range(job.n_shards):
                self._shards.insert(connection, job_id, number)
                self._queue.enqueue_shard(
                    connection,
                    job_id,
                    number,
                    queue=job.queue,
                    owner=job.owner,
                    priority=job.priority,
                    timeout_seconds=job.timeout_seconds,
                )
            return True

    def _look(self, job_id: str) -> State | None:
        """What the job is to do now; None if it is to wait."""
        job = self._table.get(job_id)
        if job is None or job.status not in ("queued", "running") or self._is_out_of_time(job):
            return {"goes_on": False}
        parts = self._shards.of(job_id)
        if len(parts) == job.n_shards and all(part.status == "done" for part in parts):
            return {"goes_on": True}
        return None

    def _is_out_of_time(self, job: Job) -> bool:
        return job.started_at is not None and self._clock() - job.started_at > job.timeout_seconds

    def _ended_in_silence(self, job_id: str) -> set[str]:
        """Shards that are over for the engine, but not done."""
        open_parts: list[Shard] = [part for part in self._shards.of(job_id) if part.status != "done"]
        names = [shard_id(job_id, part.number) for part in open_parts]
        states = self._queue.states(names)
        return {name for name in names if states[name] in _ENDED}
