"""Jobs as users see them: find, stop, forget. The rules are here, the rows in `job_table`."""

import base64
import binascii
import json
import math
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from equipoise_service.errors import ConflictError, NotFoundError, RefusedError, blame
from equipoise_service.jobs.calibrations import Calibrations
from equipoise_service.jobs.closed_forms import ClosedForms
from equipoise_service.jobs.engine_queue import JobQueue
from equipoise_service.jobs.expected_start import Outlook, Outlooks
from equipoise_service.jobs.fleet import FleetWatch
from equipoise_service.jobs.forecasts import Forecast, Forecasts
from equipoise_service.jobs.job_table import Job, JobTable, Page, Status
from equipoise_service.jobs.result_use import note_loss, note_use
from equipoise_service.jobs.routing import Router
from equipoise_service.jobs.submissions import Receipt, Submission, Submissions
from equipoise_service.settings import Settings
from equipoise_service.storage.store import Store, checkpoint_folder, result_name
from equipoise_service.uploads.datasets import DatasetLibrary
from equipoise_service.users.audit import Action, record
from equipoise_service.users.callers import Caller
from equipoise_service.workers.chunks import Prepare
from equipoise_solver.specs import Spec

JOB_ID = re.compile(r"job_[0-9a-f]{32}(-[0-9]{1,6})?")


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
        self._table = table
        self._queue = queue
        self._store = store
        self._library = library
        self._prepare = prepare
        engine = table.engine
        fleet = FleetWatch(engine, ttl_s=settings.heartbeat_ttl_seconds)
        router = Router(settings, Calibrations(engine))
        closed_forms = ClosedForms(store)
        self._submissions = Submissions(
            settings,
            table=table,
            queue=queue,
            library=library,
            prepare=prepare,
            router=router,
            fleet=fleet,
            closed_forms=closed_forms,
        )
        self._outlooks = Outlooks(engine, fleet, most_running=settings.max_running_jobs_per_user)
        self._forecasts = Forecasts(
            engine,
            table=table,
            submissions=self._submissions,
            router=router,
            fleet=fleet,
            outlooks=self._outlooks,
            closed_forms=closed_forms,
        )

    def submit(self, submission: Submission) -> Receipt:
        """The job of a spec; see `Submissions.submit`."""
        return self._submissions.submit(submission)

    def forecast(self, submission: Submission) -> Forecast:
        """What would become of a submission; see `Forecasts.of`."""
        return self._forecasts.of(submission)

    def solve(self, spec: Spec, caller: Caller) -> Any:
        """The solution of a spec that is quick to solve.

        Raises:
            RefusedError: the spec takes a job.
            SolverError: the spec makes no sense.
        """
        work = self._prepare(spec, load_dataset=self._library.loader(caller))
        if not work.cost.is_quick:
            message = f"This spec of task {spec.task!r} is not solved on the spot: send it to POST /v1/jobs."
            allowed = "a spec that is quick to solve, such as a stationary law alone"
            entry = blame("task", message, given=spec.task, allowed=allowed)
            raise RefusedError(message, code="needs_job", errors=[entry])
        state = work.begin()
        while not state.is_done:
            state = work.advance(state, 10**9, threads=1)
        return work.finish(state)

    def get(self, job_id: str, caller: Caller) -> Job:
        """The job with this id.

        Raises:
            NotFoundError: there is none, or it belongs to somebody else.
        """
        job = self._table.get(job_id, with_spec=False) if JOB_ID.fullmatch(job_id) else None
        return _owned(job, job_id, caller)

    def outlooks(self, jobs: Sequence[Job]) -> dict[str, Outlook]:
        """Places of the waiting ones among some jobs, by id."""
        return self._outlooks.of(jobs)

    def page(
        self,
        caller: Caller,
        *,
        owner: str | None,
        status: Status | None,
        tag: str | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[Job], str | None]:
        """The caller's jobs, an admin's all or those of one owner, the newest first; cursor of the next page.

        A caller who is no admin and asks for the jobs of somebody else gets none.

        Raises:
            RefusedError: the cursor is none that this service gave.
        """
        after = None if cursor is None else _read_cursor(cursor)
        if owner is not None and not caller.owns(owner):
            return [], None
        whose = owner if caller.is_admin else caller.user
        jobs = self._table.newest(owner=whose, status=status, tag=tag, after=after, limit=limit + 1)
        page = jobs[:limit]
        return page, _write_cursor(page[-1]) if len(jobs) > limit else None

    def result(self, job: Job) -> bytes:
        """Bytes of the solution of a finished job.

        Raises:
            ConflictError: it is not finished, or ended without a result.
            NotFoundError: its result was removed to make room.
        """
        if not job.is_final:
            raise ConflictError(
                f"Job {job.id} is {job.status} ({job.progress:.0%}): wait for its end, "
                f"for example at /v1/jobs/{job.id}/events."
            )
        if job.result is None:
            reason = f": {job.error_message}" if job.error_message else ""
            raise ConflictError(f"Job {job.id} ended as {job.status}{reason}", code="job_has_no_result")
        try:
            if job.result_expired_at is None:
                content = self._store.get(result_name(job.result))
                note_use(self._table.engine, job)
                return content
        except FileNotFoundError:
            # Lost, or collected this moment: from now on the same spec is computed again.
            note_loss(self._table.engine, job.result)
        raise NotFoundError(
            f"The result of job {job.id} was removed to make room: submit its spec again, and it is computed "
            "again to the same bytes.",
            code="result_expired",
        )

    def cancel(self, job_id: str, caller: Caller) -> Job:
        """Stop a job.

        Raises:
            NotFoundError: there is none.
            ConflictError: it has ended otherwise.
        """
        job = self.get(job_id, caller)
        if not (self._table.move(job_id, "cancelled") or self._table.move(job_id, "cancelling")):
            job = self.get(job_id, caller)
            if job.status != "cancelled":
                raise ConflictError(
                    f"Job {job_id} has ended as {job.status}: there is nothing to cancel.",
                    code="job_finished",
                )
            return job
        self._queue.cancel(job_id)
        with self._table.engine.begin() as connection:
            _note(connection, caller, "cancel", job)
        return self.get(job_id, caller)

    def forget(self, job_id: str, caller: Caller) -> None:
        """Remove a finished job and what only it needs.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is not finished.
        """
        self.get(job_id, caller)
        with self._table.engine.begin() as connection:
            # Others may have deleted it meanwhile, and submitted its spec again as a job of the same id.
            job = _owned(self._table.locked(connection, job_id), job_id, caller)
            if not job.is_final:
                raise ConflictError(f"Job {job_id} is {job.status}: cancel it first, then delete it.")
            self._store.remove_folder(checkpoint_folder(job_id))
            self._queue.forget(connection, job_id)
            self._table.delete(connection, job_id)
            _note(connection, caller, "delete", job)
        if job.result is not None and not self._table.is_result_used(job.result):
            self._store.remove(result_name(job.result))


def _owned(job: Job | None, job_id: str, caller: Caller) -> Job:
    if job is None or not caller.owns(job.owner):
        raise NotFoundError(f"There is no job {job_id[:100]!r}: see the list of jobs.", code="job_not_found")
    return job


def _note(connection: sa.Connection, caller: Caller, action: Action, job: Job) -> None:
    detail = {} if caller.user == job.owner else {"owner": job.owner}
    record(connection, caller, action, job.id, detail=detail)


def _write_cursor(job: Job) -> str:
    return base64.urlsafe_b64encode(json.dumps([job.submitted_at, job.id]).encode()).decode()


def _read_cursor(cursor: str) -> Page:
    try:
        submitted_at, job_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        is_time = isinstance(submitted_at, float) and math.isfinite(submitted_at)
        if is_time and isinstance(job_id, str) and JOB_ID.fullmatch(job_id):
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
