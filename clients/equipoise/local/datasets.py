"""The datasets of a local client: uploads read into memory, addressed by their content."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.effects import Request
from equipoise.errors import ApiError, MissingExtraError, NotFoundError

Columns = Mapping[str, NDArray[Any]]
Column = NDArray[np.float64]


class DatasetShelf:
    """All datasets of a local client."""

    def __init__(self) -> None:
        self._columns: dict[str, tuple[Column, Column]] = {}
        self._contents: dict[str, dict[str, Any]] = {}

    def add(self, request: Request) -> tuple[dict[str, Any], bool]:
        """Keep an upload; return what the API says about it, and whether it is new."""
        columns = _read(request.body or b"", request.headers.get("Content-Type", ""))
        names = _chosen(columns, request.query.get("x"), request.query.get("y"))
        x, y = (_numbers(name, columns[name]) for name in names)
        _refuse_useless(names, x, y)
        stored = x.tobytes() + y.tobytes()
        dataset_id = f"ds_{hashlib.sha256(stored).hexdigest()[:32]}"
        is_new = dataset_id not in self._columns
        self._columns[dataset_id] = x, y
        named = {"x": names[0], "y": names[1]}
        content = {"id": dataset_id, "n_rows": x.size, **named, "bytes_stored": len(stored)}
        return self._contents.setdefault(dataset_id, content), is_new

    def content(self, dataset_id: str) -> dict[str, Any]:
        """What the API says about a dataset."""
        if dataset_id not in self._contents:
            message = f"There is no dataset {dataset_id!r}: upload it with this client first."
            raise NotFoundError(message, status=404, code="dataset_not_found")
        return self._contents[dataset_id]

    def load(self, dataset_id: str) -> tuple[Column, Column]:
        """Columns x and y of a dataset, each of shape (n,).

        Raises:
            KeyError: there is none with this id.
        """
        return self._columns[dataset_id]


def _read(body: bytes, kind: str) -> Columns:
    try:
        if kind == "text/csv":
            return _read_csv(body.decode("utf-8-sig"))
        if kind == "application/x-npz":
            with np.load(io.BytesIO(body), allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _refused(f"The file is no readable {kind}: {error}") from None
    return _read_parquet(body)


def _read_csv(text: str) -> Columns:
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if not rows:
        raise ValueError("it is empty")
    names = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise ValueError(f"row {number} has {len(row)} cells, the header {len(names)}")
    return {name: np.array([row[i] for row in rows[1:]]) for i, name in enumerate(names)}


def _read_parquet(body: bytes) -> Columns:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError("Reading Parquet files", extra="service", missing="pyarrow") from None
    try:
        table = parquet.read_table(io.BytesIO(body))
        return {name: table.column(name).to_numpy() for name in table.column_names}
    except (arrow.ArrowException, ValueError, OSError) as error:
        raise _refused(f"The file is no readable Parquet: {error}") from None


def _chosen(columns: Columns, x: str | None, y: str | None) -> tuple[str, str]:
    """Names of the columns: those asked for, else "x" and "y", else the only two."""
    names = list(columns)
    if x is None and y is None and not {"x", "y"} <= columns.keys() and len(names) == 2:
        return names[0], names[1]
    chosen = x or "x", y or "y"
    for argument, name in zip("xy", chosen, strict=True):
        if name not in columns:
            raise _refused(f"There is no column {name!r}: name one of {', '.join(names)} as {argument}=.")
    return chosen


def _numbers(name: str, column: NDArray[Any]) -> Column:
    if column.ndim != 1:
        raise _refused(f"Column {name!r} has shape {column.shape}: need one dimension.")
    try:
        numbers = np.ascontiguousarray(column, dtype="<f8")
    except (TypeError, ValueError):
        numbers = np.array([_number(cell) for cell in column.tolist()])
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise _refused(
            f"Column {name!r}, row {bad[0] + 1} holds {column[bad[0]].item()!r}: need finite numbers only."
        )
    return numbers


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return float("nan")


def _refuse_useless(names: tuple[str, str], x: Column, y: Column) -> None:
    if x.size != y.size:
        raise _refused(f"Columns {names} have {x.size} and {y.size} rows: need as many of each.")
    if x.size < 2 or (x == x[0]).all():
        raise _refused(f"Column {names[0]!r} is constant or too short: need at least two different values.")


def _refused(message: str) -> ApiError:
    return ApiError(message, status=422, code="invalid_dataset")
