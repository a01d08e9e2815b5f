"""The jobs as rows: every query on them, and the one function that changes their status."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

import sqlalchemy as sa

from equipoise_service.jobs.queues import QUICK, URGENT
from equipoise_service.storage.database import become_writer, insert_if_absent
from equipoise_service.storage.tables import (
    SHORT_JOBS,
    WAITING_SHORT_JOBS,
    idempotency_keys,
    job_tags,
    jobs,
)
from equipoise_service.telemetry import counters
from equipoise_service.users.callers import LOCAL_USER

Status = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled", "timed_out"]
STATUSES: tuple[Status, ...] = get_args(Status)
TimeoutBy = Literal["job", "service"]
"""Whose time limit is the smaller one and holds: the one asked for with the job, or that of the service."""
FINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
UNFINISHED: frozenset[str] = frozenset(STATUSES) - FINAL
# A failed, cancelled or timed out job is no answer: the same spec is tried again as the next attempt.
ANSWERS: frozenset[str] = UNFINISHED | {"succeeded"}
LEGAL_SOURCES: dict[Status, frozenset[str]] = {
    "queued": frozenset(),
    "running": frozenset({"queued", "running"}),
    "cancelling": frozenset({"running", "cancelling"}),
    "succeeded": frozenset({"running"}),
    "failed": frozenset({"queued", "running"}),
    "cancelled": frozenset({"queued", "cancelling"}),
    "timed_out": frozenset({"queued", "running"}),
}
"""From where each status may be reached; "running" again after a worker died."""


@dataclass(frozen=True)
class Job:
    """One job. Times are seconds since 1970."""

    id: str
    content_id: str
    attempt: int
    task: str
    spec: str
    spec_hash: str
    status: Status
    queue: str
    priority: int
    timeout_seconds: float
    progress: float
    live: Mapping[str, Any]
    worker: str | None
    seconds: float | None
    result: str | None
    error_code: str | None
    error_message: str | None
    submitted_at: float
    started_at: float | None
    finished_at: float | None
    updated_at: float
    revision: int
    owner: str = LOCAL_USER
    answer_key: str = ""
    cost_path_steps: float | None = None
    cost_memory_bytes: float | None = None
    cost_seconds: float | None = None
    n_shards: int = 1
    request_id: str | None = None
    trace_parent: str | None = None
    used_at: float | None = None
    result_expired_at: float | None = None
    timeout_by: TimeoutBy = "job"
    device: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in FINAL

    @property
    def is_closed_form(self) -> bool:
        """Whether it is a quick job that simulates nothing."""
        return self.queue == QUICK and not self.cost_path_steps

    @property
    def is_short(self) -> bool:
        """Whether it is a quick job that simulates, which the engine does not know; see `short_jobs`."""
        return self.queue == QUICK and bool(self.cost_path_steps)

    @property
    def is_answer(self) -> bool:
        """Whether the same spec need not be computed again: it waits, runs, or has a result that is there."""
        return self.status in ANSWERS and self.result_expired_at is None


@dataclass(frozen=True)
class NewJob:
    """What a job starts from.

    Attributes:
        content_id: made of spec, solver and owner: the same ones are the same job.
        answer_key: made of spec and solver: the same ones have the same result.
    """

    content_id: str
    task: str
    spec: str
    spec_hash: str
    queue: str
    priority: int
    timeout_seconds: float
    tags: tuple[str, ...]
    owner: str
    answer_key: str
    cost_path_steps: float | None = None
    cost_memory_bytes: float | None = None
    cost_seconds: float | None = None
    n_shards: int = 1
    request_id: str | None = None
    trace_parent: str | None = None
    timeout_by: TimeoutBy = "job"
    device: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a job that is answered at its submission ends with.

    Attributes:
        result: SHA-256 of the result's bytes, which are in the store.
        seconds: time of computing, [s].
        live: statistics of the whole.
    """

    result: str | None
    seconds: float | None
    live: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What is there of a job before it is submitted.

    Attributes:
        is_known: whether it waits, runs or has its result, or another user's job has the result.
        n_attempts: how often it was tried.
    """

    is_known: bool
    n_attempts: int


@dataclass(frozen=True)
class Room:
    """How many jobs are unfinished.

    Attributes:
        n_all: those of everybody.
        n_own: those of one user.
        n_urgent: urgent ones of that user.
    """

    n_all: int
    n_own: int
    n_urgent: int


@dataclass(frozen=True)
class Page:
    """Where a list of jobs goes on: after the job submitted at this time with this id."""

    submitted_at: float
    id: str


def job_id_of(content_id: str, attempt: int) -> str:
    """Id of an attempt: the content id, from the second attempt on with a suffix."""
    return content_id if attempt == 1 else f"{content_id}-{attempt}"


class JobTable:
    """Queries on jobs. Methods that take a connection leave the transaction to the caller."""

    def __init__(self, engine: sa.Engine, *, clock: Callable[[], float] = time.time) -> None:
        self.engine = engine
        self._clock = clock

    def insert(
        self, connection: sa.Connection, new: NewJob, attempt: int, *, answer: Answer | None = None
    ) -> Job | None:
        """Add a queued job with its tags, or one that has its answer already; None if that attempt exists.

        Args:
            connection: in a transaction.
            new: the job.
            attempt: 1 for the first with this content.
            answer: what it ends with at once.
        """
        now = self._clock()
        columns = {item.name: getattr(new, item.name) for item in fields(NewJob) if item.name != "tags"}
        row: dict[str, Any] = {
            **columns,
            "id": job_id_of(new.content_id, attempt),
            "attempt": attempt,
            "status": "queued",
            "progress": 0.0,
            "live": "{}",
            "submitted_at": now,
            "updated_at": now,
            "revision": 1,
        }
        if answer is not None:
            row |= {
                "status": "succeeded",
                "progress": 1.0,
                "live": json.dumps(dict(answer.live)),
                "result": answer.result,
                "seconds": answer.seconds,
                "started_at": now,
                "finished_at": now,
            }
        if not insert_if_absent(connection, jobs, row):
            return None
        counters.count_submission(connection, queue=new.queue, is_answered=answer is not None)
        tags = tuple(sorted(set(new.tags)))
        if tags:
            connection.execute(job_tags.insert(), [{"job_id": row["id"], "tag": tag} for tag in tags])
        return job_of({**_NOTHING_YET, **row, "tags": " ".join(tags)})

    def add_tags(self, connection: sa.Connection, job_id: str, tags: Iterable[str]) -> None:
        """Put tags on a job; those it has stay."""
        for tag in sorted(set(tags)):
            insert_if_absent(connection, job_tags, {"job_id": job_id, "tag": tag})

    def get(self, job_id: str, *, with_spec: bool = True) -> Job | None:
        """The job with this id; its spec, which may be large, is left empty unless it is asked for."""
        with self.engine.connect() as connection:
            return self.find(connection, job_id, with_spec=with_spec)

    def find(self, connection: sa.Connection, job_id: str, *, with_spec: bool = True) -> Job | None:
        """The job with this id, within a transaction."""
        query = _BY_ID_WITH_SPEC if with_spec else _BY_ID
        row = connection.execute(query, {"job_id": job_id}).mappings().first()
        return None if row is None else job_of(row)

    def latest_attempt(self, connection: sa.Connection, content_id: str) -> Job | None:
        """The newest job with this content, without its spec."""
        row = connection.execute(_LATEST, {"content_id": content_id}).mappings().first()
        return None if row is None else job_of(row)

    def answered(self, connection: sa.Connection, new: NewJob) -> Job | None:
        """A succeeded job of the same spec by the same solver, whoever asked for it.

        Its result stays there until the transaction ends: who collects results waits for that.
        """
        become_writer(connection)
        row = connection.execute(_ANSWERED, {"answer_key": new.answer_key}).mappings().first()
        return None if row is None else job_of(row)

    def known(self, connection: sa.Connection, new: NewJob) -> Known:
        """What is there of a job before it is submitted."""
        keys = {"content_id": new.content_id, "answer_key": new.answer_key}
        row = connection.execute(_KNOWN, keys).one()
        return Known(bool(row.is_known), row.n_attempts or 0)

    def by_idempotency_key(self, connection: sa.Connection, key: str) -> tuple[str, str] | None:
        """Hash of the request and id of the job that a key belongs to."""
        row = connection.execute(
            sa.select(idempotency_keys.c.body_hash, idempotency_keys.c.job_id).where(
                idempotency_keys.c.key == key
            )
        ).first()
        return None if row is None else (row.body_hash, row.job_id)

    def bind_idempotency_key(self, connection: sa.Connection, key: str, body_hash: str, job_id: str) -> bool:
        """Bind a key to a job; False if it is bound already."""
        row = {"key": key, "body_hash": body_hash, "job_id": job_id, "created_at": self._clock()}
        return insert_if_absent(connection, idempotency_keys, row)

    def room(self, connection: sa.Connection, owner: str) -> Room:
        """How many jobs are queued, running or cancelling: all, those of a user, and its urgent ones."""
        return Room(*connection.execute(_ROOM, {"owner": owner}).one())

    def take_turns(self, connection: sa.Connection, owner: str | None) -> None:
        """Wait for those of one owner, or of all, who count jobs before they add one; others wait for this.

        Args:
            connection: in a transaction, until whose end others wait; on SQLite all writers do so anyway.
            owner: a user; None for all, to be asked for after that of a user only.
        """
        become_writer(connection)
        if connection.dialect.name != "sqlite":
            name = b"all" if owner is None else b"of " + owner.encode()
            key = int.from_bytes(hashlib.sha256(b"room " + name).digest()[:8], signed=True)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))

    def newest(
        self,
        *,
        owner: str | None = None,
        status: Status | None = None,
        tag: str | None = None,
        after: Page | None = None,
        limit: int,
    ) -> list[Job]:
        """Jobs, all or of one owner, from the newest to the oldest, without their specs."""
        query = sa.select(*_WITHOUT_SPEC).order_by(jobs.c.submitted_at.desc(), jobs.c.id.desc()).limit(limit)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        if status is not None:
            query = query.where(jobs.c.status == status)
        if tag is not None:
            query = query.where(jobs.c.id.in_(sa.select(job_tags.c.job_id).where(job_tags.c.tag == tag)))
        if after is not None:
            same_time = sa.and_(jobs.c.submitted_at == after.submitted_at, jobs.c.id < after.id)
            query = query.where(sa.or_(jobs.c.submitted_at < after.submitted_at, same_time))
        with self.engine.connect() as connection:
            return [job_of(row) for row in connection.execute(query).mappings()]

    def unsettled(
        self, *, older_than_s: float, goes_on: Callable[[sa.ColumnElement[str]], sa.ColumnElement[bool]]
    ) -> list[Job]:
        """Unfinished jobs, without their specs, that have not changed for some time and do not go on.

        Args:
            older_than_s: for how long, [s].
            goes_on: says of an id whether the engine lets that job wait or run; it does not know short ones,
                and one that is being cancelled may go on as well.
        """
        is_left = sa.or_(jobs.c.status == "cancelling", sa.not_(sa.or_(IS_SHORT, goes_on(jobs.c.id))))
        query = sa.select(*_WITHOUT_SPEC).where(
            jobs.c.status.in_(UNFINISHED), jobs.c.updated_at <= self._clock() - older_than_s, is_left
        )
        with self.engine.connect() as connection:
            return [job_of(row) for row in connection.execute(query).mappings()]

    def unfinished_ids(self) -> set[str]:
        """Ids of the jobs that still need their checkpoints."""
        with self.engine.connect() as connection:
            return set(connection.scalars(sa.select(jobs.c.id).where(jobs.c.status.in_(UNFINISHED))))

    def move(
        self, job_id: str, to: Status, *, counted: Iterable[counters.Increment] = (), **changes: Any
    ) -> bool:
        """Change the status of a job, if that move is legal from where it is now.

        Args:
            job_id: the job.
            to: new status.
            counted: what is counted with it.
            changes: other columns to set with it.

        Returns:
            Whether the job was moved.
        """
        columns = [jobs.c[name] for name in counters.MOVE_COLUMNS]
        return self._move(job_id, to, changes, columns, counted) is not None

    def take_up(self, job_id: str, worker: str) -> Job | None:
        """Let a job run on a worker; the job without its tags, None if it was stopped before."""
        columns = (*jobs.c, sa.literal("").label("tags"))
        row = self._move(job_id, "running", {"worker": worker}, columns)
        return None if row is None else job_of(row._mapping)

    def _move(
        self,
        job_id: str,
        to: Status,
        changes: Mapping[str, Any],
        columns: Iterable[sa.ColumnElement[Any]],
        counted: Iterable[counters.Increment] = (),
    ) -> sa.Row[Any] | None:
        """Move a job; some columns of it, None if it was not moved."""
        now = self._clock()
        values: dict[str, Any] = {"status": to, "updated_at": now, "revision": jobs.c.revision + 1, **changes}
        if to == "running":
            values["started_at"] = sa.func.coalesce(jobs.c.started_at, now)
        if to in FINAL:
            values["finished_at"] = now
        query = (
            sa.update(jobs)
            .where(jobs.c.id == job_id, jobs.c.status.in_(LEGAL_SOURCES[to]))
            .values(values)
            .returning(*columns)
        )
        with self.engine.begin() as connection:
            moved = connection.execute(query).first()
            if moved is not None:
                counters.add(connection, [*counted, *counters.of_move(moved, to, now)])
        return moved

    def record_progress(self, job_id: str, progress: float, live: Mapping[str, Any], worker: str) -> bool:
        """Show how far a running job is; False if it is not to go on."""
        query = (
            sa.update(jobs)
            .where(jobs.c.id == job_id, jobs.c.status == "running")
            .values(
                progress=sa.case((jobs.c.progress > progress, jobs.c.progress), else_=progress),
                live=json.dumps(dict(live), allow_nan=False),
                worker=worker,
                updated_at=self._clock(),
                revision=jobs.c.revision + 1,
            )
        )
        with self.engine.begin() as connection:
            return connection.execute(query).rowcount == 1

    def locked(self, connection: sa.Connection, job_id: str) -> Job | None:
        """The job with this id, without its spec; nobody else changes it until the transaction ends."""
        become_writer(connection)
        row = connection.execute(_LOCKED, {"job_id": job_id}).mappings().first()
        return None if row is None else job_of(row)

    def kept(self, connection: sa.Connection, job_id: str) -> bool:
        """Whether there is a job with this id; if so, nobody deletes it until the transaction ends."""
        become_writer(connection)
        return connection.execute(_KEPT, {"job_id": job_id}).first() is not None

    def delete(self, connection: sa.Connection, job_id: str) -> None:
        """Forget a job, its tags and its idempotency keys."""
        connection.execute(idempotency_keys.delete().where(idempotency_keys.c.job_id == job_id))
        connection.execute(job_tags.delete().where(job_tags.c.job_id == job_id))
        connection.execute(jobs.delete().where(jobs.c.id == job_id))

    def is_result_used(self, digest: str) -> bool:
        """Whether some job has this result."""
        with self.engine.connect() as connection:
            return connection.execute(sa.select(jobs.c.id).where(jobs.c.result == digest)).first() is not None


# Written out rather than given as parameters: so the index of the waiting ones is known to fit. Without an
# estimate it is false, not null.
IS_SHORT = sa.text(f"({SHORT_JOBS})")
"""`Job.is_short`, as part of a query on jobs."""
IS_WAITING_SHORT = sa.text(f"({WAITING_SHORT_JOBS})")
"""The same of those that wait."""
# The tags of a job as one text: none holds a space.
_TAGS = (
    sa.select(sa.func.aggregate_strings(job_tags.c.tag, " "))
    .where(job_tags.c.job_id == jobs.c.id)
    .scalar_subquery()
    .label("tags")
)
_WITH_SPEC = (*jobs.c, _TAGS)
_WITHOUT_SPEC = (*(column for column in jobs.c if column.name != "spec"), sa.literal("").label("spec"), _TAGS)
# Queries that are asked all the time are built once: building one takes as long as asking it.
_BY_ID_WITH_SPEC = sa.select(*_WITH_SPEC).where(jobs.c.id == sa.bindparam("job_id"))
_BY_ID = sa.select(*_WITHOUT_SPEC).where(jobs.c.id == sa.bindparam("job_id"))
_LOCKED = _BY_ID.with_for_update(of=jobs)
_KEPT = (
    sa.select(jobs.c.id).where(jobs.c.id == sa.bindparam("job_id")).with_for_update(read=True, key_share=True)
)
_OF_CONTENT = jobs.c.content_id == sa.bindparam("content_id")
_LATEST = sa.select(*_WITHOUT_SPEC).where(_OF_CONTENT).order_by(jobs.c.attempt.desc()).limit(1)
_HAS_ANSWER = sa.and_(
    jobs.c.answer_key == sa.bindparam("answer_key"),
    jobs.c.status == "succeeded",
    jobs.c.result_expired_at.is_(None),
)
_ANSWERED = sa.select(*_WITHOUT_SPEC).where(_HAS_ANSWER).limit(1).with_for_update(read=True, of=jobs)
_KNOWN = sa.select(
    sa.exists()
    .where(sa.or_(sa.and_(_OF_CONTENT, jobs.c.status.in_(UNFINISHED)), _HAS_ANSWER))
    .label("is_known"),
    sa.select(sa.func.max(jobs.c.attempt)).where(_OF_CONTENT).scalar_subquery().label("n_attempts"),
)
_IS_OWN = jobs.c.owner == sa.bindparam("owner")
_ROOM = sa.select(
    sa.func.count(),
    sa.func.count(sa.case((_IS_OWN, 1))),
    sa.func.count(sa.case((sa.and_(_IS_OWN, jobs.c.queue == URGENT), 1))),
).where(jobs.c.status.in_(UNFINISHED))
_NOTHING_YET: dict[str, Any] = {column.name: None for column in jobs.c}


def job_of(row: Mapping[str, Any] | sa.RowMapping) -> Job:
    """The job of a row, whose tags are one text."""
    live: Mapping[str, Any] = json.loads(row["live"])
    return Job(**{**dict(row), "live": live, "tags": tuple(sorted((row["tags"] or "").split()))})
