"""What the service is doing now, in a handful of queries whose cost hardly grows with the jobs that ended."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from equipoise_service.jobs import pieces
from equipoise_service.jobs.job_table import STATUSES
from equipoise_service.jobs.queues import QUEUES, SLOT_RULES
from equipoise_service.storage.database import database_now
from equipoise_service.storage.tables import datasets, jobs, workers
from equipoise_service.telemetry import counters

_SLOTS = {queue: rule.slots for rule in SLOT_RULES for queue in rule.queues}


@dataclass
class Share:
    """What a user has on a queue; a job that was cut into shards counts by these."""

    queued: int = 0
    running: int = 0


@dataclass
class QueueState:
    """A queue.

    Attributes:
        name: its name.
        slots: jobs that the workers alive may run at a time.
        oldest_at: when the oldest waiting job was submitted, [s] since 1970; None if none waits.
        shares: what each user has on it.
    """

    name: str
    slots: int = 0
    oldest_at: float | None = None
    shares: dict[str, Share] = field(default_factory=dict)

    @property
    def queued(self) -> int:
        """Jobs that wait to start."""
        return sum(share.queued for share in self.shares.values())

    @property
    def running(self) -> int:
        """Jobs that run or are being stopped."""
        return sum(share.running for share in self.shares.values())

    def oldest_wait_s(self, now: float) -> float | None:
        """How long the oldest waiting job has waited, [s]."""
        return None if self.oldest_at is None else max(0.0, now - self.oldest_at)


@dataclass(frozen=True)
class WorkerState:
    """A worker that is alive.

    Attributes:
        number: which of those on the same device of the same machine, the oldest is 0.
    """

    host: str
    device: str
    number: int
    status: str
    health: dict[str, Any]


@dataclass(frozen=True)
class ServiceState:
    """The service at one moment.

    Attributes:
        now: when, [s] since 1970.
        jobs: number of jobs by status.
        queues: the queues, in their order.
        workers: the workers that are alive.
        dataset_bytes: size of the datasets in the store, [bytes].
        counters: every counter by name and labels.
    """

    now: float
    jobs: dict[str, int]
    queues: list[QueueState]
    workers: list[WorkerState]
    dataset_bytes: float
    counters: dict[str, dict[tuple[str, ...], float]]


class StateReader:
    """Reads what the service is doing.

    Args:
        engine: database of the service.
        ttl_s: silence after which a worker counts as dead, [s].
        clock: seconds since 1970, the clock of the jobs' times.
    """

    def __init__(self, engine: sa.Engine, *, ttl_s: float, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._ttl_s = ttl_s
        self._clock = clock

    def read(self) -> ServiceState:
        """The service now."""
        with self._engine.connect() as connection:
            alive = self._alive(connection)
            return ServiceState(
                now=self._clock(),
                jobs=_jobs_by_status(connection),
                queues=_queues(connection, alive),
                workers=_numbered(alive),
                dataset_bytes=float(connection.scalar(sa.select(sa.func.sum(datasets.c.bytes_stored))) or 0),
                counters=counters.read(connection),
            )

    def queues(self) -> tuple[float, list[QueueState]]:
        """The time, [s] since 1970, and the queues."""
        with self._engine.connect() as connection:
            return self._clock(), _queues(connection, self._alive(connection))

    def _alive(self, connection: sa.Connection) -> list[Any]:
        columns = ("host", "device", "status", "queues", "health")
        query = (
            sa.select(*(workers.c[name] for name in columns))
            .where(
                workers.c.stopped_at.is_(None),
                workers.c.seen_at >= database_now(self._engine) - self._ttl_s,
            )
            .order_by(workers.c.started_at, workers.c.id)
        )
        return list(connection.execute(query))


def _jobs_by_status(connection: sa.Connection) -> dict[str, int]:
    # Answered from the index on the status alone, without a look at the jobs.
    query = sa.select(jobs.c.status, sa.func.count()).group_by(jobs.c.status)
    found = {row[0]: row[1] for row in connection.execute(query)}
    return {status: found.get(status, 0) for status in STATUSES}


def _queues(connection: sa.Connection, alive: list[Any]) -> list[QueueState]:
    """Every queue that is known, or that has jobs."""
    states = {name: QueueState(name) for name in QUEUES}
    for found in pieces.unfinished(connection):
        state = states.setdefault(found.queue, QueueState(found.queue))
        share = state.shares.setdefault(found.owner, Share())
        if found.waits:
            share.queued = found.n
            state.oldest_at = min(found.since, state.oldest_at or found.since)
        else:
            share.running = found.n
    for worker in alive:
        for name in worker.queues.split(","):
            if name in states and worker.status != "draining":
                states[name].slots += _SLOTS.get(name, 0)
    return list(states.values())


def _numbered(alive: list[Any]) -> list[WorkerState]:
    """The workers under names that live on when a worker is replaced by another one."""
    seen: dict[tuple[str, str], int] = {}
    found = []
    for row in alive:
        number = seen.get((row.host, row.device), 0)
        seen[row.host, row.device] = number + 1
        found.append(WorkerState(row.host, row.device, number, row.status, json.loads(row.health)))
    return found
