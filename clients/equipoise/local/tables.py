"""Uploaded tables: two columns of numbers out of CSV, NPZ or Parquet, or the service's own refusal."""

import csv
import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.columns import RefusedColumnsError, choose, short
from equipoise.errors import ApiError, FieldError, MissingExtraError

Column = NDArray[np.float64]
# Beyond this the moments of the data (fourth powers) leave the range of the numbers.
LARGEST_VALUE = 1e9
NUMBERS = f"finite numbers of size at most {LARGEST_VALUE:.0e}"


def read_table(body: bytes, kind: str, query: Mapping[str, str]) -> tuple[tuple[str, str], Column, Column]:
    """Read an upload.

    Args:
        body: the whole file.
        kind: its content type.
        query: names of the columns as "x" and "y", where they were given.

    Returns:
        Names of the two columns, x and y, each of shape (n,).

    Raises:
        ApiError: its content cannot be read or used.
        MissingExtraError: it is a Parquet file, and what reads them is not installed.
    """
    readers = {"text/csv": _read_csv, "application/x-npz": _read_npz}
    try:
        names, x, y = readers.get(kind, _read_parquet)(body, query.get("x"), query.get("y"))
    except RefusedColumnsError as refused:
        raise _error(refused.error) from None
    _check_columns(names, x, y)
    return names, x, y


def refused(field: str, message: str, *, given: str, allowed: str) -> ApiError:
    """Refusal of a table that can be read, but not used."""
    return _error(FieldError(field, message, given, allowed))


def _error(error: FieldError) -> ApiError:
    return ApiError("The dataset cannot be used.", status=422, code="invalid_dataset", errors=[error])


def _malformed(message: str, *, given: str, allowed: str) -> ApiError:
    error = FieldError("file", message, given, allowed)
    return ApiError("The upload cannot be read.", status=400, code="malformed_upload", errors=[error])


def _damaged(what: str, error: Exception, *, remedy: str) -> ApiError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[0][:200].rstrip(".")
    message = f"the file is not {what}, or is damaged: {reason}. {remedy}"
    return _malformed(message, given=reason, allowed=f"{what}, whole")


def _check_columns(names: tuple[str, str], x: Column, y: Column) -> None:
    if x.size != y.size:
        message = f"{names[0]!r} has {x.size} entries and {names[1]!r} has {y.size}: need as many of each."
        allowed = f"{x.size} entries, as many as x has"
        raise refused("y", message, given=f"{y.size} entries", allowed=allowed)
    for field, name, column in zip("xy", names, (x, y), strict=True):
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero(~(np.abs(column) <= LARGEST_VALUE))
        if bad.size:
            given = repr(float(column[bad[0]]))
            message = (
                f"row {bad[0] + 1} of column {name!r} is {given}: need {NUMBERS}. Remove or correct that row."
            )
            raise refused(field, message, given=given, allowed=NUMBERS)
    if x.size < 2:
        message = f"{x.size} rows of numbers: need at least 2."
        raise refused("file", message, given=f"{x.size} rows", allowed="at least 2 rows")
    if x.min() == x.max():
        given, allowed = repr(float(x[0])), "an input that takes at least two different values"
        message = f"column {names[0]!r} is constant ({given}): need {allowed}."
        raise refused("x", message, given=f"{given} in every row", allowed=allowed)


def _read_csv(body: bytes, x: str | None, y: str | None) -> tuple[tuple[str, str], Column, Column]:
    try:
        lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        rows = [(number, row) for number, row in enumerate(lines, start=1) if row]
    except UnicodeDecodeError as error:
        raise _malformed(
            f"the file is not UTF-8 text (byte {error.start}): save it as CSV in UTF-8.",
            given=f"a byte {error.object[error.start]:#04x} that is not UTF-8",
            allowed="CSV in UTF-8",
        ) from None
    except csv.Error as error:
        reason = str(error).rstrip(".")
        message = f"the file is not CSV: {reason}. Is it complete?"
        raise _malformed(message, given=reason, allowed="CSV in UTF-8") from None
    names = _header(rows)
    chosen = choose(names, x, y)
    places = [names.index(name) for name in chosen]
    columns: tuple[list[float], list[float]] = ([], [])
    for number, row in rows[1:]:
        if len(row) != len(names):
            raise refused(
                "file",
                f"line {number} has {len(row)} cells and the header {len(names)}: need as many in each line. "
                "Is the file complete?",
                given=f"{len(row)} cells",
                allowed=f"{len(names)} cells in each line, separated by commas",
            )
        for field, place, column in zip("xy", places, columns, strict=True):
            column.append(_cell(field, names[place], number, row[place]))
    return chosen, np.array(columns[0]), np.array(columns[1])


def _header(rows: Sequence[tuple[int, list[str]]]) -> list[str]:
    """Names of the columns of a CSV file, from its first line that is not empty."""
    if not rows:
        allowed = "a header line and at least two rows of numbers"
        raise refused("file", f"the file is empty: need {allowed}.", given="an empty file", allowed=allowed)
    names = [name.strip() for name in rows[0][1]]
    if all(_number(name) is not None for name in names):
        allowed = "a header line with the names of the columns, as in x,y"
        message = f"the first line holds numbers: need {allowed}."
        raise refused("file", message, given=short(",".join(names)), allowed=allowed)
    if len(names) == 1:
        message = (
            f"the header line {short(names[0])!r} holds one column: need at least two, "
            "which must be separated by commas, with a point in decimal numbers."
        )
        allowed = "two columns or more, separated by commas"
        raise refused("file", message, given=short(names[0]), allowed=allowed)
    return names


def _cell(field: str, name: str, number: int, text: str) -> float:
    value = _number(text)
    if value is None or not math.isfinite(value):
        given = short(text)
        message = (
            f"line {number}, column {name!r} is {given!r}: need a finite number. Remove or correct that line."
        )
        raise refused(field, message, given=given, allowed="a finite number")
    return value


def _number(text: str) -> float | None:
    # float() also reads digit separators ("1_000"), which no other reader of CSV takes for a number.
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _read_npz(body: bytes, x: str | None, y: str | None) -> tuple[tuple[str, str], Column, Column]:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            chosen = choose(names, x, y)
            first, second = (
                _array(field, name, archive.read(f"{name}.npy"))
                for field, name in zip("xy", chosen, strict=True)
            )
    except (ApiError, RefusedColumnsError):
        raise
    except Exception as error:  # Damage raises whatever the bytes lead to.
        raise _damaged("an NPZ archive", error, remedy="Write it with numpy.savez.") from None
    return chosen, first, second


def _array(field: str, name: str, content: bytes) -> Column:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = (
        np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        message = f"{name!r} holds pickled Python objects: need plain numbers, array.astype(float)."
        raise refused(field, message, given="pickled Python objects", allowed="plain numbers")
    if dtype.kind not in "fiub" or len(shape) != 1:
        given, allowed = f"shape {shape} and type {dtype}"[:200], "one column of numbers, shape (n,)"
        raise refused(field, f"{name!r} has {given}: need {allowed}.", given=given, allowed=allowed)
    return np.load(io.BytesIO(content), allow_pickle=False).astype(np.float64)  # type: ignore[no-any-return]


def _read_parquet(body: bytes, x: str | None, y: str | None) -> tuple[tuple[str, str], Column, Column]:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError("Reading Parquet files", extra="service", missing="pyarrow") from None
    try:
        source = parquet.ParquetFile(io.BytesIO(body))
        chosen = choose(source.schema_arrow.names, x, y)
        table = source.read(columns=list(chosen))
        first, second = (
            _arrow_column(field, name, table.column(name)) for field, name in zip("xy", chosen, strict=True)
        )
    except (ApiError, RefusedColumnsError):
        raise
    except Exception as error:  # Damage raises whatever the bytes lead to.
        raise _damaged("a Parquet file", error, remedy="Upload the whole file.") from None
    return chosen, first, second


def _arrow_column(field: str, name: str, content: Any) -> Column:
    import pyarrow as arrow

    if content.null_count:
        row = content.is_null().to_pylist().index(True) + 1
        message = f"row {row} of column {name!r} is null: need a number. Remove or fill that row."
        raise refused(field, message, given="null", allowed="a number in each row")
    if not (arrow.types.is_floating(content.type) or arrow.types.is_integer(content.type)):
        kind = str(content.type)[:40]
        raise refused(field, f"column {name!r} has type {kind}: need numbers.", given=kind, allowed="numbers")
    column: Column = content.to_numpy().astype(np.float64)
    return column
