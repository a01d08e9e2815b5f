"""Jobs: submit, follow, fetch, stop, forget."""

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from equipoise_service.http.deps import ReaderDep, Resources, ResourcesDep, SubmitterDep
from equipoise_service.http.job_events import stream, wait_for_end
from equipoise_service.http.json_body import JsonRoute
from equipoise_service.http.open_streams import StreamSlotDep
from equipoise_service.http.preferences import wanted_wait
from equipoise_service.http.routes.results import JobId
from equipoise_service.http.schemas import TAG_PATTERN, JobPage, JobRequest, JobView, job_view
from equipoise_service.jobs.job_table import Job, Status
from equipoise_service.jobs.submissions import Submission, kept_note
from equipoise_service.users.callers import USER_PATTERN

_EVENT = {
    "type": "object",
    "description": "Each event of the stream.",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
}
router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=JsonRoute)

IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Your own name of this request, so that it may be repeated.",
    ),
]
Prefer = Annotated[str | None, Header(description="`wait=SECONDS` waits that long for the end of the job.")]


def _view(resources: Resources, job: Job) -> JobView:
    return job_view(job, resources.jobs.outlooks([job]).get(job.id))


@router.post(
    "",
    status_code=202,
    response_model=JobView,
    responses={200: {"model": JobView, "description": "The job, finished before or within the wait."}},
)
async def submit(
    body: JobRequest,
    resources: ResourcesDep,
    caller: SubmitterDep,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Submit a spec; the same spec is the same job, computed once, and closed forms are answered at once."""
    submission = Submission(
        body.spec,
        caller,
        priority=body.priority,
        timeout_seconds=body.timeout_seconds,
        tags=body.tags,
        idempotency_key=idempotency_key,
        device=body.device,
        is_urgent=body.urgent,
    )
    job, is_new = await to_thread.run_sync(resources.jobs.submit, submission, limiter=resources.submitting)
    headers = {"Location": f"/v1/jobs/{job.id}"}
    wait_s = wanted_wait(prefer, resources.settings.max_wait_seconds)
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s:g}"
        job = await wait_for_end(resources.jobs, caller, job, wait_s)
    is_over = job.is_final and (wait_s is not None or not is_new)
    view = job_view(job) if job.is_final else await to_thread.run_sync(_view, resources, job)
    note = None if is_new else kept_note(job, submission)
    if note is not None and view.cost is not None:
        both = note if view.cost.note is None else f"{view.cost.note} {note}"
        view = view.model_copy(update={"cost": view.cost.model_copy(update={"note": both})})
    return _json(view, status_code=200 if is_over else 202, headers=headers)


@router.get("", response_model=JobPage)
def list_jobs(
    resources: ResourcesDep,
    caller: ReaderDep,
    status: Annotated[Status | None, Query(description="Only jobs of this status.")] = None,
    owner: Annotated[
        str | None, Query(pattern=USER_PATTERN, description="Only jobs of this user; for admins.")
    ] = None,
    tag: Annotated[str | None, Query(pattern=TAG_PATTERN, description="Only jobs with this tag.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most jobs of a page.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=500, description="next_cursor of the page before.")
    ] = None,
) -> Response:
    """List your jobs, an admin everybody's, the newest first."""
    jobs, next_cursor = resources.jobs.page(
        caller, owner=owner, status=status, tag=tag, limit=limit, cursor=cursor
    )
    outlooks = resources.jobs.outlooks(jobs)
    views = [job_view(job, outlooks.get(job.id)) for job in jobs]
    return _json(JobPage(jobs=views, next_cursor=next_cursor))


@router.get("/{job_id}", response_model=JobView)
async def get_job(job_id: JobId, resources: ResourcesDep, caller: ReaderDep) -> Response:
    """Show one job."""

    # Found and written in one thread: handlers that are no coroutines would go through three.
    def show() -> Response:
        return _json(_view(resources, resources.jobs.get(job_id, caller)))

    return await to_thread.run_sync(show)


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": _EVENT}}}},
)
async def get_events(
    job_id: JobId, resources: ResourcesDep, caller: ReaderDep, _slot: StreamSlotDep
) -> StreamingResponse:
    """Follow a job: events `status`, `progress`, at last `end`; a new connection starts with the present."""
    job = await to_thread.run_sync(resources.jobs.get, job_id, caller)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    events = resources.access.while_admitted(stream(resources.jobs, caller, job), caller)
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


@router.post("/{job_id}/cancel", status_code=202)
def cancel(job_id: JobId, resources: ResourcesDep, caller: SubmitterDep) -> JobView:
    """Stop a job; a chunk that is being computed is interrupted within about two seconds."""
    return _view(resources, resources.jobs.cancel(job_id, caller))


@router.delete("/{job_id}", status_code=204)
def forget(job_id: JobId, resources: ResourcesDep, caller: SubmitterDep) -> None:
    """Forget a finished job and its result."""
    resources.jobs.forget(job_id, caller)
    resources.results.forget(job_id)


def _json(view: JobView | JobPage, **options: Any) -> Response:
    return Response(view.model_dump_json(), media_type="application/json", **options)
