"""Submissions: what becomes of a spec that is sent as a job, and what is refused."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from equipoise_service import tracing
from equipoise_service.callers import LOCAL, LOCAL_USER, Caller
from equipoise_service.chunks import Prepare
from equipoise_service.datasets import DatasetLibrary
from equipoise_service.engine import JobQueue
from equipoise_service.errors import OverloadedError, RefusedError, blame
from equipoise_service.job_table import Job, JobTable, NewJob, job_id_of
from equipoise_service.settings import Settings
from equipoise_solver.specs import Spec, canonical_json, spec_hash
from equipoise_solver.version import __version__


@dataclass(frozen=True)
class Submission:
    """A request for a job.

    Attributes:
        spec: what is asked.
        caller: who asks.
        priority: jobs of a larger one start earlier.
        timeout_seconds: longest run, [s]; None takes the limit of the service.
        tags: words to find the job by.
        idempotency_key: the caller's own name of the request, so that it may be repeated.
    """

    spec: Spec
    caller: Caller = LOCAL
    priority: int = 0
    timeout_seconds: float | None = None
    tags: tuple[str, ...] = ()
    idempotency_key: str | None = None


class Submissions:
    """Takes specs as jobs."""

    def __init__(
        self,
        settings: Settings,
        *,
        table: JobTable,
        queue: JobQueue,
        library: DatasetLibrary,
        prepare: Prepare,
    ) -> None:
        self._settings = settings
        self._table = table
        self._queue = queue
        self._library = library
        self._prepare = prepare

    def submit(self, submission: Submission) -> Job:
        """The job of a spec: the one that there is, unless it ended without an answer, or a new one.

        Raises:
            SolverError: the spec makes no sense.
            RefusedError: it is beyond the limits, or the idempotency key belongs to another request.
            OverloadedError: too many jobs wait.
        """
        new = self._describe(submission)
        key = _own_key(submission)
        body_hash = _body_hash(new)
        with self._table.engine.begin() as connection:
            if key is not None:
                bound = self._table.by_idempotency_key(connection, key)
                if bound is not None:
                    return self._bound_job(connection, bound, body_hash, submission)
            job_id = self._find_or_insert(connection, new)
            self._table.add_tags(connection, job_id, new.tags)
            if key is not None and not self._table.bind_idempotency_key(connection, key, body_hash, job_id):
                bound = self._table.by_idempotency_key(connection, key)
                if bound is None or bound[0] != body_hash:
                    raise _key_reused(submission)
            return self._found(connection, job_id)

    def _describe(self, submission: Submission) -> NewJob:
        spec = submission.spec
        cost = self._prepare(spec, load_dataset=self._library.loader(submission.caller)).cost
        self._check_cost(cost)
        text = canonical_json(spec)
        content = hashlib.sha256(f"{text}\n{__version__}".encode()).hexdigest()
        answer_key = f"job_{content[:32]}"
        limit = self._settings.max_job_seconds
        return NewJob(
            content_id=_content_id(answer_key, submission.caller.user),
            task=spec.task,
            spec=text,
            spec_hash=spec_hash(spec),
            queue="quick" if cost.is_quick else "cpu",
            priority=submission.priority,
            timeout_seconds=min(submission.timeout_seconds or limit, limit),
            tags=submission.tags,
            owner=submission.caller.user,
            answer_key=answer_key,
            cost_path_steps=cost.path_steps,
            cost_memory_bytes=cost.memory_bytes,
            request_id=submission.caller.request_id or None,
            trace_parent=tracing.current().parent_of_others,
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

    def _find_or_insert(self, connection: sa.Connection, new: NewJob) -> str:
        latest = self._table.latest_attempt(connection, new.content_id)
        if latest is not None and latest.is_answer:
            return latest.id
        if self._table.n_unfinished(connection) >= self._settings.max_unfinished_jobs:
            raise OverloadedError(
                f"{self._settings.max_unfinished_jobs} jobs wait or run already: try again later.",
                headers={"Retry-After": "10"},
            )
        attempt = 1 if latest is None else latest.attempt + 1
        answer = self._table.answered(connection, new)
        job_id = self._table.insert(connection, new, attempt, answer=answer)
        if job_id is None:  # Another request submitted the same spec at the same time: its job is the job.
            return job_id_of(new.content_id, attempt)
        if answer is not None:
            return job_id
        self._queue.enqueue(
            connection,
            job_id,
            queue=new.queue,
            owner=new.owner,
            priority=new.priority,
            timeout_seconds=new.timeout_seconds,
            n_shards=new.n_shards,
        )
        return job_id

    def _bound_job(
        self, connection: sa.Connection, bound: tuple[str, str], body_hash: str, submission: Submission
    ) -> Job:
        if bound[0] != body_hash:
            raise _key_reused(submission)
        return self._found(connection, bound[1])

    def _found(self, connection: sa.Connection, job_id: str) -> Job:
        job = self._table.find(connection, job_id)
        assert job is not None, f"job {job_id} vanished within a transaction"
        return job


def _content_id(answer_key: str, owner: str) -> str:
    """Id of a job: its answer's, and its owner's, so that users cannot cancel each other's jobs."""
    if owner == LOCAL_USER:
        return answer_key
    return f"job_{hashlib.sha256(f'{answer_key} {owner}'.encode()).hexdigest()[:32]}"


def _own_key(submission: Submission) -> str | None:
    """The idempotency key among all users': each has keys of their own."""
    if submission.idempotency_key is None:
        return None
    return hashlib.sha256(f"{submission.caller.user} {submission.idempotency_key}".encode()).hexdigest()


def _key_reused(submission: Submission) -> RefusedError:
    key = str(submission.idempotency_key)
    message = (
        f"Idempotency-Key {key[:100]!r} was sent before with another body: use a new key for a new request."
    )
    entry = blame("idempotency-key", message, given=key[:100], allowed="a new key, or the same body")
    return RefusedError(message, code="idempotency_key_reused", errors=[entry])


def _body_hash(new: NewJob) -> str:
    content = [new.content_id, new.priority, new.timeout_seconds, sorted(new.tags)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
