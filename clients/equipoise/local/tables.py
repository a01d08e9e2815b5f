"""Uploaded tables: inputs and labels out of CSV, NPZ or Parquet, or the service's own refusal."""

import csv
import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.errors import ApiError, FieldError, MissingExtraError
from equipoise_solver.specs.dataset_columns import Chosen, RefusedColumnsError, choose, short

Values = NDArray[np.float64]
# Beyond this the moments of the data (fourth powers) leave the range of the numbers.
LARGEST_VALUE = 1e9
NUMBERS = f"finite numbers of size at most {LARGEST_VALUE:.0e}"


@dataclass(frozen=True)
class Columns:
    """Inputs and labels, each of shape (n,), or (n, k) for vectors; with the names they had in the file."""

    x: Values
    y: Values
    chosen: Chosen


def read_table(body: bytes, kind: str, query: Mapping[str, str]) -> Columns:
    """Read an upload.

    Args:
        body: the whole file.
        kind: its content type.
        query: names of the columns as "x" and "y", where they were given.

    Raises:
        ApiError: its content cannot be read or used.
        MissingExtraError: it is a Parquet file, and what reads them is not installed.
    """
    readers = {"text/csv": _read_csv, "application/x-npz": _read_npz}
    try:
        columns = readers.get(kind, _read_parquet)(body, query.get("x"), query.get("y"))
    except RefusedColumnsError as error:
        raise refused(error.field, str(error), given=error.given, allowed=error.allowed) from None
    _check_columns(columns)
    return columns


def refused(field: str, message: str, *, given: str, allowed: str) -> ApiError:
    """Refusal of a table that can be read, but not used."""
    error = FieldError(field, message, given, allowed)
    return ApiError("The dataset cannot be used.", status=422, code="invalid_dataset", errors=[error])


def _malformed(message: str, *, given: str, allowed: str) -> ApiError:
    error = FieldError("file", message, given, allowed)
    return ApiError("The upload cannot be read.", status=400, code="malformed_upload", errors=[error])


def _damaged(what: str, error: Exception, *, remedy: str) -> ApiError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[0][:200].rstrip(".")
    message = f"the file is not {what}, or is damaged: {reason}. {remedy}"
    return _malformed(message, given=reason, allowed=f"{what}, whole")


def _check_columns(columns: Columns) -> None:
    for field, names, values in (("x", columns.chosen.x, columns.x), ("y", columns.chosen.y, columns.y)):
        _check_values(field, names, values)
    n_rows = len(columns.x)
    if n_rows < 2:
        message = f"{n_rows} rows of numbers: need at least 2."
        raise refused("file", message, given=f"{n_rows} rows", allowed="at least 2 rows")
    if not np.ptp(columns.x, axis=0).any():
        given, allowed = repr(float(columns.x.flat[0])), "an input that takes at least two different values"
        message = f"column {columns.chosen.x[0]!r} is constant ({given}): need {allowed}."
        raise refused("x", message, given=f"{given} in every row", allowed=allowed)


def _check_values(field: str, names: tuple[str, ...], values: Values) -> None:
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
        raise refused(field, message, given=given, allowed=NUMBERS)


def _columns_of(chosen: Chosen, parts: list[Values]) -> Columns:
    """Columns side by side: one of them is a column, several are rows of a vector each."""
    roles = [field for field, _ in chosen.roles]
    first = len(parts[0])
    for (field, name), part in zip(chosen.roles, parts, strict=True):
        if len(part) != first:
            message = (
                f"{chosen.x[0]!r} has {first} entries and {name!r} has {len(part)}: need as many of each."
            )
            allowed = f"{first} entries, as many as {chosen.x[0] if field == 'x' else 'x'} has"
            raise refused(field, message, given=f"{len(part)} entries", allowed=allowed)
    x, y = (
        _joined([part for role, part in zip(roles, parts, strict=True) if role == field])
        for field in ("x", "y")
    )
    return Columns(x, y, chosen)


def _joined(parts: list[Values]) -> Values:
    whole: Values = parts[0] if len(parts) == 1 else np.column_stack(parts)
    return whole[:, 0] if whole.ndim == 2 and whole.shape[1] == 1 else whole


def _read_csv(body: bytes, x: str | None, y: str | None) -> Columns:
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
    places = [names.index(name) for _, name in chosen.roles]
    columns: list[list[float]] = [[] for _ in places]
    for number, row in rows[1:]:
        if len(row) != len(names):
            raise refused(
                "file",
                f"line {number} has {len(row)} cells and the header {len(names)}: need as many in each line. "
                "Is the file complete?",
                given=f"{len(row)} cells",
                allowed=f"{len(names)} cells in each line, separated by commas",
            )
        for (field, name), place, column in zip(chosen.roles, places, columns, strict=True):
            column.append(_cell(field, name, number, row[place]))
    return _columns_of(chosen, [np.array(column) for column in columns])


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


def _read_npz(body: bytes, x: str | None, y: str | None) -> Columns:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            chosen = choose(names, x, y)
            parts = [_array(field, name, archive.read(f"{name}.npy")) for field, name in chosen.roles]
    except (ApiError, RefusedColumnsError):
        raise
    except Exception as error:  # Damage raises whatever the bytes lead to.
        raise _damaged("an NPZ archive", error, remedy="Write it with numpy.savez.") from None
    return _columns_of(chosen, parts)


def _array(field: str, name: str, content: bytes) -> Values:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = (
        np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        message = f"{name!r} holds pickled Python objects: need plain numbers, array.astype(float)."
        raise refused(field, message, given="pickled Python objects", allowed="plain numbers")
    if dtype.kind not in "fiub" or len(shape) not in (1, 2) or 0 in shape[1:]:
        given, allowed = f"shape {shape} and type {dtype}"[:200], "columns of numbers, shape (n,) or (n, k)"
        raise refused(field, f"{name!r} has {given}: need {allowed}.", given=given, allowed=allowed)
    return np.load(io.BytesIO(content), allow_pickle=False).astype(np.float64)  # type: ignore[no-any-return]


def _read_parquet(body: bytes, x: str | None, y: str | None) -> Columns:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError("Reading Parquet files", extra="service", missing="pyarrow") from None
    try:
        source = parquet.ParquetFile(io.BytesIO(body))
        chosen = choose(source.schema_arrow.names, x, y)
        table = source.read(columns=[name for _, name in chosen.roles])
        parts = [_arrow_column(field, name, table.column(name)) for field, name in chosen.roles]
    except (ApiError, RefusedColumnsError):
        raise
    except Exception as error:  # Damage raises whatever the bytes lead to.
        raise _damaged("a Parquet file", error, remedy="Upload the whole file.") from None
    return _columns_of(chosen, parts)


def _arrow_column(field: str, name: str, content: Any) -> Values:
    import pyarrow as arrow

    kind, types = content.type, arrow.types
    is_list = types.is_list(kind) or types.is_fixed_size_list(kind) or types.is_large_list(kind)
    numbers = content.combine_chunks().flatten() if is_list and not content.null_count else content
    if numbers.null_count:
        row = next(i for i, one in enumerate(content.to_pylist()) if one is None or (is_list and None in one))
        message = f"row {row + 1} of column {name!r} is null: need a number. Remove or fill that row."
        raise refused(field, message, given="null", allowed="a number in each row")
    if not (types.is_floating(numbers.type) or types.is_integer(numbers.type)):
        shown = str(kind)[:40]
        message = f"column {name!r} has type {shown}: need numbers."
        raise refused(field, message, given=shown, allowed="numbers")
    values: Values = numbers.to_numpy(zero_copy_only=False).astype(np.float64)
    return _rows_of_lists(field, name, content, values) if is_list else values


def _rows_of_lists(field: str, name: str, content: Any, values: Values) -> Values:
    """A column of lists as a table, if they are all of the same length."""
    lengths = {len(row) for row in content}
    if len(lengths) != 1 or lengths == {0}:
        given = f"lists of {min(lengths, default=0)} to {max(lengths, default=0)} numbers"
        allowed = "lists of one length, 1 or more"
        message = f"column {name!r} has {given}: need {allowed}."
        raise refused(field, message, given=given, allowed=allowed)
    return values.reshape(len(content), lengths.pop())
