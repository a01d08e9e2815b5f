"""Uploaded files: inputs and labels out of CSV, NPZ or Parquet, or a refusal that says where."""

import csv
import io
import math
import zipfile
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from equipoise_service.errors import RefusedError, ServiceError, blame, sentence
from equipoise_service.uploads.csv_rows import CsvRows
from equipoise_service.uploads.dataset_arrays import Columns
from equipoise_service.uploads.dataset_columns import Choice
from equipoise_service.uploads.dataset_refusals import damaged, malformed, refused
from equipoise_service.uploads.npz_headers import check_directory, open_member, read_header
from equipoise_service.uploads.parquet_pages import check_footer, check_pages
from equipoise_solver.specs.dataset_columns import ECHO_CHARACTERS, Chosen, RefusedColumnsError, choose
from equipoise_solver.specs.dataset_values import (
    Values,
    cell_of,
    check_cells,
    check_values,
    header_of,
    side_by_side,
)

Format = Literal["csv", "npz", "parquet"]
MOST_COLUMNS = 10_000
"""Most columns of a file."""
# What the reader of Parquet may make of a file's summary.
_PARQUET_BOUNDS = {"thrift_string_size_limit": 2**20, "thrift_container_size_limit": 100_000}
Parts = tuple[Chosen, list[Values]]
"""The columns that are x and y, and the numbers of each, in order."""


@dataclass(frozen=True)
class _Column:
    """A column of the file: which of x and y it is to be part of, and its name."""

    field: str
    name: str


def read_columns(file: BinaryIO, kind: Format, choice: Choice, *, max_rows: int) -> Columns:
    """Read an uploaded file.

    Args:
        file: the whole file, at its beginning.
        kind: its format.
        choice: which columns are x and y.
        max_rows: most rows that are accepted, and half of the most numbers.

    Raises:
        MalformedError: the file is not of that format, or is cut off.
        RefusedError: its content cannot be used; the message says where.
    """
    try:
        chosen, parts = _READERS[kind](file, choice, max_rows)
        x, y = side_by_side(chosen, parts)
        check_values(chosen, x, y)
    except RefusedColumnsError as error:
        raise refused(str(error), field=error.field, given=error.given, allowed=error.allowed) from None
    return Columns(x, y, chosen.x, chosen.y)


def _check_size(n_rows: int, max_rows: int, n_numbers: int = 0) -> None:
    if n_rows > max_rows:
        message = f"{n_rows} rows or more: this service takes at most {max_rows}. Thin the data out."
        entry = blame("file", message, given=f"{n_rows} rows or more", allowed=f"<= {max_rows} rows")
        raise RefusedError(message, code="limit_exceeded", errors=[entry])
    most = 2 * max_rows
    if n_numbers > most:
        message = f"{n_numbers} numbers or more: this service takes at most {most}. Thin the data out."
        entry = blame("file", message, given=f"{n_numbers} numbers or more", allowed=f"<= {most} numbers")
        raise RefusedError(message, code="limit_exceeded", errors=[entry])


def _read_csv(file: BinaryIO, choice: Choice, max_rows: int) -> Parts:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        return _parse_csv(CsvRows(text), choice, max_rows)
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


def _parse_csv(lines: Iterable[tuple[int, list[str]]], choice: Choice, max_rows: int) -> Parts:
    rows = iter(lines)
    first = next(rows, None)
    names = header_of(None if first is None else first[1])
    chosen = _chosen(names, choice)
    places = [names.index(name) for _, name in chosen.roles]
    values = [array("d") for _ in places]
    for number, row in rows:
        check_cells(number, row, names)
        for (field, name), place, numbers in zip(chosen.roles, places, values, strict=True):
            numbers.append(cell_of(field, name, number, row[place]))
        _check_size(len(values[0]), max_rows, len(values[0]) * len(places))
    return chosen, [np.array(numbers, dtype=np.float64) for numbers in values]


def _chosen(names: list[str], choice: Choice) -> Chosen:
    """The columns that are x and y, of a file that has not too many."""
    if len(names) > MOST_COLUMNS:
        message = (
            f"{len(names)} columns: this service takes at most {MOST_COLUMNS}. Leave out what is not used."
        )
        entry = blame("file", message, given=f"{len(names)} columns", allowed=f"<= {MOST_COLUMNS} columns")
        raise RefusedError(message, code="limit_exceeded", errors=[entry])
    return choose(names, choice.x, choice.y)


def _read_npz(file: BinaryIO, choice: Choice, max_rows: int) -> Parts:
    try:
        check_directory(file)
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            names = [member.filename.removesuffix(".npy") for member in members]
            chosen = _chosen(names, choice)
            parts: list[Values] = []
            for field, name in chosen.roles:
                member = members[names.index(name)]
                n_before = sum(part.size for part in parts)
                parts.append(_read_member(archive, member, _Column(field, name), max_rows, n_before))
    except (ServiceError, RefusedColumnsError):
        raise
    except Exception as error:
        raise damaged("an NPZ archive", error, remedy="Write it with numpy.savez.") from error
    return chosen, parts


def _read_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, column: _Column, max_rows: int, n_before: int
) -> NDArray[np.float64]:
    field, name = column.field, column.name
    # The header tells the size before anything is unpacked, and no more than that is read: no bomb goes off.
    with open_member(archive, member) as stream:
        try:
            shape, is_fortran, dtype = read_header(stream)
        except ValueError as error:
            raise malformed(
                f"{name!r} is no NumPy array: {sentence(error)} Write it with numpy.savez.",
                field=field,
                given=sentence(error)[:200],
                allowed="a NumPy array",
            ) from error
        if dtype.hasobject:
            raise refused(
                f"{name!r} holds pickled Python objects: need plain numbers, array.astype(float).",
                field=field,
                given="pickled Python objects",
                allowed="plain numbers",
            )
        if dtype.kind not in "fiub" or len(shape) not in (1, 2) or min(shape) < 0 or 0 in shape[1:]:
            given = f"shape {shape} and type {dtype}"[:200]
            allowed = "columns of numbers, shape (n,) or (n, k)"
            raise refused(f"{name!r} has {given}: need {allowed}.", field=field, given=given, allowed=allowed)
        _check_size(shape[0], max_rows, n_before + math.prod(shape))
        content = stream.read(math.prod(shape) * dtype.itemsize)
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise malformed(
            f"{name!r} is cut off: need {shape[0]} entries. Upload the whole file.",
            field=field,
            given=f"{len(content)} bytes",
            allowed=f"{shape[0]} entries",
        )
    numbers = np.frombuffer(content, dtype=dtype).astype(np.float64)
    return numbers.reshape(shape, order="F" if is_fortran else "C")


def _read_parquet(file: BinaryIO, choice: Choice, max_rows: int) -> Parts:
    # Imported here, for it takes longer than all the rest of the service's start.
    import pyarrow.parquet as parquet

    try:
        check_footer(file)
        source = parquet.ParquetFile(file, **_PARQUET_BOUNDS)
        _check_size(source.metadata.num_rows, max_rows)
        chosen = _chosen(source.schema_arrow.names, choice)
        for field, name in chosen.roles:
            _check_type(_Column(field, name), source.schema_arrow.field(name).type)
        names = [name for _, name in chosen.roles]
        chunks = _chunks(source.metadata, names)
        _check_size(source.metadata.num_rows, max_rows, sum(chunk.num_values for chunk in chunks))
        check_pages(file, chunks, most_numbers=2 * max_rows)
        table = source.read(columns=[*names])
        parts = [_parquet_column(_Column(field, name), table.column(name)) for field, name in chosen.roles]
    except (ServiceError, RefusedColumnsError):
        raise
    except Exception as error:
        raise damaged("a Parquet file", error, remedy="Upload the whole file.") from error
    return chosen, parts


def _chunks(metadata: Any, names: list[str]) -> list[Any]:
    """Metadata of the pieces of some columns of a Parquet file."""
    wanted = set(names)
    return [
        column
        for group in (metadata.row_group(i) for i in range(metadata.num_row_groups))
        for column in (group.column(j) for j in range(group.num_columns))
        if column.path_in_schema in wanted or column.path_in_schema.split(".")[0] in wanted
    ]


def _check_type(column: _Column, kind: Any) -> None:
    """Refuse a column of anything but numbers, or lists of them, before it is unpacked."""
    import pyarrow as pa

    inner = kind.value_type if _is_list(kind) else kind
    if not (pa.types.is_floating(inner) or pa.types.is_integer(inner)):
        shown = str(kind)[:ECHO_CHARACTERS]
        message = f"column {column.name!r} has type {shown}: need numbers."
        raise refused(message, field=column.field, given=shown, allowed="numbers")


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind))


def _parquet_column(column: _Column, content: Any) -> Values:
    field, name = column.field, column.name
    is_list = _is_list(content.type)
    numbers = content.combine_chunks().flatten() if is_list and not content.null_count else content
    if numbers.null_count:
        row = next(i for i, one in enumerate(content.to_pylist()) if one is None or (is_list and None in one))
        message = f"row {row + 1} of column {name!r} is null: need a number. Remove or fill that row."
        raise refused(message, field=field, given="null", allowed="a number in each row")
    values: Values = numbers.to_numpy(zero_copy_only=False).astype(np.float64)
    return _rows_of_lists(column, content, values) if is_list else values


def _rows_of_lists(column: _Column, content: Any, values: Values) -> Values:
    """A column of lists as a table, if they are all of the same length."""
    lengths = {len(row) for row in content}
    if len(lengths) != 1 or lengths == {0}:
        given = f"lists of {min(lengths, default=0)} to {max(lengths, default=0)} numbers"
        allowed = "lists of one length, 1 or more"
        message = f"column {column.name!r} has {given}: need {allowed}."
        raise refused(message, field=column.field, given=given, allowed=allowed)
    return values.reshape(len(content), lengths.pop())


_READERS: dict[Format, Callable[[BinaryIO, Choice, int], Parts]] = {
    "csv": _read_csv,
    "npz": _read_npz,
    "parquet": _read_parquet,
}
