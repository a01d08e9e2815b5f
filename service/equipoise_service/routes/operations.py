"""What a shared service must show: workers, limits, health."""

import sqlalchemy as sa
from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from sqlalchemy.exc import SQLAlchemyError

from equipoise_service.deps import ReaderDep, ResourcesDep
from equipoise_service.engine import HIGHEST_PRIORITY
from equipoise_service.errors import OverloadedError
from equipoise_service.schemas import Health, Limits, WorkerList, worker_view
from equipoise_solver.version import __version__

router = APIRouter(tags=["operations"])
health_router = APIRouter(tags=["operations"])


@router.get("/workers")
def list_workers(resources: ResourcesDep, _caller: ReaderDep) -> WorkerList:
    """List the workers."""
    return WorkerList(workers=[worker_view(worker) for worker in resources.workers.all()])


@router.get("/limits")
async def get_limits(resources: ResourcesDep, _caller: ReaderDep) -> Limits:
    """Show how much this service takes."""
    names = [name for name in Limits.model_fields if name != "max_priority"]
    return Limits(
        max_priority=HIGHEST_PRIORITY, **{name: getattr(resources.settings, name) for name in names}
    )


@health_router.get("/metrics", response_class=PlainTextResponse)
def get_metrics(resources: ResourcesDep, _caller: ReaderDep) -> PlainTextResponse:
    """Show counters in the text format of Prometheus."""
    lines = ["# HELP equipoise_jobs Jobs by status.", "# TYPE equipoise_jobs gauge"]
    lines += [f'equipoise_jobs{{status="{name}"}} {count}' for name, count in resources.jobs.counts().items()]
    n_alive = sum(worker.is_alive for worker in resources.workers.all())
    lines += ["# HELP equipoise_workers Workers alive.", "# TYPE equipoise_workers gauge"]
    lines += [f"equipoise_workers {n_alive}"]
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


@health_router.get("/healthz", response_model_exclude_none=True)
async def is_healthy() -> Health:
    """Answer as long as this process runs."""
    return Health(status="ok", version=__version__)


@health_router.get("/readyz")
def is_ready(resources: ResourcesDep) -> Health:
    """Answer once requests can be served: the database is there."""
    try:
        with resources.database.connect() as connection:
            connection.execute(sa.select(sa.literal(1)))
        n_alive = sum(worker.is_alive for worker in resources.workers.all())
    except SQLAlchemyError as error:
        raise OverloadedError(
            f"The database does not answer ({type(error).__name__}): try again later.", code="not_ready"
        ) from error
    return Health(status="ready", version=__version__, workers=n_alive)
