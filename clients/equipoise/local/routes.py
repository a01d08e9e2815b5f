"""The API's routes, answered in this process."""

import io
import json
import os
import re
from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel

from equipoise.answers import NEEDS_JOB
from equipoise.connection import client_version
from equipoise.effects import Request, Response
from equipoise.errors import (
    ApiError,
    ClientError,
    FieldError,
    InvalidArgumentError,
    InvalidSpecError,
    MissingExtraError,
    NotFoundError,
)
from equipoise.local.datasets import DatasetShelf
from equipoise.local.jobs import JobBoard, checked_timeout, cost_of
from equipoise.records import FINAL_STATUSES

JSON_KIND = {"content-type": "application/json"}
STREAM_KIND = {"content-type": "text/event-stream"}


class LocalService:
    """Answers requests as the service would, with errors raised as the client raises them.

    Args:
        threads: threads of a computation; None takes the processors that this process may use.

    Raises:
        MissingExtraError: the solver is not installed.
        InvalidArgumentError: `threads` is no positive number.
    """

    def __init__(self, threads: int | None) -> None:
        if threads is not None and threads < 1:
            raise InvalidArgumentError(
                "threads", given=threads, allowed="a positive number, or None for all cores"
            )
        self._threads = threads or _n_processors()
        self._prepare = _solver()
        self._datasets = DatasetShelf()
        self._jobs = JobBoard(self._threads, _outcome)
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Response]]] = [
            ("POST", re.compile("/v1/solve"), self._solve),
            ("POST", re.compile("/v1/estimate"), self._estimate),
            ("POST", re.compile("/v1/jobs"), self._submit),
            ("GET", re.compile("/v1/jobs"), self._list),
            ("GET", re.compile("/v1/jobs/([^/]+)"), self._state),
            ("DELETE", re.compile("/v1/jobs/([^/]+)"), self._forget),
            ("POST", re.compile("/v1/jobs/([^/]+)/cancel"), self._cancel),
            ("GET", re.compile("/v1/jobs/([^/]+)/result"), self._result),
            ("GET", re.compile("/v1/jobs/([^/]+)/arrays"), self._arrays),
            ("POST", re.compile("/v1/datasets"), self._upload),
            ("GET", re.compile("/v1/datasets/([^/]+)"), self._dataset),
            ("GET", re.compile("/v1/limits"), self._limits),
            ("GET", re.compile("/v1/workers"), self._workers),
            ("GET", re.compile("/v1/queues"), self._queues),
            ("GET", re.compile("/healthz"), self._health),
        ]

    def answer(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            ApiError: the request is refused.
        """
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                return handler(request, *match.groups())
        raise NotFoundError(f"{request.method} {request.path} is not offered.", status=404, code="not_found")

    def stream(self, request: Request) -> tuple[Response, Generator[bytes, None, None]]:
        """Answer a request for the events of a job."""
        job_id = request.path.removeprefix("/v1/jobs/").removesuffix("/events")
        self._jobs.state(job_id)
        return Response(200, STREAM_KIND, b""), self._events(job_id)

    def close(self) -> None:
        """Stop the jobs."""
        self._jobs.close()

    def _solve(self, request: Request) -> Response:
        work = self._prepared(_content(request)["spec"])
        if not work.cost.is_quick:
            message = f"A {work.spec.task} spec takes a job: submit it."
            raise ApiError(message, status=422, code=NEEDS_JOB)
        try:
            checkpoint = work.begin()
            while not checkpoint.is_done:
                checkpoint = work.advance(checkpoint, budget=10**9, threads=self._threads)
            return _model(work.finish(checkpoint))
        except ValueError as error:
            raise _refusal(error) from error

    def _estimate(self, request: Request) -> Response:
        content = _content(request)
        work = self._prepared(content["spec"])
        view = {
            "cost": cost_of(work, self._threads),
            "immediate": False,
            "queue": "local",
            "queue_position": self._jobs.n_before(content.get("priority", 0)),
            "expected_start": None,
            "n_shards": 1,
            "timeout_seconds": checked_timeout(content.get("timeout_seconds")),
            "refusal": None,
            "notes": [],
        }
        return _json(view)

    def _submit(self, request: Request) -> Response:
        content = _content(request)
        work = self._prepared(content["spec"])
        state, is_new = self._jobs.submit(
            work,
            priority=content.get("priority", 0),
            timeout_seconds=checked_timeout(content.get("timeout_seconds")),
            tags=tuple(content.get("tags", ())),
        )
        preference = request.headers.get("Prefer", "")
        if preference.startswith("wait="):
            state = self._jobs.wait(state["id"], float(preference.removeprefix("wait=")))
        return _json(state, status=202 if is_new else 200)

    def _list(self, request: Request) -> Response:
        query = request.query
        start, size = int(query.get("cursor", "0")), int(query.get("limit", "50"))
        found = self._jobs.newest(status=query.get("status"), tag=query.get("tag"))
        cursor = str(start + size) if start + size < len(found) else None
        return _json({"jobs": found[start : start + size], "next_cursor": cursor})

    def _state(self, _: Request, job_id: str) -> Response:
        return _json(self._jobs.state(job_id))

    def _forget(self, _: Request, job_id: str) -> Response:
        self._jobs.forget(job_id)
        return Response(204, {}, b"")

    def _cancel(self, _: Request, job_id: str) -> Response:
        return _json(self._jobs.cancel(job_id), status=202)

    def _result(self, _: Request, job_id: str) -> Response:
        return _model(self._jobs.solution(job_id))

    def _arrays(self, _: Request, job_id: str) -> Response:
        buffer = io.BytesIO()
        arrays: dict[str, Any] = dict(_arrays_in(self._jobs.solution(job_id)))
        np.savez(buffer, **arrays)
        return Response(200, {"content-type": "application/x-npz"}, buffer.getvalue())

    def _events(self, job_id: str) -> Generator[bytes, None, None]:
        for state in self._jobs.follow(job_id):
            yield b": nothing new\n\n" if state is None else _event(state)

    def _upload(self, request: Request) -> Response:
        content, is_new = self._datasets.add(request)
        return _json(content, status=201 if is_new else 200)

    def _dataset(self, _: Request, dataset_id: str) -> Response:
        return _json(self._datasets.content(dataset_id))

    def _limits(self, _: Request) -> Response:
        return _json({"threads": self._threads, "n_workers": 1})

    def _queues(self, _: Request) -> Response:
        counts = [state["status"] for state in self._jobs.newest(status=None, tag=None)]
        share = {"queued": counts.count("queued"), "running": counts.count("running")}
        return _json({"queues": [{"name": "local", "slots": 1, **share, "yours": share}]})

    def _workers(self, _: Request) -> Response:
        running = [state["id"] for state in self._jobs.newest(status="running", tag=None)]
        return _json({"workers": [{"id": "local", "threads": self._threads, "jobs": running}]})

    def _health(self, _: Request) -> Response:
        return _json({"status": "ok", "version": client_version(), "local": True})

    def _prepared(self, spec: Any) -> Any:
        try:
            return self._prepare(spec, load_dataset=self._datasets.load)
        except ImportError as error:
            raise _no_solver(error) from error
        except ValueError as error:
            raise _refusal(error) from error


def _solver() -> Callable[..., Any]:
    try:
        from equipoise_solver.solving import prepare
    except ImportError as error:
        raise _no_solver(error) from error
    return prepare


def _no_solver(error: ImportError) -> MissingExtraError:
    return MissingExtraError("Solving in this process", extra="solver", missing=error.name or "the solver")


def _n_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _refusal(error: ValueError) -> ClientError:
    """Turn what the solver says against a spec into what the client raises."""
    if isinstance(error, ClientError):
        return error
    # The solver's own errors are recognised by what they carry: their module is not the client's to import.
    field = getattr(error, "field", "")
    given, allowed = getattr(error, "given", None), str(getattr(error, "allowed", ""))
    remedy = str(getattr(error, "remedy", ""))
    errors = [FieldError(str(field), str(error), given, allowed, remedy)] if field else []
    message = "The spec makes no sense." if field else str(error)
    return InvalidSpecError(message, status=422, code=getattr(error, "code", "invalid_spec"), errors=errors)


def _outcome(error: Exception) -> dict[str, str]:
    """Say in a job's words why it failed."""
    if isinstance(error, ImportError):
        return {"code": "missing_extra", "message": str(_no_solver(error))}
    return {
        "code": str(getattr(error, "code", "internal_error")),
        "message": f"{type(error).__name__}: {error}",
    }


def _content(request: Request) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(request.body or b"{}")
    return content


def _json(content: object, *, status: int = 200) -> Response:
    return Response(status, JSON_KIND, json.dumps(content).encode())


def _model(solution: BaseModel) -> Response:
    return Response(200, JSON_KIND, solution.model_dump_json().encode())


def _event(state: Mapping[str, Any]) -> bytes:
    name = "end" if state["status"] in FINAL_STATUSES else "status"
    return f"event: {name}\ndata: {json.dumps(state)}\n\n".encode()


def _arrays_in(node: object, name: str = "") -> list[tuple[str, np.ndarray[Any, Any]]]:
    """The arrays in a solution by flat name, for example "density.v"."""
    if isinstance(node, np.ndarray):
        return [(name, node)]
    if isinstance(node, BaseModel):
        # The spec is what was asked; its lists are no arrays of the solution.
        parts = {key: getattr(node, key) for key in type(node).model_fields if key != "spec"}
    elif isinstance(node, dict):
        parts = node
    else:
        return []
    return [
        item for key, part in parts.items() for item in _arrays_in(part, f"{name}.{key}" if name else key)
    ]
