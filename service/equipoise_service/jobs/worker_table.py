"""The workers as rows, on the database's own clock: who is there, and who is dead."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from equipoise_service.storage.database import database_now
from equipoise_service.storage.tables import workers
from equipoise_service.workers.processes import host_name, is_process_alive, process_name, process_space
from equipoise_solver.version import __version__


@dataclass(frozen=True)
class WorkerView:
    """A worker as the API shows it. Times are seconds since 1970.

    Attributes:
        status: "ready", or "draining" while it ends and takes no job.
        capabilities: what it can do, as it says.
        health: what it does and how it goes, as it says.
    """

    id: str
    host: str
    device: str
    threads: int
    queues: tuple[str, ...]
    version: str
    started_at: float
    seen_at: float
    is_alive: bool
    status: str = "ready"
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, Any] = field(default_factory=dict)


class WorkerTable:
    """The workers as rows, on the database's clock."""

    def __init__(self, engine: sa.Engine, *, ttl_s: float) -> None:
        self.engine = engine
        self._now = database_now(engine)
        self._ttl_s = ttl_s

    def register(
        self,
        worker: str,
        *,
        device: str,
        threads: int,
        queues: Sequence[str],
        capabilities: Mapping[str, Any],
    ) -> None:
        """Add this process as a worker."""
        row = {
            "id": worker,
            "host": host_name(),
            "process_space": process_space(),
            "process": process_name(os.getpid()),
            "device": device,
            "threads": threads,
            "queues": ",".join(queues),
            "version": __version__,
            "capabilities": json.dumps(dict(capabilities), allow_nan=False),
        }
        with self.engine.begin() as connection:
            connection.execute(workers.insert().values(**row, started_at=self._now, seen_at=self._now))

    def beat(self, worker: str, *, status: str, health: Mapping[str, Any]) -> bool:
        """Give a sign of life; False if the worker is not known, perhaps given up for dead."""
        values = {
            "seen_at": self._now,
            "stopped_at": None,
            "status": status,
            "health": json.dumps(dict(health), allow_nan=False),
        }
        query = sa.update(workers).where(workers.c.id == worker).values(values)
        with self.engine.begin() as connection:
            return connection.execute(query).rowcount == 1

    def mark_stopped(self, worker_ids: Sequence[str]) -> None:
        """Record that workers have ended, so that others take over their jobs at once."""
        with self.engine.begin() as connection:
            connection.execute(
                sa.update(workers).where(workers.c.id.in_(worker_ids)).values(stopped_at=self._now)
            )

    def dead(self) -> list[str]:
        """Workers that ended, that have been silent for too long, or whose process is gone."""
        silent = workers.c.seen_at < self._now - self._ttl_s
        query = sa.select(
            workers.c.id,
            workers.c.process_space,
            workers.c.process,
            sa.or_(workers.c.stopped_at.is_not(None), silent).label("is_dead"),
        )
        here = process_space()
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        return [
            row.id
            for row in rows
            if row.is_dead or (row.process_space == here and not is_process_alive(row.process))
        ]

    def remove(self, worker_ids: Sequence[str]) -> None:
        """Forget workers whose jobs have been taken over."""
        with self.engine.begin() as connection:
            connection.execute(workers.delete().where(workers.c.id.in_(worker_ids)))

    def all(self) -> list[WorkerView]:
        """Every worker that is known, the newest first."""
        alive = sa.and_(workers.c.stopped_at.is_(None), workers.c.seen_at >= self._now - self._ttl_s)
        query = sa.select(workers, alive.label("is_alive")).order_by(workers.c.started_at.desc())
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        return [
            WorkerView(
                id=row.id,
                host=row.host,
                device=row.device,
                threads=row.threads,
                queues=tuple(row.queues.split(",")),
                version=row.version,
                started_at=row.started_at,
                seen_at=row.seen_at,
                is_alive=bool(row.is_alive),
                status=row.status,
                capabilities=json.loads(row.capabilities),
                health=json.loads(row.health),
            )
            for row in rows
        ]
