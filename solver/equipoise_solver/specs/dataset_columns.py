"""Which columns of a table are x and y: different ones, each there once, or a refusal.

Each is one column, or several that make vectors: given as "a,b,c", or named x1, x2, ... and y1, y2, ...
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Names are kept by the service, and repeated in messages.
LONGEST_NAME = 200
LONGEST_LIST = 200
ECHO_CHARACTERS = 40
ROLES = ("x", "y")


class RefusedColumnsError(ValueError):
    """The columns cannot be told apart, or are not there; turned into an error of their own by callers.

    Attributes:
        field: "x", "y" or "file".
        given: what was given.
        allowed: what would be accepted.
    """

    def __init__(self, message: str, *, given: str, allowed: str, field: str = "file") -> None:
        self.field = field
        self.given = given
        self.allowed = allowed
        super().__init__(message)


@dataclass(frozen=True)
class Chosen:
    """Names of the columns of inputs and of labels, in order."""

    x: tuple[Any, ...]
    y: tuple[Any, ...]

    @property
    def roles(self) -> tuple[tuple[str, Any], ...]:
        """(field, name) of each column, x first."""
        return (*(("x", name) for name in self.x), *(("y", name) for name in self.y))


def listed(names: tuple[Any, ...]) -> str:
    """Names of columns as one text of bounded length."""
    text = ", ".join(map(str, names))
    return text if len(text) <= LONGEST_LIST else f"{text[: LONGEST_LIST - 3]}..."


def choose(names: Sequence[Any], x: Any, y: Any) -> Chosen:
    """The columns x and y among those of a table: different ones, each there once.

    Args:
        names: names of all columns, in order.
        x: the name asked for, several with commas between them, a list of names, or None to go by the
            names "x" or "x1", "x2", ..., or by there being only two columns.
        y: likewise.

    Raises:
        RefusedColumnsError: they are not there, there twice, the same, or cannot be told.
    """
    shown = ", ".join(repr(str(name)[:ECHO_CHARACTERS]) for name in names[:20]) or "no columns"
    first, second = (_given(field, asked, names, shown) for field, asked in (("x", x), ("y", y)))
    chosen = _matched(names, first, second, shown)
    counts = Counter(names)
    for field, name in chosen.roles:
        _check_name(field, name, counts, shown)
    taken = set(chosen.x)
    for name in chosen.y:
        if name in taken:
            raise _same(name, "x" if y is None else "y", shown)
    return chosen


def _given(field: str, asked: Any, names: Sequence[Any], shown: str) -> tuple[Any, ...] | None:
    """The names that are asked for: a column of that name, else what is between its commas, or a list."""
    if asked is None:
        return None
    parts: tuple[Any, ...] = (
        tuple(asked) if isinstance(asked, list | tuple) and asked not in names else (asked,)
    )
    if isinstance(asked, str) and asked not in names and "," in asked:
        parts = tuple(part.strip() for part in asked.split(","))
    known, seen = set(names), set()
    for name in parts:
        if name not in known:
            message = f"{field}={short(name)!r} is no column: the file has {shown}."
            raise RefusedColumnsError(message, field=field, given=short(name), allowed=f"one of {shown}")
        if name in seen:
            message = f"{field} names column {short(name)!r} twice: need each name once."
            raise RefusedColumnsError(message, field=field, given=short(asked), allowed="each name once")
        seen.add(name)
    return parts


def _matched(
    names: Sequence[Any], x: tuple[Any, ...] | None, y: tuple[Any, ...] | None, shown: str
) -> Chosen:
    if x is not None and y is not None:
        return Chosen(x, y)
    given = x if y is None else y
    if len(names) == 2 and given is not None and len(given) == 1:
        other = (names[1] if given[0] == names[0] else names[0],)
        return Chosen(given, other) if y is None else Chosen(other, given)
    if len(names) == 2 and given is None and set(names) != {"x", "y"}:
        return Chosen((names[0],), (names[1],))
    x, y = x or _default("x", names), y or _default("y", names)
    if x and y:
        return Chosen(x, y)
    raise RefusedColumnsError(
        f"cannot tell which of the columns {shown} are x and y: name both, for example x=bmi and y=target.",
        given=shown,
        allowed="columns named x and y, only two columns, or x=NAME and y=NAME",
    )


def _default(role: str, names: Sequence[Any]) -> tuple[Any, ...]:
    """The column of that name, else those that are numbered: x1, x2, ...; nothing if there are none."""
    if role in names:
        return (role,)
    numbered: list[str] = []
    known = set(names)
    while (name := f"{role}{len(numbered) + 1}") in known:
        numbered.append(name)
    return tuple(numbered)


def _check_name(field: str, name: str, counts: Mapping[Any, int], shown: str) -> None:
    if counts[name] > 1:
        message = (
            f"{counts[name]} columns are named {short(name)!r}, and {field} is one of them: "
            f"the file has {shown}. Rename or remove the others."
        )
        raise RefusedColumnsError(
            message, field=field, given=shown, allowed="a name that only one column has"
        )
    if isinstance(name, str) and (len(name) > LONGEST_NAME or "\0" in name):
        allowed = f"a name of at most {LONGEST_NAME} characters, without the character NUL"
        message = f"column {field} is named {short(name)!r}: need {allowed}."
        raise RefusedColumnsError(message, field=field, given=short(name), allowed=allowed)


def _same(name: str, field: str, shown: str) -> Exception:
    message = (
        f"x and y are both column {short(name)!r}: need two different ones of {shown}. "
        "Name both, for example x=bmi and y=target."
    )
    return RefusedColumnsError(message, field=field, given=short(name), allowed=f"two of {shown}")


def short(name: Any) -> str:
    """A name fit for a message, with dots where it was cut off."""
    text = str(name)
    return text if len(text) <= ECHO_CHARACTERS else f"{text[:ECHO_CHARACTERS]}..."
