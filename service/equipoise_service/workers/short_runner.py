"""Running short jobs: some are computed together by a child process of their own, and end together."""

import asyncio
import contextvars
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from equipoise_service.jobs.job_table import Job
from equipoise_service.jobs.patience import in_thread
from equipoise_service.jobs.queues import QUICK, SHORT_RULE
from equipoise_service.jobs.short_jobs import Ending, ShortJobTable
from equipoise_service.jobs.time_limits import out_of_time
from equipoise_service.telemetry import tracing
from equipoise_service.workers import chunks, job_watch
from equipoise_service.workers.chunks import JobInput, Outcome
from equipoise_service.workers.health import Health
from equipoise_service.workers.runner import JobRunner
from equipoise_service.workers.slots import LOOK_FOR_LOST_EVERY_S, Slots

logger = logging.getLogger(__name__)

Start = Callable[[Coroutine[Any, Any, None]], Future[None]]
"""Runs a coroutine on the loop of the worker's jobs."""
# So many are computed by one call. The next ones are claimed meanwhile.
_TOGETHER = 8
# A call that takes long is looked at after this time, and then so often: whether one of its jobs is to
# stop, [s].
_LOOK_AFTER_S, _LOOK_EVERY_S = 1.0, 0.5
# It is given up after this time, [s]: the first one of a process compiles. Then the engine gets its jobs, for
# nobody knows which of them it hung at.
_LONGEST_CALL_S = 30.0


@dataclass(eq=False)
class _Turn:
    """A short job that this worker has claimed.

    Attributes:
        job: the job.
        given: what the child process is told of it.
        ending: what became of it; None if others took it over.
        is_alone: whether it is computed by a call of its own, because one of several failed.
        outcome: what came of computing it; None if nothing did.
    """

    job: Job
    given: JobInput
    ending: "asyncio.Future[Ending | None]"
    is_alone: bool = False
    outcome: Outcome | None = None


class ShortRunner:
    """Claims short jobs and computes them, beside what the engine runs.

    Args:
        table: the rows.
        runner: has the child processes.
        health: what this worker is doing.
        queues: names of the queues that the worker serves.
    """

    def __init__(
        self, table: ShortJobTable, runner: JobRunner, health: Health, *, queues: Sequence[str]
    ) -> None:
        self._table = table
        self._runner = runner
        self._health = health
        self._slots = [Slots(SHORT_RULE, self)] if QUICK in queues else []
        self._claimed: dict[str, Job] = {}
        self._active: set[str] = set()
        self._turns: deque[_Turn] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_computing = False

    def start(self, start: Start) -> None:
        """Begin to take short jobs.

        Args:
            start: runs a coroutine on the loop on which the child processes are.
        """
        self._start = start
        for slots in self._slots:
            slots.start()

    def close(self) -> None:
        """Take no more of them; those that were taken are computed."""
        for slots in self._slots:
            slots.close()

    @property
    def is_idle(self) -> bool:
        """Whether every job that was taken has ended."""
        return not self._active

    def keep_order(self, dead_workers: Collection[str]) -> int:
        """Hand to the engine what dead workers hold, and what this one holds without knowing it.

        Returns:
            How many jobs of the dead.
        """
        # In this order: a job that starts goes from the first to the second.
        known = set(self._claimed)
        known.update(self._active)
        n_lost = self._table.take_over([self._runner.worker], but=known, held_s=LOOK_FOR_LOST_EVERY_S)
        if n_lost:
            logger.warning("%d short jobs that were claimed, but never begun, go to the engine", n_lost)
        return self._table.take_over(dead_workers) if dead_workers else 0

    def hand_back(self) -> int:
        """Hand to the engine what this worker holds; returns how many jobs."""
        return self._table.take_over([self._runner.worker])

    def holders(self, *, silent_s: float) -> set[str]:
        """Workers that have held short jobs for so long, [s]."""
        return self._table.holders(silent_s=silent_s)

    def waiting(self, queue: str) -> list[str]:
        """Users with short jobs."""
        return self._table.waiting()

    def running(self, queue: str) -> Mapping[str, int]:
        """How many short jobs run now, on any worker, by user."""
        return self._table.running()

    def claim(self, queue: str, user: str, n_jobs: int, n_slots: int) -> list[str]:
        """Make at most some short jobs of a user this worker's; their ids."""
        found = self._table.claim(self._runner.worker, user, n_jobs)
        self._claimed.update({job.id: job for job in found})
        return [job.id for job in found]

    def start_job(self, job_id: str) -> None:
        """Compute a job that was claimed."""
        job = self._claimed[job_id]
        self._active.add(job_id)
        del self._claimed[job_id]
        try:
            self._start(self._run(job))
        except BaseException:
            self._active.discard(job_id)
            raise

    def active(self) -> Collection[str]:
        """Short jobs that run in this process."""
        return set(self._active)

    async def _run(self, job: Job) -> None:
        """See a job to its end, and free its slot."""
        try:
            with job_watch.watched(job.id, job, worker=self._runner.worker):
                with self._health.busy(job.id), tracing.span("chunk") as span:
                    given = self._runner.input_of(job)
                    turn = _Turn(job, given, asyncio.get_running_loop().create_future())
                    self._wait_in_line(turn)
                    ending = await turn.ending
                    if turn.outcome is not None:
                        span.set(path_steps=turn.outcome.path_steps, device=turn.outcome.device)
                        if turn.outcome.report:
                            logger.error("job %s failed: %s", job.id, turn.outcome.report)
                if ending is None:
                    logger.info("the job was stopped, or goes on elsewhere")
                elif ending.status == "running":
                    logger.info("the job is not over at once: it goes on as others do")
                else:
                    self._health.count_end(ending.status, ending.error_message)
                    job_watch.ended(ending.status, ending.error_code)
        finally:
            self._active.discard(job.id)
            for slots in self._slots:
                slots.release(job.id)

    def _wait_in_line(self, turn: _Turn) -> None:
        self._turns.append(turn)
        if not self._is_computing:
            self._is_computing = True
            self._begin(self._take_turns())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        # What is done for several jobs is logged and traced as work for none of them.
        task = asyncio.create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take_turns(self) -> None:
        """Compute what waits, some together, until nothing waits."""
        turns: list[_Turn] = []
        try:
            while self._turns:
                n = 1 if self._turns[0].is_alone else min(_TOGETHER, len(self._turns))
                turns = [self._turns.popleft() for _ in range(n)]
                outcomes = await self._computed(turns)
                if outcomes is None and n > 1:
                    # One of them has done it: from now on they are computed one by one.
                    for turn in turns:
                        turn.is_alone = True
                    self._turns.extendleft(reversed(turns))
                    continue
                for turn, outcome in zip(turns, outcomes or (), strict=False):
                    turn.outcome = outcome
                # Those that did not get their turn are the next.
                n_done = len(outcomes or turns)
                self._turns.extendleft(reversed(turns[n_done:]))
                # The next ones are computed while these are recorded.
                self._begin(self._record(turns[:n_done]))
        except Exception:
            logger.exception("short jobs were let go")
            _let_go([*turns, *self._turns])
            self._turns.clear()
        finally:
            self._is_computing = False

    async def _computed(self, turns: Sequence[_Turn]) -> Sequence[Outcome] | None:
        """What comes of the first of some jobs, empty if the call hung; None if one of them ended it."""
        if turns[0].is_alone:
            stopped = await in_thread(self._table.stopped, [turns[0].job])
            if stopped:
                return []
        given = [turn.given for turn in turns]
        call = asyncio.create_task(self._runner.compute(chunks.solve_together, given, turn="quick"))
        give_up, wait_s, has_hung = time.monotonic() + _LONGEST_CALL_S, _LOOK_AFTER_S, False
        while not (await asyncio.wait({call}, timeout=wait_s))[0]:
            wait_s, has_hung = _LOOK_EVERY_S, time.monotonic() > give_up
            if has_hung or await self._has_stopped(turns):
                call.cancel()
        if call.cancelled():
            return [] if has_hung else None
        if call.exception() is not None:
            logger.error("short jobs were not computed", exc_info=call.exception())
            return None
        found: Sequence[Outcome] = call.result()
        return found

    async def _has_stopped(self, turns: Sequence[_Turn]) -> bool:
        """Whether one of those that are computed is to stop; those that wait and are to stop are let go."""
        waiting = list(self._turns)
        stopped = await in_thread(self._table.stopped, [turn.job for turn in (*turns, *waiting)])
        ends = [turn for turn in waiting if turn.job.id in stopped]
        for turn in ends:
            self._turns.remove(turn)
        if ends:
            self._begin(self._record(ends))
        return any(turn.job.id in stopped for turn in turns)

    async def _record(self, turns: Sequence[_Turn]) -> None:
        """End the jobs, and let go of them."""
        try:
            endings = await in_thread(lambda: [self._ending(turn.job, turn.outcome) for turn in turns])
            ended = await in_thread(self._table.end, self._runner.worker, endings)
            for turn in turns:
                turn.ending.set_result(ended.get(turn.job.id))
        except Exception:
            logger.exception("short jobs were not recorded")
        finally:
            _let_go(turns)

    def _ending(self, job: Job, outcome: Outcome | None) -> Ending:
        """What becomes of a job, if nobody stopped it."""
        if outcome is not None and outcome.error_code is not None:
            code, message = outcome.error_code, outcome.error_message
            return Ending(job, "failed", error_code=code, error_message=message)
        if outcome is not None and outcome.is_done:
            counted, seconds = self._runner.learned(outcome), round(outcome.seconds, 6)
            return Ending(job, "succeeded", result=outcome.result, seconds=seconds, counted=counted)
        if self._table.is_late(job):
            return Ending(job, "timed_out", **out_of_time(job))
        # One that was not computed is tried again as it is.
        return Ending(job, "running", is_long=outcome is not None)


def _let_go(turns: Iterable[_Turn]) -> None:
    """Free the slots of jobs; those that did not end are handed to the engine when order is kept next."""
    for turn in turns:
        if not turn.ending.done():
            turn.ending.set_result(None)
