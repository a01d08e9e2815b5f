"""Which columns of a table are x and y: two different ones, each there once, or a refusal."""

from collections.abc import Sequence
from typing import Any

from equipoise.errors import FieldError

# Names are kept by the service, and repeated in messages.
LONGEST_NAME = 200
ECHO_CHARACTERS = 40
ROLES = ("x", "y")


class RefusedColumnsError(Exception):
    """The columns cannot be told apart, or are not there; turned into an error of the client by the caller.

    Attributes:
        error: what is wrong, with the field "x", "y" or "file".
    """

    def __init__(self, field: str, message: str, *, given: str, allowed: str) -> None:
        self.error = FieldError(field, message, given, allowed)
        super().__init__(message)


def choose(names: Sequence[Any], x: Any, y: Any) -> tuple[Any, Any]:
    """Names of the columns x and y among those of a table.

    Args:
        names: names of all columns, in order.
        x: the name asked for, or None to go by the names "x" and "y", or by there being only two.
        y: likewise.

    Raises:
        RefusedColumnsError: they are not there, there twice, the same, or cannot be told.
    """
    shown = ", ".join(repr(cut(name)) for name in names[:20]) or "no columns"
    for field, wanted in zip(ROLES, (x, y), strict=True):
        if wanted is not None and wanted not in names:
            message = f"{field}={short(wanted)!r} is no column: the file has {shown}."
            raise RefusedColumnsError(field, message, given=short(wanted), allowed=f"one of {shown}")
    chosen = _matched(names, x, y, shown)
    for field, name in zip(ROLES, chosen, strict=True):
        _check_name(field, name, names, shown)
    if chosen[0] == chosen[1]:
        message = (
            f"x and y are both column {short(chosen[0])!r}: need two different ones of {shown}. "
            "Name both, for example x=bmi and y=target."
        )
        field = "x" if y is None else "y"
        raise RefusedColumnsError(field, message, given=short(chosen[0]), allowed=f"two of {shown}")
    return chosen


def _matched(names: Sequence[Any], x: Any, y: Any, shown: str) -> tuple[Any, Any]:
    if x is not None and y is not None:
        return x, y
    named = x if y is None else y
    if len(names) == 2 and named is not None:
        other = names[1] if named == names[0] else names[0]
        return (named, other) if y is None else (other, named)
    if len(names) == 2 and set(names) != set(ROLES):
        return names[0], names[1]
    wanted = "x" if x is None else x, "y" if y is None else y
    if all(name in names for name in wanted):
        return wanted
    raise RefusedColumnsError(
        "file",
        f"cannot tell which of the columns {shown} are x and y: name both, for example x=bmi and y=target.",
        given=shown,
        allowed="columns named x and y, only two columns, or x=NAME and y=NAME",
    )


def _check_name(field: str, name: Any, names: Sequence[Any], shown: str) -> None:
    n_same = list(names).count(name)
    if n_same > 1:
        message = (
            f"{n_same} columns are named {short(name)!r}, and {field} is one of them: "
            f"the file has {shown}. Rename or remove the others."
        )
        raise RefusedColumnsError(field, message, given=shown, allowed="a name that only one column has")
    if isinstance(name, str) and (len(name) > LONGEST_NAME or "\0" in name):
        allowed = f"a name of at most {LONGEST_NAME} characters, without the character NUL"
        message = f"column {field} is named {short(name)!r}: need {allowed}."
        raise RefusedColumnsError(field, message, given=short(name), allowed=allowed)


def cut(name: Any) -> str:
    """A name, cut off where it gets too long for a list of names."""
    return str(name)[:ECHO_CHARACTERS]


def short(name: Any) -> str:
    """A name fit for a message, with dots where it was cut off."""
    text = str(name)
    return text if len(text) <= ECHO_CHARACTERS else f"{text[:ECHO_CHARACTERS]}..."
