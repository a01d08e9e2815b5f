"""What a shared service must show: workers, queues, limits, metrics, health."""

import logging
import time
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse
from sqlalchemy.exc import SQLAlchemyError

from equipoise_service.http.deps import ReaderDep, Resources, ResourcesDep
from equipoise_service.http.operation_schemas import (
    Health,
    Limits,
    QueueList,
    WorkerList,
    queue_view,
    worker_view,
)
from equipoise_service.http.readiness import ReadinessCheck
from equipoise_service.http.request_counts import RequestCounts
from equipoise_service.jobs.engine_queue import HIGHEST_PRIORITY
from equipoise_service.telemetry.service_state import StateReader
from equipoise_solver.version import __version__

logger = logging.getLogger(__name__)
router = APIRouter(tags=["operations"])
health_router = APIRouter(tags=["operations"])
_STARTED_AT = time.monotonic()


def get_state_reader(resources: ResourcesDep) -> StateReader:
    """Reads what the service is doing."""
    return StateReader(resources.database, ttl_s=resources.settings.heartbeat_ttl_seconds)


def get_request_counts(request: Request) -> RequestCounts:
    """What this process has answered."""
    counts: RequestCounts = request.app.state.request_counts
    return counts


def get_readiness(request: Request, resources: ResourcesDep) -> ReadinessCheck:
    """The check of this application, which remembers when it tried the store."""
    state = request.app.state
    if not hasattr(state, "readiness"):
        state.readiness = _readiness(resources)
    check: ReadinessCheck = state.readiness
    return check


def _readiness(resources: Resources) -> ReadinessCheck:
    return ReadinessCheck(resources.database, resources.settings.store, resources.workers)


StateDep = Annotated[StateReader, Depends(get_state_reader)]
CountsDep = Annotated[RequestCounts, Depends(get_request_counts)]
ReadinessDep = Annotated[ReadinessCheck, Depends(get_readiness)]


@router.get("/workers")
def list_workers(resources: ResourcesDep, caller: ReaderDep) -> WorkerList:
    """List the workers, with what they can do and how they are."""
    found = resources.workers.all()
    return WorkerList(workers=[worker_view(worker, is_admin=caller.is_admin) for worker in found])


@router.get("/queues")
def list_queues(state: StateDep, caller: ReaderDep) -> QueueList:
    """List the queues: what waits and runs, how many slots serve them, what is yours; for admins, whose."""
    now, queues = state.queues()
    views = [queue_view(queue, now=now, user=caller.user, is_admin=caller.is_admin) for queue in queues]
    return QueueList(queues=views)


@router.get("/limits")
async def get_limits(resources: ResourcesDep, _caller: ReaderDep) -> Limits:
    """Show how much this service takes."""
    names = [name for name in Limits.model_fields if name != "max_priority"]
    return Limits(
        max_priority=HIGHEST_PRIORITY, **{name: getattr(resources.settings, name) for name in names}
    )


@health_router.get("/metrics", response_class=PlainTextResponse)
def get_metrics(
    resources: ResourcesDep, state: StateDep, counts: CountsDep, _caller: ReaderDep
) -> PlainTextResponse:
    """Show metrics in the text format of Prometheus; every API process shows the same ones."""
    from equipoise_service.telemetry import metrics

    try:
        counts.flush(resources.database)
        found = state.read()
    except SQLAlchemyError as error:
        logger.warning("metrics without the database: %s", type(error).__name__)
        found = None
    return PlainTextResponse(metrics.page(found), media_type=metrics.MEDIA_TYPE)


@health_router.get("/healthz", response_model_exclude_none=True)
async def is_healthy() -> Health:
    """Answer as long as this process runs."""
    uptime = round(time.monotonic() - _STARTED_AT, 3)
    return Health(status="ok", version=__version__, uptime_seconds=uptime)


@health_router.get("/readyz", response_model_exclude_none=True)
def is_ready(readiness: ReadinessDep) -> Health:
    """Answer once requests can be served: database, tables of this version and store are there."""
    found = readiness.check()
    return Health(
        status="ready",
        version=__version__,
        database="ok",
        store="ok",
        schema_version=found.schema,
        workers=found.n_workers,
    )
