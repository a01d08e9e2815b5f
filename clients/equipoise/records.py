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


class JobRecord(Record):
    """State of a job at one moment.

    Attributes:
        progress: fraction done, 0 to 1.
        queue_position: how many queued jobs start before it, or None unless it is queued.
        live: small numbers of the running computation, for example the mean so far.
    """

    id: str
    status: JobStatus
    task: str = ""
    owner: str = ""
    spec_hash: str = ""
    progress: float = 0.0
    queue_position: int | None = None
    priority: int | str | None = None
    tags: tuple[str, ...] = ()
    timeout_seconds: float | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: JobError | None = None
    live: dict[str, Any] = Field(default_factory=dict)

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
