"""What goes over the wire besides specs and solutions."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from equipoise_service.datasets import Dataset
from equipoise_service.engine import HIGHEST_PRIORITY
from equipoise_service.job_table import Job, Status
from equipoise_solver.specs import Spec
from equipoise_solver.specs.base import Brief

TAG_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:/=-]{0,63}$"
Tag = Annotated[str, Field(pattern=TAG_PATTERN)]


class Body(Brief):
    """Base of the request bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, defer_build=False)


class View(BaseModel):
    """Base of the answers."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class SolveRequest(Body):
    """A spec to be solved on the spot."""

    spec: Spec
    """What is asked."""


class JobRequest(Body):
    """A spec to be solved as a job."""

    spec: Spec
    """What is asked."""
    priority: Annotated[int, Field(ge=0, le=HIGHEST_PRIORITY, strict=True)] = 0
    """Jobs of a larger priority start earlier."""
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] | None = None
    """Longest run, counted from the start, [s]; null takes the limit of the service."""
    tags: Annotated[tuple[Tag, ...], Field(max_length=16)] = ()
    """Words to find the job by."""


class JobErrorView(View):
    """Why a job ended without a result."""

    code: str
    """Stable code."""
    message: str
    """What happened and what to do."""


class JobLinks(View):
    """Where more about a job is found."""

    self: str
    """The job."""
    result: str
    """Its solution."""
    events: str
    """Its progress as server-sent events."""
    arrays: str
    """Its arrays as NPZ."""


class JobView(View):
    """A job."""

    id: str
    """Made of the spec's content: the same spec is the same job."""
    status: Status
    """Where it is in its life."""
    task: str
    """Task of its spec."""
    owner: str
    """User that submitted it."""
    spec_hash: str
    """SHA-256 of the canonical JSON of its spec."""
    progress: float
    """Share that is done, 0..1."""
    queue_position: int | None
    """How many jobs start before it; null unless it is queued."""
    priority: int
    """Jobs of a larger priority start earlier."""
    tags: list[str]
    """Words to find it by."""
    timeout_seconds: float
    """Longest run, [s]."""
    submitted_at: datetime
    """When it was submitted."""
    started_at: datetime | None
    """When it was first taken up."""
    finished_at: datetime | None
    """When it ended."""
    error: JobErrorView | None
    """Why it ended without a result; null otherwise."""
    live: dict[str, float | int | None]
    """Statistics so far."""
    worker: str | None
    """Worker that took it up last."""
    links: JobLinks
    """Where more is found."""


class JobPage(View):
    """Jobs, the newest first."""

    jobs: list[JobView]
    """The jobs of this page."""
    next_cursor: str | None
    """Value of `cursor` for the next page; null on the last one."""


class DatasetView(View):
    """A stored dataset."""

    id: str
    """Made of its numbers: the same numbers have the same id."""
    n_rows: int
    """Number of pairs."""
    x: str
    """Name that the column x had, or the names of the columns of a vector."""
    y: str
    """Name that the column y had, or the names of the columns of a vector."""
    bytes_stored: int
    """Size in the store, [bytes]."""
    created_at: datetime
    """When it was first uploaded."""


def moment(seconds: float) -> datetime:
    """Time of day of a number of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def _maybe_moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)


def job_view(job: Job, queue_position: int | None) -> JobView:
    """A job as the API shows it."""
    path = f"/v1/jobs/{job.id}"
    error = None
    if job.error_code is not None:
        error = JobErrorView(code=job.error_code, message=job.error_message or "")
    return JobView(
        id=job.id,
        status=job.status,
        task=job.task,
        owner=job.owner,
        spec_hash=job.spec_hash,
        progress=job.progress,
        queue_position=queue_position,
        priority=job.priority,
        tags=list(job.tags),
        timeout_seconds=job.timeout_seconds,
        submitted_at=moment(job.submitted_at),
        started_at=_maybe_moment(job.started_at),
        finished_at=_maybe_moment(job.finished_at),
        error=error,
        live=dict(job.live),
        worker=job.worker,
        links=JobLinks(self=path, result=f"{path}/result", events=f"{path}/events", arrays=f"{path}/arrays"),
    )


def dataset_view(dataset: Dataset) -> DatasetView:
    """A dataset as the API shows it."""
    return DatasetView(
        id=dataset.id,
        n_rows=dataset.n_rows,
        x=dataset.x,
        y=dataset.y,
        bytes_stored=dataset.bytes_stored,
        created_at=moment(dataset.created_at),
    )
