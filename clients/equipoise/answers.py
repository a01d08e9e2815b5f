"""Read answers: JSON out of good ones, the right error out of the others."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from equipoise.effects import Response
from equipoise.errors import (
    AccessDeniedError,
    ApiError,
    ConflictError,
    FieldError,
    InvalidSpecError,
    NotFoundError,
    OverloadedError,
    UnexpectedAnswerError,
    shortened,
)
from equipoise.retries import RETRIED_STATUSES

Model = TypeVar("Model", bound=BaseModel)

NEEDS_JOB = "needs_job"
# The codes that are about the spec itself, not about the rest of a request.
SPEC_CODES = frozenset(
    {"invalid_spec", "invalid_model", "unstable_step", "unsupported_combination", "limit_exceeded"}
)
# What a service without a word of its own, or a proxy before it, is busy with.
BUSY = "The service does not answer now"
REMEDIES = {
    401: "Give the token of the service, or set EQUIPOISE_TOKEN.",
    403: "Ask for a token that may do this.",
    429: "Wait a little, or send fewer requests at once.",
    502: "Try again in a while.",
    503: "Try again in a while.",
    504: "Try again in a while.",
}


def read_json(response: Response) -> Any:
    """Content of a good answer.

    Raises:
        ApiError: the service refused.
        UnexpectedAnswerError: the answer is not JSON.
    """
    if not is_good(response):
        raise error_of(response)
    try:
        return json.loads(response.body)
    except ValueError:
        raise UnexpectedAnswerError(_not_ours(response)) from None


def read_model(model: type[Model], content: Any) -> Model:
    """Content as a model.

    Raises:
        UnexpectedAnswerError: the content does not have that form.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise UnexpectedAnswerError(
            f"The answer is no {model.__name__}: {where}: {first['msg']}, given {shortened(first['input'])}. "
            "Check the URL, and that client and service have matching versions."
        ) from None


def is_good(response: Response) -> bool:
    """Whether the answer is a success."""
    return 200 <= response.status < 300


def error_of(response: Response) -> ApiError | UnexpectedAnswerError:
    """Turn a refusal into the error to raise, from its problem details (RFC 9457) where it has them."""
    problem = _problem(response)
    if problem is None and response.status not in RETRIED_STATUSES:
        return UnexpectedAnswerError(_not_ours(response))
    problem = problem or {}
    code = str(problem.get("code") or "")
    title = str(problem.get("title") or BUSY).rstrip(".")
    detail = str(problem.get("detail") or "")
    errors = [_field_error(item) for item in problem.get("errors") or () if isinstance(item, Mapping)]
    if "Authorization" in detail:
        # That is how to speak to it over HTTP; the remedy says the same in the client's words.
        detail = ""
    if any(error.message and error.message.rstrip(".") in detail for error in errors):
        # The detail is made of the messages of the fields, which are listed anyway.
        detail = ""
    said = detail if detail.startswith(title) else f"{title}. {detail}".strip()
    return _class_of(response.status, code)(
        said,
        status=response.status,
        code=code,
        errors=errors,
        request_id=problem.get("request_id") or response.headers.get("x-request-id"),
        # A busy service that says something says when to come back, too.
        remedy="" if detail and response.status in RETRIED_STATUSES else REMEDIES.get(response.status, ""),
    )


def _class_of(status: int, code: str) -> type[ApiError]:
    if status in RETRIED_STATUSES:
        return OverloadedError
    if status == 422 and code in SPEC_CODES:
        return InvalidSpecError
    classes = {
        401: AccessDeniedError,
        403: AccessDeniedError,
        404: NotFoundError,
        410: NotFoundError,
        409: ConflictError,
    }
    return classes.get(status, ApiError)


def _field_error(item: Mapping[str, Any]) -> FieldError:
    return FieldError(
        field=str(item.get("field") or ""),
        message=str(item.get("message") or ""),
        given=item.get("given"),
        allowed=str(item.get("allowed") or ""),
        remedy=str(item.get("remedy") or ""),
    )


def _problem(response: Response) -> dict[str, Any] | None:
    try:
        content = json.loads(response.body)
    except ValueError:
        return None
    return content if isinstance(content, dict) and ("code" in content or "title" in content) else None


def _not_ours(response: Response) -> str:
    kind = response.headers.get("content-type", "of no type").split(";")[0]
    return (
        f"What answered is not Equipoise: {shortened(response.body.decode('utf-8', 'replace'))} "
        f"({kind}, {response.status}). Check the URL and any proxy in between."
    )
