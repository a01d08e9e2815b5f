"""JSON bodies: bounded while they stream in, read once, with the right content type."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import pydantic_core
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from equipoise_service.errors import MalformedError, blame, sentence
from equipoise_service.http.deps import bearer, identify

# So much of a body that cannot be read is echoed.
_ECHO_BYTES = 80
MOST_PARTS = 1_000_000
"""Most lists and objects of a body: each takes many times the memory of its two characters."""
MOST_NAMES = 10_000
"""Most names in one object."""


class JsonRequest(Request):
    """A request whose body is JSON and no larger than the service allows."""

    async def body(self) -> bytes:
        """The bytes of the body.

        Raises:
            MalformedError: wrong content type, or too large.
        """
        if not hasattr(self, "_body"):
            _check_content_type(self)
            check_encoding(self)
            self._body = await read_bounded(self, self.app.state.settings.max_body_bytes)
            if not self._body:
                raise _no_json("The body is empty", b"")
        return self._body

    async def json(self) -> Any:
        """The content of the body; NaN and infinities pass, for validation to name their field.

        Raises:
            MalformedError: the body is not JSON, or says something twice.
        """
        if not hasattr(self, "_json"):
            body = await self.body()
            _check_parts(body)
            try:
                content = pydantic_core.from_json(body, allow_inf_nan=True)
                # That parser lets the last of two equal names win; this one shows them all.
                json.loads(body, object_pairs_hook=_refuse_repeated)
            except ValueError as error:
                raise _no_json(f"The body is not JSON: {sentence(error)[:-1]}", body) from None
            self._json = content
        return self._json


class JsonRoute(APIRoute):
    """A route whose requests, if they have a body, have a JSON one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Handler of the route."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            # The framework reads the body before it asks who sends it; strangers' bodies are not read.
            await identify(request, await bearer(request))
            return await handle(JsonRequest(request.scope, request.receive))

        return handle_json


async def read_bounded(request: Request, limit: int) -> bytes:
    """Read a body of at most `limit` bytes.

    Raises:
        MalformedError: it is larger; the rest is not read.
    """
    check_declared_length(request, limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    return b"".join(parts)


def check_declared_length(request: Request, limit: int) -> None:
    """Refuse a body that says itself that it is too large, before reading it."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(limit)


def too_large(limit: int) -> MalformedError:
    """Refusal of a body beyond the limit; the connection ends, for the rest stays unread."""
    message = (
        f"More than {limit} bytes were sent: this service takes no more at once. "
        "Send less; many samples are better uploaded as a dataset."
    )
    return MalformedError(
        message,
        code="body_too_large",
        errors=[blame("body", message, given=f"more than {limit} bytes", allowed=f"<= {limit} bytes")],
        headers={"Connection": "close"},
    )


def check_encoding(request: Request) -> None:
    """Refuse a compressed body: unpacked, its size would have no bound that the sender can be told."""
    given = request.headers.get("content-encoding", "identity").strip()
    if given.lower() not in ("", "identity"):
        message = f"Content-Encoding {given[:100]!r} is not read here: send the body as it is, uncompressed."
        raise MalformedError(
            message,
            code="unsupported_media_type",
            errors=[blame("content-encoding", message, given=given[:100], allowed="identity")],
            headers={"Accept-Encoding": "identity"},
        )


def _no_json(what: str, body: bytes) -> MalformedError:
    allowed = "one JSON object in UTF-8"
    message = f"{what}: need {allowed}, as shown at /docs."
    given = body[:_ECHO_BYTES].decode("utf-8", "replace")
    return MalformedError(
        message, code="malformed_json", errors=[blame("body", message, given=given, allowed=allowed)]
    )


def _check_parts(body: bytes) -> None:
    # Brackets within strings count as well: no honest body comes near.
    if body.count(b"[") + body.count(b"{") > MOST_PARTS:
        allowed = f"at most {MOST_PARTS} lists and objects"
        message = f"The body holds more than {MOST_PARTS} lists and objects: need {allowed}. Send less."
        entry = blame("body", message, given=f"more than {MOST_PARTS}", allowed=allowed)
        raise MalformedError(message, errors=[entry])


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > MOST_NAMES:
        allowed = f"at most {MOST_NAMES} names in one object"
        message = f"One object holds {len(pairs)} names: need {allowed}. Send less."
        entry = blame("body", message, given=f"{len(pairs)} names", allowed=allowed)
        raise MalformedError(message, errors=[entry])
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            shown = repr(name[:_ECHO_BYTES])
            message = f"{shown} is there twice in one object: need each name once. Remove one of them."
            entry = blame("body", message, given=f"{shown} twice", allowed="each name once in an object")
            raise MalformedError(message, errors=[entry])
        names.add(name)


def _check_content_type(request: Request) -> None:
    given = request.headers.get("content-type", "")
    kind = given.split(";", 1)[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        message = f"Content-Type {given[:100]!r} is not read here: send Content-Type: application/json."
        raise MalformedError(
            message,
            code="unsupported_media_type",
            errors=[blame("content-type", message, given=given[:100], allowed="application/json")],
            headers={"Accept": "application/json"},
        )
