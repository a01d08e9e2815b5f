"""What handlers are given: the resources of the application, and who is asking."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import anyio
import sqlalchemy as sa
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from equipoise_service.chunks import Prepare
from equipoise_service.database import connect, migrate
from equipoise_service.datasets import DatasetLibrary
from equipoise_service.engine import JobQueue, migrate_engine
from equipoise_service.errors import MalformedError
from equipoise_service.job_service import JobService
from equipoise_service.job_table import JobTable
from equipoise_service.settings import Settings
from equipoise_service.store import Store
from equipoise_service.worker_table import WorkerTable


@dataclass(frozen=True)
class Resources:
    """What lives as long as the application."""

    settings: Settings
    database: sa.Engine
    jobs: JobService
    library: DatasetLibrary
    workers: WorkerTable


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
    try:
        yield Resources(settings, database, jobs, library, workers)
    finally:
        queue.close()
        database.dispose()


def _open_database(url: str) -> sa.Engine:
    database = connect(url)
    migrate(database)
    migrate_engine(database)
    return database


def get_resources(request: Request) -> Resources:
    """The application's resources."""
    resources: Resources = request.app.state.resources
    return resources


bearer = HTTPBearer(auto_error=False, description="The service's shared token, if it has one.")


def check_token(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> None:
    """Let a request pass if the service has no token, or the request carries it.

    Raises:
        MalformedError: the token is missing or wrong.
    """
    expected = request.app.state.settings.token
    if expected is None:
        return
    given = "" if credentials is None else credentials.credentials
    # Compared in constant time, so that its characters cannot be found one by one.
    if not secrets.compare_digest(given.encode(), expected.get_secret_value().encode()):
        raise MalformedError(
            "This service needs a token: send the header Authorization: Bearer TOKEN.",
            code="unauthorized",
            headers={"WWW-Authenticate": "Bearer"},
        )


ResourcesDep = Annotated[Resources, Depends(get_resources)]
