"""Submissions: what becomes of a spec that is sent as a job, and what is refused."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from equipoise_service.errors import MalformedError, OverloadedError, RefusedError, ServiceError, blame
from equipoise_service.jobs.closed_forms import ClosedForms
from equipoise_service.jobs.engine_queue import JobQueue
from equipoise_service.jobs.fleet import FleetWatch
from equipoise_service.jobs.job_table import Answer, Job, JobTable, NewJob, Room, job_id_of
from equipoise_service.jobs.queues import URGENT
from equipoise_service.jobs.routing import Route, Router, WantedDevice, Wish
from equipoise_service.settings import Settings
from equipoise_service.telemetry import tracing
from equipoise_service.uploads.datasets import DatasetLibrary
from equipoise_service.users.audit import record
from equipoise_service.users.callers import LOCAL, LOCAL_USER, Caller
from equipoise_service.workers.chunks import Prepare
from equipoise_solver.specs import Spec, canonical_json, spec_hash
from equipoise_solver.version import __version__

# When to ask again after a refusal because too many jobs wait, [s].
RETRY_AFTER = {"Retry-After": "10"}
# How often a submission begins again because its job was deleted meanwhile.
_MOST_TRIES = 5
# Submissions that may be under way at the same time, of all users.
_MOST_AT_ONCE = 200
MOST_URGENT_JOBS = 1
"""Unfinished urgent jobs that a user may have; admins may have more."""


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
        device: kind of device to compute on; "auto" leaves the choice to the service.
        is_urgent: whether it is to start before the jobs of everybody else.
    """

    spec: Spec
    caller: Caller = LOCAL
    priority: int = 0
    timeout_seconds: float | None = None
    tags: tuple[str, ...] = ()
    idempotency_key: str | None = None
    device: WantedDevice = "auto"
    is_urgent: bool = False

    @property
    def wish(self) -> Wish:
        """How it is to be run."""
        is_free = self.caller.is_admin
        return Wish(self.device, self.is_urgent, is_free, self.timeout_seconds)


class Receipt(NamedTuple):
    """What becomes of a submission.

    Attributes:
        job: the job.
        is_new: whether it was computed, or is to be computed, because of this submission.
    """

    job: Job
    is_new: bool


class Plan(NamedTuple):
    """What a submission comes to, before anything is written.

    Attributes:
        work: the solver's work.
        route: where it goes.
        new: the job that it becomes, if there is none.
    """

    work: Any
    route: Route
    new: NewJob


class _DeletedError(Exception):
    """The job that a submission found was deleted, or failed, before the submission could keep it."""


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
        router: Router,
        fleet: FleetWatch,
        closed_forms: ClosedForms,
    ) -> None:
        self._settings = settings
        self._table = table
        self._queue = queue
        self._library = library
        self._prepare = prepare
        self._router = router
        self._fleet = fleet
        self._closed_forms = closed_forms

    def submit(self, submission: Submission) -> Receipt:
        """The job of a spec: the one that there is, unless it ended without an answer, or a new one.

        Raises:
            SolverError: the spec makes no sense.
            RefusedError: it is beyond the limits, or the idempotency key belongs to another request.
            MalformedError: the caller has too many unfinished jobs.
            OverloadedError: too many jobs of all users wait.
        """
        plan = self.plan(submission, self.prepared(submission))
        if self._closed_forms.takes(plan.route):
            receipt = self._at_once(plan, submission)
            if receipt is not None:
                return receipt
        return self._found_or_queued(plan.new, submission)

    def prepared(self, submission: Submission) -> Any:
        """The solver's work on a spec.

        Raises:
            SolverError: the spec makes no sense.
        """
        return self._prepare(submission.spec, load_dataset=self._library.loader(submission.caller))

    def plan(self, submission: Submission, work: Any) -> Plan:
        """What a submission comes to; nothing is written.

        Raises:
            RefusedError: it is beyond the limits.
        """
        spec = submission.spec
        route = self._router.route(work, submission.wish, self._fleet.now())
        text = canonical_json(spec)
        content = hashlib.sha256(f"{text}\n{__version__}".encode()).hexdigest()
        answer_key = f"job_{content[:32]}"
        new = NewJob(
            content_id=_content_id(answer_key, submission.caller.user),
            task=spec.task,
            spec=text,
            spec_hash=spec_hash(spec),
            queue=route.queue,
            priority=submission.priority,
            timeout_seconds=route.timeout_seconds,
            timeout_by=route.timeout_by,
            tags=submission.tags,
            owner=submission.caller.user,
            answer_key=answer_key,
            cost_path_steps=route.estimate.path_steps,
            cost_memory_bytes=route.estimate.memory_bytes,
            cost_seconds=route.estimate.seconds,
            device=route.estimate.device,
            n_shards=route.n_shards,
            request_id=submission.caller.request_id or None,
            trace_parent=tracing.current().parent_of_others,
        )
        return Plan(work, route, new)

    def check_room(self, room: Room, caller: Caller, *, queue: str) -> None:
        """Refuse one job more where too many are unfinished.

        Args:
            room: what is unfinished now, of all and of the caller.
            caller: who asks.
            queue: the queue of the job.

        Raises:
            OverloadedError: too many jobs of all users.
            MalformedError: code `too_many_jobs`: too many of this one.
        """
        settings = self._settings
        if room.n_all >= settings.max_unfinished_jobs:
            message = f"{settings.max_unfinished_jobs} jobs wait or run already: try again later."
            raise OverloadedError(message, headers=RETRY_AFTER)
        if room.n_own >= settings.max_unfinished_jobs_per_user:
            raise _too_many(
                f"{room.n_own} jobs of yours wait or run already: this service takes "
                f"{settings.max_unfinished_jobs_per_user} of one user. Wait for some of them, or cancel some."
            )
        if queue == URGENT and room.n_urgent >= MOST_URGENT_JOBS and not caller.is_admin:
            raise _too_many(
                f"{room.n_urgent} urgent job of yours waits or runs already: a user may have "
                f"{MOST_URGENT_JOBS}. Wait for its end, or send this one without urgent."
            )

    def _at_once(self, plan: Plan, submission: Submission) -> Receipt | None:
        """The job of a closed form, computed here; None if it takes the way of other jobs.

        Nothing is locked while it is computed: of two that compute the same, one finds the other's job.
        """
        new, key = plan.new, _own_key(submission)
        with self._table.engine.connect() as connection:
            if key is not None and self._table.by_idempotency_key(connection, key) is not None:
                return None
            known = self._table.known(connection, new)
        answer = None if known.is_known else self._closed_forms.solve(plan.work)
        if answer is None:
            return None
        with self._table.engine.begin() as connection:
            job = self._insert(connection, new, submission.caller, known.n_attempts + 1, answer)
            if job is not None:
                self._bind(connection, new, submission, job.id)
                return Receipt(job, is_new=True)
        return None

    def _found_or_queued(self, new: NewJob, submission: Submission) -> Receipt:
        for _ in range(_MOST_TRIES):
            try:
                with self._table.engine.begin() as connection:
                    return self._submit(connection, new, submission)
            except _DeletedError:
                # Its job was there, and went this moment: it is submitted as if never seen.
                continue
        message = "The job of this spec is deleted again and again: submit it again once that is over."
        raise OverloadedError(message, headers=RETRY_AFTER)

    def _submit(self, connection: sa.Connection, new: NewJob, submission: Submission) -> Receipt:
        key = _own_key(submission)
        if key is not None:
            bound = self._table.by_idempotency_key(connection, key)
            if bound is not None:
                if bound[0] != _body_hash(new, submission):
                    raise _key_reused(submission)
                return Receipt(self._found(connection, bound[1]), is_new=False)
        receipt = self._find_or_insert(connection, new, submission.caller)
        self._bind(connection, new, submission, receipt.job.id)
        return receipt

    def _bind(self, connection: sa.Connection, new: NewJob, submission: Submission, job_id: str) -> None:
        """Bind the idempotency key of a submission, if it has one, to its job."""
        key = _own_key(submission)
        if key is None:
            return
        body_hash = _body_hash(new, submission)
        if not self._table.bind_idempotency_key(connection, key, body_hash, job_id):
            # The same request may have come twice at the same time.
            bound = self._table.by_idempotency_key(connection, key)
            if bound is None or bound[0] != body_hash:
                raise _key_reused(submission)

    def _find_or_insert(self, connection: sa.Connection, new: NewJob, caller: Caller) -> Receipt:
        known = self._table.known(connection, new)
        answer = None
        if known.is_known:
            latest = self._table.latest_attempt(connection, new.content_id)
            if latest is not None and latest.is_answer:
                return Receipt(self._tagged(connection, latest.id, new), is_new=False)
            found = self._table.answered(connection, new)
            answer = None if found is None else Answer(found.result, found.seconds, found.live)
        attempt = known.n_attempts + 1
        if answer is None:
            room = self._take_turns(connection, new.owner)
            try:
                self.check_room(room, caller, queue=new.queue)
            except ServiceError:
                # The same request may have come twice at the same time, and had its turn.
                if self._table.find(connection, job_id_of(new.content_id, attempt)) is None:
                    raise
                return self._twin(connection, new, attempt)
        job = self._insert(connection, new, caller, attempt, answer)
        if job is None:
            return self._twin(connection, new, attempt)
        if answer is None:
            self._enqueue(connection, job)
        return Receipt(job, is_new=answer is None)

    def _twin(self, connection: sa.Connection, new: NewJob, attempt: int) -> Receipt:
        """The job of another request that submitted the same spec at the same time."""
        twin = self._tagged(connection, job_id_of(new.content_id, attempt), new)
        if not twin.is_answer:  # It has failed already: as if this request came now.
            raise _DeletedError
        return Receipt(twin, is_new=False)

    def _take_turns(self, connection: sa.Connection, owner: str) -> Room:
        """Look at the room that is left; nobody adds jobs between that and the end of the transaction.

        Users do not wait for each other where the room of all is far larger than what comes at the same time.
        """
        self._table.take_turns(connection, owner)
        room, most = self._table.room(connection, owner), self._settings.max_unfinished_jobs
        if room.n_all >= most - max(most // 2, _MOST_AT_ONCE):
            self._table.take_turns(connection, None)
            room = self._table.room(connection, owner)
        return room

    def _insert(
        self, connection: sa.Connection, new: NewJob, caller: Caller, attempt: int, answer: Answer | None
    ) -> Job | None:
        job = self._table.insert(connection, new, attempt, answer=answer)
        if job is not None:
            record(connection, caller, "submit", job.id, detail={"task": new.task})
        return job

    def _enqueue(self, connection: sa.Connection, job: Job) -> None:
        if job.is_short:  # Its row is all that a worker looks for.
            return
        self._queue.enqueue(
            connection,
            job.id,
            queue=job.queue,
            owner=job.owner,
            priority=job.priority,
            timeout_seconds=job.timeout_seconds,
            n_shards=job.n_shards,
        )

    def _tagged(self, connection: sa.Connection, job_id: str, new: NewJob) -> Job:
        if not self._table.kept(connection, job_id):
            raise _DeletedError
        self._table.add_tags(connection, job_id, new.tags)
        return self._found(connection, job_id)

    def _found(self, connection: sa.Connection, job_id: str) -> Job:
        job = self._table.find(connection, job_id, with_spec=False)
        if job is None:
            raise _DeletedError
        return job


def kept_note(job: Job, submission: Submission) -> str | None:
    """What an unfinished job keeps of its first submission, though asked otherwise; None if nothing."""
    wanted_s = math.inf if submission.timeout_seconds is None else submission.timeout_seconds
    # Beyond the limit of the service all time limits are the same.
    is_by_service = job.timeout_by == "service"
    is_same_time = wanted_s == job.timeout_seconds or (is_by_service and wanted_s > job.timeout_seconds)
    kept = {
        f"urgent {'true' if job.queue == URGENT else 'false'}": submission.is_urgent == (job.queue == URGENT),
        f"priority {job.priority}": submission.priority == job.priority,
        f"timeout_seconds {job.timeout_seconds:g}": is_same_time,
    }
    other = [name for name, is_same in kept.items() if not is_same]
    if job.is_final or not other:
        return None
    return f"Sent before, and not sent again: the job keeps {', '.join(other)}. Cancel it to change them."


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


def _too_many(message: str) -> MalformedError:
    return MalformedError(message, code="too_many_jobs", headers=RETRY_AFTER)


def _key_reused(submission: Submission) -> RefusedError:
    key = str(submission.idempotency_key)
    message = (
        f"Idempotency-Key {key[:100]!r} was sent before with another body: use a new key for a new request."
    )
    entry = blame("idempotency-key", message, given=key[:100], allowed="a new key, or the same body")
    return RefusedError(message, code="idempotency_key_reused", errors=[entry])


def _body_hash(new: NewJob, submission: Submission) -> str:
    content: list[Any] = [new.content_id, new.priority, new.timeout_seconds, sorted(new.tags)]
    if submission.device != "auto" or submission.is_urgent:
        content += [submission.device, submission.is_urgent]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
