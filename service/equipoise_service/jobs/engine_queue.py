"""The job engine as the API sees it: jobs are put on its queues, stopped and forgotten.

With `engine`, which runs them, and `engine_logs` these are the only modules that know DBOS, so that it can be
replaced. All act on the database of the service.
"""

import time
from collections.abc import Sequence
from typing import Literal

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions, Queue

from equipoise_service.jobs.engine_logs import join_logs
from equipoise_service.jobs.queues import COORDINATE, QUEUES, SLOT_RULES
from equipoise_service.jobs.shards import ShardTable, shard_id
from equipoise_service.users.callers import LOCAL_USER

APPLICATION = "equipoise"
# Jobs begun under one version are only run by workers of the same version. Raise it when the order of
# steps in `flows` changes, and only then.
STEPS_VERSION = "1"
# Names of the workflows: a job in one piece, a shard, and the job that shards belong to.
WHOLE, SHARD, SHARDED = "run_job", "run_shard", "run_sharded_job"
SCHEMA = "dbos"
HIGHEST_PRIORITY = 100

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


def migrate_engine(engine: sa.Engine) -> None:
    """Create or update the engine's own tables; safe to call from many processes at once."""
    join_logs()
    DBOS.migrate(engine.url.render_as_string(hide_password=False), schema=SCHEMA)


class JobQueue:
    """What the API asks of the engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self._shards = ShardTable(engine)
        self._client = DBOSClient(
            system_database_engine=engine,
            dbos_system_schema=SCHEMA,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
        )

    def register_queues(self, *, max_running_per_user: int | None = None) -> dict[str, Queue]:
        """Record how each queue is served; a worker does so before it starts.

        Args:
            max_running_per_user: most jobs of a user that run at a time on one kind of device.
        """
        found = {}
        for rule in SLOT_RULES:
            # Parents compute nothing, and quick jobs are over at once: only the devices are worth a cap.
            cap = max_running_per_user if rule.is_device else None
            for name in rule.queues:
                found[name] = self._client.register_queue(
                    name,
                    worker_concurrency=rule.slots,
                    partition_concurrency=cap,
                    polling_interval_sec=rule.poll_s,
                )
        return found

    def adopt(self) -> int:
        """Give the jobs that a version without users has queued to the local user; returns how many."""
        # The engine has no call for this; such rows exist only right after an upgrade.
        system = self._client._sys_db
        status = system.tables.workflow_status
        nobodys = sa.and_(
            status.c.queue_name.in_(QUEUES),
            status.c.queue_partition_key.is_(None),
            status.c.status.in_(("ENQUEUED", "PENDING")),
        )
        with system.engine.begin() as connection:
            query = sa.update(status).where(nobodys).values(queue_partition_key=LOCAL_USER)
            return connection.execute(query).rowcount

    def enqueue(
        self,
        connection: sa.Connection,
        job_id: str,
        *,
        queue: str,
        owner: str,
        priority: int,
        timeout_seconds: float,
        n_shards: int = 1,
    ) -> None:
        """Put a job on a queue, within the caller's transaction.

        Args:
            connection: connection of the service's database, in a transaction.
            job_id: the job.
            queue: name of the queue of the job, or of its shards.
            owner: its user; users take turns.
            priority: 0..HIGHEST_PRIORITY; among the jobs of a user a larger one starts earlier.
            timeout_seconds: longest run, counted from the start.
            n_shards: number of parts that are computed on their own; 1 for a job in one piece.
        """
        if n_shards > 1:
            # Its time runs from the start of its first shard, which the job itself watches.
            options = _options(SHARDED, job_id, queue=COORDINATE, owner=owner, priority=priority)
        else:
            options = _options(WHOLE, job_id, queue=queue, owner=owner, priority=priority)
            options["workflow_timeout"] = timeout_seconds
        self._client.enqueue_in_transaction(connection, options, job_id)
        if connection.dialect.name == "sqlite":
            self._date_exactly(connection, job_id)

    def _date_exactly(self, connection: sa.Connection, job_id: str) -> None:
        """On SQLite the engine dates jobs by the second, and those of one second would start in any order."""
        status = self._client._sys_db.tables.workflow_status
        now_ms = time.time_ns() // 1_000_000
        query = sa.update(status).where(status.c.workflow_uuid == job_id).values(created_at=now_ms)
        connection.execute(query)

    def enqueue_shard(
        self,
        connection: sa.Connection,
        job_id: str,
        number: int,
        *,
        queue: str,
        owner: str,
        priority: int,
        timeout_seconds: float,
    ) -> None:
        """Put a shard of a job on a queue, within the caller's transaction; one that is there stays."""
        options = _options(SHARD, shard_id(job_id, number), queue=queue, owner=owner, priority=priority)
        options["workflow_timeout"] = timeout_seconds
        self._client.enqueue_in_transaction(connection, options, job_id, number)

    def cancel(self, job_id: str) -> None:
        """Stop a job and its shards; one that has ended, or that the engine does not know, is left alone."""
        self._client.cancel_workflows([job_id, *self._shards.ids(job_id)])

    def cancel_shards(self, job_id: str) -> None:
        """Stop the shards of a job."""
        shards = self._shards.ids(job_id)
        if shards:
            self._client.cancel_workflows(shards)

    def forget(self, connection: sa.Connection, job_id: str) -> None:
        """Remove all records of a job and of its shards, within the transaction that removes the job.

        A new job may get the same id right after: its records must never be taken for those of this one.
        """
        names = [job_id, *self._shards.delete(connection, job_id)]
        # The engine's own call (delete_workflows) removes the same rows in a transaction of its own.
        system = self._client._sys_db
        tables, schemas = system.tables, system.engine.get_execution_options()["schema_translate_map"]
        contents = (tables.workflow_input, tables.workflow_output, tables.operation_outputs)
        for table in (*contents, tables.workflow_status):
            records = sa.delete(table).where(table.c.workflow_uuid.in_(names))
            connection.execute(records, execution_options={"schema_translate_map": schemas})

    def states(self, job_ids: Sequence[str]) -> dict[str, EngineState]:
        """What the engine makes of some jobs or shards; "unknown" if it has no record."""
        states: dict[str, EngineState] = dict.fromkeys(job_ids, "unknown")
        if job_ids:
            found = self._client.list_workflows(
                workflow_ids=list(job_ids), load_input=False, load_output=False
            )
            states.update({row.workflow_id: _STATES[row.status] for row in found})
        return states

    def goes_on(self, job_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """Whether the engine lets a job wait or run, as part of a query."""
        is_sqlite = self._client._sys_db.engine.dialect.name == "sqlite"
        schema = None if is_sqlite else SCHEMA
        status = sa.table("workflow_status", sa.column("workflow_uuid"), sa.column("status"), schema=schema)
        going_on = [name for name, state in _STATES.items() if state in ("waiting", "running")]
        return sa.exists().where(status.c.workflow_uuid == job_id, status.c.status.in_(going_on))

    def close(self) -> None:
        """Let go of the client; the database connections belong to the caller."""
        self._client.destroy()


def _options(workflow: str, name: str, *, queue: str, owner: str, priority: int) -> EnqueueOptions:
    return {
        "workflow_name": workflow,
        "queue_name": queue,
        "queue_partition_key": owner,
        "workflow_id": name,
        "app_version": STEPS_VERSION,
        # The engine takes the smallest first.
        "priority": 1 + HIGHEST_PRIORITY - priority,
    }
