"""Which columns of an uploaded file are x and y, or the service's refusal."""

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise_service.dataset_refusals import refused
from equipoise_solver.specs import dataset_columns

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


def choose(names: Sequence[str], choice: Choice) -> dataset_columns.Chosen:
    """The columns x and y among those of a file: different ones, each there once.

    Raises:
        RefusedError: they are not there, there twice, the same, or cannot be told.
    """
    try:
        return dataset_columns.choose(names, choice.x, choice.y)
    except dataset_columns.RefusedColumnsError as error:
        raise refused(str(error), field=error.field, given=error.given, allowed=error.allowed) from None
