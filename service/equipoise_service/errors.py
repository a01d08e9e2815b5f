"""Errors of the service: one class per kind of answer, one stable code per reason.

ServiceError
├── MalformedError       400, 401, 403, 408, 413, 415, 429: the request cannot be read or may not be made
├── NotFoundError        404, 410: there is none, or no longer
├── ConflictError        409: right request, wrong moment
├── RefusedError         422: understood, but it makes no sense or is beyond the limits
└── OverloadedError      503: try again later
SettingsError            the service cannot start
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reason:
    """What a code stands for: HTTP status and a title that never changes."""

    status: int
    title: str


REASONS: dict[str, Reason] = {
    "malformed_json": Reason(400, "The body is not JSON"),
    "malformed_upload": Reason(400, "The upload cannot be read"),
    "malformed_request": Reason(400, "The request cannot be read"),
    "unauthorized": Reason(401, "A valid token is needed"),
    "forbidden": Reason(403, "The token does not allow this"),
    "not_found": Reason(404, "There is no such page"),
    "job_not_found": Reason(404, "There is no such job"),
    "dataset_not_found": Reason(404, "There is no such dataset"),
    "method_not_allowed": Reason(405, "This method is not offered here"),
    "job_not_finished": Reason(409, "The job is not finished"),
    "job_finished": Reason(409, "The job has already finished"),
    "job_has_no_result": Reason(409, "The job ended without a result"),
    "result_expired": Reason(410, "The result was removed to make room"),
    "body_too_large": Reason(413, "The body is too large"),
    "rate_limited": Reason(429, "Too many requests"),
    "too_many_jobs": Reason(429, "Too many jobs of yours wait"),
    "request_timeout": Reason(408, "The body came too slowly"),
    "unsupported_media_type": Reason(415, "This content type is not read here"),
    "invalid_request": Reason(422, "The request does not fit the API"),
    "invalid_spec": Reason(422, "The spec makes no sense"),
    "invalid_model": Reason(422, "The spec describes no model"),
    "unstable_step": Reason(422, "The step size is beyond stability"),
    "unsupported_combination": Reason(422, "This combination is not offered"),
    "limit_exceeded": Reason(422, "The request is larger than this service computes"),
    "needs_job": Reason(422, "This spec takes a job"),
    "idempotency_key_reused": Reason(422, "The Idempotency-Key belongs to another request"),
    "invalid_dataset": Reason(422, "The dataset cannot be used"),
    "internal_error": Reason(500, "The service failed"),
    "overloaded": Reason(503, "The service is full"),
    "not_ready": Reason(503, "The service is not ready"),
}
"""Every code that an answer may carry."""

JOB_ERRORS: dict[str, str] = {
    "worker_crashed": "The computing process died repeatedly, most likely for lack of memory.",
    "internal_error": "The service failed; its log says why.",
    "interrupted_too_often": "The job was interrupted too often by workers that died.",
}
"""Codes of a failed job's `error`, beside those of the solver."""


class ServiceError(Exception):
    """A request that is answered with a problem.

    Attributes:
        code: stable code, a key of REASONS.
        detail: what was given, what is allowed, what to do.
        errors: one entry per offending field.
        headers: headers of the answer.
    """

    default_code = "internal_error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code or self.default_code
        self.detail = detail
        self.errors = [dict(error) for error in errors]
        self.headers = dict(headers or {})
        super().__init__(detail)

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return REASONS[self.code].status


def blame(field: str, message: str, *, allowed: str, given: Any = None) -> dict[str, Any]:
    """An entry of `errors`: one field, what is wrong with it, what was given and what is allowed.

    Args:
        field: dotted path of a field, name of a parameter or of a header, "body" or "file".
        message: what was given, what is allowed, what to do.
        allowed: what would be accepted.
        given: what was given, short and finite; None leaves it out.
    """
    entry = {"field": field, "message": message, "allowed": allowed}
    return entry if given is None else {**entry, "given": given}


def sentence(text: object) -> str:
    """A foreign message as one sentence, with one full stop."""
    return f"{str(text).strip().rstrip('.')}."


class MalformedError(ServiceError):
    """The request cannot be read, or may not be made."""

    default_code = "malformed_request"


class NotFoundError(ServiceError):
    """What the request names does not exist."""

    default_code = "not_found"


class ConflictError(ServiceError):
    """The right request at the wrong moment."""

    default_code = "job_not_finished"


class RefusedError(ServiceError):
    """A request that is understood, but makes no sense or is beyond the limits."""

    default_code = "invalid_request"


class OverloadedError(ServiceError):
    """The service cannot take the request now."""

    default_code = "overloaded"


class SettingsError(Exception):
    """The service cannot start; the message names the setting, its value and the remedy."""
