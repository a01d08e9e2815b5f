"""Each call of the client as an operation without I/O, written once for the sync and the async client."""

import io
import json
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.answers import NEEDS_JOB, error_of, is_good, read_json, read_model
from equipoise.connection import positive_seconds
from equipoise.effects import Emit, Flow, Request, Response
from equipoise.errors import (
    ApiError,
    InvalidArgumentError,
    JobFailedError,
    NotFoundError,
    UnexpectedAnswerError,
)
from equipoise.records import FINAL_STATUSES, Dataset, Estimate, JobRecord
from equipoise.retries import RetryPolicy, send
from equipoise.solutions import AnySolution, read_solution
from equipoise.spec_check import checked
from equipoise.upload import upload_request
from equipoise.waiting import Clock, wait

PAGE_SIZE = 100
DEFAULT_WAIT_S = 24 * 3600.0
DEVICES = ("auto", "cpu", "gpu")
STATUSES = ("queued", "running", "cancelling", *sorted(FINAL_STATUSES))


@dataclass(frozen=True)
class Submission:
    """What is sent to make a job: the spec and how to treat it."""

    spec: Any
    priority: int | None = None
    timeout_seconds: float | None = None
    tags: Sequence[str] = ()
    wait_s: float | None = None
    device: str | None = None
    urgent: bool = False

    def content(self) -> dict[str, Any]:
        """The spec and how it is to be run, as JSON has them.

        Raises:
            InvalidSpecError: the spec makes no sense.
            InvalidArgumentError: an option makes no sense.
        """
        content: dict[str, Any] = {"spec": checked(self.spec).model_dump(mode="json")}
        if self.priority is not None:
            content["priority"] = self.priority
        if self.timeout_seconds is not None:
            content["timeout_seconds"] = positive_seconds("timeout_seconds", self.timeout_seconds)
        if self.device is not None:
            if self.device not in DEVICES:
                raise InvalidArgumentError(
                    "device", given=self.device, allowed=f"one of {', '.join(DEVICES)}"
                )
            content["device"] = self.device
        if self.urgent:
            content["urgent"] = True
        return content

    def request(self) -> Request:
        """Make the request, with a key that lets the service recognise a retry.

        Raises:
            InvalidSpecError: the spec makes no sense.
            InvalidArgumentError: an option makes no sense.
        """
        content = self.content()
        if isinstance(self.tags, str):
            raise InvalidArgumentError("tags", given=self.tags, allowed="a list of strings")
        if self.tags:
            content["tags"] = list(self.tags)
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        if self.wait_s is not None:
            headers["Prefer"] = f"wait={positive_seconds('wait_s', self.wait_s):g}"
        # A service that waits is silent meanwhile.
        timeout_s = None if self.wait_s is None else self.wait_s + 30.0
        return _post("/v1/jobs", content, headers=headers, timeout_s=timeout_s)


@dataclass(frozen=True)
class Operations:
    """The calls, with the policy of retries and the clock that they share."""

    policy: RetryPolicy
    clock: Clock

    def submit(self, submission: Submission) -> Flow[JobRecord]:
        """Make a job; return its state."""
        return (yield from self._record(submission.request()))

    def estimate(self, submission: Submission) -> Flow[Estimate]:
        """What would become of a submission."""
        return read_model(Estimate, (yield from self._json(_post("/v1/estimate", submission.content()))))

    def solve(self, spec: Any, *, timeout_s: float) -> Flow[AnySolution]:
        """Solve on the spot if the service does that for this spec, else as a job; emit its states."""
        model = checked(spec)
        request = _post("/v1/solve", {"spec": model.model_dump(mode="json")})
        try:
            return read_solution((yield from self._json(request)))
        except ApiError as error:
            if error.code != NEEDS_JOB:
                raise
        record = yield from self.submit(Submission(model))
        return (yield from self.result(record, timeout_s=timeout_s))

    def job(self, job_id: str) -> Flow[JobRecord]:
        """State of a job."""
        return (yield from self._record(Request("GET", job_path(job_id))))

    def jobs(self, *, status: str | None, tag: str | None, limit: int | None) -> Flow[None]:
        """Emit the states of the caller's jobs, newest first, page by page."""
        if status is not None and status not in STATUSES:
            raise InvalidArgumentError("status", given=status, allowed=f"one of {', '.join(STATUSES)}")
        if limit is not None and limit < 1:
            raise InvalidArgumentError("limit", given=limit, allowed="a positive number of jobs, or None")
        left = limit
        given = {"status": status, "tag": tag}
        while left is None or left > 0:
            size = PAGE_SIZE if left is None else min(left, PAGE_SIZE)
            query = {name: value for name, value in given.items() if value} | {"limit": str(size)}
            page = yield from self._json(Request("GET", "/v1/jobs", query=query))
            records = [read_model(JobRecord, item) for item in _listed(page, "jobs")][:left]
            for record in records:
                yield Emit(record)
            left = None if left is None else left - len(records)
            given["cursor"] = page.get("next_cursor")
            if not given["cursor"]:
                return

    def wait(self, record: JobRecord, *, timeout_s: float) -> Flow[JobRecord]:
        """Wait for the end of a job; emit its states."""
        timeout_s = positive_seconds("timeout_s", timeout_s)
        return (yield from wait(record, timeout_s=timeout_s, clock=self.clock))

    def result(self, record: JobRecord, *, timeout_s: float) -> Flow[AnySolution]:
        """Wait for the end of a job; emit its states and return its solution.

        Raises:
            JobFailedError: it ended without one.
        """
        yield Emit(record)
        if not record.is_final:
            record = yield from self.wait(record, timeout_s=timeout_s)
        if record.status != "succeeded":
            raise JobFailedError(record)
        return read_solution((yield from self._json(Request("GET", f"{job_path(record.id)}/result"))))

    def arrays(self, job_id: str) -> Flow[dict[str, NDArray[Any]]]:
        """Arrays of a finished job by flat name, for example "histogram.counts"."""
        request = Request("GET", f"{job_path(job_id)}/arrays", headers={"Accept": "*/*"})
        response = yield from send(request, self.policy)
        if not is_good(response):
            raise error_of(response)
        return _unpacked(response)

    def cancel(self, job_id: str) -> Flow[JobRecord]:
        """Ask a job to stop; return its state."""
        return (yield from self._record(Request("POST", f"{job_path(job_id)}/cancel")))

    def delete(self, job_id: str) -> Flow[None]:
        """Forget a finished job."""
        response = yield from send(Request("DELETE", job_path(job_id)), self.policy)
        # After a lost answer, "no such job" says that the first attempt did it.
        was_done = response.was_retried and response.status == 404
        if not is_good(response) and not was_done:
            raise error_of(response)

    def upload(self, source: Any, *, x: Any, y: Any) -> Flow[Dataset]:
        """Upload a dataset."""
        content = yield from self._json(upload_request(source, x=x, y=y))
        return read_model(Dataset, content)

    def dataset(self, dataset_id: str) -> Flow[Dataset]:
        """What the service says about a dataset."""
        return read_model(Dataset, (yield from self._json(Request("GET", f"/v1/datasets/{dataset_id}"))))

    def limits(self) -> Flow[dict[str, Any]]:
        """Limits of the service."""
        return _mapping((yield from self._json(Request("GET", "/v1/limits"))))

    def workers(self) -> Flow[list[dict[str, Any]]]:
        """Workers of the service."""
        return _listed((yield from self._json(Request("GET", "/v1/workers"))), "workers")

    def queues(self) -> Flow[list[dict[str, Any]]]:
        """Queues of the service."""
        return _listed((yield from self._json(Request("GET", "/v1/queues"))), "queues")

    def health(self) -> Flow[dict[str, Any]]:
        """Whether the service is up and ready: "status", "version" and the like; raises if it is not."""
        return _mapping((yield from self._json(Request("GET", "/healthz"))))

    def _json(self, request: Request) -> Flow[Any]:
        return read_json((yield from send(request, self.policy)))

    def _record(self, request: Request) -> Flow[JobRecord]:
        return read_model(JobRecord, (yield from self._json(request)))


def job_path(job_id: str) -> str:
    """Path of a job.

    Raises:
        NotFoundError: no job can have this id.
    """
    if not job_id or not all(letter.isalnum() or letter in "_-" for letter in job_id):
        message = f"{job_id!r} is no job id: need one such as 'job_0f3a...'."
        raise NotFoundError(message, status=404, code="job_not_found")
    return f"/v1/jobs/{job_id}"


def _post(
    path: str, content: object, *, headers: Mapping[str, str] | None = None, timeout_s: float | None = None
) -> Request:
    body = json.dumps(content, allow_nan=False).encode()
    merged = {"Content-Type": "application/json", **(headers or {})}
    return Request("POST", path, headers=merged, body=body, timeout_s=timeout_s)


def _mapping(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UnexpectedAnswerError(
            f"The answer is a {type(content).__name__}, not an object: check the URL."
        )
    return content


def _listed(content: Any, name: str) -> list[dict[str, Any]]:
    items = _mapping(content).get(name)
    if not isinstance(items, list):
        raise UnexpectedAnswerError(f"The answer has no list {name!r}: check the URL and the versions.")
    return items


def _unpacked(response: Response) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(response.body), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        raise UnexpectedAnswerError("The arrays are no NPZ archive: check the URL and any proxy.") from None
