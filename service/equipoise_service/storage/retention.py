"""Retention: garbage goes in an order in which nothing dangles, whoever submits, and wherever it stops.

Rows go first, then files: a collection that is killed in between leaves files without rows, which a later
one finds. While files are removed nobody else writes jobs or datasets, so that none comes into use again.
"""

import fcntl
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from equipoise_service.jobs.engine_queue import JobQueue
from equipoise_service.settings import Settings
from equipoise_service.storage.blobs import Blob
from equipoise_service.storage.database import become_writer, insert_if_absent
from equipoise_service.storage.garbage import (
    AUDIT_S,
    DAY_S,
    SETTLED_S,
    Garbage,
    Limits,
    Needed,
    busy_answers,
    datasets_of_jobs,
    find,
    is_litter,
    is_old,
    last_use,
    names_dataset,
    needs,
)
from equipoise_service.storage.store import Store, dataset_name
from equipoise_service.storage.tables import (
    audit_log,
    dataset_owners,
    datasets,
    idempotency_keys,
    job_tags,
    jobs,
    properties,
)

logger = logging.getLogger(__name__)

EVERY_S = 3600.0
"""Time between two collections by the workers, [s]."""
# Rows or files that are removed while others wait to write.
_BATCH = 25
# Share of unused pages of a SQLite file from which on it is written anew.
_LOOSE = 0.25
# One collection at a time: an advisory lock (an arbitrary fixed number), or a file beside SQLite's.
_LOCK = 0x45515047
_LAST = "collected_at"


class Collector:
    """Removes garbage.

    Args:
        database: of the service.
        store: where the files are.
        queue: the engine's records of the jobs.
        clock: seconds since 1970.
    """

    def __init__(
        self, database: sa.Engine, store: Store, queue: JobQueue, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._store = store
        self._queue = queue
        self._clock = clock

    def find(self, limits: Limits) -> Garbage:
        """What a collection would remove now."""
        with self._database.connect() as connection:
            return find(connection, self._store, limits, self._clock())

    def collect(self, limits: Limits) -> Garbage | None:
        """Remove garbage; what went, or None because another collection is under way."""
        with alone(self._database) as is_alone:
            return self._collect(limits) if is_alone else None

    def _collect(self, limits: Limits) -> Garbage:
        now = self._clock()
        found = self.find(limits)
        gone = Garbage(
            jobs=self._remove_jobs(found.jobs, limits, now),
            expired=self._expire(found.expired, now),
            datasets=self._remove_datasets(found.datasets),
        )
        gone = replace(gone, files=self._remove_files(found, now), audit_entries=self._trim_audit_log(now))
        _tidy(self._database)
        return gone

    def _remove_jobs(self, job_ids: Sequence[str], limits: Limits, now: float) -> tuple[str, ...]:
        gone: list[str] = []
        for batch in _batches(job_ids):
            still_old = sa.and_(jobs.c.id.in_(batch), is_old(limits, now))
            with self._frozen() as connection:
                old = list(connection.scalars(sa.select(jobs.c.id).where(still_old)))
                for job_id in old:
                    self._queue.forget(connection, job_id)
                for table in (idempotency_keys, job_tags):
                    connection.execute(table.delete().where(table.c.job_id.in_(old)))
                connection.execute(jobs.delete().where(jobs.c.id.in_(old)))
            gone += old
        return tuple(sorted(gone))

    def _expire(self, digests: Sequence[str], now: float) -> tuple[str, ...]:
        gone: list[str] = []
        for batch in _batches(digests):
            with self._frozen() as connection:
                # One that was asked for meanwhile, or answered another job, stays.
                recent = sa.select(jobs.c.result).where(jobs.c.result.in_(batch), last_use() > now)
                kept = set(connection.scalars(recent))
                chosen = sorted(set(batch) - kept)
                there = sa.and_(jobs.c.result.in_(chosen), jobs.c.result_expired_at.is_(None))
                connection.execute(sa.update(jobs).where(there).values(result_expired_at=now))
            gone += chosen
        return tuple(sorted(gone))

    def _remove_datasets(self, dataset_ids: Sequence[str]) -> tuple[str, ...]:
        gone: list[str] = []
        for batch in _batches(dataset_ids):
            with self._frozen() as connection:
                specs = connection.scalars(sa.select(jobs.c.spec).where(names_dataset()))
                chosen = sorted(set(batch) - datasets_of_jobs(specs))
                connection.execute(dataset_owners.delete().where(dataset_owners.c.dataset_id.in_(chosen)))
                connection.execute(datasets.delete().where(datasets.c.id.in_(chosen)))
            gone += chosen
        return tuple(sorted(gone))

    def _remove_files(self, found: Garbage, now: float) -> dict[str, int]:
        gone: dict[str, int] = {}
        for batch in _batches(sorted(found.files)):
            with self._frozen() as connection:
                needed, busy = needs(connection), busy_answers(connection)
                for name in batch:
                    blob = self._store.stat(name)
                    if blob is not None and _is_garbage(blob, found, now, needed, busy):
                        self._store.remove(name)
                        gone[name] = blob.size
        return gone

    def _trim_audit_log(self, now: float) -> int:
        with self._database.begin() as connection:
            old = audit_log.c.at < now - AUDIT_S
            n_old = connection.scalar(sa.select(sa.func.count()).select_from(audit_log).where(old))
            connection.execute(audit_log.delete().where(old))
        return n_old or 0

    @contextmanager
    def _frozen(self) -> Iterator[sa.Connection]:
        """A transaction while which nobody else changes jobs or datasets; reading goes on."""
        with self._database.begin() as connection:
            become_writer(connection)
            if connection.dialect.name != "sqlite":
                # Whoever holds an answer for a new job (`JobTable.answered`) is waited for as well.
                names = ", ".join(table.name for table in (jobs, datasets, dataset_owners))
                connection.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
            yield connection


def collect_if_due(
    settings: Settings,
    database: sa.Engine,
    store: Store,
    queue: JobQueue,
    *,
    clock: Callable[[], float] = time.time,
) -> Garbage | None:
    """Collect by the settings, once an hour among all workers; None if it is not due, or another one does."""
    if settings.retention_days is None and settings.retention_bytes is None:
        return None
    now = clock()
    with database.begin() as connection:
        is_first = insert_if_absent(connection, properties, {"name": _LAST, "value": f"{now:.3f}"})
        if not is_first:
            last = connection.scalar(sa.select(properties.c.value).where(properties.c.name == _LAST))
            if last is None or now - float(last) < EVERY_S:
                return None
            claim = sa.update(properties).where(properties.c.name == _LAST, properties.c.value == last)
            if connection.execute(claim.values(value=f"{now:.3f}")).rowcount != 1:
                return None
    gone = Collector(database, store, queue, clock=clock).collect(limits_of(settings))
    if gone is not None and (gone.jobs or gone.files):
        logger.info(
            "removed %d old jobs and %d files, %d bytes", len(gone.jobs), len(gone.files), gone.n_bytes
        )
    return gone


def collect_in_background(settings: Settings, database: sa.Engine, store: Store, queue: JobQueue) -> None:
    """Collect by the settings if it is due, in a thread: a large store takes longer than a sign of life."""
    if settings.retention_days is None and settings.retention_bytes is None:
        return

    def collect() -> None:
        try:
            collect_if_due(settings, database, store, queue)
        except Exception:
            # Whatever was left is found again by the next collection.
            logger.exception("collecting garbage failed")

    threading.Thread(target=collect, name="retention", daemon=True).start()


def limits_of(settings: Settings) -> Limits:
    """What the settings say is kept."""
    days = settings.retention_days
    return Limits(None if days is None else days * DAY_S, settings.retention_bytes)


def _is_garbage(blob: Blob, found: Garbage, now: float, needed: Needed, busy: set[str]) -> bool:
    """Whether a file that was found to be garbage still is."""
    if blob.name in needed.results or blob.name in needed.datasets:
        return False
    keys = found.answer_keys.get(blob.name)
    if keys is not None and keys & busy:
        return False
    if is_litter(blob, now, needed) or blob.name in map(dataset_name, found.datasets):
        return True
    return keys is not None and now - blob.modified_at > SETTLED_S


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _BATCH):
        yield names[start : start + _BATCH]


@contextmanager
def alone(database: sa.Engine, *, waits: bool = False) -> Iterator[bool]:
    """Whether no collection is under way, nor a backup; none begins until the end, or this process's death.

    Args:
        database: of the service.
        waits: wait for the end of the other one.
    """
    if database.dialect.name == "sqlite":
        with Path(f"{database.url.database}.collecting").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        return
    with database.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        if waits:
            connection.execute(sa.select(sa.func.pg_advisory_lock(_LOCK)))
        is_alone = waits or bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_LOCK))))
        try:
            yield is_alone
        finally:
            if is_alone:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK)))


def _tidy(database: sa.Engine) -> None:
    """Give the pages of what was removed back to the disk, where that is worth writing the file anew."""
    if database.dialect.name != "sqlite":
        return  # PostgreSQL does so by itself.
    with database.connect() as connection:
        n_free = connection.exec_driver_sql("PRAGMA freelist_count").scalar() or 0
        n_pages = connection.exec_driver_sql("PRAGMA page_count").scalar() or 1
        if n_free > _LOOSE * n_pages:
            try:
                connection.exec_driver_sql("VACUUM")
            except sa.exc.OperationalError as error:
                logger.info("the database was too busy to be written anew: %s", error.orig)
