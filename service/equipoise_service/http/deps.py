"""What handlers are given: the resources of the application, and who is asking."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio
import sqlalchemy as sa
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from equipoise_service.errors import MalformedError
from equipoise_service.http.result_cache import ResultCache
from equipoise_service.jobs.engine_queue import JobQueue, migrate_engine
from equipoise_service.jobs.job_service import JobService
from equipoise_service.jobs.job_table import JobTable
from equipoise_service.jobs.solver_version import claim_version
from equipoise_service.jobs.worker_table import WorkerTable
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate
from equipoise_service.storage.store import Store
from equipoise_service.uploads.datasets import DatasetLibrary
from equipoise_service.users.access import Access
from equipoise_service.users.callers import Caller, Scope
from equipoise_service.users.tokens import TokenTable
from equipoise_service.workers.chunks import Prepare

_COMPUTING = 2
_SUBMITTING = 8


@dataclass(frozen=True)
class Resources:
    """What lives as long as the application."""

    settings: Settings
    database: sa.Engine
    jobs: JobService
    results: ResultCache
    library: DatasetLibrary
    workers: WorkerTable
    access: Access
    # Threads beside those of reads, which must not wait for what is computed or locked.
    computing: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_COMPUTING))
    submitting: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_SUBMITTING))


@asynccontextmanager
async def open_resources(settings: Settings, prepare: Prepare) -> AsyncIterator[Resources]:
    """Open the database and the store; close them in reverse."""
    database = await anyio.to_thread.run_sync(_open_database, settings.database)
    queue = JobQueue(database)
    store = Store(settings.store)
    library = DatasetLibrary(database, store)
    jobs = JobService(
        settings, table=JobTable(database), queue=queue, store=store, library=library, prepare=prepare
    )
    workers = WorkerTable(database, ttl_s=settings.heartbeat_ttl_seconds)
    access = Access(settings, TokenTable(database))
    try:
        yield Resources(settings, database, jobs, ResultCache(jobs), library, workers, access)
    finally:
        access.close()
        queue.close()
        database.dispose()


def _open_database(url: str) -> sa.Engine:
    database = connect(url)
    migrate(database)
    migrate_engine(database)
    claim_version(database)
    return database


async def get_resources(request: Request) -> Resources:
    """The application's resources."""
    resources: Resources = request.app.state.resources
    return resources


bearer = HTTPBearer(auto_error=False, description="A token of this service: `equipoise token create`.")


async def identify(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Caller:
    """Who sends a request, asked once per request.

    Raises:
        MalformedError: the token is missing, wrong or no longer good, or too many requests came at once.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is None:
        given = "" if credentials is None else credentials.credentials
        address = "" if request.client is None else request.client.host
        request_id = str(getattr(request.state, "request_id", ""))
        resources: Resources = request.app.state.resources
        known = await resources.access.admit(given, address=address, request_id=request_id)
        request.state.caller = known
    return known


def allow(scope: Scope) -> Callable[[Caller], Coroutine[Any, Any, Caller]]:
    """A dependency that lets a caller pass whose token has a scope."""

    async def check(caller: Annotated[Caller, Depends(identify)]) -> Caller:
        if not caller.may(scope):
            held = ", ".join(sorted(caller.scopes)) or "none"
            raise MalformedError(
                f"This takes a token with the scope {scope!r}; yours has {held}: ask an admin for one.",
                code="forbidden",
            )
        return caller

    return check


ResourcesDep = Annotated[Resources, Depends(get_resources)]
CallerDep = Annotated[Caller, Depends(identify)]
ReaderDep = Annotated[Caller, Depends(allow("read"))]
SubmitterDep = Annotated[Caller, Depends(allow("submit"))]
AdminDep = Annotated[Caller, Depends(allow("admin"))]
