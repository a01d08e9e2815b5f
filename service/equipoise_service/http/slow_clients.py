"""Connections of slow clients are cut: those that never finish a request's head or never take an answer.

The server below bounds neither: a head that comes a byte at a time, or an answer that nobody reads, would
hold a connection, and the answer in memory, for ever. Bodies are bounded in `request_bounds`.
"""

import asyncio
import uuid
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from equipoise_service.errors import MalformedError
from equipoise_service.http.problems import problem_response
from equipoise_service.http.security_headers import SECURITY_HEADERS


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with an end to patience; made by `bounded_protocol`."""

    silence_s: ClassVar[float] = 20.0
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection, whose first head is waited for."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; once they make a head, the application bounds what follows."""
        super().data_received(data)
        if self._is_answering():
            self._stop_head_timer()

    def on_response_complete(self) -> None:
        """End a request: the next head is waited for, and the answer must be taken."""
        super().on_response_complete()
        if self._is_answering():  # The next request had come already.
            self._stop_head_timer()
        else:
            self._await_head()
        self._await_reader()

    def pause_writing(self) -> None:
        """The client takes an answer more slowly than it comes."""
        super().pause_writing()
        self._await_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._stop_head_timer()
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP with a problem, like all refusals."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # An answer is under way already.
            self.transport.close()
            return
        request_id = uuid.uuid4().hex
        answer = problem_response(
            MalformedError(f"{msg} Use an HTTP client, and less than 64 kB of headers."), request_id
        )
        headers = {**SECURITY_HEADERS, **dict(answer.headers), "X-Request-ID": request_id}
        headers = {name.lower(): value for name, value in headers.items()}
        events: list[Any] = [
            h11.Response(
                status_code=400,
                headers=[(name.encode(), value.encode()) for name, value in headers.items()]
                + [(b"connection", b"close")],
                reason=b"Bad Request",
            ),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        ]
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        """Cut the connection unless a request's head is complete in time, from now on."""
        self._stop_head_timer()
        if not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self.silence_s, self._cut_without_head)

    def _cut_without_head(self) -> None:
        if self.transport.get_write_buffer_size():  # An answer is still being taken.
            self._await_head()
        elif not self._is_answering():
            self.transport.abort()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _await_reader(self) -> None:
        """Cut the connection if nothing of what waits to be sent is taken in time, from now on."""
        size = self.transport.get_write_buffer_size()
        if size and self._write_timer is None:
            self._write_timer = self.loop.call_later(self.silence_s, self._cut_unless_taken, size)

    def _cut_unless_taken(self, size_before: int) -> None:
        self._write_timer = None
        size = self.transport.get_write_buffer_size()
        if size and size >= size_before:
            self.transport.abort()
        else:
            self._await_reader()


def bounded_protocol(silence_s: float) -> type[BoundedProtocol]:
    """The protocol with a longest silence, in the middle of a head or of taking an answer, [s]."""
    return type("BoundedProtocol", (BoundedProtocol,), {"silence_s": silence_s})
