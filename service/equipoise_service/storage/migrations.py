"""Migrations: an older database is brought to the tables of this version, and only ever forward."""

import hashlib
from collections.abc import Callable

import sqlalchemy as sa

from equipoise_service.storage.tables import metadata

# PostgreSQL sessions that migrate at the same time wait for this advisory lock (an arbitrary fixed number).
_MIGRATION_LOCK = 0x45515550

schema_version = sa.Table(
    "equipoise_schema_version", sa.MetaData(), sa.Column("version", sa.Integer, primary_key=True)
)


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
        if version > NEWEST:
            raise RuntimeError(
                f"the database has schema version {version}: this service knows up to {NEWEST}. "
                "Upgrade the service."
            )
        if version == 0:
            metadata.create_all(connection)
            connection.execute(schema_version.insert().values(version=NEWEST))
            return
        for number in range(version, NEWEST):
            STEPS[number - 1](connection)
            connection.execute(schema_version.insert().values(version=number + 1))


def _lock(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))


def _add_owners_shards_and_tokens(connection: sa.Connection) -> None:
    """Version 2: jobs and datasets have owners, jobs have costs and shards; tokens, audit log, counters."""
    _run(
        connection,
        """
        ALTER TABLE equipoise_jobs ADD COLUMN owner VARCHAR(64) DEFAULT 'local' NOT NULL;
        ALTER TABLE equipoise_jobs ADD COLUMN answer_key VARCHAR(64) DEFAULT '' NOT NULL;
        UPDATE equipoise_jobs SET answer_key = content_id;
        ALTER TABLE equipoise_jobs ADD COLUMN cost_path_steps FLOAT;
        ALTER TABLE equipoise_jobs ADD COLUMN cost_memory_bytes FLOAT;
        ALTER TABLE equipoise_jobs ADD COLUMN cost_seconds FLOAT;
        ALTER TABLE equipoise_jobs ADD COLUMN n_shards INTEGER DEFAULT '1' NOT NULL;
        ALTER TABLE equipoise_jobs ADD COLUMN request_id VARCHAR(64);
        ALTER TABLE equipoise_jobs ADD COLUMN trace_parent VARCHAR(64);
        ALTER TABLE equipoise_jobs ADD COLUMN used_at FLOAT;
        ALTER TABLE equipoise_jobs ADD COLUMN result_expired_at FLOAT;
        ALTER TABLE equipoise_jobs ADD COLUMN timeout_by VARCHAR(16) DEFAULT 'job' NOT NULL;
        ALTER TABLE equipoise_jobs ADD COLUMN device VARCHAR(8);
        CREATE INDEX equipoise_jobs_owner ON equipoise_jobs (owner, submitted_at, id);
        CREATE INDEX equipoise_jobs_answer ON equipoise_jobs (answer_key, status);
        CREATE INDEX equipoise_jobs_result ON equipoise_jobs (result);
        CREATE INDEX equipoise_jobs_place
            ON equipoise_jobs (status, queue, owner, priority, submitted_at, cost_seconds);
        ALTER TABLE equipoise_datasets ADD COLUMN used_at FLOAT;
        ALTER TABLE equipoise_workers ADD COLUMN status VARCHAR(16) DEFAULT 'ready' NOT NULL;
        ALTER TABLE equipoise_workers ADD COLUMN capabilities TEXT DEFAULT '{}' NOT NULL;
        ALTER TABLE equipoise_workers ADD COLUMN health TEXT DEFAULT '{}' NOT NULL;
        CREATE TABLE equipoise_job_shards (
            job_id VARCHAR(64) NOT NULL, number INTEGER NOT NULL, status VARCHAR(16) NOT NULL,
            progress FLOAT NOT NULL, live TEXT NOT NULL, worker VARCHAR(160), checkpoint TEXT,
            seconds FLOAT, updated_at FLOAT NOT NULL, PRIMARY KEY (job_id, number));
        CREATE TABLE equipoise_dataset_owners (
            dataset_id VARCHAR(64) NOT NULL, owner VARCHAR(64) NOT NULL, x TEXT NOT NULL, y TEXT NOT NULL,
            created_at FLOAT NOT NULL, PRIMARY KEY (dataset_id, owner));
        INSERT INTO equipoise_dataset_owners (dataset_id, owner, x, y, created_at)
            SELECT id, 'local', x, y, created_at FROM equipoise_datasets;
        CREATE TABLE equipoise_tokens (
            id VARCHAR(32) NOT NULL, owner VARCHAR(64) NOT NULL, label VARCHAR(128) NOT NULL,
            secret_hash VARCHAR(64) NOT NULL, scopes VARCHAR(64) NOT NULL, created_at FLOAT NOT NULL,
            expires_at FLOAT, revoked_at FLOAT, used_at FLOAT, PRIMARY KEY (id));
        CREATE INDEX ix_equipoise_tokens_owner ON equipoise_tokens (owner);
        CREATE TABLE equipoise_audit_log (
            id {serial}, at FLOAT NOT NULL, owner VARCHAR(64) NOT NULL, token_id VARCHAR(32),
            action VARCHAR(32) NOT NULL, subject VARCHAR(160) NOT NULL, request_id VARCHAR(64),
            detail TEXT NOT NULL, PRIMARY KEY (id));
        CREATE INDEX ix_equipoise_audit_log_at ON equipoise_audit_log (at);
        CREATE INDEX ix_equipoise_audit_log_owner ON equipoise_audit_log (owner);
        CREATE TABLE equipoise_calibrations (
            device VARCHAR(64) NOT NULL, kind VARCHAR(64) NOT NULL, factor FLOAT NOT NULL,
            weight FLOAT NOT NULL, updated_at FLOAT NOT NULL, PRIMARY KEY (device, kind));
        CREATE TABLE equipoise_counters (
            name VARCHAR(64) NOT NULL, labels VARCHAR(255) NOT NULL, value FLOAT NOT NULL,
            PRIMARY KEY (name, labels));
        CREATE TABLE equipoise_properties (
            name VARCHAR(64) NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name));
        """,
    )
    _own_keys(connection)


def _own_keys(connection: sa.Connection) -> None:
    """Keys of requests become their owner's: the SHA-256 of the owner's name and the key."""
    for (key,) in connection.exec_driver_sql("SELECT key FROM equipoise_idempotency_keys").all():
        own = hashlib.sha256(f"local {key}".encode()).hexdigest()
        query = sa.text("UPDATE equipoise_idempotency_keys SET key = :own WHERE key = :key")
        connection.execute(query, {"own": own, "key": key})


def _run(connection: sa.Connection, statements: str) -> None:
    serial = "INTEGER NOT NULL" if connection.dialect.name == "sqlite" else "SERIAL NOT NULL"
    for statement in statements.replace("{serial}", serial).split(";"):
        if statement.strip():
            connection.exec_driver_sql(statement)


def _add_short_jobs(connection: sa.Connection) -> None:
    """Version 3: quick jobs that simulate are short jobs; those that the engine knows stay with it."""
    _run(
        connection,
        """
        UPDATE equipoise_jobs SET queue = 'cpu' WHERE queue = 'quick' AND cost_path_steps > 0
            AND status IN ('queued', 'running', 'cancelling');
        CREATE INDEX equipoise_jobs_short ON equipoise_jobs (owner, priority, submitted_at)
            WHERE status = 'queued' AND queue = 'quick'
            AND cost_path_steps IS NOT NULL AND cost_path_steps > 0;
        """,
    )


STEPS: tuple[Callable[[sa.Connection], None], ...] = (_add_owners_shards_and_tokens, _add_short_jobs)
"""Step n, counted from 1, brings a database of version n to version n + 1; each spells out its own DDL."""
NEWEST = 1 + len(STEPS)
"""Version of the tables as `tables` has them."""
