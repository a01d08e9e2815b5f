"""Problems: every refusal as RFC 9457 `application/problem+json`, with a stable code and the fields."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Mount

from equipoise_service.errors import REASONS, OverloadedError, ServiceError
from equipoise_solver.errors import SolverError
from equipoise_solver.specs.refusals import NAMED_AFTER_PYTHON, allowed_by, written_path

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
# What was given is echoed up to here: enough to recognise it, never megabytes.
_ECHO_CHARACTERS = 200
_MAX_FIELDS = 20
_BY_STATUS = {400: "malformed_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
_DATABASE_IS_AWAY = (OperationalError, InterfaceError, InternalError, PoolTimeoutError)
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


class FieldProblem(BaseModel):
    """One field that is to blame."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    field: str
    """Path of the field, for example data.noise_std."""
    message: str
    """What is wrong and what would be accepted."""
    given: Any = None
    """What was given, shortened."""
    allowed: str | None = None
    """What would be accepted."""
    remedy: str | None = None
    """What to do, where that is more than to give what is allowed."""


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    """URI of the kind of problem, made from the code."""
    title: str
    """The kind of problem in words; the same for each code."""
    status: int
    """HTTP status."""
    detail: str
    """What was given, what is allowed, what to do."""
    code: str = Field(json_schema_extra={"enum": [*sorted(REASONS)]})
    """Stable code of the kind of problem."""
    errors: list[FieldProblem]
    """The fields that are to blame."""
    request_id: str
    """Id of the request in the log, also in the header X-Request-ID."""


def problem_response(error: ServiceError, request_id: str) -> Response:
    """The answer that an error becomes."""
    reason = REASONS[error.code]
    content = {
        "type": f"urn:equipoise:problem:{error.code}",
        "title": reason.title,
        "status": reason.status,
        "detail": error.detail,
        "code": error.code,
        "errors": error.errors,
        "request_id": request_id,
    }
    body = json.dumps(content, allow_nan=False).encode()
    # Whoever is told to come back is told when; an error that knows better says so itself.
    wish = {"Retry-After": "1"} if reason.status in (429, 503) else {}
    headers = {**wish, **error.headers, "Cache-Control": "no-store"}
    return Response(body, reason.status, headers, MEDIA_TYPE)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of this application with a problem."""

    async def answer(request: Request, error: Exception) -> Response:
        return problem_response(as_service_error(error, request), request_id_of(request))

    kinds = (ServiceError, SolverError, RequestValidationError, ValidationError, HTTPException)
    for kind in (*kinds, *_DATABASE_IS_AWAY):
        app.add_exception_handler(kind, answer)


def request_id_of(request: Request) -> str:
    """Id of this request."""
    return str(getattr(request.state, "request_id", ""))


def as_service_error(error: Exception, request: Request) -> ServiceError:
    """Translate an error of any layer below into one of the service."""
    match error:
        case ServiceError():
            return error
        case SolverError():
            return _of_solver(error)
        case RequestValidationError():
            return _of_validation(error.errors(), error.body)
        case ValidationError():
            return _of_validation(error.errors(include_url=False), {})
        case HTTPException(__cause__=ServiceError() as refusal):
            # What was raised while the body was read arrives wrapped by the framework.
            return refusal
        case HTTPException():
            return _of_http(error, request)
        case OperationalError() | InterfaceError() | InternalError() | PoolTimeoutError():
            logger.warning("the database does not answer: %s", type(error.__cause__ or error).__name__)
            return OverloadedError(
                "The database does not answer: try again in a moment.",
                code="not_ready",
                headers={"Retry-After": "1"},
            )
        case _:
            return ServiceError("Something failed here; the log holds it under this request's id.")


def _of_solver(error: SolverError) -> ServiceError:
    given = shorten(error.given)
    entry = {"field": error.field, "message": str(error)[:2000], "given": given, "allowed": error.allowed}
    if error.remedy:
        entry["remedy"] = error.remedy
    code = error.code if error.code in REASONS else "invalid_spec"
    return ServiceError(str(error)[:2000], code=code, errors=[entry])


def _of_http(error: HTTPException, request: Request) -> ServiceError:
    code = _BY_STATUS.get(
        error.status_code, "malformed_request" if error.status_code < 500 else "internal_error"
    )
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods_at(request)) or headers.get("Allow", "GET")
    details = {
        404: f"{request.url.path[:_ECHO_CHARACTERS]!r} is no page of this service: see /docs.",
        405: f"{request.method} is not offered at {request.url.path[:_ECHO_CHARACTERS]!r}: see /docs.",
    }
    return ServiceError(details.get(error.status_code, str(error.detail)), code=code, headers=headers)


def _methods_at(request: Request) -> list[str]:
    """Methods of every route at the path of a request; the framework names those of the first one only."""
    # Folders of files match whatever the method is; they answer for themselves.
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] == Match.FULL for route in routes)
    ]


def _of_validation(problems: Sequence[Any], body: Any) -> ServiceError:
    entries = [_field_problem(problem, body) for problem in problems[:_MAX_FIELDS]]
    is_spec = bool(problems) and all(_is_about_spec(problem) for problem in problems)
    detail = "; ".join(f"{entry['field']}: {entry['message'].rstrip('.')}" for entry in entries[:5])
    return ServiceError(
        detail or "The request does not fit.",
        code="invalid_spec" if is_spec else "invalid_request",
        errors=entries,
    )


def _is_about_spec(problem: Mapping[str, Any]) -> bool:
    is_absent = problem["type"] == "missing" and len(problem["loc"]) == 2
    return problem["loc"][:2] == ("body", "spec") and not is_absent


def _field_problem(problem: Mapping[str, Any], body: Any) -> dict[str, Any]:
    context = problem.get("ctx") or {}
    path = field_path(problem["loc"], body)
    allowed = allowed_by(problem)
    entry: dict[str, Any] = {
        "field": path or "body",
        "message": str(problem["msg"])[:2000],
        "allowed": allowed,
    }
    if problem["type"] in NAMED_AFTER_PYTHON:
        entry["message"] = f"Input should be {allowed}"
    if problem["type"] == "does_not_fit":
        # The rule names its field relative to the part that it belongs to; the spec itself has no name. The
        # input is the whole part; the rule says which value in it is to blame.
        entry["field"] = context["field"] if path in ("", "spec") else f"{path}.{context['field']}"
        entry["given"] = shorten(context["given"])
        if context["remedy"]:
            entry["remedy"] = context["remedy"]
    elif problem["type"] == "union_tag_invalid":
        # The input is the whole object; its tag alone is to blame.
        entry["given"] = shorten(context["tag"])
    elif problem["type"] != "missing":
        entry["given"] = shorten(problem.get("input"))
    return entry


def field_path(location: Sequence[int | str], body: Any) -> str:
    """Dotted path of a field as the user wrote it: without the parts that pydantic adds for unions.

    Args:
        location: pydantic's path, which begins with "body", "query", "path" or "header".
        body: the body that was read.
    """
    where, *rest = location or ("body",)
    if where != "body":
        return ".".join(str(part) for part in rest)
    # A spec is known by its own field names: data.noise_std, not spec.data.noise_std.
    return written_path(body, rest).removeprefix("spec.")


def shorten(value: Any) -> Any:
    """What was given, as JSON of bounded size."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        text = repr(value) if isinstance(value, float) else str(value)[:_ECHO_CHARACTERS]
        is_plain = abs(value) < 2**53 if isinstance(value, int) else abs(value) < float("inf")
        return value if is_plain else text
    text = value if isinstance(value, str) else _bounded_repr(value)
    return text if len(text) <= _ECHO_CHARACTERS else f"{text[:_ECHO_CHARACTERS]}..."


def _bounded_repr(value: Any) -> str:
    if isinstance(value, Mapping):
        shown = ", ".join(f"{str(key)[:40]!r}: ..." for key in list(value)[:10])
        return f"{{{shown}}}"
    if isinstance(value, (list, tuple)):
        return f"list of {len(value)}"
    return repr(value)[: 2 * _ECHO_CHARACTERS]
