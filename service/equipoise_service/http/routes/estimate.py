"""What a spec would take, without submitting it."""

from fastapi import APIRouter

from equipoise_service.http.deps import ResourcesDep, SubmitterDep
from equipoise_service.http.json_body import JsonRoute
from equipoise_service.http.schemas import EstimateRequest, EstimateView, estimate_view
from equipoise_service.jobs.submissions import Submission

router = APIRouter(tags=["jobs"], route_class=JsonRoute)


@router.post("/estimate")
def estimate(body: EstimateRequest, resources: ResourcesDep, caller: SubmitterDep) -> EstimateView:
    """Foretell what a spec would take, which queue it would go to and when it would start."""
    submission = Submission(
        body.spec,
        caller,
        priority=body.priority,
        timeout_seconds=body.timeout_seconds,
        device=body.device,
        is_urgent=body.urgent,
    )
    return estimate_view(resources.jobs.forecast(submission))
