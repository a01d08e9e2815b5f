"""A worker process: runs jobs, gives signs of life, takes over the jobs of the dead, and keeps order."""

import logging
import threading
from collections.abc import Sequence

from equipoise_service.chunks import SOLVER
from equipoise_service.database import connect
from equipoise_service.engine import JobEngine, JobQueue, migrate_engine
from equipoise_service.job_table import JobTable
from equipoise_service.migrations import migrate
from equipoise_service.runner import JobRunner, RunnerOptions, out_of_time
from equipoise_service.settings import Settings
from equipoise_service.store import Store, checkpoint_folder
from equipoise_service.worker_table import WorkerTable

logger = logging.getLogger(__name__)

# A job whose status and engine disagree is left alone for this long: its worker is about to settle it.
SETTLE_AFTER_S = 3.0
# Beats between two looks for checkpoints that no job needs.
SWEEP_EVERY = 30


class Worker:
    """One worker in this process.

    Args:
        settings: settings of the service.
        worker: id of this life of the worker, never used before.
        solver: where `prepare` is found, as module:function.
    """

    def __init__(self, settings: Settings, *, worker: str, solver: str = SOLVER) -> None:
        self.id = worker
        self._settings = settings
        database = connect(settings.database)
        migrate(database)
        migrate_engine(database)
        self._database = database
        self._table = JobTable(database)
        self._workers = WorkerTable(database, ttl_s=settings.heartbeat_ttl_seconds)
        self._store = Store(settings.store)
        options = RunnerOptions(worker, settings.worker_threads, solver, settings.chunk_seconds)
        self._runner = JobRunner(self._table, self._store, options)
        self._queue = JobQueue(database)
        self._engine = JobEngine(database, self._runner, self._queue, worker=worker, queues=settings.queues)
        self._beats = 0

    def start(self, *, replaces: Sequence[str] = ()) -> None:
        """Register, begin to take jobs, and take over those of the workers this one replaces."""
        self._workers.register(self.id, self._settings)
        if replaces:
            self._workers.mark_stopped(replaces)
        self._queue.register_queues()
        self._engine.start()
        self.keep_order()

    def run(self, stop: threading.Event) -> None:
        """Keep order until told to stop."""
        while not stop.wait(self._settings.heartbeat_seconds):
            try:
                self.keep_order()
            except Exception:
                # A database that is away comes back; dying here would only lose the running chunk.
                logger.exception("keeping order failed; trying again")

    def keep_order(self) -> None:
        """Give a sign of life, take over from the dead, settle what was left open, sweep now and then."""
        self._workers.beat(self.id, self._settings)
        dead = [worker for worker in self._workers.dead() if worker != self.id]
        if dead:
            taken = self._engine.take_over(dead)
            self._workers.remove(dead)
            logger.warning("took over %d jobs of %s", taken, ", ".join(dead))
        self._settle()
        if self._beats % SWEEP_EVERY == 0:
            self._sweep()
        self._beats += 1

    def leave(self) -> None:
        """Record that this worker ends; its process must end right after."""
        self._workers.mark_stopped([self.id])

    def stop(self) -> None:
        """Stop the engine in this process and leave."""
        self._engine.stop()
        self.leave()
        self._queue.close()
        self._database.dispose()

    def _settle(self) -> None:
        """End the jobs that the engine has ended, or that nobody is left to acknowledge."""
        jobs = self._table.unsettled(older_than_s=SETTLE_AFTER_S)
        states = self._queue.states([job.id for job in jobs])
        for job in jobs:
            state = states[job.id]
            if job.status == "cancelling":
                self._queue.cancel(job.id)
                self._runner.end(job.id, "cancelled")
            elif state == "stopped":
                self._runner.end(job.id, "timed_out", **out_of_time(job))
            elif state == "failed":
                self._runner.fail(job.id, "interrupted_too_often")
            elif state in ("ended", "unknown"):
                self._runner.fail(job.id, "internal_error")

    def _sweep(self) -> None:
        """Remove checkpoints that were left behind by a worker that died or thawed at the wrong moment."""
        needed = self._table.unfinished_ids()
        for job_id in self._store.names("checkpoints"):
            if job_id not in needed:
                self._store.remove_folder(checkpoint_folder(job_id))


def run_worker(
    settings: Settings, *, worker: str, replaces: Sequence[str], stop: threading.Event, solver: str = SOLVER
) -> None:
    """Run a worker until told to stop. The caller ends the process right after: nothing is waited for."""
    runner = Worker(settings, worker=worker, solver=solver)
    runner.start(replaces=replaces)
    logger.info(
        "worker %s serves %s with %d threads", worker, ", ".join(settings.queues), settings.worker_threads
    )
    runner.run(stop)
    runner.leave()
