"""The HTTP API as an application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI

from equipoise_service.http.deps import identify, open_resources
from equipoise_service.http.docs_page import install_docs_page
from equipoise_service.http.middleware import RequestMiddleware
from equipoise_service.http.open_streams import OpenStreams
from equipoise_service.http.problems import MEDIA_TYPE, Problem, install_error_handlers
from equipoise_service.http.request_bounds import RequestBounds
from equipoise_service.http.request_counts import RequestCounts
from equipoise_service.http.routes import datasets, estimate, jobs, operations, results, solve, users
from equipoise_service.settings import Settings
from equipoise_service.workers.chunks import Prepare
from equipoise_solver.solving import prepare as solver_prepare
from equipoise_solver.version import __version__

_DESCRIPTION = """Exact stationary laws of SGD, and ensembles to test them.

Send a spec to `POST /v1/solve` (closed forms) or `POST /v1/jobs` (everything). Refusals are
`application/problem+json` with a stable `code` and the fields to blame."""
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "The request cannot be read.",
        401: "A valid token is needed.",
        403: "The token does not allow this.",
        404: "There is no such thing.",
        408: "The body came too slowly.",
        409: "The right request at the wrong moment.",
        410: "The result was removed: submit the spec again.",
        413: "The body is too large.",
        415: "The content type is not read here.",
        429: "Too much at once: try again after the seconds of Retry-After.",
        422: "The request makes no sense, or is beyond the limits.",
        500: "The service failed.",
        503: "Try again later.",
    }.items()
}


class Api(FastAPI):
    """The application, with refusals under their own media type in its OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for path in document["paths"].values():
            for operation in path.values():
                for status, response in operation["responses"].items():
                    if status >= "400":
                        response["content"] = problem
        return document


def create_app(settings: Settings, *, prepare: Prepare = solver_prepare) -> FastAPI:
    """Make the application. Nothing is opened before it starts.

    Args:
        settings: settings of the service.
        prepare: makes work out of a spec.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_resources(settings, prepare) as resources:
            app.state.resources = resources
            with counts.flushing(resources.database):
                yield

    counts = RequestCounts()
    app = Api(
        title="Equipoise",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        responses=_REFUSALS,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.request_counts = counts
    app.state.open_streams = OpenStreams(settings.max_streams_per_user)
    for router in (
        solve.router,
        estimate.router,
        results.router,
        jobs.router,
        datasets.router,
        users.router,
        operations.router,
    ):
        app.include_router(router, prefix="/v1", dependencies=[Depends(identify)])
    app.include_router(operations.health_router)
    install_docs_page(app)
    app.add_middleware(
        RequestBounds, silence_s=settings.max_silence_seconds, body_s=settings.max_body_seconds
    )
    app.add_middleware(RequestMiddleware, counts=counts)
    install_error_handlers(app)
    return app
