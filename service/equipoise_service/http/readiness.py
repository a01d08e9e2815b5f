"""Whether this process can serve: database, tables of its version, and a store that can be written."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from equipoise_service.errors import OverloadedError
from equipoise_service.jobs.worker_table import WorkerTable
from equipoise_service.storage.migrations import NEWEST, schema_version
from equipoise_service.storage.store import Store

# A store that was just written is taken to be writable for so long; one that was not is tried again sooner.
GOOD_FOR_S = 15.0
BAD_FOR_S = 2.0


@dataclass(frozen=True)
class Readiness:
    """What was found.

    Attributes:
        schema: version of the tables.
        n_workers: workers that are alive.
    """

    schema: int
    n_workers: int


class ReadinessCheck:
    """Looks whether this process can serve; cheap enough to be asked every second.

    Args:
        database: the database.
        store_url: where the store is.
        workers: who is alive.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        database: sa.Engine,
        store_url: str,
        workers: WorkerTable,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._store_url = store_url
        self._workers = workers
        self._clock = clock
        self._lock = threading.Lock()
        self._failure: str | None = "the store was not tried yet"
        self._tried_at = -float("inf")

    def check(self) -> Readiness:
        """What is there.

        Raises:
            OverloadedError: something is missing.
        """
        try:
            with self._database.connect() as connection:
                schema = connection.scalar(sa.select(sa.func.max(schema_version.c.version))) or 0
            n_workers = sum(worker.is_alive for worker in self._workers.all())
        except SQLAlchemyError as error:
            raise _not_ready(
                f"The database does not answer ({type(error).__name__}): try again later."
            ) from error
        if schema != NEWEST:
            raise _not_ready(
                f"The tables have version {schema}, this process needs {NEWEST}: "
                "upgrade all processes of the service together, and start this one again."
            )
        failure = self._try_store()
        if failure is not None:
            raise _not_ready(f"The store cannot be written ({failure}): see the log of the service.")
        return Readiness(schema, n_workers)

    def _try_store(self) -> str | None:
        """Why the store cannot be written; None if it can. A store that hangs holds up one caller only."""
        good_for_s = BAD_FOR_S if self._failure else GOOD_FOR_S
        if self._clock() - self._tried_at < good_for_s or not self._lock.acquire(blocking=False):
            return self._failure
        try:
            self._failure = _failure_of(self._store_url)
            self._tried_at = self._clock()
        finally:
            self._lock.release()
        return self._failure


def _failure_of(url: str) -> str | None:
    name = f"probe-{uuid.uuid4().hex}"
    try:
        store = Store(url)
        store.put(name, b"probe")
        store.remove(name)
    except Exception as error:  # Each kind of store has errors of its own.
        return type(error).__name__
    return None


def _not_ready(detail: str) -> OverloadedError:
    return OverloadedError(detail, code="not_ready")
