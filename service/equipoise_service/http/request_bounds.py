"""Bounds of every request: a head of bounded length, one way to tell its end, a body in bounded time."""

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from equipoise_service.errors import MalformedError, blame
from equipoise_service.http.problems import problem_response

LARGEST_HEAD = 64 * 1024
"""Most bytes of a request's path, query and headers, [bytes]."""
_CLOSE = {"Connection": "close"}


class RequestBounds:
    """Layer of the application that refuses heads too long or of two ends, and bodies that come too slowly.

    Args:
        app: the layers within.
        silence_s: longest silence in the middle of a body, [s].
        body_s: longest time from the first to the last byte of a body, [s].
    """

    def __init__(self, app: ASGIApp, *, silence_s: float, body_s: float) -> None:
        self._app = app
        self._silence_s = silence_s
        self._body_s = body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = _refusal(scope)
        if refusal is not None:
            request_id = str(scope.get("state", {}).get("request_id", ""))
            await problem_response(refusal, request_id)(scope, receive, send)
            return
        is_complete = False
        give_up = anyio.current_time() + self._body_s

        async def receive_in_time() -> Message:
            nonlocal is_complete
            if is_complete:  # What comes now is that the client went away, which has time.
                return await receive()
            with anyio.move_on_after(min(self._silence_s, give_up - anyio.current_time())):
                message = await receive()
                is_complete = not message.get("more_body", False)
                return message
            raise self._too_slow()

        await self._app(scope, receive_in_time, send)

    def _too_slow(self) -> MalformedError:
        allowed = f"a silence of at most {self._silence_s:g} s, and at most {self._body_s:g} s in all"
        message = f"The body came too slowly: this service takes {allowed}. Send it again, in smaller parts."
        entry = blame("body", message, allowed=allowed)
        return MalformedError(message, code="request_timeout", errors=[entry], headers=_CLOSE)


def _refusal(scope: Scope) -> MalformedError | None:
    """Why the head of a request is not accepted; None if it is."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    names = [name for name, _ in headers]
    if b"transfer-encoding" in names and b"content-length" in names:
        # Servers in a row that believe different ones of the two could be made to see different requests.
        allowed = "one of Content-Length and Transfer-Encoding"
        message = f"The body's length is told in two ways: need {allowed}. Leave out the other."
        return _refused("content-length", message, allowed)
    # The server bounds a head only while it is incomplete: one that comes at once may be longer.
    target = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if target + sum(len(name) + len(value) + 4 for name, value in headers) > LARGEST_HEAD:
        allowed = f"at most {LARGEST_HEAD} bytes"
        message = f"The request's address and headers are too long: need {allowed}. Send less in them."
        return _refused("headers", message, allowed)
    return None


def _refused(field: str, message: str, allowed: str) -> MalformedError:
    return MalformedError(message, errors=[blame(field, message, allowed=allowed)], headers=_CLOSE)
