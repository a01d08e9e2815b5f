"""Uploaded tables: inputs and labels out of CSV, NPZ or Parquet, or the service's own refusal."""

import csv
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.errors import ApiError, FieldError, MissingExtraError
from equipoise_solver.specs.dataset_columns import Chosen, RefusedColumnsError, choose
from equipoise_solver.specs.dataset_values import (
    Values,
    cell_of,
    check_cells,
    check_values,
    header_of,
    side_by_side,
)


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
        check_values(columns.chosen, columns.x, columns.y)
    except RefusedColumnsError as error:
        raise refused(error.field, str(error), given=error.given, allowed=error.allowed) from None
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
    names = header_of(rows[0][1] if rows else None)
    chosen = choose(names, x, y)
    places = [names.index(name) for _, name in chosen.roles]
    columns: list[list[float]] = [[] for _ in places]
    for number, row in rows[1:]:
        check_cells(number, row, names)
        for (field, name), place, column in zip(chosen.roles, places, columns, strict=True):
            column.append(cell_of(field, name, number, row[place]))
    return Columns(*side_by_side(chosen, [np.array(column) for column in columns]), chosen)


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
    return Columns(*side_by_side(chosen, parts), chosen)


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
    return Columns(*side_by_side(chosen, parts), chosen)


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
