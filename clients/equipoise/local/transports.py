"""Transports that hand requests to the service in this process."""

from collections.abc import AsyncGenerator, Generator

from equipoise.effects import Request, Response
from equipoise.local.routes import LocalService


class LocalTransport:
    """Answers requests in this process, in the caller's thread."""

    def __init__(self, threads: int | None) -> None:
        self._service = LocalService(threads)

    def send(self, request: Request) -> Response:
        """Answer a request."""
        return self._service.answer(request)

    def stream(self, request: Request) -> tuple[Response, Generator[bytes, None, None]]:
        """Answer a request with a stream."""
        return self._service.stream(request)

    def close(self) -> None:
        """Stop the jobs."""
        self._service.close()


class AsyncLocalTransport:
    """The same for asyncio, in threads beside the event loop."""

    def __init__(self, threads: int | None) -> None:
        self._service = LocalService(threads)

    async def send(self, request: Request) -> Response:
        """Answer a request."""
        import asyncio

        return await asyncio.to_thread(self._service.answer, request)

    async def stream(self, request: Request) -> tuple[Response, AsyncGenerator[bytes, None]]:
        """Answer a request with a stream."""
        response, pieces = self._service.stream(request)
        return response, _beside(pieces)

    async def close(self) -> None:
        """Stop the jobs."""
        import asyncio

        await asyncio.to_thread(self._service.close)


async def _beside(pieces: Generator[bytes, None, None]) -> AsyncGenerator[bytes, None]:
    import asyncio

    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
