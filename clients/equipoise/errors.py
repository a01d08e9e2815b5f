"""Errors of the client; nothing that a lower library raises gets past them.

ClientError
├── InvalidArgumentError (ValueError)   an argument of a client call that makes no sense
├── TransportError (ConnectionError)    no answer came: retrying later may help
├── UnexpectedAnswerError               an answer that is not Equipoise's
├── ApiError                            the service refused; carries status, code, field errors
│   ├── InvalidSpecError (ValueError)   422: the spec makes no sense; also raised before anything is sent
│   ├── AccessDeniedError               401, 403
│   ├── NotFoundError                   404
│   ├── ConflictError                   409
│   └── OverloadedError                 429, 502, 503, 504, after the retries
├── JobFailedError                      the job ended failed, cancelled or timed out
├── WaitTimeoutError (TimeoutError)     the job did not end within the time given
├── MissingExtraError (ImportError)     an optional part of the distribution is not installed
└── ClosedClientError                   the client was closed before
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from equipoise.records import JobRecord

SHOWN_FIELDS = 8


class ClientError(Exception):
    """Base of everything this package raises on purpose."""


class InvalidArgumentError(ClientError, ValueError):
    """An argument of a client call that makes no sense.

    Attributes:
        argument: name of the argument.
    """

    def __init__(self, argument: str, *, given: object, allowed: str, remedy: str = "") -> None:
        self.argument = argument
        self.given = given
        self.allowed = allowed
        message = f"{argument}={shortened(given)}: need {allowed}."
        super().__init__(f"{message} {remedy}" if remedy else message)


class TransportError(ClientError, ConnectionError):
    """No answer came from the service: it may be down, or the network.

    Attributes:
        url: what was asked.
    """

    def __init__(self, message: str, *, url: str = "") -> None:
        self.url = url
        super().__init__(message)


class UnexpectedAnswerError(ClientError):
    """An answer that the service does not give: another server, a proxy, or a much newer version."""


@dataclass(frozen=True)
class FieldError:
    """One field that was refused.

    Attributes:
        field: dotted path of the field as the user wrote it, for example "data.noise_std".
        message: why.
        given: what was given, if it is known.
        allowed: what would be accepted, "" if `message` says it.
    """

    field: str
    message: str
    given: object = None
    allowed: str = ""

    def __str__(self) -> str:
        text = self.message if self.message.startswith(self.field) else f"{self.field}: {self.message}"
        text = text if text.endswith((".", "?", "!")) else f"{text}."
        if self.given is not None and shortened(self.given) not in text:
            text += f" Given: {shortened(self.given)}."
        return f"{text} Allowed: {self.allowed}." if self.allowed and self.allowed not in text else text


class ApiError(ClientError):
    """The service answered, and refused.

    Attributes:
        status: HTTP status.
        code: stable name of the reason, for example "needs_job".
        errors: the fields that were refused, if it was about fields.
        request_id: what to quote to whoever runs the service, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        errors: Sequence[FieldError] = (),
        request_id: str | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.errors = tuple(errors)
        self.request_id = request_id
        super().__init__("\n".join([message, *listed(self.errors)]))


class InvalidSpecError(ApiError, ValueError):
    """The spec makes no sense. Raised before sending where the client can tell, with status 422 too."""


class AccessDeniedError(ApiError):
    """The token is missing, wrong, or not enough for what was asked."""


class NotFoundError(ApiError):
    """There is no such job or dataset, or it belongs to someone else."""


class ConflictError(ApiError):
    """The request does not fit the state of the job."""


class OverloadedError(ApiError):
    """The service is busy or restarting, and stayed so through all retries."""


class JobFailedError(ClientError):
    """The job ended without a solution.

    Attributes:
        job: its last state.
        status: "failed", "cancelled" or "timed_out".
        code: stable name of the reason.
    """

    def __init__(self, job: "JobRecord") -> None:
        self.job = job
        self.status = job.status
        self.code = job.error.code if job.error else job.status
        reason = f": {job.error.message}" if job.error and job.error.message else "."
        remedies = {
            "failed": "Change the spec, or submit it again if the reason lies in the service.",
            "cancelled": "Submit the spec again to compute it.",
            "timed_out": "Submit it again with a larger timeout_seconds, or ask for fewer paths or steps.",
        }
        super().__init__(
            f"Job {job.id} {job.status.replace('_', ' ')}{reason} {remedies.get(job.status, '')}"
        )


class WaitTimeoutError(ClientError, TimeoutError):
    """The job did not end within the time given; it goes on all the same.

    Attributes:
        job: its last known state.
        waited_s: how long was waited.
    """

    def __init__(self, job: "JobRecord", *, waited_s: float) -> None:
        self.job = job
        self.waited_s = waited_s
        super().__init__(
            f"Job {job.id} is still {job.status} ({job.progress:.0%}) after {waited_s:.3g} s. "
            "It goes on: wait again with a larger timeout_s, or cancel it."
        )


class MissingExtraError(ClientError, ImportError):
    """An optional part of the distribution is not installed.

    Attributes:
        extra: its name.
    """

    def __init__(self, what: str, *, extra: str, missing: str) -> None:
        self.extra = extra
        super().__init__(
            f"{what} needs {missing}, which is not installed: run  pip install 'equipoise[{extra}]'",
            name=missing,
        )


class ClosedClientError(ClientError):
    """The client was closed before: make a new one, or call within its `with` block."""

    def __init__(self) -> None:
        super().__init__("This client is closed: make a new one, or keep the call within its `with` block.")


def shortened(value: object, length: int = 80) -> str:
    """Repr of a value, cut to a length fit for a message."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def listed(errors: Sequence[FieldError]) -> list[str]:
    """One indented line for each field error, the first few only."""
    lines = [f"  {error}" for error in errors[:SHOWN_FIELDS]]
    return lines if len(errors) <= SHOWN_FIELDS else [*lines, f"  ... and {len(errors) - SHOWN_FIELDS} more."]
