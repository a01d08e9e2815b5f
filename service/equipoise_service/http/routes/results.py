"""Results of finished jobs, which are read far more often than they are made."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Path, Request, Response

from equipoise_service.http.deps import ReaderDep, Resources, ResourcesDep, bearer, identify
from equipoise_service.http.json_body import JsonRoute
from equipoise_service.http.result_cache import ResultBody
from equipoise_service.http.solution_bodies import pack_arrays
from equipoise_solver.specs import Solution


class ResultRoute(JsonRoute):
    """A route that answers from memory where it can, before the framework resolves what handlers are given.

    Who asks is found out and checked in either case.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Handler of the route."""
        handle = super().get_route_handler()

        async def handle_result(request: Request) -> Response:
            caller = await identify(request, await bearer(request))
            resources: Resources = request.app.state.resources
            if caller.may("read"):
                found = resources.results.at_hand(request.path_params["job_id"], caller)
                if found is not None:
                    return _answer(found, request.headers.get("if-none-match"))
            return await handle(request)

        return handle_result


router = APIRouter(prefix="/jobs", tags=["jobs"])
JobId = Annotated[str, Path(description="Id of the job.")]


async def get_result(
    job_id: JobId,
    resources: ResourcesDep,
    caller: ReaderDep,
    if_none_match: Annotated[str | None, Header(description="ETag of the result you have.")] = None,
) -> Response:
    """Fetch the solution of a finished job; its ETag is the SHA-256 of what was computed."""
    found = await to_thread.run_sync(resources.results.load, job_id, caller)
    return _answer(found, if_none_match)


router.add_api_route(
    "/{job_id}/result", get_result, methods=["GET"], response_model=Solution, route_class_override=ResultRoute
)


@router.get(
    "/{job_id}/arrays",
    response_class=Response,
    responses={200: {"content": {"application/x-npz": {"schema": {"type": "string", "format": "binary"}}}}},
)
def get_arrays(job_id: JobId, resources: ResourcesDep, caller: ReaderDep) -> Response:
    """Fetch the arrays of a finished job as NPZ, under flat names such as `histogram.counts`."""
    job = resources.jobs.get(job_id, caller)
    content = pack_arrays(resources.jobs.result(job))
    headers = {"Content-Disposition": f'attachment; filename="{job.id}.npz"', "ETag": f'"{job.result}-npz"'}
    return Response(content, media_type="application/x-npz", headers=headers)


def _answer(found: ResultBody, if_none_match: str | None) -> Response:
    headers = {"ETag": found.etag, "Cache-Control": "private, max-age=0"}
    if if_none_match is not None and found.etag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type="application/json", headers=headers)
