"""The jobs of a local client: a queue, one thread that works it off chunk by chunk, and who watches."""

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from equipoise.errors import ConflictError, InvalidArgumentError, NotFoundError
from equipoise.records import FINAL_STATUSES, JobStatus
from equipoise_solver import specs

# Long enough to keep all cores busy, short enough for a cancel and a bar to feel immediate.
CHUNK_S = 0.2
FIRST_BUDGET = 200_000
# How often a watching thread looks up even though nothing happens, so that Ctrl-C gets through.
HEARTBEAT_S = 1.0
STOP_WITHIN_S = 30.0


@dataclass
class LocalJob:
    """One job; changed only while the board's lock is held."""

    id: str
    work: Any
    spec_hash: str
    priority: int
    timeout_seconds: float | None
    tags: tuple[str, ...]
    order: int
    cost: dict[str, Any]
    status: JobStatus = "queued"
    progress: float = 0.0
    live: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str] | None = None
    solution: specs.Solution | None = None
    revision: int = 0
    submitted_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.status in FINAL_STATUSES

    def content(self, queue_position: int | None) -> dict[str, Any]:
        """What the API says about the job."""
        times = {name: getattr(self, name) for name in ("submitted_at", "started_at", "finished_at")}
        return {
            "id": self.id,
            "status": self.status,
            "task": self.work.spec.task,
            "owner": "local",
            "spec_hash": self.spec_hash,
            "progress": self.progress,
            "queue": "local",
            "queue_position": queue_position,
            "expected_start": None,
            "cost": self.cost,
            "n_shards": 1,
            "priority": self.priority,
            "tags": list(self.tags),
            "timeout_seconds": self.timeout_seconds,
            **{name: at.isoformat() if at else None for name, at in times.items()},
            "error": self.error,
            "live": self.live,
        }


class JobBoard:
    """All jobs of a local client; safe to use from several threads."""

    def __init__(self, threads: int, refusal: Callable[[Exception], dict[str, str]]) -> None:
        self._threads = threads
        self._refusal = refusal
        self._jobs: dict[str, LocalJob] = {}
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None
        self._is_closed = False
        self._n_submitted = 0

    def submit(
        self, work: Any, *, priority: int, timeout_seconds: float | None, tags: tuple[str, ...]
    ) -> tuple[dict[str, Any], bool]:
        """Queue a job, or find the one that had the same spec; say whether it is new."""
        with self._changed:
            content_id = f"job_{specs.spec_hash(work.spec)[:32]}"
            attempts = [job for job in self._jobs.values() if job.id.split("-")[0] == content_id]
            usable = [job for job in attempts if job.status in ("queued", "running", "succeeded")]
            if usable:
                job = usable[-1]
                job.tags = (*job.tags, *(tag for tag in tags if tag not in job.tags))
                return self._content(job), False
            self._n_submitted += 1
            job_id = content_id if not attempts else f"{content_id}-{len(attempts) + 1}"
            spec_hash = specs.spec_hash(work.spec)
            job = LocalJob(
                job_id,
                work,
                spec_hash,
                priority,
                timeout_seconds,
                tags,
                self._n_submitted,
                cost_of(work, self._threads),
            )
            self._jobs[job.id] = job
            self._start_worker()
            self._changed.notify_all()
            return self._content(job), True

    def n_before(self, priority: int) -> int:
        """How many queued jobs start before one of this priority that is submitted now."""
        with self._changed:
            return sum(job.priority >= priority for job in self._queue())

    def state(self, job_id: str) -> dict[str, Any]:
        """What the API says about a job."""
        with self._changed:
            return self._content(self._job(job_id))

    def newest(self, *, status: str | None, tag: str | None) -> list[dict[str, Any]]:
        """States of the jobs, newest first."""
        with self._changed:
            jobs = sorted(self._jobs.values(), key=lambda job: -job.order)
            return [
                self._content(job)
                for job in jobs
                if status in (None, job.status) and (tag is None or tag in job.tags)
            ]

    def solution(self, job_id: str) -> specs.Solution:
        """Solution of a finished job."""
        with self._changed:
            job = self._job(job_id)
            if job.solution is not None:
                return job.solution
        if job.is_final:
            raise ConflictError(
                f"Job {job_id} {job.status}: it has no result. Submit the spec again.",
                status=409,
                code="job_has_no_result",
            )
        raise ConflictError(
            f"Job {job_id} is {job.status}: it has no result yet. Wait for its end.",
            status=409,
            code="job_not_finished",
        )

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Ask a job to stop."""
        with self._changed:
            job = self._job(job_id)
            if job.status in ("succeeded", "failed", "timed_out"):
                raise ConflictError(
                    f"Job {job_id} has {job.status.replace('_', ' ')}: it cannot be cancelled any more.",
                    status=409,
                    code="job_finished",
                )
            if not job.is_final:
                self._move(job, "cancelled" if job.status == "queued" else "cancelling")
            return self._content(job)

    def forget(self, job_id: str) -> None:
        """Forget a finished job."""
        with self._changed:
            job = self._job(job_id)
            if not job.is_final:
                raise ConflictError(
                    f"Job {job_id} is {job.status}: only finished jobs can be deleted. Cancel it first.",
                    status=409,
                    code="job_not_finished",
                )
            del self._jobs[job_id]

    def wait(self, job_id: str, timeout_s: float) -> dict[str, Any]:
        """Wait for the end of a job, at most so long; return its state."""
        give_up = time.monotonic() + timeout_s
        with self._changed:
            job = self._job(job_id)
            while not job.is_final and not self._is_closed and (left := give_up - time.monotonic()) > 0:
                self._changed.wait(min(left, HEARTBEAT_S))
            return self._content(job)

    def follow(self, job_id: str) -> Generator[dict[str, Any] | None, None, None]:
        """Yield the state of a job at each change until it has ended, and None when nothing happens."""
        with self._changed:
            job = self._job(job_id)
        seen = -1
        while True:
            with self._changed:
                if job.revision == seen and not self._is_closed:
                    self._changed.wait(HEARTBEAT_S)
                is_new, seen = job.revision != seen, job.revision
                state = self._content(job)
                ends = job.is_final or self._is_closed
            yield state if is_new else None
            if ends:
                return

    def close(self) -> None:
        """Stop the running job at its next chunk, and the thread."""
        with self._changed:
            self._is_closed = True
            for job in self._jobs.values():
                if not job.is_final:
                    self._move(job, "cancelled" if job.status == "queued" else "cancelling")
            self._changed.notify_all()
            worker = self._worker
        if worker is not None:
            worker.join(STOP_WITHIN_S)

    def _start_worker(self) -> None:
        if self._worker is None:
            # A daemon: leaving Python does not wait for a computation whose result nobody will see.
            self._worker = threading.Thread(target=self._work, name="equipoise-local", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._compute(job)
            except (
                Exception
            ) as error:  # Whatever goes wrong in a job is that job's outcome, not the thread's.
                with self._changed:
                    job.error = self._refusal(error)
                    self._move(job, "failed")

    def _next(self) -> LocalJob | None:
        with self._changed:
            while not self._is_closed:
                queue = self._queue()
                if queue:
                    self._move(queue[0], "running")
                    return queue[0]
                self._changed.wait()
            return None

    def _compute(self, job: LocalJob) -> None:
        started = time.monotonic()
        checkpoint = job.work.begin()
        budget = FIRST_BUDGET
        while not checkpoint.is_done:
            if self._must_stop(job, time.monotonic() - started):
                return
            chunk_started = time.monotonic()
            checkpoint = job.work.advance(checkpoint, budget=budget, threads=self._threads)
            budget = _next_budget(budget, time.monotonic() - chunk_started)
            with self._changed:
                job.progress, job.live = float(checkpoint.fraction), dict(checkpoint.live)
                job.revision += 1
                self._changed.notify_all()
        solution = job.work.finish(checkpoint)
        with self._changed:
            if job.status == "cancelling":
                self._move(job, "cancelled")
                return
            job.solution = solution.model_copy(update={"seconds": time.monotonic() - started})
            job.progress = 1.0
            self._move(job, "succeeded")

    def _must_stop(self, job: LocalJob, elapsed_s: float) -> bool:
        with self._changed:
            if job.status == "cancelling":
                self._move(job, "cancelled")
            elif job.timeout_seconds is not None and elapsed_s > job.timeout_seconds:
                said = f"It took longer than timeout_seconds={job.timeout_seconds:g}."
                job.error = {"code": "timed_out", "message": said}
                self._move(job, "timed_out")
            return job.is_final

    def _move(self, job: LocalJob, status: JobStatus) -> None:
        job.status = status
        now = datetime.now(UTC)
        if status == "running":
            job.started_at = now
        if job.is_final:
            job.finished_at = now
        job.revision += 1
        self._changed.notify_all()

    def _job(self, job_id: str) -> LocalJob:
        if job_id not in self._jobs:
            message = f"There is no job {job_id!r}: see jobs() for those there are."
            raise NotFoundError(message, status=404, code="job_not_found")
        return self._jobs[job_id]

    def _queue(self) -> list[LocalJob]:
        queued = [job for job in self._jobs.values() if job.status == "queued"]
        return sorted(queued, key=lambda job: (-job.priority, job.order))

    def _content(self, job: LocalJob) -> dict[str, Any]:
        return job.content(self._queue().index(job) if job.status == "queued" else None)


def cost_of(work: Any, threads: int) -> dict[str, Any]:
    """What a work is expected to take in this process, by the prior estimate of the solver."""
    cost = work.cost
    prior_s = float(getattr(cost, "seconds", 0.0) or 0.0)
    return {
        "path_steps": float(cost.path_steps),
        "memory_bytes": float(cost.memory_bytes),
        "seconds": prior_s / (1 if cost.is_quick else threads) if prior_s > 0 else None,
        "device": "cpu",
        "note": None,
    }


def _next_budget(budget: int, took_s: float) -> int:
    """Budget whose chunk takes about CHUNK_S, approached by factors of at most 4."""
    factor = min(4.0, max(0.25, CHUNK_S / max(took_s, 1e-6)))
    return max(1, int(budget * factor))


def checked_timeout(value: Any) -> float | None:
    """Return the longest computation that a job may take, or None for no limit."""
    if value is not None and not (isinstance(value, (int, float)) and value > 0):
        raise InvalidArgumentError("timeout_seconds", given=value, allowed="a positive number")
    return None if value is None else float(value)
