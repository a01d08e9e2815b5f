"""Errors as the command line tells them: text, or one JSON object."""

import json
import math
from typing import Any

from equipoise.errors import (
    ApiError,
    ClientError,
    FieldError,
    InvalidArgumentError,
    JobFailedError,
    shortened,
)

# What the arguments of the client are called on the command line.
OPTIONS = {
    "base_url": "--url",
    "token": "--token",  # nosec B105 # the name of an option
    "timeout_s": "--timeout",
    "timeout_seconds": "--timeout-seconds",
    "wait_s": "--wait",
    "threads": "--threads",
    "limit": "--limit",
    "status": "--status",
    "tags": "--tag",
    "x": "--x",
    "y": "--y",
    "source": "file",
}


class UsageError(ClientError):
    """A command line that cannot be understood.

    Attributes:
        usage: how the command is used.
    """

    code = "bad_usage"

    def __init__(self, message: str, *, usage: str) -> None:
        self.usage = usage
        super().__init__(message)


def as_text(error: ClientError) -> str:
    """What is said about an error, ending in a newline."""
    usage = error.usage if isinstance(error, UsageError) else ""
    return f"{usage}equipoise: {_renamed(error)}\n"


def as_json(error: ClientError) -> str:
    """An error as one JSON object on a line of its own.

    Its members are code, message, field, given, allowed and remedy; where several fields are refused they are
    those of the first one, and errors lists them all.
    """
    error = _renamed(error)
    entries = [_entry(found) for found in _field_errors(error)]
    first = entries[0] if entries else {"field": None, "given": None, "allowed": None, "remedy": ""}
    content = {
        "code": error.code or "refused",
        "message": " ".join(str(error).split()),
        **{name: first[name] for name in ("field", "given", "allowed")},
        "remedy": first["remedy"] or error.remedy or None,
        "errors": entries,
    }
    if isinstance(error, JobFailedError):
        content["job"] = error.job.id
    return f"{json.dumps(content, allow_nan=False)}\n"


def _renamed(error: ClientError) -> ClientError:
    if not isinstance(error, InvalidArgumentError):
        return error
    name = OPTIONS.get(error.argument, error.argument)
    return InvalidArgumentError(name, given=error.given, allowed=error.allowed, remedy=error.remedy)


def _field_errors(error: ClientError) -> list[FieldError]:
    match error:
        case InvalidArgumentError():
            return [FieldError(error.argument, str(error), error.given, error.allowed, error.remedy)]
        case ApiError():
            return list(error.errors)
        case _:
            return []


def _entry(error: FieldError) -> dict[str, Any]:
    return {
        "field": error.field,
        "message": error.message,
        "given": _plain(error.given),
        "allowed": error.allowed or None,
        "remedy": error.remedy or None,
    }


def _plain(value: object) -> Any:
    """A value as JSON has it, or its short form in words."""
    is_number = isinstance(value, (int, float)) and abs(value) < 2**63 and math.isfinite(value)
    if value is None or is_number:
        return value
    return shortened(value) if not isinstance(value, str) or len(value) > 200 else value
