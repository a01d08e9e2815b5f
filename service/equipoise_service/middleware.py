"""Around every request: an id, basic security headers, a line in the log, and an answer even if all fails."""

import logging
import re
import time
import uuid

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from equipoise_service.errors import ServiceError
from equipoise_service.problems import problem_response

logger = logging.getLogger("equipoise_service.requests")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestMiddleware:
    """Outermost layer of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given_id(scope) or uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        start = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            logger.info("request %s: the client went away", request_id)
        except Exception:
            logger.exception("request %s failed: %s %s", request_id, scope["method"], _loggable_path(scope))
            if status:
                raise
            error = ServiceError("Something failed here; the log holds it under this request's id.")
            await problem_response(error, request_id)(scope, receive, send_with_headers)
        finally:
            took_ms = 1000 * (time.perf_counter() - start)
            logger.info(
                "%s %s %d %.1f ms %s", scope["method"], _loggable_path(scope), status, took_ms, request_id
            )


def _given_id(scope: Scope) -> str | None:
    """The caller's own id of the request, if it is one that may be echoed and logged."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            return text if _REQUEST_ID.fullmatch(text) else None
    return None


def _loggable_path(scope: Scope) -> str:
    # As it came over the wire, percent-encoded: it cannot hold the end of a line.
    raw: bytes = scope.get("raw_path") or b""
    return raw.decode("latin-1")[:500]
