"""Which columns of an uploaded file are x and y: different ones, each there once, or a refusal.

Each is one column, or several that make vectors: given as "a,b,c", or named x1, x2, ... and y1, y2, ...
"""

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise_service.dataset_refusals import ECHO_CHARACTERS, refused, short

# Names are kept in the database and repeated in messages.
LONGEST_NAME = 200
LONGEST_CHOICE = 20_000
"""Characters of a list of names."""


@dataclass(frozen=True)
class Choice:
    """Which columns are meant; None leaves it to the names, or to there being only two columns.

    Attributes:
        x: name of the column of inputs, or several names with commas between them.
        y: likewise for labels.
    """

    x: str | None = None
    y: str | None = None


@dataclass(frozen=True)
class Chosen:
    """Names of the columns of inputs and of labels, in order."""

    x: tuple[str, ...]
    y: tuple[str, ...]

    @property
    def roles(self) -> tuple[tuple[str, str], ...]:
        """(field, name) of each column, x first."""
        return (*(("x", name) for name in self.x), *(("y", name) for name in self.y))


def choose(names: Sequence[str], choice: Choice) -> Chosen:
    """The columns x and y among those of a file: different ones, each there once.

    Raises:
        RefusedError: they are not there, there twice, the same, or cannot be told.
    """
    shown = ", ".join(repr(name[:ECHO_CHARACTERS]) for name in names[:20]) or "no columns"
    x, y = (_given(field, text, names, shown) for field, text in (("x", choice.x), ("y", choice.y)))
    chosen = _matched(names, x, y, shown)
    for field, name in chosen.roles:
        _check_name(field, name, names, shown)
    for name in chosen.y:
        if name in chosen.x:
            raise _same(name, "x" if choice.y is None else "y", shown)
    return chosen


def _given(field: str, text: str | None, names: Sequence[str], shown: str) -> tuple[str, ...] | None:
    """The names that a text stands for: a column of that name, else what is between its commas."""
    if text is None:
        return None
    parts = (text,) if text in names or "," not in text else tuple(part.strip() for part in text.split(","))
    for name in parts:
        if name not in names:
            message = f"{field}={short(name)!r} is no column: the file has {shown}."
            raise refused(message, field=field, given=short(name), allowed=f"one of {shown}")
        if parts.count(name) > 1:
            message = f"{field} names column {short(name)!r} twice: need each name once."
            raise refused(message, field=field, given=short(text), allowed="each name once")
    return parts


def _matched(
    names: Sequence[str], x: tuple[str, ...] | None, y: tuple[str, ...] | None, shown: str
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
    raise refused(
        f"cannot tell which of the columns {shown} are x and y: name both, for example x=bmi and y=target.",
        given=shown,
        allowed="columns named x and y, only two columns, or x=NAME and y=NAME",
    )


def _default(role: str, names: Sequence[str]) -> tuple[str, ...]:
    """The column of that name, else those that are numbered: x1, x2, ...; nothing if there are none."""
    if role in names:
        return (role,)
    numbered: list[str] = []
    while (name := f"{role}{len(numbered) + 1}") in names:
        numbered.append(name)
    return tuple(numbered)


def _check_name(field: str, name: str, names: Sequence[str], shown: str) -> None:
    if names.count(name) > 1:
        message = (
            f"{names.count(name)} columns are named {short(name)!r}, and {field} is one of them: "
            f"the file has {shown}. Rename or remove the others."
        )
        raise refused(message, field=field, given=shown, allowed="a name that only one column has")
    if len(name) > LONGEST_NAME or "\0" in name:
        allowed = f"a name of at most {LONGEST_NAME} characters, without the character NUL"
        message = f"column {field} is named {short(name)!r}: need {allowed}."
        raise refused(message, field=field, given=short(name), allowed=allowed)


def _same(name: str, field: str, shown: str) -> Exception:
    message = (
        f"x and y are both column {short(name)!r}: need two different ones of {shown}. "
        "Name both, for example x=bmi and y=target."
    )
    return refused(message, field=field, given=short(name), allowed=f"two of {shown}")
