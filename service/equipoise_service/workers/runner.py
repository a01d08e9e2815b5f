"""Running a job: what each durable step does, independent of the engine that makes it durable."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import anyio
from anyio import to_process

from equipoise_service.errors import JOB_ERRORS
from equipoise_service.jobs.calibrations import Calibrations
from equipoise_service.jobs.job_table import Job, JobTable, Status
from equipoise_service.jobs.queues import QUICK, SHORT_S
from equipoise_service.jobs.time_limits import out_of_time
from equipoise_service.storage.store import Store, checkpoint_folder
from equipoise_service.telemetry import counters, logs, tracing
from equipoise_service.telemetry.counters import Increment
from equipoise_service.workers import chunks, job_watch
from equipoise_service.workers.chunks import JobInput, Outcome
from equipoise_service.workers.health import Health
from equipoise_service.workers.pacing import next_budget

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunnerOptions:
    """How a worker computes."""

    worker: str
    threads: int
    solver: str
    aim_seconds: float
    device: str = "cpu"


Turn = Literal["device", "quick"]
"""For what a child process computes: a job of the device, or short ones beside it."""
State = dict[str, Any]
"""Recorded output of a step, JSON: checkpoint, superseded, budget, seconds, spent, device, is_done, goes_on;
is_over, if nothing is left to do; or error_code and error_message."""
NOTHING_DONE: State = {"checkpoint": None, "budget": None, "seconds": 0.0, "spent": 0.0}


class JobRunner:
    """The steps of a job. Each may be repeated after a crash: file names are fresh, status moves guarded."""

    def __init__(
        self,
        table: JobTable,
        store: Store,
        options: RunnerOptions,
        *,
        calibrations: Calibrations,
        health: Health,
    ) -> None:
        self._table = table
        self._store = store
        self._options = options
        self._calibrations = calibrations
        self._health = health
        self._turns: dict[Turn, anyio.CapacityLimiter] = {}

    @property
    def worker(self) -> str:
        """Id of the worker."""
        return self._options.worker

    async def warm_up(self) -> None:
        """Start a child process and let it import the solver."""
        await self.compute(os.getpid)

    def watch(self, job_id: str) -> AbstractContextManager[None]:
        """What is logged and traced in this context is about a job."""
        return job_watch.watched(job_id, self._table.get(job_id), worker=self.worker)

    async def begin(self, job_id: str) -> State:
        """Take the job up, unless it was stopped before; one of milliseconds is computed to its end."""
        job = await asyncio.to_thread(self._table.take_up, job_id, self.worker)
        state = {**NOTHING_DONE, "goes_on": job is not None}
        return state if job is None or not _is_over_soon(job) else await self._solve_at_once(job, state)

    async def advance(self, job_id: str, state: State) -> State:
        """Compute one chunk and show how far the job is."""
        job = await asyncio.to_thread(self._table.get, job_id)
        if job is None or job.status != "running":
            return {**state, "goes_on": False}
        if job.worker != self.worker:  # Taken over from another one.
            await asyncio.to_thread(self._table.move, job_id, "running", worker=self.worker)

        def record(outcome: Outcome) -> bool:
            return self._table.record_progress(job_id, outcome.fraction, outcome.live, self.worker)

        return await self.advance_chunk(job, state, record=record)

    async def advance_chunk(
        self,
        job: Job,
        state: State,
        *,
        record: Callable[[Outcome], bool],
        shard: tuple[int, int] | None = None,
    ) -> State:
        """Compute one chunk of a job, or of one of its shards.

        Args:
            job: the job.
            state: output of the step before.
            record: shows how far it is; False if it is not to go on.
            shard: number of the shard and of how many; None for a job in one piece.
        """
        budget = next_budget(
            state["budget"], state["seconds"], state["spent"], aim_seconds=self._options.aim_seconds
        )
        given = self.input_of(job, shard=shard, begun_on=state.get("device"))
        with self._health.busy(job.id), tracing.span("chunk") as span:
            outcome = await self.compute(chunks.advance, given, state["checkpoint"], budget)
            span.set(path_steps=outcome.path_steps, device=outcome.device)
        if outcome.error_code is not None:
            return self.failed(job.id, state, outcome)
        goes_on = await asyncio.to_thread(record, outcome)
        await asyncio.to_thread(self._measure, outcome)
        if state.get("superseded"):
            await asyncio.to_thread(self._store.remove, state["superseded"])
        return {
            "checkpoint": outcome.checkpoint,
            "superseded": state["checkpoint"],
            "budget": budget,
            "seconds": outcome.seconds,
            "spent": state["spent"] + outcome.seconds,
            "device": outcome.device,
            "is_done": outcome.is_done,
            "goes_on": goes_on,
        }

    async def publish(self, job_id: str, state: State) -> State:
        """Write the result of a job that is done, and end it."""
        job = await asyncio.to_thread(self._table.get, job_id)
        if job is None or job.status != "running":
            return {**state, "goes_on": False}
        given = self.input_of(job, begun_on=state.get("device"))
        outcome = await self.compute(chunks.finish, given, state["checkpoint"])
        if outcome.error_code is not None:
            return self.failed(job_id, state, outcome)
        spent = state["spent"] + outcome.seconds
        await asyncio.to_thread(self.succeed, job_id, outcome.result, spent)
        return {**state, "result": outcome.result, "spent": spent}

    def succeed(
        self, job_id: str, result: str | None, spent_s: float, *, counted: Sequence[Increment] = ()
    ) -> bool:
        """End the job with its result; what else it counts is counted with that."""
        seconds = round(spent_s, 6)
        return self.end(job_id, "succeeded", counted=counted, result=result, seconds=seconds, progress=1.0)

    def end(self, job_id: str, status: Status, *, counted: Sequence[Increment] = (), **changes: Any) -> bool:
        """Move the job to its end and remove its checkpoints."""
        moved = self._table.move(job_id, status, counted=counted, **changes)
        if moved:
            self._health.count_end(status, changes.get("error_message"))
            job_watch.ended(status, changes.get("error_code"))
        self._store.remove_folder(checkpoint_folder(job_id))
        return moved

    def fail(self, job_id: str, code: str, message: str | None = None) -> bool:
        """End the job with an error."""
        return self.end(job_id, "failed", error_code=code, error_message=message or JOB_ERRORS[code])

    def stop(self, job_id: str) -> None:
        """End a job that the engine stopped: cancelled if somebody asked for it, else out of time."""
        if not self.end(job_id, "cancelled"):
            self.end(job_id, "timed_out", **out_of_time(self._table.get(job_id)))

    def failed(self, job_id: str, state: State, outcome: Outcome) -> State:
        """Output of a step that could not be done."""
        if outcome.report:
            logger.error("job %s failed: %s", job_id, outcome.report)
        return {**state, "error_code": outcome.error_code, "error_message": outcome.error_message}

    def input_of(
        self, job: Job, *, shard: tuple[int, int] | None = None, begun_on: str | None = None
    ) -> JobInput:
        """What the child process needs to know of a job.

        Args:
            job: the job.
            shard: number of the shard and of how many.
            begun_on: class of the device that its checkpoint was computed on.
        """
        return JobInput(
            job_id=job.id,
            spec=job.spec,
            store_url=self._store.url,
            solver=self._options.solver,
            threads=self._options.threads,
            device=self._device_of(job),
            shard=shard,
            begun_on=begun_on,
            about=logs.context(),
        )

    async def compute(self, function: Callable[..., Any], *args: Any, turn: Turn = "device") -> Any:
        """Run a function in a warm child process; of each kind of turn one call computes at a time."""
        if turn not in self._turns:
            self._turns[turn] = anyio.CapacityLimiter(1)
        # Any child that is idle takes the call; there is a second one only once both kinds meet.
        ready = (os.getpid(), self._options.solver, logs.options())
        self._health.children[turn], found = await to_process.run_sync(
            chunks.call, *ready, function, *args, cancellable=True, limiter=self._turns[turn]
        )
        return found

    async def _solve_at_once(self, job: Job, state: State) -> State:
        """Compute a job without checkpoints; after a crash it begins again, which costs less than they do.

        One that takes far longer than was expected begins again as well, and goes on with checkpoints.
        """
        given = self.input_of(job)
        if job.is_closed_form:
            # A closed form never waits behind a simulation: a thread of this process computes it.
            outcome: Outcome = await asyncio.to_thread(chunks.solve_at_once, given)
        else:
            with self._health.busy(job.id), tracing.span("chunk") as span:
                outcome = await self.compute(chunks.solve_at_once, given)
                span.set(path_steps=outcome.path_steps, device=outcome.device)
        if outcome.error_code is not None:
            return self.failed(job.id, state, outcome)
        if not outcome.is_done:
            logger.info("the job takes longer than was expected: it goes on in chunks")
            return state
        has_succeeded = await asyncio.to_thread(self._conclude, job, outcome)
        return {**state, "is_over": has_succeeded, "goes_on": has_succeeded}

    def _conclude(self, job: Job, outcome: Outcome) -> bool:
        # Estimates are those of what a computing process does.
        counted = () if job.is_closed_form else self.learned(outcome)
        return self.succeed(job.id, outcome.result, outcome.seconds, counted=counted)

    def _device_of(self, job: Job) -> str:
        """The device that a job computes on: its class must not depend on who takes which shard."""
        on_card = job.queue == "gpu" or (job.queue == "urgent" and job.n_shards == 1)
        return self._options.device if on_card else "cpu"

    def _measure(self, outcome: Outcome) -> None:
        """Count a chunk, and let what it took correct the estimates; no reason for a job to fail."""
        counted = self.learned(outcome)
        try:
            with self._table.engine.begin() as connection:
                counters.add(connection, counted)
        except Exception:
            logger.exception("a chunk was not counted")

    def learned(self, outcome: Outcome) -> Sequence[Increment]:
        """What a chunk is counted as; the time it took corrects the estimates."""
        self._health.count_chunk(outcome.path_steps, outcome.seconds)
        threads = self._options.threads if outcome.device == "cpu" else 1
        try:
            self._calibrations.record(
                outcome.device,
                outcome.kind,
                outcome.predicted_s / threads,
                outcome.seconds,
                process=outcome.process,
            )
        except Exception:
            logger.exception("the time of a chunk was not recorded")
        return counters.of_chunk(
            device=self._options.device, path_steps=outcome.path_steps, seconds=outcome.seconds
        )


def _is_over_soon(job: Job) -> bool:
    return job.queue == QUICK or (job.cost_seconds is not None and job.cost_seconds < SHORT_S)
