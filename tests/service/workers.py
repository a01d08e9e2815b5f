"""Workers for tests, in this process or as processes of their own, and jobs put straight on their queues."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.service import fake_solver
from tests.support.servers import clean_environment, wait_until

from equipoise_service.jobs.engine_queue import SCHEMA, JobQueue, migrate_engine
from equipoise_service.jobs.job_table import Job, JobTable, NewJob, job_id_of
from equipoise_service.jobs.shards import ShardTable
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate
from equipoise_service.storage.store import Store, result_name
from equipoise_service.storage.tables import workers
from equipoise_service.workers.orders import Orders
from equipoise_service.workers.worker import Worker
from equipoise_solver.specs import canonical_json, parse_spec, spec_hash

FINAL = {"succeeded", "failed", "cancelled", "timed_out"}


@contextmanager
def working(settings: Settings, name: str = "in-process") -> Iterator[Worker]:
    """A worker in this process, keeping order in a thread."""
    worker = Worker(settings, worker=name, solver=fake_solver.NAME)
    orders = Orders()
    worker.start()
    keeper = threading.Thread(target=worker.run, args=(orders,))
    keeper.start()
    try:
        yield worker
    finally:
        orders.end()
        keeper.join()
        worker.stop()


@contextmanager
def worker_process(
    settings: Settings, name: str, *, log: Path | None = None, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker as a process, killed at the end.

    Args:
        settings: settings of the service.
        name: id of the worker.
        log: where its messages go, default: where those of the test go.
        variables: further settings, for example EQUIPOISE_DRAIN_SECONDS.
    """
    given = {
        "EQUIPOISE_DATA_DIR": str(settings.data_dir),
        "EQUIPOISE_DATABASE_URL": settings.database,
        "EQUIPOISE_HEARTBEAT_SECONDS": "0.1",
        "EQUIPOISE_HEARTBEAT_TTL_SECONDS": "4",
        "EQUIPOISE_CHUNK_SECONDS": "0.05",
        "EQUIPOISE_LOG_LEVEL": "warning" if log is None else "info",
    }
    environment = clean_environment(**(given | variables))
    command = [sys.executable, "-m", "tests.service.worker_process", name]
    with (log or Path(os.devnull)).open("wb") as sink:
        stderr = None if log is None else sink
        process = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2], stderr=stderr)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def freeze(pid: int, settings: Settings) -> None:
    """Stop a process at a moment at which it holds no lock of the database that others would wait for."""
    database = sa.create_engine(settings.database, poolclass=sa.NullPool)
    patience = "PRAGMA busy_timeout=300" if database.dialect.name == "sqlite" else "SET lock_timeout='300ms'"

    def is_frozen_without_locks() -> bool:
        os.kill(pid, signal.SIGSTOP)
        try:
            with database.begin() as connection:
                connection.exec_driver_sql(patience)
                connection.execute(sa.update(workers).values(threads=workers.c.threads))
        except sa.exc.OperationalError:
            os.kill(pid, signal.SIGCONT)
            return False
        return True

    wait_until(is_frozen_without_locks, what="a moment without locks")


class Bench:
    """Jobs put straight on the queues of a database, and what becomes of them.

    Args:
        settings: settings of the service.
    """

    def __init__(self, settings: Settings) -> None:
        self.database = connect(settings.database)
        migrate(self.database)
        migrate_engine(self.database)
        self.table = JobTable(self.database)
        self.shards = ShardTable(self.database)
        self.queue = JobQueue(self.database)
        self.store = Store(settings.store)
        self.engine_schema = "" if self.database.dialect.name == "sqlite" else f"{SCHEMA}."

    def close(self) -> None:
        """Let go of the database."""
        self.queue.close()
        self.database.dispose()

    def put(
        self,
        spec: dict[str, Any],
        *,
        owner: str = "local",
        queue: str = "cpu",
        n_shards: int = 1,
        timeout_seconds: float = 600.0,
        cost_seconds: float | None = None,
        cost_path_steps: float | None = None,
    ) -> str:
        """Put a job on a queue; its id."""
        parsed = parse_spec(spec)
        content = hashlib.sha256(f"{canonical_json(parsed)} {owner} {n_shards}".encode()).hexdigest()[:32]
        new = NewJob(
            content_id=f"job_{content}",
            task=parsed.task,
            spec=canonical_json(parsed),
            spec_hash=spec_hash(parsed),
            queue=queue,
            priority=0,
            timeout_seconds=timeout_seconds,
            tags=(),
            owner=owner,
            answer_key=content,
            n_shards=n_shards,
            cost_seconds=cost_seconds,
            cost_path_steps=cost_path_steps,
        )
        job_id = job_id_of(new.content_id, 1)
        with self.database.begin() as connection:
            job = self.table.insert(connection, new, 1)
            assert job is not None, "this job is there already"
            if job.is_short:
                return job_id
            self.queue.enqueue(
                connection,
                job_id,
                queue=queue,
                owner=owner,
                priority=0,
                timeout_seconds=timeout_seconds,
                n_shards=n_shards,
            )
        return job_id

    def job(self, job_id: str) -> Job:
        """The job as it is now."""
        job = self.table.get(job_id)
        assert job is not None
        return job

    def ended(self, job_id: str, *, deadline_s: float = 60.0) -> Job:
        """The job once it has ended."""

        def final() -> Job | None:
            job = self.job(job_id)
            return job if job.is_final else None

        return wait_until(final, what=f"the end of {job_id}", deadline_s=deadline_s)

    def result(self, job: Job) -> bytes:
        """Bytes of the solution of a job."""
        assert job.status == "succeeded", job
        return self.store.get(result_name(str(job.result)))

    def cancel(self, job_id: str) -> None:
        """Stop a job as the API does."""
        assert self.table.move(job_id, "cancelled") or self.table.move(job_id, "cancelling")
        self.queue.cancel(job_id)
