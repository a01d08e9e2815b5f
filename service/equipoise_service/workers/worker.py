"""A worker process: runs jobs, gives signs of life, takes over the jobs of the dead, and keeps order."""

import logging
import threading
import time
from collections.abc import Sequence

from equipoise_service.jobs.calibrations import Calibrations
from equipoise_service.jobs.engine import JobEngine
from equipoise_service.jobs.engine_queue import JobQueue, migrate_engine
from equipoise_service.jobs.job_table import JobTable
from equipoise_service.jobs.queues import queues_for
from equipoise_service.jobs.shards import ShardTable
from equipoise_service.jobs.short_jobs import ShortJobTable
from equipoise_service.jobs.solver_version import claim_version, newer_version
from equipoise_service.jobs.time_limits import out_of_time
from equipoise_service.jobs.worker_table import WorkerTable
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate
from equipoise_service.storage.retention import collect_in_background
from equipoise_service.storage.store import Store, checkpoint_folder
from equipoise_service.workers.chunks import SOLVER
from equipoise_service.workers.devices import capabilities
from equipoise_service.workers.health import Health
from equipoise_service.workers.orders import Orders
from equipoise_service.workers.runner import JobRunner, RunnerOptions
from equipoise_service.workers.shard_runner import ShardRunner
from equipoise_service.workers.short_runner import ShortRunner

logger = logging.getLogger(__name__)

# A job whose status and engine disagree is left alone for this long: its worker is about to settle it.
SETTLE_AFTER_S = 3.0
# Beats between two looks for checkpoints that no job needs.
SWEEP_EVERY = 30
# Between two looks whether the jobs have paused, [s].
_DRAIN_LOOK_S = 0.05


class Worker:
    """One worker in this process.

    Args:
        settings: settings of the service.
        worker: id of this life of the worker, never used before.
        device: what it computes on, "cpu" or "cuda:N" as this process sees it.
        name: name of that device among all of this machine; default: the same.
        solver: where `prepare` is found, as module:function.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        worker: str,
        device: str = "cpu",
        name: str | None = None,
        solver: str = SOLVER,
    ) -> None:
        self.id = worker
        self.queues = queues_for(device, settings.queues)
        self._settings = settings
        database = connect(settings.database)
        migrate(database)
        migrate_engine(database)
        claim_version(database)
        self._database = database
        self._table = JobTable(database)
        self._workers = WorkerTable(database, ttl_s=settings.heartbeat_ttl_seconds)
        self._store = Store(settings.store)
        self._health = Health()
        self._can = capabilities(device, settings)
        self._device = name or device
        options = RunnerOptions(worker, settings.worker_threads, solver, settings.chunk_seconds, device)
        self._runner = JobRunner(
            self._table, self._store, options, calibrations=Calibrations(database), health=self._health
        )
        self._queue = JobQueue(database)
        self._engine = JobEngine(
            database,
            self._runner,
            ShardRunner(self._runner, self._table, ShardTable(database), self._queue),
            self._queue,
            worker=worker,
            queues=self.queues,
            max_running_per_user=settings.max_running_jobs_per_user,
        )
        self._short = ShortRunner(
            ShortJobTable(database, self._queue), self._runner, self._health, queues=self.queues
        )
        self._beats = 0
        self._status = "ready"
        self._is_over = threading.Event()
        self._heart = threading.Thread(target=self._beat_for_ever, name="heart", daemon=True)

    def start(self, *, replaces: Sequence[str] = ()) -> None:
        """Register, begin to take jobs, and take over those of the workers this one replaces."""
        self._register()
        if replaces:
            self._workers.mark_stopped(replaces)
        self._heart.start()
        self._engine.start()
        self._short.start(self._engine.start_beside)
        self.keep_order()

    def run(self, orders: Orders) -> None:
        """Keep order until told to end, or until the service runs a newer version."""
        while not orders.wait(self._settings.heartbeat_seconds):
            try:
                self.keep_order()
                newer = newer_version(self._database)
            except Exception:
                # A database that is away comes back; dying here would only lose the running chunk.
                logger.exception("keeping order failed; trying again")
                continue
            if newer is not None:
                logger.warning("the service runs version %s now: this worker hands its jobs back", newer)
                orders.drain()

    def drain(self, orders: Orders) -> bool:
        """Take no new job, finish the chunks, and hand the jobs back: others go on from there at once.

        Args:
            orders: may ask to end at once.

        Returns:
            Whether every chunk was finished; what was not is computed again by others.
        """
        give_up = time.monotonic() + self._settings.drain_seconds
        self._status = "draining"
        self._try_to_beat()
        self._short.close()
        self._engine.close()
        while not self._is_idle and time.monotonic() < give_up:
            if orders.must_end(_DRAIN_LOOK_S):
                break
        is_finished = self._is_idle
        n_jobs = self._short.hand_back() + self._engine.hand_back()
        if n_jobs:
            how = "at the end of their chunks" if is_finished else "in the middle of a chunk"
            logger.info("handed back %d jobs %s", n_jobs, how)
        return is_finished

    @property
    def _is_idle(self) -> bool:
        return self._engine.is_idle and self._short.is_idle

    def keep_order(self) -> None:
        """Take over from the dead, settle what was left open, sweep now and then."""
        dead = self._dead()
        n_short = self._short.keep_order(dead)
        if dead:
            taken = self._engine.take_over(dead) + n_short
            self._workers.remove(dead)
            logger.warning("took over %d jobs of %s", taken, ", ".join(dead))
        self._settle()
        if self._beats % SWEEP_EVERY == 0:
            self._sweep()
        self._beats += 1

    def _dead(self) -> list[str]:
        """Workers whose jobs others are to take over.

        Among them are those that nobody knows: given up for dead, they came back, took a job, and ended
        before they could register anew.
        """
        dead = set(self._workers.dead())
        silent_s = self._settings.heartbeat_ttl_seconds
        holders = self._engine.holders(silent_s=silent_s) | self._short.holders(silent_s=silent_s)
        if holders:
            dead |= holders - {worker.id for worker in self._workers.all()}
        return sorted(dead - {self.id})

    def leave(self) -> None:
        """Record that this worker ends; its process must end right after."""
        self._is_over.set()
        # A last sign of life after the record would make it alive again.
        self._heart.join()
        self._workers.mark_stopped([self.id])

    def stop(self) -> None:
        """Stop the engine in this process and leave."""
        self._short.close()
        self._engine.stop()
        self.leave()
        self._queue.close()
        self._database.dispose()

    def _beat_for_ever(self) -> None:
        # In a thread of its own: keeping order may take long, for example at a store that is far away.
        while not self._is_over.wait(self._settings.heartbeat_seconds):
            self._try_to_beat()

    def _try_to_beat(self) -> None:
        try:
            self._beat()
        except Exception as error:
            logger.warning("a sign of life could not be given: %s", str(error).split("\n", 1)[0])

    def _beat(self) -> None:
        """Give a sign of life; a worker that was given up for dead, perhaps frozen, registers anew."""
        if not self._workers.beat(self.id, status=self._status, health=self._health.report()):
            self._register()

    def _register(self) -> None:
        self._workers.register(
            self.id,
            device=self._device,
            threads=self._settings.worker_threads,
            queues=self.queues,
            capabilities=self._can,
        )

    def _settle(self) -> None:
        """End the jobs that the engine has ended, or that nobody is left to acknowledge."""
        jobs = self._table.unsettled(older_than_s=SETTLE_AFTER_S, goes_on=self._queue.goes_on)
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
            else:
                continue
            if job.n_shards > 1:
                self._queue.cancel_shards(job.id)

    def _sweep(self) -> None:
        """Remove checkpoints that a worker left that died or thawed at the wrong moment, and old jobs."""
        needed = self._table.unfinished_ids()
        for job_id in self._store.names("checkpoints"):
            if job_id not in needed:
                self._store.remove_folder(checkpoint_folder(job_id))
        collect_in_background(self._settings, self._database, self._store, self._queue)


def run_worker(
    settings: Settings,
    *,
    worker: str,
    replaces: Sequence[str],
    orders: Orders,
    device: str = "cpu",
    name: str | None = None,
    solver: str = SOLVER,
) -> None:
    """Run a worker until told to end. The caller ends the process right after: nothing is waited for.

    Raises:
        SettingsError: the service runs a newer version.
    """
    runner = Worker(settings, worker=worker, device=device, name=name, solver=solver)
    runner.start(replaces=replaces)
    logger.info(
        "worker %s serves %s on %s with %d threads",
        worker,
        ", ".join(runner.queues),
        name or device,
        settings.worker_threads,
    )
    runner.run(orders)
    if not orders.must_end():
        runner.drain(orders)
    runner.leave()
