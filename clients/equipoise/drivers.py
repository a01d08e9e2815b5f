"""The two drivers: they perform what operations ask for, one with blocking calls, one with async ones."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, closing
from typing import Any, Protocol, TypeVar

from equipoise.effects import Effect, Emit, Finished, Flow, Open, Read, Request, Response, Sleep, advance
from equipoise.errors import ClientError, ClosedClientError

T = TypeVar("T")
OnEmit = Callable[[Any], object]


class Transport(Protocol):
    """Carries requests to a service; raises nothing but `ClientError`."""

    def send(self, request: Request) -> Response:
        """Send a request and read the whole answer."""

    def stream(self, request: Request) -> tuple[Response, Generator[bytes, None, None]]:
        """Send a request; give the start of the answer, and its content piece by piece."""

    def close(self) -> None:
        """Release what is held."""


class AsyncTransport(Protocol):
    """The same for asyncio."""

    async def send(self, request: Request) -> Response:
        """Send a request and read the whole answer."""

    async def stream(self, request: Request) -> tuple[Response, AsyncGenerator[bytes, None]]:
        """Send a request; give the start of the answer, and its content piece by piece."""

    async def close(self) -> None:
        """Release what is held."""


class Driver:
    """Runs operations with blocking calls."""

    def __init__(self, transport: Transport, *, sleep: Callable[[float], object] = time.sleep) -> None:
        self._transport = transport
        self._sleep = sleep
        self._is_closed = False

    def run(self, flow: Flow[T], on_emit: OnEmit | None = None) -> T:
        """Run an operation to its end; return what it returns."""
        result: Any = None
        with closing(self._steps(flow)) as steps:
            for step in steps:
                if isinstance(step, Finished):
                    result = step.value
                elif on_emit is not None:
                    on_emit(step.value)
        value: T = result
        return value

    def iterate(self, flow: Flow[Any]) -> Iterator[Any]:
        """Yield what an operation emits."""
        with closing(self._steps(flow)) as steps:
            for step in steps:
                if isinstance(step, Emit):
                    yield step.value

    def close(self) -> None:
        """Close the transport; later operations are refused."""
        if not self._is_closed:
            self._is_closed = True
            self._transport.close()

    def _steps(self, flow: Flow[Any]) -> Generator[Emit | Finished, None, None]:
        pieces: Generator[bytes, None, None] | None = None
        reply: object = None
        try:
            while not isinstance(effect := advance(flow, reply), Finished):
                reply = None
                try:
                    match effect:
                        case Emit():
                            yield effect
                        case Open():
                            _close(pieces)
                            reply, pieces = self._open(effect.request)
                        case Read():
                            reply = next(pieces, None) if pieces else None
                        case _:
                            reply = self._perform(effect)
                except ClientError as error:
                    reply = error
            yield effect
        finally:
            flow.close()
            _close(pieces)

    def _open(self, request: Request) -> tuple[Response, Generator[bytes, None, None]]:
        self._refuse_if_closed()
        return self._transport.stream(request)

    def _perform(self, effect: Effect) -> object:
        self._refuse_if_closed()
        if isinstance(effect, Sleep):
            return self._sleep(effect.delay_s) if effect.delay_s > 0 else None
        assert isinstance(effect, Request)
        return self._transport.send(effect)

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise ClosedClientError


class AsyncDriver:
    """Runs operations on asyncio's event loop."""

    def __init__(
        self, transport: AsyncTransport, *, sleep: Callable[[float], Awaitable[object]] | None = None
    ) -> None:
        self._transport = transport
        self._sleep = sleep or _async_sleep
        self._is_closed = False

    async def run(self, flow: Flow[T], on_emit: OnEmit | None = None) -> T:
        """Run an operation to its end; return what it returns."""
        result: Any = None
        async with aclosing(self._steps(flow)) as steps:
            async for step in steps:
                if isinstance(step, Finished):
                    result = step.value
                elif on_emit is not None:
                    on_emit(step.value)
        value: T = result
        return value

    async def iterate(self, flow: Flow[Any]) -> AsyncIterator[Any]:
        """Yield what an operation emits."""
        async with aclosing(self._steps(flow)) as steps:
            async for step in steps:
                if isinstance(step, Emit):
                    yield step.value

    async def close(self) -> None:
        """Close the transport; later operations are refused."""
        if not self._is_closed:
            self._is_closed = True
            await self._transport.close()

    async def _steps(self, flow: Flow[Any]) -> AsyncGenerator[Emit | Finished, None]:
        pieces: AsyncGenerator[bytes, None] | None = None
        reply: object = None
        try:
            while not isinstance(effect := advance(flow, reply), Finished):
                reply = None
                try:
                    match effect:
                        case Emit():
                            yield effect
                        case Open():
                            await _aclose(pieces)
                            reply, pieces = await self._open(effect.request)
                        case Read():
                            reply = await anext(pieces, None) if pieces else None
                        case _:
                            reply = await self._perform(effect)
                except ClientError as error:
                    reply = error
            yield effect
        finally:
            flow.close()
            await _aclose(pieces)

    async def _open(self, request: Request) -> tuple[Response, AsyncGenerator[bytes, None]]:
        self._refuse_if_closed()
        return await self._transport.stream(request)

    async def _perform(self, effect: Effect) -> object:
        self._refuse_if_closed()
        if isinstance(effect, Sleep):
            return await self._sleep(effect.delay_s)
        assert isinstance(effect, Request)
        return await self._transport.send(effect)

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise ClosedClientError


async def _async_sleep(delay_s: float) -> None:
    # Imported here because it is slow, and the sync client has no use for it.
    import asyncio

    await asyncio.sleep(delay_s)


def _close(pieces: Generator[bytes, None, None] | None) -> None:
    if pieces is not None:
        pieces.close()


async def _aclose(pieces: AsyncGenerator[bytes, None] | None) -> None:
    if pieces is not None:
        await pieces.aclose()
