"""The job engine as a worker needs it: it runs jobs, hands them back, and takes over those of the dead.

The engine's own threads would draw by lot among the users who wait, and start one job a poll. So the worker
looks at the queues itself (`slots`), by the functions of the pinned release that those threads use.
"""

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import sqlalchemy as sa
from anyio import BrokenWorkerProcess
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, Queue, StepOptions, error
from dbos._core import execute_dequeued_workflow
from dbos._sys_db import WorkflowStatusInternal
from sqlalchemy.exc import DBAPIError

from equipoise_service.jobs import flows
from equipoise_service.jobs.engine_logs import join_logs
from equipoise_service.jobs.engine_queue import (
    APPLICATION,
    SCHEMA,
    SHARD,
    SHARDED,
    STEPS_VERSION,
    WHOLE,
    JobQueue,
)
from equipoise_service.jobs.patience import in_thread, outlasting
from equipoise_service.jobs.queues import rules_for
from equipoise_service.jobs.shards import job_of_part, shard_id
from equipoise_service.workers.runner import JobRunner, State
from equipoise_service.workers.shard_runner import ShardRunner
from equipoise_service.workers.slots import Slots

logger = logging.getLogger(__name__)

# The engine counts a death of the worker against the job; one that kills its worker must not do so for ever.
LARGEST_RECOVERIES = 20
ATTEMPTS_PER_STEP = 3
# Threads for the steps of jobs: one for each closed form that computes, and some for the records of all.
_THREADS = 32


class JobEngine:
    """Runs jobs in this process. There is one per process, for the engine keeps global state.

    Args:
        engine: database of the service.
        runner: what the steps of a job do.
        shards: what those of shards and of the jobs they belong to do.
        queue: the same as the API sees it.
        worker: id of this life of the worker.
        queues: names of the queues it serves.
        max_running_per_user: most jobs of a user that run at a time on one kind of device.
    """

    def __init__(
        self,
        engine: sa.Engine,
        runner: JobRunner,
        shards: ShardRunner,
        queue: JobQueue,
        *,
        worker: str,
        queues: Iterable[str],
        max_running_per_user: int | None = None,
    ) -> None:
        self._worker = worker
        self._runner = runner
        self._queue = queue
        self._max_running_per_user = max_running_per_user
        self._slots = [Slots(rule, self) for rule in rules_for(tuple(queues))]
        self._queues: dict[str, Queue] = {}
        self._claimed: dict[str, tuple[WorkflowStatusInternal, str]] = {}
        self._under_way: set[str] = set()
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self._is_draining = False
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
        join_logs()
        self._dbos = DBOS(config=config)

        @DBOS.workflow(name=WHOLE, max_recovery_attempts=LARGEST_RECOVERIES)
        async def run_job(job_id: str) -> None:
            await self._run(job_id, partial(flows.run_whole, runner, job_id))

        @DBOS.workflow(name=SHARD, max_recovery_attempts=LARGEST_RECOVERIES)
        async def run_shard(job_id: str, number: int) -> None:
            await self._run(shard_id(job_id, number), partial(flows.run_shard, shards, job_id, number))

        @DBOS.workflow(name=SHARDED, max_recovery_attempts=LARGEST_RECOVERIES)
        async def run_sharded_job(job_id: str) -> None:
            try:
                await self._run(job_id, partial(flows.run_sharded, shards, job_id))
            finally:
                await in_thread(shards.stop_orphans, job_id)

    def start(self) -> None:
        """Begin to take jobs from the queues."""
        self._queue.adopt()
        self._queues = self._queue.register_queues(max_running_per_user=self._max_running_per_user)
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run_loop, args=(started,), name="jobs", daemon=True)
        self._thread.start()
        started.result()
        for slots in self._slots:
            slots.start()

    def start_beside(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        """Run something else on the loop of the jobs, where the computing processes are."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

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
        # By default there are few threads where there are few processors: closed forms that take long would
        # keep all of them, and no other job could record what it did.
        self._loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="jobs"))
        DBOS.listen_queues([])
        DBOS.launch()
        started.set_result(None)
        try:
            await self._runner.warm_up()
        except Exception:
            # The first chunk tries again, and the job tells its user if that fails as well.
            logger.exception("the computing process did not start")
        await self._is_stopped.wait()
        # While the loop still runs, jobs and the pool can end the computing process properly. The
        # jobs first: they would take a computing process that the pool has ended for one that has crashed.
        await _end_all(self._tasks)
        await _end_all(asyncio.all_tasks() - {asyncio.current_task()})

    def take_over(self, dead_workers: Sequence[str]) -> int:
        """Put the unfinished jobs of dead workers back on their queues; returns how many.

        The engine fences every record by its owner, so a worker that was only frozen loses nothing but its
        last chunk, and several workers may do this at once.
        """
        # A private name of the pinned release: the public way (resume_workflows) would undo a cancellation.
        return len(DBOS._recover_pending_workflows(list(dead_workers)))

    def holders(self, *, silent_s: float) -> set[str]:
        """Workers that hold jobs of which the engine has heard nothing for so long, [s]."""
        status = self._dbos._sys_db.tables.workflow_status
        before_ms = int(1000 * (time.time() - silent_s))
        query = sa.select(status.c.executor_id).where(
            status.c.status == "PENDING", status.c.updated_at < before_ms
        )
        with self._dbos._sys_db.engine.connect() as connection:
            return {str(worker) for worker in connection.scalars(query.distinct())}

    def close(self) -> None:
        """Take no more jobs; those that run pause at the end of their chunk, once it is recorded."""
        self._is_draining = True
        for slots in self._slots:
            slots.close()

    @property
    def is_idle(self) -> bool:
        """Whether every job that was taken has ended or paused."""
        # One that the engine gives up before its first step never says so.
        return self._under_way.isdisjoint(self.active())

    def hand_back(self) -> int:
        """Put the jobs that paused, and what still runs, back on their queues; returns how many."""
        status = self._dbos._sys_db.tables.workflow_status
        # What is handed back was not interrupted: only deaths of a worker count against a job.
        attempts = sa.case((status.c.recovery_attempts > 0, status.c.recovery_attempts - 1), else_=0)
        ours = sa.and_(status.c.executor_id == self._worker, status.c.status == "PENDING")
        with self._dbos._sys_db.engine.begin() as connection:
            connection.execute(sa.update(status).where(ours).values(recovery_attempts=attempts))
        return self.take_over([self._worker])

    def stop(self) -> None:
        """Stop taking and running jobs; those that run stay recorded as begun by this worker."""
        self.close()
        self._loop.call_soon_threadsafe(self._is_stopped.set)
        self._thread.join()
        DBOS.destroy(destroy_registry=True)

    def waiting(self, queue: str) -> list[str]:
        """Users with jobs on a queue."""
        users: list[str] = self._dbos._sys_db.get_queue_partitions(queue)
        return users

    def running(self, queue: str) -> Mapping[str, int]:
        """How many jobs of a queue run now, on any worker, by user."""
        status = self._dbos._sys_db.tables.workflow_status
        query = (
            sa.select(status.c.queue_partition_key, sa.func.count())
            .where(status.c.queue_name == queue, status.c.status == "PENDING")
            .group_by(status.c.queue_partition_key)
        )
        with self._dbos._sys_db.engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def claim(self, queue: str, user: str, n_jobs: int, n_slots: int) -> list[str]:
        """Make at most some jobs of a user this worker's; their ids, none if other workers are quicker."""
        token = uuid.uuid4().hex
        system = self._dbos._sys_db
        try:
            # The engine is told that all slots but those to fill are taken.
            job_ids, _ = system.start_queued_workflows(
                self._queues[queue],
                self._worker,
                STEPS_VERSION,
                user,
                n_slots - n_jobs,
                owner_xid=token,
            )
        except DBAPIError as failure:
            if system.is_lock_conflict(failure) or system.is_serialization_conflict(failure):
                return []
            raise
        found = {status["workflow_uuid"]: status for status in system.get_workflow_statuses(job_ids)}
        self._claimed.update({job_id: (status, token) for job_id, status in found.items()})
        return list(found)

    def start_job(self, job_id: str) -> None:
        """Run a job that was claimed."""
        status, token = self._claimed.pop(job_id)
        self._under_way.add(job_id)
        try:
            execute_dequeued_workflow(self._dbos, status, token)
        except BaseException:
            self._under_way.discard(job_id)
            raise

    def active(self) -> Collection[str]:
        """Jobs and shards that run in this process."""
        return self._dbos._active_workflows_set.activeList()

    async def _run(self, name: str, flow: Callable[[flows.Steps], Coroutine[Any, Any, None]]) -> None:
        """Run a job or a shard to its end, whatever that is, and free its slot."""
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            with await in_thread(self._runner.watch, job_of_part(name)):
                await self._guard(name, flow(_Steps(partial(self._pause, name))))
        finally:
            self._tasks.discard(task)
            self._leave(name)

    async def _guard(self, name: str, flow: Coroutine[Any, Any, None]) -> None:
        runner, job_id = self._runner, job_of_part(name)
        try:
            await flow
        except error.DBOSWorkflowCancelledError:
            await in_thread(runner.stop, job_id)
            raise
        except error.DBOSWorkflowConflictIDError:
            # The record of a step was refused: the job was stopped meanwhile, or another worker has it now.
            states = await in_thread(self._queue.states, [name])
            if states[name] == "stopped":
                await in_thread(runner.stop, job_id)
            raise
        except error.DBOSMaxStepRetriesExceeded as failure:
            died = isinstance(failure.errors[-1], BrokenWorkerProcess)
            logger.exception("job %s: a step failed %d times", name, ATTEMPTS_PER_STEP)
            await in_thread(runner.fail, job_id, "worker_crashed" if died else "internal_error")

    async def _pause(self, name: str) -> None:
        """Wait for the end of this process, if it is to end: the job goes on elsewhere."""
        if self._is_draining:
            self._leave(name)
            await asyncio.Event().wait()

    def _leave(self, name: str) -> None:
        self._under_way.discard(name)
        for slots in self._slots:
            slots.release(name)


class _Steps:
    """The durable steps of one job, between which it may pause."""

    def __init__(self, pause: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.pause = pause

    async def __call__(self, name: str, function: Any, *args: Any) -> State:
        """Run a step: its output is recorded once, and a cancelled job interrupts it within a second."""
        await self.pause()
        options: StepOptions = {
            "name": name,
            "preemptible": True,
            "retries_allowed": True,
            "max_attempts": ATTEMPTS_PER_STEP,
            "interval_seconds": 0.2,
        }
        state: State = await DBOS.run_step_async(options, outlasting(function), *args)
        return state


async def _end_all(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    ending = [task for task in tasks if task is not None]
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
