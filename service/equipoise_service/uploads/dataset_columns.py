"""Which columns of an uploaded file are asked for as x and y."""

from dataclasses import dataclass

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
