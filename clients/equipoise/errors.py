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
    """Base of everything this package raises on purpose.

    Attributes:
        code: stable name of the reason.
        remedy: what to do, "" if the message says all there is to say.
    """

    code: str = "client_error"
    remedy: str = ""


class InvalidArgumentError(ClientError, ValueError):
    """An argument of a client call that makes no sense.

    Attributes:
        argument: name of the argument.
        given: what was given.
        allowed: what would be accepted.
    """

    code = "invalid_argument"

    def __init__(self, argument: str, *, given: object, allowed: str, remedy: str = "") -> None:
        self.argument = argument
        self.given = given
        self.allowed = allowed
        self.remedy = remedy
        message = f"{argument}={shortened(given)}: need {allowed}."
        super().__init__(f"{message} {remedy}" if remedy else message)


class TransportError(ClientError, ConnectionError):
    """No answer came from the service: it may be down, or the network.

    Attributes:
        url: what was asked.
    """

    code = "unreachable"

    def __init__(self, message: str, *, url: str = "", remedy: str = "") -> None:
        self.url = url
        self.remedy = remedy
        super().__init__(f"{message} {remedy}" if remedy else message)


class UnexpectedAnswerError(ClientError):
    """An answer that the service does not give: another server, a proxy, or a much newer version."""

    code = "unexpected_answer"
    remedy = "Check the URL and any proxy, and that client and service have matching versions."


@dataclass(frozen=True)
class FieldError:
    """One field that was refused.

    Attributes:
        field: dotted path of the field as the user wrote it, for example "data.noise_std".
        message: why.
        given: what was given, if it is known.
        allowed: what would be accepted, "" if `message` says it.
        remedy: what to do, "" if `allowed` or `message` says it.
    """

    field: str
    message: str
    given: object = None
    allowed: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        is_named = self.message.startswith((f"{self.field}=", f"{self.field}:"))
        text = self.message if is_named else f"{self.field}: {self.message}"
        text = text if text.endswith((".", "?", "!")) else f"{text}."
        if self.given is not None and not _is_said(self.given, text):
            text += f" Given: {shortened(self.given)}."
        if self.allowed and self.allowed not in text:
            text += f" Allowed: {self.allowed}."
        return f"{text} {self.remedy}" if self.remedy and self.remedy not in text else text


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
        remedy: str = "",
    ) -> None:
        self.remedy = remedy
        self.status = status
        self.code = code
        self.errors = tuple(errors)
        self.request_id = request_id
        said = f"{message} {remedy}" if remedy else message
        super().__init__("\n".join([said, *listed(self.errors)]))


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
        self.remedy = remedies.get(job.status, "")
        super().__init__(f"Job {job.id} {job.status.replace('_', ' ')}{reason} {self.remedy}".strip())


class WaitTimeoutError(ClientError, TimeoutError):
    """The job did not end within the time given; it goes on all the same.

    Attributes:
        job: its last known state.
        waited_s: how long was waited.
    """

    code = "wait_timeout"
    remedy = "It goes on: wait again for longer, or cancel it."

    def __init__(self, job: "JobRecord", *, waited_s: float) -> None:
        self.job = job
        self.waited_s = waited_s
        super().__init__(
            f"Job {job.id} is still {job.status} ({job.progress:.0%}) after {waited_s:.3g} s. {self.remedy}"
        )


class MissingExtraError(ClientError, ImportError):
    """An optional part of the distribution is not installed.

    Attributes:
        extra: its name.
    """

    code = "missing_extra"

    def __init__(self, what: str, *, extra: str, missing: str) -> None:
        self.extra = extra
        self.remedy = f"run  pip install 'equipoise[{extra}]'"
        super().__init__(f"{what} needs {missing}, which is not installed: {self.remedy}", name=missing)


class ClosedClientError(ClientError):
    """The client was closed before: make a new one, or call within its `with` block."""

    code = "client_closed"
    remedy = "make a new one, or keep the call within its `with` block."

    def __init__(self) -> None:
        super().__init__(f"This client is closed: {self.remedy}")


def _is_said(given: object, text: str) -> bool:
    """Whether a text quotes a value, or names it as a word of its own."""
    return shortened(given) in text or (isinstance(given, str) and len(given) > 8 and given in text)


def shortened(value: object, length: int = 80) -> str:
    """Repr of a value, cut to a length fit for a message."""
    try:
        text = repr(value)
    except ValueError:  # Python does not write out numbers of thousands of digits.
        text = f"a very long {type(value).__name__}"
    return text if len(text) <= length else f"{text[: length - 3]}..."


def listed(errors: Sequence[FieldError]) -> list[str]:
    """One indented line for each field error, the first few only."""
    lines = [f"  {error}" for error in errors[:SHOWN_FIELDS]]
    return lines if len(errors) <= SHOWN_FIELDS else [*lines, f"  ... and {len(errors) - SHOWN_FIELDS} more."]
