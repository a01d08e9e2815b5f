"""Uploaded files: two columns of numbers out of CSV, NPZ or Parquet, or a refusal that says where."""

import csv
import io
import math
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from equipoise_service.dataset_arrays import Columns
from equipoise_service.errors import MalformedError, RefusedError, ServiceError, blame, sentence

Format = Literal["csv", "npz", "parquet"]
# Beyond this the moments of the data (fourth powers) leave the range of the numbers.
LARGEST_VALUE = 1e9
_NUMBERS = f"finite numbers of size at most {LARGEST_VALUE:.0e}"
# Names are kept in the database and repeated in messages.
LONGEST_NAME = 200
_ECHO_CHARACTERS = 40


@dataclass(frozen=True)
class Choice:
    """Which columns are meant; None leaves it to the names "x" and "y", or to there being only two."""

    x: str | None = None
    y: str | None = None


@dataclass(frozen=True)
class _Column:
    """A column of the file: which of x and y it is to be, and its name."""

    field: str
    name: str


def read_columns(file: BinaryIO, kind: Format, choice: Choice, *, max_rows: int) -> Columns:
    """Read an uploaded file.

    Args:
        file: the whole file, at its beginning.
        kind: its format.
        choice: which columns are x and y.
        max_rows: most rows that are accepted.

    Raises:
        MalformedError: the file is not of that format, or is cut off.
        RefusedError: its content cannot be used; the message says where.
    """
    columns = _READERS[kind](file, choice, max_rows)
    for field, name, values in (("x", columns.x_name, columns.x), ("y", columns.y_name, columns.y)):
        _check_values(field, name, values)
    n_rows = len(columns.x)
    if n_rows < 2:
        raise _refused(
            f"{n_rows} rows of numbers: need at least 2.", given=f"{n_rows} rows", allowed="at least 2 rows"
        )
    if columns.x.min() == columns.x.max():
        given, allowed = repr(float(columns.x[0])), "an input that takes at least two different values"
        message = f"column {columns.x_name!r} is constant ({given}): need {allowed}."
        raise _refused(message, field="x", given=f"{given} in every row", allowed=allowed)
    return columns


def malformed(message: str, *, given: str, allowed: str, field: str = "file") -> MalformedError:
    """Refusal of an upload that cannot be read."""
    entry = blame(field, message, given=given, allowed=allowed)
    return MalformedError(message, code="malformed_upload", errors=[entry])


def _refused(message: str, *, given: str, allowed: str, field: str = "file") -> RefusedError:
    entry = blame(field, message, given=given, allowed=allowed)
    return RefusedError(message, code="invalid_dataset", errors=[entry])


def _damaged(what: str, error: Exception, *, remedy: str) -> MalformedError:
    """Refusal of a binary file that its reader fails on: damage raises whatever the bytes lead to."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = sentence(lines[0][:200])
    return malformed(
        f"the file is not {what}, or is damaged: {reason} {remedy}",
        given=reason[:-1],
        allowed=f"{what}, whole",
    )


def _check_values(field: str, name: str, values: NDArray[np.float64]) -> None:
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~(np.abs(values) <= LARGEST_VALUE))
    if bad.size:
        row, given = int(bad[0]) + 1, repr(float(values[bad[0]]))
        message = f"row {row} of column {name!r} is {given}: need {_NUMBERS}. Remove or correct that row."
        raise _refused(message, field=field, given=given, allowed=_NUMBERS)


def _check_rows(n_rows: int, max_rows: int) -> None:
    if n_rows > max_rows:
        message = f"{n_rows} rows or more: this service takes at most {max_rows}. Thin the data out."
        entry = blame("file", message, given=f"{n_rows} rows or more", allowed=f"<= {max_rows} rows")
        raise RefusedError(message, code="limit_exceeded", errors=[entry])


def _choose(names: Sequence[str], choice: Choice) -> tuple[str, str]:
    """Names of the columns x and y among those of the file: two different ones, each there once."""
    shown = ", ".join(repr(name[:_ECHO_CHARACTERS]) for name in names[:20]) or "no columns"
    for field, wanted in (("x", choice.x), ("y", choice.y)):
        if wanted is not None and wanted not in names:
            message = f"{field}={_short(wanted)!r} is no column: the file has {shown}."
            raise _refused(message, field=field, given=_short(wanted), allowed=f"one of {shown}")
    x, y = _match(names, choice, shown)
    for field, name in (("x", x), ("y", y)):
        if names.count(name) > 1:
            message = (
                f"{names.count(name)} columns are named {_short(name)!r}, and {field} is one of them: "
                f"the file has {shown}. Rename or remove the others."
            )
            raise _refused(message, field=field, given=shown, allowed="a name that only one column has")
        if len(name) > LONGEST_NAME or "\0" in name:
            allowed = f"a name of at most {LONGEST_NAME} characters, without the character NUL"
            message = f"column {field} is named {_short(name)!r}: need {allowed}."
            raise _refused(message, field=field, given=_short(name), allowed=allowed)
    if x == y:
        field = "x" if choice.y is None else "y"
        message = (
            f"x and y are both column {_short(x)!r}: need two different ones of {shown}. "
            "Name both, for example x=bmi and y=target."
        )
        raise _refused(message, field=field, given=_short(x), allowed=f"two of {shown}")
    return x, y


def _match(names: Sequence[str], choice: Choice, shown: str) -> tuple[str, str]:
    if choice.x is not None and choice.y is not None:
        return choice.x, choice.y
    chosen = choice.x if choice.y is None else choice.y
    if len(names) == 2 and chosen is not None:
        other = names[1] if chosen == names[0] else names[0]
        return (chosen, other) if choice.y is None else (other, chosen)
    if len(names) == 2 and set(names) != {"x", "y"}:
        return names[0], names[1]
    x = "x" if choice.x is None else choice.x
    y = "y" if choice.y is None else choice.y
    if x in names and y in names:
        return x, y
    raise _refused(
        f"cannot tell which of the columns {shown} are x and y: name both, for example x=bmi and y=target.",
        given=shown,
        allowed="columns named x and y, only two columns, or x=NAME and y=NAME",
    )


def _read_csv(file: BinaryIO, choice: Choice, max_rows: int) -> Columns:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        return _parse_csv(csv.reader(text, strict=True), choice, max_rows)
    except UnicodeDecodeError as error:
        raise malformed(
            f"the file is not UTF-8 text (byte {error.start}): save it as CSV in UTF-8.",
            given=f"a byte {error.object[error.start]:#04x} that is not UTF-8",
            allowed="CSV in UTF-8",
        ) from error
    except csv.Error as error:
        reason = sentence(error)
        raise malformed(
            f"the file is not CSV: {reason} Is it complete?", given=reason[:-1], allowed="CSV in UTF-8"
        ) from error
    finally:
        text.detach()


def _parse_csv(lines: Iterable[list[str]], choice: Choice, max_rows: int) -> Columns:
    rows = ((number, row) for number, row in enumerate(lines, start=1) if row)
    first = next(rows, None)
    if first is None:
        allowed = "a header line and at least two rows of numbers"
        raise _refused(f"the file is empty: need {allowed}.", given="an empty file", allowed=allowed)
    names = [name.strip() for name in first[1]]
    if all(_number(name) is not None for name in names):
        allowed = "a header line with the names of the columns, as in x,y"
        raise _refused(
            f"the first line holds numbers: need {allowed}.", given=_short(",".join(names)), allowed=allowed
        )
    if len(names) == 1:
        raise _refused(
            f"the header line {_short(names[0])!r} holds one column: need at least two, "
            "which must be separated by commas, with a point in decimal numbers.",
            given=_short(names[0]),
            allowed="two columns or more, separated by commas",
        )
    x_name, y_name = _choose(names, choice)
    places = (names.index(x_name), names.index(y_name))
    values: tuple[list[float], list[float]] = ([], [])
    for number, row in rows:
        if len(row) != len(names):
            raise _refused(
                f"line {number} has {len(row)} cells and the header {len(names)}: need as many in each line. "
                "Is the file complete?",
                given=f"{len(row)} cells",
                allowed=f"{len(names)} cells in each line, separated by commas",
            )
        for field, place, column in zip(("x", "y"), places, values, strict=True):
            value = _number(row[place])
            if value is None or not math.isfinite(value):
                given = _short(row[place])
                raise _refused(
                    f"line {number}, column {names[place]!r} is {given!r}: need a finite number. "
                    "Remove or correct that line.",
                    field=field,
                    given=given,
                    allowed="a finite number",
                )
            column.append(value)
        _check_rows(len(values[0]), max_rows)
    return Columns(np.array(values[0]), np.array(values[1]), x_name, y_name)


def _short(text: str) -> str:
    return text if len(text) <= _ECHO_CHARACTERS else f"{text[:_ECHO_CHARACTERS]}..."


def _number(text: str) -> float | None:
    # float() also reads digit separators ("1_000"), which no other reader of CSV takes for a number.
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _read_npz(file: BinaryIO, choice: Choice, max_rows: int) -> Columns:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            names = [member.filename.removesuffix(".npy") for member in members]
            x_name, y_name = _choose(names, choice)
            x, y = (
                _read_member(archive, members[names.index(name)], _Column(field, name), max_rows)
                for field, name in (("x", x_name), ("y", y_name))
            )
    except ServiceError:
        raise
    except Exception as error:
        raise _damaged("an NPZ archive", error, remedy="Write it with numpy.savez.") from error
    if len(x) != len(y):
        raise _refused(
            f"{x_name!r} has {len(x)} entries and {y_name!r} has {len(y)}: need as many of each.",
            field="y",
            given=f"{len(y)} entries",
            allowed=f"{len(x)} entries, as many as x has",
        )
    return Columns(x, y, x_name, y_name)


def _read_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, column: _Column, max_rows: int
) -> NDArray[np.float64]:
    field, name = column.field, column.name
    # The header tells the size before anything is unpacked, and no more than that is read: no bomb goes off.
    with archive.open(member) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(stream)
        except ValueError as error:
            raise malformed(
                f"{name!r} is no NumPy array: {sentence(error)} Write it with numpy.savez.",
                field=field,
                given=sentence(error)[:200],
                allowed="a NumPy array",
            ) from error
        if dtype.hasobject:
            raise _refused(
                f"{name!r} holds pickled Python objects: need plain numbers, array.astype(float).",
                field=field,
                given="pickled Python objects",
                allowed="plain numbers",
            )
        if dtype.kind not in "fiub" or len(shape) != 1 or shape[0] < 0:
            given = f"shape {shape} and type {dtype}"[:200]
            allowed = "one column of numbers, shape (n,)"
            raise _refused(
                f"{name!r} has {given}: need {allowed}.", field=field, given=given, allowed=allowed
            )
        _check_rows(shape[0], max_rows)
        content = stream.read(shape[0] * dtype.itemsize)
    if len(content) != shape[0] * dtype.itemsize:
        raise malformed(
            f"{name!r} is cut off: need {shape[0]} entries. Upload the whole file.",
            field=field,
            given=f"{len(content)} bytes",
            allowed=f"{shape[0]} entries",
        )
    return np.frombuffer(content, dtype=dtype).astype(np.float64)


def _read_parquet(file: BinaryIO, choice: Choice, max_rows: int) -> Columns:
    # Imported here, for it takes longer than all the rest of the service's start.
    import pyarrow.parquet as parquet

    try:
        source = parquet.ParquetFile(file)
        _check_rows(source.metadata.num_rows, max_rows)
        x_name, y_name = _choose(source.schema_arrow.names, choice)
        table = source.read(columns=[x_name, y_name])
        x, y = (
            _parquet_column(_Column(field, name), table.column(name))
            for field, name in (("x", x_name), ("y", y_name))
        )
    except ServiceError:
        raise
    except Exception as error:
        raise _damaged("a Parquet file", error, remedy="Upload the whole file.") from error
    return Columns(x, y, x_name, y_name)


def _parquet_column(column: _Column, content: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    field, name = column.field, column.name
    if content.null_count:
        row = content.is_null().to_pylist().index(True)
        message = f"row {row + 1} of column {name!r} is null: need a number. Remove or fill that row."
        raise _refused(message, field=field, given="null", allowed="a number in each row")
    if not (pa.types.is_floating(content.type) or pa.types.is_integer(content.type)):
        kind = str(content.type)[:_ECHO_CHARACTERS]
        message = f"column {name!r} has type {kind}: need numbers."
        raise _refused(message, field=field, given=kind, allowed="numbers")
    values: NDArray[np.float64] = content.to_numpy().astype(np.float64)
    return values


_READERS: dict[Format, Callable[[BinaryIO, Choice, int], Columns]] = {
    "csv": _read_csv,
    "npz": _read_npz,
    "parquet": _read_parquet,
}
