"""What the service says about jobs and datasets, as frozen models."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

JobStatus = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled", "timed_out"]
FINAL_STATUSES = frozenset({"succeeded", "failed", "cancelled", "timed_out"})


class Record(BaseModel):
    """Base of the records: immutable; fields added by a newer server are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class JobError(Record):
    """Why a job ended without a solution."""

    code: str
    message: str = ""


class Cost(Record):
    """What a job is expected to take.

    Attributes:
        path_steps: steps of single trajectories; 0 for closed forms.
        memory_bytes: largest working memory.
        seconds: time on one worker, or None where there is no estimate.
        device: kind of device it is computed on, "cpu" or "gpu".
        note: what to know of it, such as that it may run out of time.
    """

    path_steps: float = 0.0
    memory_bytes: float = 0.0
    seconds: float | None = None
    device: str = "cpu"
    note: str | None = None


class Refusal(Record):
    """Why a spec would be refused."""

    code: str
    message: str = ""


class Estimate(Record):
    """What would become of a spec if it were submitted now.

    Attributes:
        cost: what it is expected to take.
        immediate: whether it would be answered at once.
        queue: queue it would wait in, or None if it would be answered at once or refused.
        queue_position: how many jobs would start before it, or None if it would not wait.
        expected_start: when it would start, or None if it would not wait or nobody serves its queue.
        n_shards: parts it would be computed in.
        timeout_seconds: longest run.
        refusal: why it would be refused, or None if it would not.
        notes: what else to know.
    """

    cost: Cost
    immediate: bool = False
    queue: str | None = None
    queue_position: int | None = None
    expected_start: datetime | None = None
    n_shards: int = 1
    timeout_seconds: float | None = None
    refusal: Refusal | None = None
    notes: tuple[str, ...] = ()


class JobRecord(Record):
    """State of a job at one moment.

    Attributes:
        progress: fraction done, 0 to 1.
        queue: queue it was sent to.
        queue_position: how many queued jobs start before it, or None unless it is queued.
        expected_start: when it is expected to start, or None unless it is queued and its queue is served.
        cost: what it is expected to take.
        n_shards: parts it is computed in.
        live: small numbers of the running computation, for example the mean so far.
        worker: worker that took it up last.
    """

    id: str
    status: JobStatus
    task: str = ""
    owner: str = ""
    spec_hash: str = ""
    progress: float = 0.0
    queue: str = ""
    queue_position: int | None = None
    expected_start: datetime | None = None
    cost: Cost | None = None
    n_shards: int = 1
    priority: int | str | None = None
    tags: tuple[str, ...] = ()
    timeout_seconds: float | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: JobError | None = None
    live: dict[str, Any] = Field(default_factory=dict)
    worker: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the job has ended, one way or another."""
        return self.status in FINAL_STATUSES

    def updated(self, content: Mapping[str, Any]) -> Self:
        """Return a copy with the fields that an event carries."""
        known = {name: value for name, value in content.items() if name in type(self).model_fields}
        return type(self).model_validate({**self.model_dump(), **known})


class Dataset(Record):
    """A dataset that the service holds.

    Attributes:
        id: content-addressed id, for `{"kind": "dataset", "id": ...}`.
        n_rows: number of (x, y) pairs.
        x: name of the column that became x, or the names of the columns of a vector.
        y: likewise for y.
        bytes_stored: size in the store.
    """

    id: str
    n_rows: int
    x: str | None = None
    y: str | None = None
    bytes_stored: int | None = None
