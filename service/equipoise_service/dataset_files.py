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
from equipoise_service.errors import MalformedError, RefusedError

Format = Literal["csv", "npz", "parquet"]
# Beyond this the moments of the data (fourth powers) leave the range of the numbers.
LARGEST_VALUE = 1e9


@dataclass(frozen=True)
class Choice:
    """Which columns are meant; None leaves it to the names "x" and "y", or to there being only two."""

    x: str | None = None
    y: str | None = None


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
    for name, values in ((columns.x_name, columns.x), (columns.y_name, columns.y)):
        _check_values(name, values)
    if len(columns.x) < 2:
        raise refused(f"{len(columns.x)} rows of numbers: need at least 2.")
    if columns.x.min() == columns.x.max():
        raise refused(
            f"column {columns.x_name!r} is constant ({columns.x[0]!r}): "
            "need an input that takes at least two different values.",
            field="x",
        )
    return columns


def refused(message: str, *, field: str = "file") -> RefusedError:
    """Refusal of a dataset, with the field that is to blame."""
    return RefusedError(message, code="invalid_dataset", errors=[{"field": field, "message": message}])


def _malformed(message: str) -> MalformedError:
    return MalformedError(message, code="malformed_upload", errors=[{"field": "file", "message": message}])


def _check_values(name: str, values: NDArray[np.float64]) -> None:
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~(np.abs(values) <= LARGEST_VALUE))
    if bad.size:
        row = int(bad[0])
        raise refused(
            f"row {row + 1} of column {name!r} is {float(values[row])!r}: "
            f"need finite numbers of size at most {LARGEST_VALUE:.0e}. Remove or correct that row."
        )


def _check_rows(n_rows: int, max_rows: int) -> None:
    if n_rows > max_rows:
        raise RefusedError(
            f"{n_rows} rows or more: this service takes at most {max_rows}. Thin the data out.",
            code="limit_exceeded",
            errors=[{"field": "file", "message": f"more than {max_rows} rows"}],
        )


def _choose(names: Sequence[str], choice: Choice) -> tuple[str, str]:
    """Names of the columns x and y among those of the file."""
    shown = ", ".join(repr(name) for name in names[:20])
    for field, wanted in (("x", choice.x), ("y", choice.y)):
        if wanted is not None and wanted not in names:
            raise refused(f"{field}={wanted!r} is no column: the file has {shown}.", field=field)
    if choice.x is not None and choice.y is not None:
        return choice.x, choice.y
    if choice.x is None and choice.y is None and len(names) == 2 and not {"x", "y"} <= set(names):
        return names[0], names[1]
    x, y = choice.x or "x", choice.y or "y"
    if x in names and y in names:
        return x, y
    if len(names) == 2 and (choice.x or choice.y):
        other = names[1] if (choice.x or choice.y) == names[0] else names[0]
        return (x, other) if choice.x else (other, y)
    raise refused(
        f"cannot tell which of the columns {shown} are x and y: "
        "name them with the query parameters x and y, for example ?x=bmi&y=target."
    )


def _read_csv(file: BinaryIO, choice: Choice, max_rows: int) -> Columns:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        return _parse_csv(csv.reader(text, strict=True), choice, max_rows)
    except UnicodeDecodeError as error:
        raise _malformed(
            f"the file is not UTF-8 text (byte {error.start}): save it as CSV in UTF-8."
        ) from error
    except csv.Error as error:
        raise _malformed(f"the file is not CSV: {error}. Is it complete?") from error
    finally:
        text.detach()


def _parse_csv(lines: Iterable[list[str]], choice: Choice, max_rows: int) -> Columns:
    rows = ((number, row) for number, row in enumerate(lines, start=1) if row)
    first = next(rows, None)
    if first is None:
        raise refused("the file is empty: need a header line and at least two rows of numbers.")
    names = [name.strip() for name in first[1]]
    if all(_number(name) is not None for name in names):
        raise refused(
            "the first line holds numbers: need a header line with the names of the columns, as in x,y."
        )
    x_name, y_name = _choose(names, choice)
    places = (names.index(x_name), names.index(y_name))
    values: tuple[list[float], list[float]] = ([], [])
    for number, row in rows:
        if len(row) != len(names):
            raise refused(
                f"line {number} has {len(row)} cells and the header {len(names)}: need as many in each line. "
                "Is the file complete?"
            )
        for place, name, column in zip(places, (x_name, y_name), values, strict=True):
            value = _number(row[place])
            if value is None or not math.isfinite(value):
                raise refused(
                    f"line {number}, column {name!r} is {row[place][:40]!r}: need a finite number. "
                    "Remove or correct that line."
                )
            column.append(value)
        _check_rows(len(values[0]), max_rows)
    return Columns(np.array(values[0]), np.array(values[1]), x_name, y_name)


def _number(text: str) -> float | None:
    # float() also reads digit separators ("1_000"), which no other reader of CSV takes for a number.
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _read_npz(file: BinaryIO, choice: Choice, max_rows: int) -> Columns:
    try:
        with zipfile.ZipFile(file) as archive:
            members = {
                i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")
            }
            x_name, y_name = _choose(list(members), choice)
            x, y = (_read_member(archive, members[name], name, max_rows) for name in (x_name, y_name))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise _malformed(
            f"the file is no NPZ archive, or is cut off: {error}. Write it with numpy.savez."
        ) from error
    if len(x) != len(y):
        raise refused(f"{x_name!r} has {len(x)} entries and {y_name!r} has {len(y)}: need as many of each.")
    return Columns(x, y, x_name, y_name)


def _read_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, max_rows: int
) -> NDArray[np.float64]:
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
            raise _malformed(f"{name!r} is no NumPy array: {error}. Write it with numpy.savez.") from error
        if dtype.hasobject:
            raise refused(f"{name!r} holds pickled Python objects: need plain numbers, array.astype(float).")
        if dtype.kind not in "fiub" or len(shape) != 1:
            raise refused(
                f"{name!r} has shape {shape} and type {dtype}: need one column of numbers, shape (n,)."
            )
        _check_rows(shape[0], max_rows)
        content = stream.read(shape[0] * dtype.itemsize)
    if len(content) != shape[0] * dtype.itemsize:
        raise _malformed(f"{name!r} is cut off: need {shape[0]} entries. Upload the whole file.")
    return np.frombuffer(content, dtype=dtype).astype(np.float64)


def _read_parquet(file: BinaryIO, choice: Choice, max_rows: int) -> Columns:
    # Imported here, for it takes longer than all the rest of the service's start.
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        source = parquet.ParquetFile(file)
        _check_rows(source.metadata.num_rows, max_rows)
        x_name, y_name = _choose(source.schema_arrow.names, choice)
        table = source.read(columns=[x_name, y_name])
    except (pa.ArrowException, OSError) as error:
        text = str(error).splitlines()[0][:200]
        raise _malformed(f"the file is no Parquet file, or is cut off: {text}.") from error
    x, y = (_parquet_column(name, table.column(name)) for name in (x_name, y_name))
    return Columns(x, y, x_name, y_name)


def _parquet_column(name: str, column: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise refused(f"row {row + 1} of column {name!r} is null: need a number. Remove or fill that row.")
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise refused(f"column {name!r} has type {column.type}: need numbers.")
    values: NDArray[np.float64] = column.to_numpy().astype(np.float64)
    return values


_READERS: dict[Format, Callable[[BinaryIO, Choice, int], Columns]] = {
    "csv": _read_csv,
    "npz": _read_npz,
    "parquet": _read_parquet,
}
