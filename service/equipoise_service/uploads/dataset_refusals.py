"""Refusals of uploads: what cannot be read, and what cannot be used."""

from equipoise_service.errors import MalformedError, RefusedError, blame, sentence


def malformed(message: str, *, given: str, allowed: str, field: str = "file") -> MalformedError:
    """Refusal of an upload that cannot be read."""
    entry = blame(field, message, given=given, allowed=allowed)
    return MalformedError(message, code="malformed_upload", errors=[entry])


def refused(message: str, *, given: str, allowed: str, field: str = "file") -> RefusedError:
    """Refusal of an upload that can be read, but not used."""
    entry = blame(field, message, given=given, allowed=allowed)
    return RefusedError(message, code="invalid_dataset", errors=[entry])


def damaged(what: str, error: Exception, *, remedy: str) -> MalformedError:
    """Refusal of a binary file that its reader fails on: damage raises whatever the bytes lead to."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = sentence(lines[0][:200])
    return malformed(
        f"the file is not {what}, or is damaged: {reason} {remedy}",
        given=reason[:-1],
        allowed=f"{what}, whole",
    )
