"""Requests over HTTP by httpx, whose exceptions end here. Imported when the first client is made."""

from collections.abc import AsyncGenerator, Generator

import httpx

from equipoise.connection import Connection
from equipoise.effects import Request, Response
from equipoise.errors import ClientError, TransportError, UnexpectedAnswerError

# Whoever does not even accept a connection within this time is not there.
CONNECT_TIMEOUT_S = 5.0


class HttpTransport:
    """Blocking HTTP, with connections kept open between requests."""

    def __init__(self, connection: Connection, *, wire: httpx.BaseTransport | None = None) -> None:
        self._connection = connection
        self._http = httpx.Client(
            base_url=connection.base_url,
            headers=connection.headers,
            timeout=_timeout(connection.timeout_s),
            transport=wire,
        )

    def send(self, request: Request) -> Response:
        """Send a request and read the whole answer."""
        try:
            return _read(self._http.send(_built(self._http, request, self._connection)))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _translated(error, self._connection, request) from error

    def stream(self, request: Request) -> tuple[Response, Generator[bytes, None, None]]:
        """Send a request; give the start of the answer, and its content piece by piece."""
        try:
            answer = self._http.send(_built(self._http, request, self._connection), stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _translated(error, self._connection, request) from error
        return _start(answer), self._pieces(answer, request)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _pieces(self, answer: httpx.Response, request: Request) -> Generator[bytes, None, None]:
        try:
            yield from answer.iter_bytes()
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _translated(error, self._connection, request) from error
        finally:
            answer.close()


class AsyncHttpTransport:
    """The same on asyncio."""

    def __init__(self, connection: Connection, *, wire: httpx.AsyncBaseTransport | None = None) -> None:
        self._connection = connection
        self._http = httpx.AsyncClient(
            base_url=connection.base_url,
            headers=connection.headers,
            timeout=_timeout(connection.timeout_s),
            transport=wire,
        )

    async def send(self, request: Request) -> Response:
        """Send a request and read the whole answer."""
        try:
            return _read(await self._http.send(_built(self._http, request, self._connection)))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _translated(error, self._connection, request) from error

    async def stream(self, request: Request) -> tuple[Response, AsyncGenerator[bytes, None]]:
        """Send a request; give the start of the answer, and its content piece by piece."""
        try:
            answer = await self._http.send(_built(self._http, request, self._connection), stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _translated(error, self._connection, request) from error
        return _start(answer), self._pieces(answer, request)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _pieces(self, answer: httpx.Response, request: Request) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in answer.aiter_bytes():
                yield piece
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _translated(error, self._connection, request) from error
        finally:
            await answer.aclose()


def _timeout(timeout_s: float) -> httpx.Timeout:
    return httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S))


def _built(http: httpx.Client | httpx.AsyncClient, request: Request, connection: Connection) -> httpx.Request:
    return http.build_request(
        request.method,
        request.path,
        params=dict(request.query) or None,
        headers=dict(request.headers),
        content=request.body,
        timeout=_timeout(request.timeout_s or connection.timeout_s),
    )


def _read(answer: httpx.Response) -> Response:
    return Response(answer.status_code, _headers(answer), answer.content)


def _start(answer: httpx.Response) -> Response:
    return Response(answer.status_code, _headers(answer), b"")


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _translated(error: Exception, connection: Connection, request: Request) -> ClientError:
    """Say in the client's words why no answer came."""
    url = f"{connection.base_url}{request.path}"
    reason = str(error).rstrip(".") or type(error).__name__
    match error:
        case httpx.UnsupportedProtocol() | httpx.InvalidURL() | httpx.DecodingError():
            what = f"What answered at {connection.base_url} cannot be read: {reason}."
            return UnexpectedAnswerError(f"{what} Check the URL and any proxy.")
        case httpx.ConnectError() | httpx.ConnectTimeout():
            what = f"Cannot connect to {connection.base_url} ({reason})."
            remedy = "Is the service running there (equipoise serve)? Check the URL, or EQUIPOISE_URL."
        case httpx.TimeoutException():
            what = f"The service at {connection.base_url} did not answer in time."
            remedy = "Try again; in Python, Client(timeout_s=...) waits longer."
        case _:
            what = f"The answer of the service at {connection.base_url} broke off ({reason})."
            remedy = "Try again; if it stays so, look at the service's log."
    return TransportError(what, url=url, remedy=remedy)
