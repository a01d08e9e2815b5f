"""The numbers of an uploaded table: read from the cells of a CSV file, put side by side, and checked."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.specs.dataset_columns import Chosen, RefusedColumnsError, short

Values = NDArray[np.float64]
# Beyond this the moments of the data (fourth powers) leave the range of the numbers.
LARGEST_VALUE = 1e9
NUMBERS = f"finite numbers of size at most {LARGEST_VALUE:.0e}"


def header_of(row: Sequence[str] | None) -> list[str]:
    """Names of the columns of a CSV file.

    Args:
        row: its first line that is not empty; None if there is none.

    Raises:
        RefusedColumnsError: it holds no names, or only one.
    """
    if row is None:
        allowed = "a header line and at least two rows of numbers"
        raise RefusedColumnsError(
            f"the file is empty: need {allowed}.", given="an empty file", allowed=allowed
        )
    names = [name.strip() for name in row]
    if all(_number(name) is not None for name in names):
        allowed = "a header line with the names of the columns, as in x,y"
        message = f"the first line holds numbers: need {allowed}."
        raise RefusedColumnsError(message, given=short(",".join(names)), allowed=allowed)
    if len(names) == 1:
        message = (
            f"the header line {short(names[0])!r} holds one column: need at least two, "
            "which must be separated by commas, with a point in decimal numbers."
        )
        allowed = "two columns or more, separated by commas"
        raise RefusedColumnsError(message, given=short(names[0]), allowed=allowed)
    return names


def check_cells(number: int, row: Sequence[str], names: Sequence[str]) -> None:
    """Refuse line `number` of a CSV file unless it has a cell for each name.

    Raises:
        RefusedColumnsError: it has more or fewer.
    """
    if len(row) != len(names):
        raise RefusedColumnsError(
            f"line {number} has {len(row)} cells and the header {len(names)}: need as many in each line. "
            "Is the file complete?",
            given=f"{len(row)} cells",
            allowed=f"{len(names)} cells in each line, separated by commas",
        )


def cell_of(field: str, name: str, number: int, text: str) -> float:
    """The number in the cell of column `name` in line `number`.

    Raises:
        RefusedColumnsError: there is no finite number.
    """
    value = _number(text)
    if value is None or not math.isfinite(value):
        given = short(text)
        message = (
            f"line {number}, column {name!r} is {given!r}: need a finite number. Remove or correct that line."
        )
        raise RefusedColumnsError(message, field=field, given=given, allowed="a finite number")
    return value


def _number(text: str) -> float | None:
    # float() also reads digit separators ("1_000"), which no other reader of CSV takes for a number.
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def side_by_side(chosen: Chosen, parts: Sequence[Values]) -> tuple[Values, Values]:
    """Inputs and labels of columns: one of them is a column, several are rows of a vector each.

    Args:
        chosen: names of the columns.
        parts: their numbers, x first, each of shape (n,) or (n, k).

    Returns:
        x and y, each of shape (n,), or (n, k) for vectors.

    Raises:
        RefusedColumnsError: they are not equally long.
    """
    first = len(parts[0])
    for (field, name), part in zip(chosen.roles, parts, strict=True):
        if len(part) != first:
            raise RefusedColumnsError(
                f"{chosen.x[0]!r} has {first} entries and {name!r} has {len(part)}: need as many of each.",
                field=field,
                given=f"{len(part)} entries",
                allowed=f"{first} entries, as many as {chosen.x[0] if field == 'x' else 'x'} has",
            )
    n_inputs = len(chosen.x)
    return _joined(parts[:n_inputs]), _joined(parts[n_inputs:])


def _joined(parts: Sequence[Values]) -> Values:
    whole: Values = parts[0] if len(parts) == 1 else np.column_stack(parts)
    return whole[:, 0] if whole.ndim == 2 and whole.shape[1] == 1 else whole


def check_values(chosen: Chosen, x: Values, y: Values) -> None:
    """Refuse data that no moments can be computed of.

    Raises:
        RefusedColumnsError: a number is not finite or too large, there are fewer than two rows, or all inputs
            are the same.
    """
    for field, names, values in (("x", chosen.x, x), ("y", chosen.y, y)):
        _check_sizes(field, names, values)
    n_rows = len(x)
    if n_rows < 2:
        message = f"{n_rows} rows of numbers: need at least 2."
        raise RefusedColumnsError(message, given=f"{n_rows} rows", allowed="at least 2 rows")
    if not np.ptp(x, axis=0).any():
        given, allowed = repr(float(x.flat[0])), "an input that takes at least two different values"
        message = f"column {chosen.x[0]!r} is constant ({given}): need {allowed}."
        raise RefusedColumnsError(message, field="x", given=f"{given} in every row", allowed=allowed)


def _check_sizes(field: str, names: tuple[str, ...], values: Values) -> None:
    with np.errstate(invalid="ignore"):
        bad = np.argwhere(~(np.abs(values) <= LARGEST_VALUE))
    if bad.size:
        row, *place = bad[0].tolist()
        name = names[place[0]] if place and len(names) > 1 else names[0]
        where = f", number {place[0] + 1}," if place and len(names) == 1 else ""
        given = repr(float(values[tuple(bad[0])]))
        message = (
            f"row {row + 1}{where} of column {name!r} is {given}: need {NUMBERS}. Remove or correct that row."
        )
        raise RefusedColumnsError(message, field=field, given=given, allowed=NUMBERS)
