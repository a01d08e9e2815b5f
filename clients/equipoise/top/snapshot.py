"""What a service is doing at one moment, and how it went over the last moments."""

import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from equipoise.client import Client
from equipoise.records import JobRecord

MOST_JOBS = 50
MOST_FAILURES = 5
FAILURES = ("failed", "timed_out")
"""How a job ends that gives no result, without anybody having asked for that."""
HISTORY = 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Snapshot:
    """A service at one moment.

    Attributes:
        taken_at: when, [s] since 1970.
        health: what it says about itself.
        queues: its queues.
        workers: its workers that are alive.
        running: jobs that run: the caller's own, for admins all.
        failed: jobs that failed or ran out of time last, the last first.
    """

    taken_at: float
    health: Mapping[str, Any]
    queues: Sequence[Mapping[str, Any]]
    workers: Sequence[Mapping[str, Any]]
    running: Sequence[JobRecord]
    failed: Sequence[JobRecord]

    @property
    def waiting(self) -> int:
        """Jobs of all users that wait to start."""
        return sum(int(queue.get("queued", 0)) for queue in self.queues)

    @property
    def path_steps_per_second(self) -> float:
        """Path-steps per second of all workers that are computing."""
        return sum(speed_of(worker) or 0.0 for worker in self.workers)

    def as_json(self) -> dict[str, Any]:
        """The same as plain content."""
        return {
            "taken_at": self.taken_at,
            "health": dict(self.health),
            "queues": [dict(queue) for queue in self.queues],
            "workers": [dict(worker) for worker in self.workers],
            "running": [job.model_dump(mode="json") for job in self.running],
            "failed": [job.model_dump(mode="json") for job in self.failed],
        }


@dataclass
class History:
    """How some numbers went over the last snapshots."""

    waiting: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    speed: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def add(self, snapshot: Snapshot) -> None:
        """Remember a snapshot."""
        self.waiting.append(float(snapshot.waiting))
        self.speed.append(snapshot.path_steps_per_second)


def take(client: Client) -> Snapshot:
    """Ask a service what it is doing.

    Raises:
        ClientError: it does not answer, or does not let the caller know.
    """
    return Snapshot(
        taken_at=time.time(),
        health=client.health(),
        queues=client.queues(),
        workers=[worker for worker in client.workers() if worker.get("alive", True)],
        running=[job.record for job in client.jobs(status="running", limit=MOST_JOBS)],
        failed=_failed_last(client),
    )


def _failed_last(client: Client) -> list[JobRecord]:
    found = [job.record for status in FAILURES for job in client.jobs(status=status, limit=MOST_FAILURES)]
    return sorted(found, key=_ended_at, reverse=True)[:MOST_FAILURES]


def _ended_at(job: JobRecord) -> float:
    return 0.0 if job.finished_at is None else job.finished_at.timestamp()


def speed_of(worker: Mapping[str, Any]) -> float | None:
    """Path-steps per second of a worker; None while it computes nothing."""
    health = worker.get("health") or {}
    speed, busy = health.get("path_steps_per_second"), health.get("busy_fraction")
    if not isinstance(speed, int | float) or busy == 0:
        return None
    return float(speed) * (float(busy) if isinstance(busy, int | float) else 1.0)


def safe(text: object) -> str:
    """A text of the service as a terminal may show it: without anything that steers the terminal."""
    return _CONTROL.sub("?", str(text))
