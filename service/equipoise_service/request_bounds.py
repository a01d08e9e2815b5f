"""Bounds of every request: its end is told in one way, and its body comes within a bounded time."""

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from equipoise_service.errors import MalformedError, blame

_CLOSE = {"Connection": "close"}


class RequestBounds:
    """Layer of the application that refuses requests of two ends, and bodies that come too slowly.

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
        if _has_two_ends(scope):
            await self._app(scope, _refuse_two_ends, send)
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


def _has_two_ends(scope: Scope) -> bool:
    # Servers in a row that believe different ones of the two could be made to see different requests.
    names = [name for name, _ in scope["headers"]]
    return b"transfer-encoding" in names and b"content-length" in names


async def _refuse_two_ends() -> Message:
    allowed = "one of Content-Length and Transfer-Encoding"
    message = f"The body's length is told in two ways: need {allowed}. Leave out the other."
    entry = blame("content-length", message, allowed=allowed)
    raise MalformedError(message, errors=[entry], headers=_CLOSE)
