"""Running a job: what each durable step does, independent of the engine that makes it durable."""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
from anyio import to_process

from equipoise_service import chunks
from equipoise_service.chunks import JobInput, Outcome
from equipoise_service.errors import JOB_ERRORS
from equipoise_service.job_table import Job, JobTable, Status
from equipoise_service.pacing import next_budget
from equipoise_service.store import Store, checkpoint_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunnerOptions:
    """How a worker computes."""

    worker: str
    threads: int
    solver: str
    aim_seconds: float


State = dict[str, Any]
"""Recorded output of a step, JSON: checkpoint, superseded, budget, seconds, spent, is_done, goes_on."""


class JobRunner:
    """The steps of a job. Each may be repeated after a crash: file names are fresh, status moves guarded."""

    def __init__(self, table: JobTable, store: Store, options: RunnerOptions) -> None:
        self._table = table
        self._store = store
        self._options = options
        self._device: anyio.CapacityLimiter | None = None

    async def warm_up(self) -> None:
        """Start the child process and let it import the solver."""
        await self._compute(chunks.make_ready, os.getpid(), self._options.solver)

    async def begin(self, job_id: str) -> State:
        """Take the job up, unless it was stopped before."""
        goes_on = await asyncio.to_thread(self._table.move, job_id, "running", worker=self._options.worker)
        return {"checkpoint": None, "budget": None, "seconds": 0.0, "spent": 0.0, "goes_on": goes_on}

    async def advance(self, job_id: str, state: State) -> State:
        """Compute one chunk and show how far the job is."""
        job = await asyncio.to_thread(self._table.get, job_id)
        if job is None or job.status != "running":
            return {**state, "goes_on": False}
        if job.worker != self._options.worker:  # Taken over from another one.
            await asyncio.to_thread(self._table.move, job_id, "running", worker=self._options.worker)
        if job.queue == "quick":
            return await self._solve_quick(job, state)
        budget = next_budget(
            state["budget"], state["seconds"], state["spent"], aim_seconds=self._options.aim_seconds
        )
        await self.warm_up()
        outcome = await self._compute(chunks.advance, self._input(job), state["checkpoint"], budget)
        if outcome.error_code is not None:
            return self._failed(job_id, state, outcome)
        goes_on = await asyncio.to_thread(
            self._table.record_progress, job_id, outcome.fraction, outcome.live, self._options.worker
        )
        if state.get("superseded"):
            await asyncio.to_thread(self._store.remove, state["superseded"])
        return {
            "checkpoint": outcome.checkpoint,
            "superseded": state["checkpoint"],
            "budget": budget,
            "seconds": outcome.seconds,
            "spent": state["spent"] + outcome.seconds,
            "is_done": outcome.is_done,
            "goes_on": goes_on,
        }

    async def publish(self, job_id: str, state: State) -> State:
        """Write the result of a job that is done, and end it."""
        result, spent = state.get("result"), state["spent"]
        if result is None:
            job = await asyncio.to_thread(self._table.get, job_id)
            if job is None or job.status != "running":
                return {**state, "goes_on": False}
            await self.warm_up()
            outcome = await self._compute(chunks.finish, self._input(job), state["checkpoint"])
            if outcome.error_code is not None:
                return self._failed(job_id, state, outcome)
            result, spent = outcome.result, spent + outcome.seconds
        await asyncio.to_thread(
            self.end, job_id, "succeeded", result=result, seconds=round(spent, 6), progress=1.0
        )
        return {**state, "result": result, "spent": spent}

    def end(self, job_id: str, status: Status, **changes: Any) -> bool:
        """Move the job to its end and remove its checkpoints."""
        moved = self._table.move(job_id, status, **changes)
        self._store.remove_folder(checkpoint_folder(job_id))
        return moved

    def fail(self, job_id: str, code: str, message: str | None = None) -> bool:
        """End the job with an error."""
        return self.end(job_id, "failed", error_code=code, error_message=message or JOB_ERRORS[code])

    def stop(self, job_id: str) -> None:
        """End a job that the engine stopped: cancelled if somebody asked for it, else out of time."""
        if not self.end(job_id, "cancelled"):
            self.end(job_id, "timed_out", **out_of_time(self._table.get(job_id)))

    async def _solve_quick(self, job: Job, state: State) -> State:
        # Small and bounded: a thread of this process does, so that it never waits behind a simulation.
        outcome = await asyncio.to_thread(chunks.solve_at_once, self._input(job))
        if outcome.error_code is not None:
            return self._failed(job.id, state, outcome)
        return {**state, "result": outcome.result, "spent": outcome.seconds, "is_done": True}

    def _failed(self, job_id: str, state: State, outcome: Outcome) -> State:
        if outcome.report:
            logger.error("job %s failed: %s", job_id, outcome.report)
        return {**state, "error_code": outcome.error_code, "error_message": outcome.error_message}

    def _input(self, job: Job) -> JobInput:
        return JobInput(
            job_id=job.id,
            spec=job.spec,
            store_url=self._store.url,
            solver=self._options.solver,
            threads=self._options.threads,
        )

    async def _compute(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function in the warm child process; only one call computes at a time."""
        if self._device is None:
            self._device = anyio.CapacityLimiter(1)
        return await to_process.run_sync(function, *args, cancellable=True, limiter=self._device)


def out_of_time(job: Job | None) -> dict[str, Any]:
    """Error columns of a job that ran out of time."""
    limit = f"{job.timeout_seconds:g} s" if job else "its time limit"
    return {
        "error_code": "timed_out",
        "error_message": f"The job ran longer than {limit}. Ask for less, or raise timeout_seconds.",
    }
