"""Jobs as users see them: submit, find, stop, forget. The rules are here, the rows in `job_table`."""

import base64
import binascii
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from equipoise_service.chunks import Prepare
from equipoise_service.datasets import DatasetLibrary
from equipoise_service.engine import JobQueue
from equipoise_service.errors import ConflictError, NotFoundError, OverloadedError, RefusedError, blame
from equipoise_service.job_table import Job, JobTable, NewJob, Page, Status, job_id_of
from equipoise_service.settings import Settings
from equipoise_service.store import Store, checkpoint_folder, result_name
from equipoise_solver.specs import Spec, canonical_json, spec_hash
from equipoise_solver.version import __version__

JOB_ID = re.compile(r"job_[0-9a-f]{32}(-[0-9]{1,6})?")
# A failed, cancelled or timed out job is no answer: the same spec is tried again as the next attempt.
WITHOUT_ANSWER = frozenset({"failed", "cancelled", "timed_out"})


@dataclass(frozen=True)
class Submission:
    """A request for a job.

    Attributes:
        spec: what is asked.
        priority: jobs of a larger one start earlier.
        timeout_seconds: longest run, [s]; None takes the limit of the service.
        tags: words to find the job by.
        idempotency_key: the caller's own name of the request, so that it may be repeated.
    """

    spec: Spec
    priority: int = 0
    timeout_seconds: float | None = None
    tags: tuple[str, ...] = ()
    idempotency_key: str | None = None


class JobService:
    """Everything that may be done with jobs."""

    def __init__(
        self,
        settings: Settings,
        *,
        table: JobTable,
        queue: JobQueue,
        store: Store,
        library: DatasetLibrary,
        prepare: Prepare,
    ) -> None:
        self._settings = settings
        self._table = table
        self._queue = queue
        self._store = store
        self._library = library
        self._prepare = prepare

    def solve(self, spec: Spec) -> Any:
        """The solution of a spec that is quick to solve.

        Raises:
            RefusedError: the spec takes a job.
            SolverError: the spec makes no sense.
        """
        work = self._prepare(spec, load_dataset=self._library.load)
        if not work.cost.is_quick:
            message = f"This spec of task {spec.task!r} is not solved on the spot: send it to POST /v1/jobs."
            allowed = "a spec that is quick to solve, such as a stationary law alone"
            entry = blame("task", message, given=spec.task, allowed=allowed)
            raise RefusedError(message, code="needs_job", errors=[entry])
        state = work.begin()
        while not state.is_done:
            state = work.advance(state, 10**9, threads=1)
        return work.finish(state)

    def submit(self, submission: Submission) -> Job:
        """The job of a spec: the one that there is, unless it ended without an answer, or a new one.

        Raises:
            SolverError: the spec makes no sense.
            RefusedError: it is beyond the limits, or the idempotency key belongs to another request.
            OverloadedError: too many jobs wait.
        """
        new = self._describe(submission)
        key = submission.idempotency_key
        body_hash = _body_hash(new)
        with self._table.engine.begin() as connection:
            if key is not None:
                bound = self._table.by_idempotency_key(connection, key)
                if bound is not None:
                    return self._bound_job(bound, body_hash, key)
            job_id = self._find_or_insert(connection, new)
            self._table.add_tags(connection, job_id, new.tags)
            if key is not None and not self._table.bind_idempotency_key(connection, key, body_hash, job_id):
                raise _key_reused(key)
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """The job with this id.

        Raises:
            NotFoundError: there is none.
        """
        job = self._table.get(job_id) if JOB_ID.fullmatch(job_id) else None
        if job is None:
            raise NotFoundError(
                f"There is no job {job_id[:100]!r}: see the list of jobs.", code="job_not_found"
            )
        return job

    def queue_position(self, job: Job) -> int | None:
        """How many jobs start before it; None if it is not queued."""
        return self._table.queue_position(job)

    def counts(self) -> dict[str, int]:
        """Number of jobs by status."""
        return self._table.counts()

    def page(
        self, *, status: Status | None, tag: str | None, limit: int, cursor: str | None
    ) -> tuple[list[Job], str | None]:
        """Jobs, the newest first, and the cursor of the next page.

        Raises:
            RefusedError: the cursor is none that this service gave.
        """
        after = None if cursor is None else _read_cursor(cursor)
        jobs = self._table.newest(status=status, tag=tag, after=after, limit=limit + 1)
        page = jobs[:limit]
        return page, _write_cursor(page[-1]) if len(jobs) > limit else None

    def result(self, job: Job) -> bytes:
        """Bytes of the solution of a finished job.

        Raises:
            ConflictError: it is not finished, or ended without a result.
        """
        if not job.is_final:
            raise ConflictError(
                f"Job {job.id} is {job.status} ({job.progress:.0%}): wait for its end, "
                f"for example at /v1/jobs/{job.id}/events."
            )
        if job.result is None:
            reason = f": {job.error_message}" if job.error_message else ""
            raise ConflictError(f"Job {job.id} ended as {job.status}{reason}", code="job_has_no_result")
        return self._store.get(result_name(job.result))

    def cancel(self, job_id: str) -> Job:
        """Stop a job.

        Raises:
            NotFoundError: there is none.
            ConflictError: it has ended otherwise.
        """
        job = self.get(job_id)
        if not (self._table.move(job_id, "cancelled") or self._move_to_cancelling(job_id)):
            job = self.get(job_id)
            if job.status != "cancelled":
                raise ConflictError(
                    f"Job {job_id} has ended as {job.status}: there is nothing to cancel.",
                    code="job_finished",
                )
            return job
        self._queue.cancel(job_id)
        return self.get(job_id)

    def forget(self, job_id: str) -> None:
        """Remove a finished job and what only it needs.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is not finished.
        """
        job = self.get(job_id)
        if not job.is_final:
            raise ConflictError(f"Job {job_id} is {job.status}: cancel it first, then delete it.")
        self._queue.forget(job_id)
        self._table.delete(job_id)
        self._store.remove_folder(checkpoint_folder(job_id))
        if job.result is not None and not self._table.is_result_used(job.result):
            self._store.remove(result_name(job.result))

    def _move_to_cancelling(self, job_id: str) -> bool:
        return self._table.move(job_id, "cancelling")

    def _describe(self, submission: Submission) -> NewJob:
        spec = submission.spec
        cost = self._prepare(spec, load_dataset=self._library.load).cost
        self._check_cost(cost)
        text = canonical_json(spec)
        content = hashlib.sha256(f"{text}\n{__version__}".encode()).hexdigest()
        limit = self._settings.max_job_seconds
        return NewJob(
            content_id=f"job_{content[:32]}",
            task=spec.task,
            spec=text,
            spec_hash=spec_hash(spec),
            queue="quick" if cost.is_quick else "cpu",
            priority=submission.priority,
            timeout_seconds=min(submission.timeout_seconds or limit, limit),
            tags=submission.tags,
        )

    def _check_cost(self, cost: Any) -> None:
        for name, what in (("path_steps", "path-steps"), ("memory_bytes", "bytes of memory")):
            value, limit = getattr(cost, name), getattr(self._settings, f"max_{name}")
            if value > limit:
                message = (
                    f"This spec takes about {value:.3g} {what}: this service computes at most {limit:.3g}."
                )
                given, allowed = f"{value:.3g} {what}", f"<= {limit:.3g} {what}"
                raise RefusedError(
                    f"{message} Ask for fewer paths or steps.",
                    code="limit_exceeded",
                    errors=[blame("n_paths", message, given=given, allowed=allowed)],
                )

    def _find_or_insert(self, connection: Any, new: NewJob) -> str:
        latest = self._table.latest_attempt(connection, new.content_id)
        if latest is not None and latest.status not in WITHOUT_ANSWER:
            return latest.id
        if self._table.n_unfinished(connection) >= self._settings.max_unfinished_jobs:
            raise OverloadedError(
                f"{self._settings.max_unfinished_jobs} jobs wait or run already: try again later.",
                headers={"Retry-After": "10"},
            )
        attempt = 1 if latest is None else latest.attempt + 1
        job_id = self._table.insert(connection, new, attempt)
        if job_id is None:  # Somebody else submitted the same spec at the same time: theirs is the job.
            return job_id_of(new.content_id, attempt)
        self._queue.enqueue(
            connection,
            job_id,
            queue=new.queue,
            priority=new.priority,
            timeout_seconds=new.timeout_seconds,
        )
        return job_id

    def _bound_job(self, bound: tuple[str, str], body_hash: str, key: str) -> Job:
        if bound[0] != body_hash:
            raise _key_reused(key)
        return self.get(bound[1])


def _key_reused(key: str) -> RefusedError:
    message = (
        f"Idempotency-Key {key[:100]!r} was sent before with another body: use a new key for a new request."
    )
    entry = blame("idempotency-key", message, given=key[:100], allowed="a new key, or the same body")
    return RefusedError(message, code="idempotency_key_reused", errors=[entry])


def _body_hash(new: NewJob) -> str:
    content = [new.content_id, new.priority, new.timeout_seconds, sorted(new.tags)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _write_cursor(job: Job) -> str:
    return base64.urlsafe_b64encode(json.dumps([job.submitted_at, job.id]).encode()).decode()


def _read_cursor(cursor: str) -> Page:
    try:
        submitted_at, job_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if isinstance(submitted_at, float) and isinstance(job_id, str) and JOB_ID.fullmatch(job_id):
            return Page(submitted_at, job_id)
    except (ValueError, TypeError, binascii.Error):
        pass
    message = f"cursor={cursor[:100]!r} is none that this service gave: take next_cursor of the page before."
    allowed = "the next_cursor of the page before"
    raise RefusedError(message, errors=[blame("cursor", message, given=cursor[:100], allowed=allowed)])


def timed(compute: Callable[[], Any]) -> tuple[Any, float]:
    """What a computation gives, and the seconds it took."""
    start = time.perf_counter()
    value = compute()
    return value, round(time.perf_counter() - start, 6)
