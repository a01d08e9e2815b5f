"""What goes over the wire besides specs and solutions."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from equipoise_service.jobs.costs import time_note
from equipoise_service.jobs.engine_queue import HIGHEST_PRIORITY
from equipoise_service.jobs.expected_start import Outlook
from equipoise_service.jobs.forecasts import Forecast
from equipoise_service.jobs.job_table import Job, Status
from equipoise_service.jobs.routing import WantedDevice
from equipoise_service.uploads.datasets import Dataset
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


class EstimateRequest(Body):
    """A spec whose cost is asked for, and how it would be run."""

    spec: Spec
    """What is asked."""
    priority: Annotated[int, Field(ge=0, le=HIGHEST_PRIORITY, strict=True)] = 0
    """Among your own jobs, those of a larger priority start earlier."""
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] | None = None
    """Longest run, counted from the start, [s]; the smaller of this and the service's own limit holds."""
    device: WantedDevice = "auto"
    """Kind of device to compute on: "cpu", "gpu" (a graphics card), or "auto", which the service chooses."""
    urgent: Annotated[bool, Field(strict=True)] = False
    """Whether it starts before everybody else's: for one short job at a time."""


class JobRequest(EstimateRequest):
    """A spec to be solved as a job."""

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


class CostView(View):
    """What a job is expected to take."""

    path_steps: float
    """Steps of single trajectories; 0 for closed forms."""
    memory_bytes: float
    """Largest working memory, [bytes]."""
    seconds: float | None
    """Time on one slot of its device, [s]; null where there is no estimate."""
    device: str
    """Kind of device it is computed on, "cpu" or "gpu"."""
    note: str | None = None
    """What to know of it, such as that it may run out of time."""


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
    queue: str
    """Queue it was sent to."""
    queue_position: int | None
    """How many jobs start before it; null unless it is queued."""
    expected_start: datetime | None
    """When it is expected to start; null unless it is queued and some worker serves its queue."""
    cost: CostView | None
    """What it is expected to take; null for a job of an older version of the service."""
    n_shards: int
    """Parts it is computed in."""
    priority: int
    """Among the jobs of its owner, those of a larger priority start earlier."""
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


class RefusalView(View):
    """Why a spec would be refused."""

    code: str
    """Stable code."""
    message: str
    """What was given, what is allowed, what to do."""


class EstimateView(View):
    """What would become of a spec if it were submitted now."""

    cost: CostView
    """What it is expected to take."""
    immediate: bool
    """Whether it would be answered at once: its result is there already, or it is a closed form."""
    queue: str | None
    """Queue it would be sent to; null if it would be answered at once or refused."""
    queue_position: int | None
    """How many jobs would start before it; null if it would not be queued."""
    expected_start: datetime | None
    """When it would start; null if it would not be queued, or while no worker serves its queue."""
    n_shards: int
    """Parts it would be computed in."""
    timeout_seconds: float | None
    """Longest run, [s]; null if it would be refused."""
    refusal: RefusalView | None
    """Why it would be refused; null if it would not."""
    notes: list[str]
    """What else to know."""


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


def job_view(job: Job, outlook: Outlook | None = None) -> JobView:
    """A job as the API shows it.

    Args:
        job: the job.
        outlook: its place in the queue, if it waits.
    """
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
        queue=job.queue,
        queue_position=None if outlook is None else outlook.position,
        expected_start=None if outlook is None else _maybe_moment(outlook.starts_at),
        cost=_cost_of(job),
        n_shards=job.n_shards,
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


def _cost_of(job: Job) -> CostView | None:
    if job.cost_path_steps is None or job.cost_memory_bytes is None:
        return None
    return CostView(
        path_steps=job.cost_path_steps,
        memory_bytes=job.cost_memory_bytes,
        seconds=job.cost_seconds,
        device=job.device or "cpu",
        note=None if job.is_final else time_note(job.cost_seconds, limit_s=job.timeout_seconds),
    )


def estimate_view(forecast: Forecast) -> EstimateView:
    """What would become of a spec, as the API shows it."""
    estimate, route, outlook = forecast.estimate, forecast.route, forecast.outlook
    refusal = forecast.refusal
    return EstimateView(
        cost=CostView(
            path_steps=estimate.path_steps,
            memory_bytes=estimate.memory_bytes,
            seconds=estimate.seconds,
            device=estimate.device,
        ),
        immediate=forecast.is_immediate,
        queue=None if route is None or outlook is None else route.queue,
        queue_position=None if outlook is None else outlook.position,
        expected_start=None if outlook is None else _maybe_moment(outlook.starts_at),
        n_shards=1 if route is None else route.n_shards,
        timeout_seconds=None if route is None or refusal else route.timeout_seconds,
        refusal=None if refusal is None else RefusalView(code=refusal.code, message=refusal.detail),
        notes=list(forecast.notes),
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
