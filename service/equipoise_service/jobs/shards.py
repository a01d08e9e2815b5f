"""Shards as rows: the parts of a job that are computed on their own, and what they come to together."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from equipoise_service.storage.database import insert_if_absent
from equipoise_service.storage.tables import job_shards, jobs

ShardStatus = Literal["queued", "running", "done"]
_MARK = ".s"


@dataclass(frozen=True)
class Shard:
    """One part of a job.

    Attributes:
        number: which part, counted from 0.
        checkpoint: name of its last checkpoint, once it is done.
        seconds: what it took to compute, once it is done, [s].
    """

    number: int
    status: ShardStatus
    progress: float
    live: Mapping[str, Any]
    worker: str | None
    checkpoint: str | None
    seconds: float | None


def shard_id(job_id: str, number: int) -> str:
    """Name of a shard on the engine."""
    return f"{job_id}{_MARK}{number}"


def job_of_part(name: str) -> str:
    """The job that a name on the engine belongs to: its own, or that of its shard."""
    return name.split(_MARK, 1)[0]


class ShardTable:
    """Queries on shards. Methods that take a connection leave the transaction to the caller."""

    def __init__(self, engine: sa.Engine, *, clock: Callable[[], float] = time.time) -> None:
        self.engine = engine
        self._clock = clock

    def ids(self, job_id: str) -> list[str]:
        """Names on the engine of the shards of a job; none for a job in one piece."""
        query = sa.select(job_shards.c.number).where(job_shards.c.job_id == job_id)
        with self.engine.connect() as connection:
            return [shard_id(job_id, number) for number in connection.scalars(query)]

    def of(self, job_id: str) -> list[Shard]:
        """The shards of a job in the order of their numbers."""
        query = sa.select(job_shards).where(job_shards.c.job_id == job_id).order_by(job_shards.c.number)
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        return [_shard(row) for row in rows]

    def insert(self, connection: sa.Connection, job_id: str, number: int) -> None:
        """Add a shard, unless it is there."""
        row = {"job_id": job_id, "number": number, "status": "queued", "progress": 0.0, "live": "{}"}
        insert_if_absent(connection, job_shards, {**row, "updated_at": self._clock()})

    def record_progress(
        self, job_id: str, number: int, progress: float, live: Mapping[str, Any], worker: str
    ) -> bool:
        """Show how far a shard is, and its job with it; False if the job is not to go on."""
        values = {
            "status": "running",
            "progress": sa.case((job_shards.c.progress > progress, job_shards.c.progress), else_=progress),
            "live": json.dumps(dict(live), allow_nan=False),
            "worker": worker,
            "updated_at": self._clock(),
        }
        with self.engine.begin() as connection:
            connection.execute(sa.update(job_shards).where(_is_open(job_id, number)).values(values))
            return self._show(connection, job_id, worker)

    def keep(self, job_id: str, number: int, checkpoint: str, seconds: float, worker: str) -> None:
        """Record the checkpoint of a shard that is done; the first one counts."""
        values = {
            "status": "done",
            "progress": 1.0,
            "checkpoint": checkpoint,
            "seconds": seconds,
            "worker": worker,
            "updated_at": self._clock(),
        }
        with self.engine.begin() as connection:
            connection.execute(sa.update(job_shards).where(_is_open(job_id, number)).values(values))
            self._show(connection, job_id, worker)

    def delete(self, connection: sa.Connection, job_id: str) -> list[str]:
        """Forget the shards of a job; returns their names on the engine."""
        mine = job_shards.c.job_id == job_id
        query = job_shards.delete().where(mine).returning(job_shards.c.number)
        return [shard_id(job_id, number) for number in connection.scalars(query)]

    def _show(self, connection: sa.Connection, job_id: str, worker: str) -> bool:
        query = sa.select(job_shards).where(job_shards.c.job_id == job_id).order_by(job_shards.c.number)
        shards = [_shard(row) for row in connection.execute(query)]
        # Only the merging makes a job whole: until then it is not quite done.
        progress = min(sum(shard.progress for shard in shards) / max(len(shards), 1), 0.999)
        values = {
            "progress": sa.case((jobs.c.progress > progress, jobs.c.progress), else_=progress),
            "live": json.dumps(merged_live([shard.live for shard in shards]), allow_nan=False),
            "worker": worker,
            "updated_at": self._clock(),
            "revision": jobs.c.revision + 1,
        }
        running = sa.and_(jobs.c.id == job_id, jobs.c.status == "running")
        return connection.execute(sa.update(jobs).where(running).values(values)).rowcount == 1


def merged_live(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Live numbers of a job from those of its shards.

    Counts, the integers, are added. Other numbers are means, and so is what is made of them: each counts in
    proportion to the path-steps of its shard, where shards tell them, else equally. What no shard knows is
    null.

    Args:
        parts: numbers by name, of the shards that have any.
    """
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: _merged([(part[name], _weight(part)) for part in parts if name in part]) for name in names}


def _merged(values: Sequence[tuple[Any, float]]) -> Any:
    known = [(value, weight) for value, weight in values if value is not None]
    if not known:
        return None
    if all(isinstance(value, int) for value, _ in known):
        return sum(value for value, _ in known)
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total > 0 else None


def _weight(part: Mapping[str, Any]) -> float:
    return float(part.get("path_steps") or 1)


def _is_open(job_id: str, number: int) -> sa.ColumnElement[bool]:
    same = sa.and_(job_shards.c.job_id == job_id, job_shards.c.number == number)
    return sa.and_(same, job_shards.c.status != "done")


def _shard(row: Any) -> Shard:
    return Shard(
        number=row.number,
        status=row.status,
        progress=row.progress,
        live=json.loads(row.live),
        worker=row.worker,
        checkpoint=row.checkpoint,
        seconds=row.seconds,
    )
