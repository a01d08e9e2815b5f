"""Around every request: an id, basic security headers, a line in the log, a count, a span, and an answer even
if all fails."""

import logging
import re
import time
import uuid
from contextlib import ExitStack

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from equipoise_service.errors import ServiceError
from equipoise_service.http.problems import problem_response
from equipoise_service.http.request_counts import PROBES, RequestCounts, route_of
from equipoise_service.http.security_headers import SECURITY_HEADERS
from equipoise_service.telemetry import logs, tracing

logger = logging.getLogger("equipoise_service.requests")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_JOB_ID = re.compile(r"job_[0-9a-f]{32}(-[0-9]{1,6})?")


class RequestMiddleware:
    """Outermost layer of the application."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _given_id(headers) or uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        with ExitStack() as around:
            around.enter_context(logs.about(request_id=request_id))
            # What somebody presents as a token must not be found in the log, right or wrong.
            around.enter_context(logs.hiding(headers.get("authorization", "").partition(" ")[2].strip()))
            span = around.enter_context(tracing.request_span(scope["method"], headers.get("traceparent")))
            status = await self._answer(scope, receive, send, span)
            route = route_of(scope)
            span.describe(f"{scope['method']} {route}", route=route, status=status)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, span: tracing.Span) -> int:
        """Let the application answer, and record it; returns the status."""
        request_id = scope["state"]["request_id"]
        start = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                logs.note(job_id=_job_of(scope, headers))
                headers["X-Request-ID"] = request_id
                if span.is_recorded and span.parent_of_others is not None:
                    headers["traceparent"] = span.parent_of_others
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            logger.info("the client went away")
        except Exception as failure:
            span.fail(type(failure).__name__)
            logger.exception("%s %s failed", scope["method"], _loggable_path(scope))
            if status:
                raise
            error = ServiceError("Something failed here; the log holds it under this request's id.")
            await problem_response(error, request_id)(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - start)
        return status

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        self._counts.count(scope, status, seconds)
        logs.note(user=getattr(scope["state"].get("caller"), "user", None))
        path, took_ms = _loggable_path(scope), round(1000 * seconds, 1)
        fields = {"method": scope["method"], "path": path, "status": status, "took_ms": took_ms}
        # Probes come every few seconds whether anybody works or not: they are worth a line if they fail.
        level = logging.DEBUG if path in PROBES and 0 < status < 400 else logging.INFO
        logger.log(
            level, "%s %s %d %.1f ms", scope["method"], path, status, took_ms, extra={"fields": fields}
        )


def _given_id(headers: Headers) -> str | None:
    """The caller's own id of the request, if it is one that may be echoed and logged."""
    text = headers.get("x-request-id", "")
    return text if _REQUEST_ID.fullmatch(text) else None


def _job_of(scope: Scope, answer: MutableHeaders) -> str | None:
    """The job that a request is about, or that came of it."""
    job_id = scope.get("path_params", {}).get("job_id") or answer.get("location", "").rpartition("/")[2]
    return job_id if _JOB_ID.fullmatch(job_id) else None


def _loggable_path(scope: Scope) -> str:
    # As it came over the wire, percent-encoded: it cannot hold the end of a line.
    raw: bytes = scope.get("raw_path") or b""
    return raw.decode("latin-1")[:500]
