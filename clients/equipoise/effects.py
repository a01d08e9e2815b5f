"""What an operation may ask of the outside world: operations are generators that yield these, without I/O."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from equipoise.errors import ClientError

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """One HTTP request; the driver replies with a `Response`, or throws a `ClientError` in.

    Attributes:
        method: "GET", "POST" or "DELETE".
        path: path below the base URL, for example "/v1/jobs".
        query: query parameters.
        headers: headers beyond those that every request carries.
        body: the content, or None.
        timeout_s: longest silence to bear, or None for the client's own.
        is_idempotent: whether doing it twice is the same as doing it once, so that it may be retried.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_s: float | None = None
    is_idempotent: bool = True


@dataclass(frozen=True)
class Response:
    """The answer to a request.

    Attributes:
        status: HTTP status.
        headers: headers, names in lower case.
        body: the content; empty for the start of a stream.
        was_retried: whether an earlier attempt got lost or was turned away.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    was_retried: bool = False


@dataclass(frozen=True)
class Open:
    """Send a request whose answer is a stream; the driver replies with a `Response` without the content.

    The driver holds one stream at a time: another `Open`, or the end of the operation, closes it.
    """

    request: Request


@dataclass(frozen=True)
class Read:
    """Read from the open stream; the driver replies with some bytes, or None at its end."""


@dataclass(frozen=True)
class Sleep:
    """Pause for a while; the driver replies with None."""

    delay_s: float


@dataclass(frozen=True)
class Emit:
    """Hand a value to the caller while the operation goes on; the driver replies with None."""

    value: Any


@dataclass(frozen=True)
class Finished:
    """The operation has returned."""

    value: Any


Effect = Request | Open | Read | Sleep | Emit
Flow = Generator[Effect, Any, T]


def advance(flow: Flow[Any], reply: object) -> Effect | Finished:
    """Take an operation to its next effect; an error as reply is thrown into it."""
    try:
        return flow.throw(reply) if isinstance(reply, ClientError) else flow.send(reply)
    except StopIteration as stop:
        return Finished(stop.value)
