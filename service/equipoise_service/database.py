"""The database: SQLite or PostgreSQL through SQLAlchemy core, our tables, migrations that only go forward."""

import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite

# PostgreSQL sessions that migrate at the same time wait for this advisory lock (an arbitrary fixed number).
_MIGRATION_LOCK = 0x45515550

metadata = sa.MetaData()

jobs = sa.Table(
    "equipoise_jobs",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("content_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("task", sa.String(32), nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("spec_hash", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("queue", sa.String(32), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("timeout_seconds", sa.Float, nullable=False),
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("live", sa.Text, nullable=False),
    sa.Column("worker", sa.String(160)),
    sa.Column("seconds", sa.Float),
    sa.Column("result", sa.String(64)),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error_message", sa.Text),
    sa.Column("submitted_at", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.UniqueConstraint("content_id", "attempt"),
    sa.Index("equipoise_jobs_newest", "submitted_at", "id"),
    sa.Index("equipoise_jobs_status", "status", "updated_at"),
)
job_tags = sa.Table(
    "equipoise_job_tags",
    metadata,
    sa.Column("job_id", sa.String(64), primary_key=True),
    sa.Column("tag", sa.String(64), primary_key=True),
    sa.Index("equipoise_job_tags_tag", "tag"),
)
idempotency_keys = sa.Table(
    "equipoise_idempotency_keys",
    metadata,
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("job_id", sa.String(64), nullable=False, index=True),
    sa.Column("created_at", sa.Float, nullable=False),
)
datasets = sa.Table(
    "equipoise_datasets",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("n_rows", sa.BigInteger, nullable=False),
    sa.Column("x", sa.Text, nullable=False),
    sa.Column("y", sa.Text, nullable=False),
    sa.Column("bytes_stored", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
workers = sa.Table(
    "equipoise_workers",
    metadata,
    sa.Column("id", sa.String(160), primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("process_space", sa.Text, nullable=False),
    sa.Column("process", sa.Text, nullable=False),
    sa.Column("device", sa.String(32), nullable=False),
    sa.Column("threads", sa.Integer, nullable=False),
    sa.Column("queues", sa.Text, nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
    sa.Column("stopped_at", sa.Float),
)
schema_version = sa.Table(
    "equipoise_schema_version", sa.MetaData(), sa.Column("version", sa.Integer, primary_key=True)
)


def _first_tables(connection: sa.Connection) -> None:
    metadata.create_all(connection)


MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (_first_tables,)
"""Step n brings a database of version n to version n + 1. A later step spells out its own DDL."""


def connect(url: str) -> sa.Engine:
    """Open a pool of connections; creates the folder of a SQLite file."""
    if url.startswith("sqlite"):
        Path(sa.make_url(url).database or "").parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url, pool_size=20, max_overflow=20)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    return sa.create_engine(url, pool_size=10, max_overflow=10, pool_pre_ping=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Writers take the lock at once and wait for each other, instead of failing when a reader wants to write.
    connection.isolation_level = "IMMEDIATE"
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA foreign_keys=ON")
    # With a write-ahead log a commit survives the death of the process without waiting for the disk.
    connection.execute("PRAGMA synchronous=NORMAL")
    if sqlite3.sqlite_version_info < (3, 42):
        # From Python 3.12 on the engine takes milliseconds from a modifier that older libraries do not know.
        connection.create_function("unixepoch", 1, _unixepoch)


def _unixepoch(modifier: str) -> float | None:
    """SQLite's unixepoch('subsec'), [s] with milliseconds; null for other modifiers, as SQLite answers."""
    return round(time.time(), 3) if modifier == "subsec" else None


def migrate(engine: sa.Engine) -> None:
    """Bring our tables to the newest version; safe to call from many processes at once.

    Raises:
        RuntimeError: the database was written by a newer version of the service.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    with engine.begin() as connection:
        _lock(connection)
        schema_version.create(connection, checkfirst=True)
        version = connection.scalar(sa.select(sa.func.max(schema_version.c.version))) or 0
        if version > len(MIGRATIONS):
            raise RuntimeError(
                f"the database has schema version {version}: this service knows up to {len(MIGRATIONS)}. "
                "Upgrade the service."
            )
        for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
            step(connection)
            connection.execute(schema_version.insert().values(version=number))


def _lock(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))


def database_now(engine: sa.Engine) -> sa.ColumnElement[float]:
    """The database's own clock, [s] since 1970, so that workers on many machines agree."""
    if engine.dialect.name == "sqlite":
        return sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Float)
    return sa.literal_column("extract(epoch from clock_timestamp())::double precision", sa.Float)


def insert_if_absent(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless one with the same key exists; whether it was inserted."""
    query: sqlite.Insert | postgresql.Insert
    query = sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    # Row counts of such inserts differ between drivers; a returned key does not lie.
    inserted = query.values(dict(row)).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return connection.execute(inserted).first() is not None
