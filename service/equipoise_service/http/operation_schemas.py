"""What goes over the wire about the service itself: workers, queues, limits, health."""

from datetime import datetime
from typing import Any

from equipoise_service.http.schemas import View, moment
from equipoise_service.jobs.worker_table import WorkerView
from equipoise_service.telemetry.service_state import QueueState


class Worker(View):
    """A worker."""

    id: str
    """One life of one process."""
    host: str
    """Name of its machine."""
    device: str
    """What it computes on."""
    threads: int
    """Threads it computes with."""
    queues: list[str]
    """Queues it serves."""
    version: str
    """Version of the solver."""
    started_at: datetime
    """When it started."""
    seen_at: datetime
    """Its last sign of life."""
    alive: bool
    """Whether it counts as alive."""
    status: str
    """"ready", or "draining" while it ends and takes no job."""
    capabilities: dict[str, Any]
    """What it can do: processors, memory, card, versions."""
    health: dict[str, Any]
    """What it does and how it goes: its job, path-steps per second, share of busy time, memory."""


class WorkerList(View):
    """The workers of this service."""

    workers: list[Worker]
    """The newest first."""


class Limits(View):
    """What this service takes."""

    max_body_bytes: int
    """Largest JSON body, [bytes]."""
    max_upload_bytes: int
    """Largest dataset upload, [bytes]."""
    max_dataset_rows: int
    """Most rows of a dataset, and half of the most numbers in it."""
    max_path_steps: float
    """Most path-steps of a job."""
    max_memory_bytes: float
    """Most working memory of a job, [bytes]."""
    max_job_seconds: float
    """Longest run of a job, [s]."""
    max_unfinished_jobs: int
    """Most jobs queued or running at a time."""
    max_wait_seconds: float
    """Longest wait that Prefer: wait may ask for, [s]."""
    max_priority: int
    """Largest priority."""


class UserShare(View):
    """What a user has on a queue."""

    queued: int
    """Jobs that wait to start."""
    running: int
    """Jobs that run or are being stopped."""


class Queue(View):
    """A queue."""

    name: str
    """Its name."""
    queued: int
    """Jobs of all users that wait to start."""
    running: int
    """Jobs of all users that run or are being stopped."""
    slots: int
    """Jobs that the workers alive run at a time; a worker's slots may serve several queues."""
    oldest_wait_seconds: float | None
    """How long the oldest waiting job has waited, [s]; null if none waits."""
    yours: UserShare
    """What you have on it."""
    users: dict[str, UserShare] | None
    """What each user has on it, for admins; null for others."""


class QueueList(View):
    """The queues of this service."""

    queues: list[Queue]
    """In the order in which jobs go to them, the smallest jobs first."""


class Health(View):
    """State of this process."""

    status: str
    """"ok", or "ready"."""
    version: str
    """Version of the service."""
    uptime_seconds: float | None = None
    """Time since this process started, [s]."""
    database: str | None = None
    """"ok" if it answers."""
    store: str | None = None
    """"ok" if it was written within the last seconds."""
    schema_version: int | None = None
    """Version of the tables of the database."""
    workers: int | None = None
    """Workers that are alive."""


# What a worker says about the jobs of whoever sent them.
_OF_OTHERS = frozenset({"job_id", "last_error"})


def worker_view(worker: WorkerView, *, is_admin: bool) -> Worker:
    """A worker as the API shows it to a user: what it says about jobs is for admins."""
    hidden = frozenset() if is_admin else _OF_OTHERS
    return Worker(
        id=worker.id,
        host=worker.host,
        device=worker.device,
        threads=worker.threads,
        queues=list(worker.queues),
        version=worker.version,
        started_at=moment(worker.started_at),
        seen_at=moment(worker.seen_at),
        alive=worker.is_alive,
        status=worker.status,
        capabilities=dict(worker.capabilities),
        health={name: value for name, value in worker.health.items() if name not in hidden},
    )


def queue_view(queue: QueueState, *, now: float, user: str, is_admin: bool) -> Queue:
    """A queue as the API shows it to a user."""
    shares = {
        owner: UserShare(queued=share.queued, running=share.running)
        for owner, share in sorted(queue.shares.items())
    }
    return Queue(
        name=queue.name,
        queued=queue.queued,
        running=queue.running,
        slots=queue.slots,
        oldest_wait_seconds=queue.oldest_wait_s(now),
        yours=shares.get(user, UserShare(queued=0, running=0)),
        users=shares if is_admin else None,
    )
