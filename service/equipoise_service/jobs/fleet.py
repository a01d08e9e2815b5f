"""The workers that are there: how many slots serve each queue, on which devices."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from equipoise_service.jobs.calibrations import DeviceClass, device_class
from equipoise_service.jobs.queues import GPU, SLOT_RULES
from equipoise_service.storage.database import database_now
from equipoise_service.storage.tables import workers

# So long the workers that were read are taken to be there, [s].
KEEP_S = 1.0
_SLOTS = {queue: rule.slots for rule in SLOT_RULES for queue in rule.queues}


@dataclass(frozen=True)
class Post:
    """A worker that takes jobs.

    Attributes:
        device: class of the device it computes on.
        queues: those it serves.
        threads: threads it computes with.
    """

    device: DeviceClass
    queues: frozenset[str]
    threads: int


@dataclass(frozen=True)
class Fleet:
    """The workers that take jobs at one moment."""

    posts: tuple[Post, ...] = ()

    def slots(self, queue: str) -> int:
        """Jobs of a queue that may run at a time."""
        return sum(_SLOTS[queue] for post in self.posts if queue in post.queues)

    def workers(self, queue: str) -> int:
        """Workers that take jobs of a queue; of quick jobs, too, each computes one at a time."""
        return sum(queue in post.queues for post in self.posts)

    def serves(self, queue: str) -> bool:
        """Whether some worker takes jobs of a queue, and can compute them."""
        return any(queue in post.queues and (queue != GPU or post.device == "gpu") for post in self.posts)

    def threads(self, device: DeviceClass, *, default: int) -> int:
        """Threads that a job gets on a class of devices, at least; `default` where there is no worker."""
        if device == "gpu":
            return 1
        return min((post.threads for post in self.posts if post.device == "cpu"), default=default)


class FleetWatch:
    """Reads which workers are there, about once a second."""

    def __init__(
        self, engine: sa.Engine, *, ttl_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._clock = clock
        alive = workers.c.seen_at >= database_now(engine) - ttl_s
        self._query = sa.select(workers.c.device, workers.c.queues, workers.c.threads).where(
            workers.c.stopped_at.is_(None), workers.c.status != "draining", alive
        )
        self._kept: tuple[float, Fleet] | None = None

    def now(self) -> Fleet:
        """The workers that take jobs."""
        now = self._clock()
        if self._kept is None or now - self._kept[0] > KEEP_S:
            self._kept = (now, self._read())
        return self._kept[1]

    def _read(self) -> Fleet:
        with self._engine.connect() as connection:
            rows = connection.execute(self._query).all()
        return Fleet(
            tuple(
                Post(device_class(row.device), frozenset(row.queues.split(",")), row.threads) for row in rows
            )
        )
