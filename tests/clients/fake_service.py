"""A service small enough to read: answers the contract from memory, and fails as told."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
from tests.clients.examples import stationary_content

from equipoise.connection import Connection
from equipoise.drivers import Driver
from equipoise.http_transport import HttpTransport
from equipoise.operations import Operations
from equipoise.retries import RetryPolicy

JOB_ID = "job_" + "0" * 32
HEALTH = {"status": "ok", "version": "9.9"}
DATASET = {
    "id": "ds_" + "1" * 32,
    "n_rows": 3,
    "x": "x",
    "y": "y",
    "bytes_stored": 48,
    "created_at": "2026-01-02T03:04:05Z",
}
COST = {"path_steps": 2e9, "memory_bytes": 3e6, "seconds": 4.5, "device": "cpu", "note": None}
ESTIMATE = {
    "cost": COST,
    "immediate": False,
    "queue": "cpu",
    "queue_position": 2,
    "expected_start": "2026-01-02T03:05:06Z",
    "n_shards": 3,
    "timeout_seconds": 60.0,
    "refusal": None,
    "notes": ["Mind the gap."],
}
AT_ONCE = RetryPolicy(first_s=0.0, cap_s=0.0)


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        self.now += delay_s


def job_state(status: str = "queued", **changes: Any) -> dict[str, Any]:
    """A job as the service shows it."""
    state: dict[str, Any] = {
        "id": JOB_ID,
        "status": status,
        "task": "stationary",
        "owner": "local",
        "spec_hash": "0" * 64,
        "progress": 1.0 if status == "succeeded" else 0.0,
        "queue": "cpu",
        "queue_position": 0 if status == "queued" else None,
        "expected_start": "2026-01-02T03:05:06Z" if status == "queued" else None,
        "cost": COST,
        "n_shards": 1,
        "priority": 0,
        "tags": [],
        "timeout_seconds": 60.0,
        "submitted_at": "2026-01-02T03:04:05Z",
        "started_at": None,
        "finished_at": None,
        "error": None,
        "live": {},
        "worker": None,
        "links": {name: f"/v1/jobs/{JOB_ID}/{name}" for name in ("result", "events", "arrays")}
        | {"self": f"/v1/jobs/{JOB_ID}"},
    }
    return state | changes


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    """A refusal with problem details."""
    content = {
        "type": f"urn:equipoise:problem:{code}",
        "title": "Refused",
        "status": status,
        "detail": "Because.",
        "code": code,
        "errors": [],
        "request_id": "req_1",
        **more,
    }
    headers = {
        "content-type": "application/problem+json",
        "x-request-id": "req_1",
        "cache-control": "no-store",
    }
    return httpx.Response(status, json=content, headers=headers)


class FakeService:
    """Answers requests.

    Attributes:
        faults: what happens to the next requests in place of an answer: an exception, an answer, or None.
        states: states of the job, one for each time it is asked for; the last one stays.
        events: pieces of its event stream; None if streams are not offered.
        needs_job: whether `POST /v1/solve` refuses.
        pages: pages of the list of jobs.
    """

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.faults: list[Exception | httpx.Response | None] = []
        self.states: list[dict[str, Any]] = [job_state("succeeded")]
        self.events: list[bytes | Exception] | None = None
        self.needs_job = False
        self.pages: dict[str, dict[str, Any]] = {}
        self.result = stationary_content()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        return fault or self._answer(request)

    async def asynchronously(self, request: httpx.Request) -> httpx.Response:
        """Answer on asyncio."""
        answer = self(request)
        if isinstance(answer.stream, _Pieces):
            return httpx.Response(200, headers=answer.headers, stream=_AsyncPieces(answer.stream.pieces))
        return answer

    @property
    def calls(self) -> list[str]:
        """Method and path of each request."""
        return [f"{request.method} {request.url.path}" for request in self.requests]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        job = f"/v1/jobs/{JOB_ID}"
        answers: dict[str, Callable[[], httpx.Response]] = {
            "POST /v1/solve": self._solve,
            "POST /v1/estimate": lambda: httpx.Response(200, json=ESTIMATE),
            "POST /v1/jobs": lambda: httpx.Response(202, json=self._state()),
            "GET /v1/jobs": lambda: httpx.Response(
                200, json=self.pages[request.url.params.get("cursor", "")]
            ),
            f"GET {job}": lambda: httpx.Response(200, json=self._state()),
            f"GET {job}/result": lambda: httpx.Response(200, json=self.result),
            f"GET {job}/arrays": self._arrays,
            f"GET {job}/events": self._events,
            f"POST {job}/cancel": lambda: httpx.Response(202, json=job_state("cancelling")),
            f"DELETE {job}": lambda: httpx.Response(204),
            "POST /v1/datasets": lambda: httpx.Response(201, json=DATASET),
            "GET /v1/limits": lambda: httpx.Response(200, json={"max_paths": 7}),
            "GET /v1/workers": lambda: httpx.Response(200, json={"workers": [{"id": "w"}]}),
            "GET /v1/queues": lambda: httpx.Response(200, json={"queues": [{"name": "cpu"}]}),
            "GET /healthz": lambda: httpx.Response(200, json=HEALTH),
        }
        answer = answers.get(f"{request.method} {request.url.path}")
        return answer() if answer else problem(404, "job_not_found", detail="There is no such job.")

    def _solve(self) -> httpx.Response:
        return problem(422, "needs_job") if self.needs_job else httpx.Response(200, json=self.result)

    def _state(self) -> dict[str, Any]:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def _arrays(self) -> httpx.Response:
        buffer = io.BytesIO()
        np.savez(buffer, **{"density.v": np.arange(3.0)})  # type: ignore[arg-type]
        return httpx.Response(200, content=buffer.getvalue())

    def _events(self) -> httpx.Response:
        if self.events is None:
            return problem(404, "not_found")
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Pieces(self.events))


class _Pieces(httpx.SyncByteStream):
    def __init__(self, pieces: list[bytes | Exception]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


class _AsyncPieces(httpx.AsyncByteStream):
    def __init__(self, pieces: list[bytes | Exception]) -> None:
        self.pieces = pieces

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def event(name: str, content: object) -> bytes:
    """One server-sent event."""
    return f"id: 1\nevent: {name}\ndata: {json.dumps(content)}\n\n".encode()


def driven(fake: FakeService, clock: Clock, policy: RetryPolicy | None = None) -> tuple[Driver, Operations]:
    """Driver and operations that talk to a fake service and sleep on a fake clock."""
    transport = HttpTransport(Connection("http://fake", None, 30.0), wire=httpx.MockTransport(fake))
    return Driver(transport, sleep=clock.sleep), Operations(policy or RetryPolicy(), clock)
