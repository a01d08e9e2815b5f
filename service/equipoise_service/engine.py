"""The job engine: the only module that knows DBOS, so that it can be replaced.

Two faces: `JobQueue` is what the API needs (enqueue, cancel, forget), `JobEngine` is what a worker needs
(run jobs, take over those of the dead). Both act on the database of the service.
"""

import asyncio
import logging
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from anyio import BrokenWorkerProcess
from dbos import (
    DBOS,
    DBOSClient,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    EnqueueOptions,
    StepOptions,
    error,
)

from equipoise_service.patience import in_thread, outlasting
from equipoise_service.runner import JobRunner, State

logger = logging.getLogger(__name__)

APPLICATION = "equipoise"
# Jobs begun under one version are only run by workers of the same version. Raise it when the order of
# steps in `run_job` changes, and only then.
STEPS_VERSION = "1"
WORKFLOW = "run_job"
SCHEMA = "dbos"
HIGHEST_PRIORITY = 100
# The engine counts a death of the worker against the job; one that kills its worker must not do so for ever.
LARGEST_RECOVERIES = 20
ATTEMPTS_PER_STEP = 3

EngineState = Literal["waiting", "running", "ended", "failed", "stopped", "unknown"]
_STATES: dict[str, EngineState] = {
    "ENQUEUED": "waiting",
    "DELAYED": "waiting",
    "PENDING": "running",
    "SUCCESS": "ended",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "stopped",
}


@dataclass(frozen=True)
class QueueRule:
    """How a queue is served: jobs at a time per worker, and seconds between two looks at it."""

    at_a_time: int
    poll_seconds: float


QUEUE_RULES: dict[str, QueueRule] = {"quick": QueueRule(4, 0.1), "cpu": QueueRule(1, 0.25)}


def migrate_engine(engine: sa.Engine) -> None:
    """Create or update the engine's own tables; safe to call from many processes at once."""
    _join_logs()
    DBOS.migrate(engine.url.render_as_string(hide_password=False), schema=SCHEMA)


class JobQueue:
    """What the API asks of the engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self._client = DBOSClient(
            system_database_engine=engine,
            dbos_system_schema=SCHEMA,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
        )

    def register_queues(self) -> None:
        """Record how each queue is served; a worker does so before it starts."""
        for name, rule in QUEUE_RULES.items():
            self._client.register_queue(
                name, worker_concurrency=rule.at_a_time, polling_interval_sec=rule.poll_seconds
            )

    def enqueue(
        self, connection: sa.Connection, job_id: str, *, queue: str, priority: int, timeout_seconds: float
    ) -> None:
        """Put a job on a queue, within the caller's transaction.

        Args:
            connection: connection of the service's database, in a transaction.
            job_id: the job.
            queue: name of the queue.
            priority: 0..HIGHEST_PRIORITY; a larger one starts earlier.
            timeout_seconds: longest run, counted from the start.
        """
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": queue,
            "workflow_id": job_id,
            "app_version": STEPS_VERSION,
            "workflow_timeout": timeout_seconds,
            # The engine takes the smallest first.
            "priority": 1 + HIGHEST_PRIORITY - priority,
        }
        self._client.enqueue_in_transaction(connection, options, job_id)

    def cancel(self, job_id: str) -> None:
        """Stop a job; one that has ended, or that the engine does not know, is left alone."""
        self._client.cancel_workflow(job_id)

    def forget(self, job_id: str) -> None:
        """Remove all records of a job."""
        self._client.delete_workflows([job_id])

    def states(self, job_ids: Sequence[str]) -> dict[str, EngineState]:
        """What the engine makes of some jobs; "unknown" if it has no record."""
        states: dict[str, EngineState] = dict.fromkeys(job_ids, "unknown")
        if job_ids:
            found = self._client.list_workflows(
                workflow_ids=list(job_ids), load_input=False, load_output=False
            )
            states.update({row.workflow_id: _STATES[row.status] for row in found})
        return states

    def close(self) -> None:
        """Let go of the client; the database connections belong to the caller."""
        self._client.destroy()


class JobEngine:
    """Runs jobs in this process. There is one per process, for the engine keeps global state."""

    def __init__(
        self, engine: sa.Engine, runner: JobRunner, queue: JobQueue, *, worker: str, queues: Iterable[str]
    ) -> None:
        self._runner = runner
        self._queue = queue
        self._queues = tuple(queues)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_engine": engine,
            "dbos_system_schema": SCHEMA,
            "serializer": DBOSPortableJSONSerializer(),
            "application_version": STEPS_VERSION,
            "executor_id": worker,
            "use_listen_notify": False,
            "run_migrations": False,
            "log_level": "ERROR",
        }
        _join_logs()
        DBOS(config=config)

        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=LARGEST_RECOVERIES)
        async def run_job(job_id: str) -> None:
            await self._run_job(job_id)

    def start(self) -> None:
        """Begin to take jobs from the queues."""
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run_loop, args=(started,), name="jobs", daemon=True)
        self._thread.start()
        started.result()

    def _run_loop(self, started: Future[None]) -> None:
        try:
            asyncio.run(self._main(started))
        except BaseException as failure:
            if started.done():
                raise
            started.set_exception(failure)

    async def _main(self, started: Future[None]) -> None:
        # Launched inside a running loop, the engine runs the jobs on it. The loop's main task outlives them
        # all, and with it the warm child process, which anyio ties to the task that first asked for one.
        self._loop, self._is_stopped = asyncio.get_running_loop(), asyncio.Event()
        DBOS.listen_queues(self._queues)
        DBOS.launch()
        started.set_result(None)
        try:
            await self._runner.warm_up()
        except Exception:
            # The first chunk tries again, and the job tells its user if that fails as well.
            logger.exception("the computing process did not start")
        await self._is_stopped.wait()
        # While the loop still runs, jobs and the pool of processes can end the computing process properly.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def take_over(self, dead_workers: Sequence[str]) -> int:
        """Put the unfinished jobs of dead workers back on their queues; returns how many.

        The engine fences every record by its owner, so a worker that was only frozen loses nothing but its
        last chunk, and several workers may do this at once.
        """
        # A private name of the pinned release: the public way (resume_workflows) would undo a cancellation.
        return len(DBOS._recover_pending_workflows(list(dead_workers)))

    def stop(self) -> None:
        """Stop taking and running jobs; those that run stay recorded as begun by this worker."""
        self._loop.call_soon_threadsafe(self._is_stopped.set)
        self._thread.join()
        DBOS.destroy(destroy_registry=True)

    async def _run_job(self, job_id: str) -> None:
        runner = self._runner
        try:
            state = await _step("begin", runner.begin, job_id)
            while state["goes_on"] and not state.get("is_done") and not state.get("error_code"):
                state = await _step("advance", runner.advance, job_id, state)
            if state["goes_on"] and not state.get("error_code"):
                state = await _step("publish", runner.publish, job_id, state)
            if state.get("error_code"):
                await in_thread(runner.fail, job_id, state["error_code"], state["error_message"])
            elif not state["goes_on"]:
                await in_thread(runner.stop, job_id)
        except error.DBOSWorkflowCancelledError:
            await in_thread(runner.stop, job_id)
            raise
        except error.DBOSWorkflowConflictIDError:
            # The record of a step was refused: the job was stopped meanwhile, or another worker has it now.
            states = await in_thread(self._queue.states, [job_id])
            if states[job_id] == "stopped":
                await in_thread(runner.stop, job_id)
            raise
        except error.DBOSMaxStepRetriesExceeded as failure:
            died = isinstance(failure.errors[-1], BrokenWorkerProcess)
            logger.exception("job %s: a step failed %d times", job_id, ATTEMPTS_PER_STEP)
            await in_thread(runner.fail, job_id, "worker_crashed" if died else "internal_error")


async def _step(name: str, function: Any, *args: Any) -> State:
    """Run a durable step: its output is recorded once, and a cancelled job interrupts it within a second."""
    options: StepOptions = {
        "name": name,
        "preemptible": True,
        "retries_allowed": True,
        "max_attempts": ATTEMPTS_PER_STEP,
        "interval_seconds": 0.2,
    }
    state: State = await DBOS.run_step_async(options, outlasting(function), *args)
    return state


def _join_logs() -> None:
    """Let the engine log like everybody else, and leave out that a stopped job was stopped."""
    engine_log = logging.getLogger("dbos")
    if _is_news not in engine_log.filters:
        engine_log.addHandler(logging.NullHandler())  # Keeps the engine from installing a handler of its own.
        engine_log.addFilter(_is_news)
        engine_log.setLevel(logging.ERROR)


def _is_news(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    cancellations = (error.DBOSWorkflowCancelledError, error.DBOSAwaitedWorkflowCancelledError)
    return kind is None or not issubclass(kind, cancellations)
