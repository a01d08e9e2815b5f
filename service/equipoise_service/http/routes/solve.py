"""Solve on the spot what is quick to solve."""

from anyio import to_thread
from fastapi import APIRouter, Response

from equipoise_service.http.deps import ResourcesDep, SubmitterDep
from equipoise_service.http.json_body import JsonRoute
from equipoise_service.http.schemas import SolveRequest
from equipoise_service.jobs.job_service import timed
from equipoise_solver.specs import Solution

router = APIRouter(tags=["solve"], route_class=JsonRoute)


@router.post("/solve", response_model=Solution)
async def solve(body: SolveRequest, resources: ResourcesDep, caller: SubmitterDep) -> Response:
    """Solve a spec whose cost is small and bounded; others take a job (code `needs_job`)."""

    def compute() -> bytes:
        solution, seconds = timed(lambda: resources.jobs.solve(body.spec, caller))
        content: bytes = solution.model_copy(update={"seconds": seconds}).model_dump_json().encode()
        return content

    content = await to_thread.run_sync(compute, limiter=resources.computing)
    return Response(content, media_type="application/json")
