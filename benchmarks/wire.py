"""A minimal HTTP client for load: one keep-alive connection, no parsing beyond what an answer's end needs."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

_END_OF_HEAD = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """Status, head and body of an answer; the body of a stream as it came, with the sizes of its chunks."""

    status: int
    head: bytes
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def request_bytes(
    method: str, path: str, *, host: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A whole request, ready to be sent as often as wanted."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body or method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + _END_OF_HEAD + body


class Wire(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._answer: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None
        self._head_end = 0
        self._length: int | None = None

    @classmethod
    async def open(cls, host: str, port: int) -> "Wire":
        """Connect."""
        _, wire = await asyncio.get_running_loop().create_connection(cls, host, port)
        return wire

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    async def send(self, request: bytes) -> Answer:
        """Send a request and wait for the end of its answer.

        Raises:
            ConnectionError: the service hung up.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Transports of other event loops have its methods, not its type.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Collect, and hand the answer on once it is whole."""
        self._buffer += data
        if not self._head_end:
            found = self._buffer.find(_END_OF_HEAD)
            if found < 0:
                return
            self._head_end = found + len(_END_OF_HEAD)
            self._length = _length_of(bytes(self._buffer[:found]))
        if self._length is None:
            if self._buffer.endswith(_LAST_CHUNK):
                self._finish()
        elif len(self._buffer) >= self._head_end + self._length:
            self._finish()

    def _finish(self) -> None:
        head, body = bytes(self._buffer[: self._head_end]), bytes(self._buffer[self._head_end :])
        self._buffer.clear()
        self._head_end = 0
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(Answer(int(head[9:12]), head, body))

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell whoever waits."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the service hung up"))


def _length_of(head: bytes) -> int | None:
    """Content-Length; 0 for answers without a body, None for answers in chunks."""
    lowered = head.lower()
    if b"transfer-encoding: chunked" in lowered:
        return None
    found = lowered.find(b"content-length:")
    if found < 0:
        return 0
    return int(lowered[found + 15 :].split(b"\r\n", 1)[0])
