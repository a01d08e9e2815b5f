"""Turn a file or arrays into the upload of a dataset."""

import io
import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.effects import Request
from equipoise.errors import InvalidArgumentError
from equipoise_solver.specs.dataset_columns import ROLES, RefusedColumnsError, choose

CONTENT_TYPES = {
    ".csv": "text/csv",
    ".npz": "application/x-npz",
    ".parquet": "application/vnd.apache.parquet",
}


def upload_request(source: Any, *, x: Any, y: Any) -> Request:
    """Make the request that uploads a dataset.

    Args:
        source: path of a CSV, NPZ or Parquet file; a pair of columns; a mapping of columns, such as a data
            frame; or None, with the columns themselves as x and y.
        x: name of the column of inputs, a list of names for vectors, or the numbers themselves, shape (n,) or
            (n, k), if there is no source.
        y: likewise for labels.

    Raises:
        InvalidArgumentError: the file cannot be read, or the columns are no finite numbers of equal length.
    """
    if isinstance(source, (str, os.PathLike)):
        return _file_request(Path(source), x, y)
    if source is None:
        if x is None or y is None or isinstance(x, str) or isinstance(y, str):
            raise InvalidArgumentError("source", given=None, allowed="a path, or both columns as x= and y=")
        columns = {"x": x, "y": y}
    elif hasattr(source, "keys"):
        columns = dict(zip(ROLES, _picked(source, x, y), strict=True))
    elif isinstance(source, tuple) and len(source) == 2:
        columns = {"x": source[0], "y": source[1]}
    else:
        allowed = "a path, a pair (x, y) of columns, or a mapping of columns"
        raise InvalidArgumentError("source", given=source, allowed=allowed)
    return _arrays_request(*(_numbers(name, column) for name, column in columns.items()))


def _file_request(path: Path, x: Any, y: Any) -> Request:
    for name, column in (("x", x), ("y", y)):
        names = column if isinstance(column, list | tuple) else [column]
        if column is not None and not all(isinstance(one, str) for one in names):
            allowed = "the name of a column of the file, or a list of names"
            raise InvalidArgumentError(name, given=column, allowed=allowed)
        if isinstance(column, list | tuple) and any("," in one for one in column):
            allowed = "names without commas in a list: rename that column"
            raise InvalidArgumentError(name, given=column, allowed=allowed)
    kind = CONTENT_TYPES.get(path.suffix.lower())
    if kind is None:
        allowed = f"a file ending in {', '.join(CONTENT_TYPES)}"
        raise InvalidArgumentError("source", given=str(path), allowed=allowed)
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidArgumentError("source", given=str(path), allowed=f"a readable file ({reason})") from None
    return _request(content, kind, {name: _listed(column) for name, column in (("x", x), ("y", y)) if column})


def _listed(names: Any) -> str:
    return names if isinstance(names, str) else ",".join(names)


def _picked(source: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """The columns x and y of a mapping, told apart as those of a file are."""
    for role, name in zip(ROLES, (x, y), strict=True):
        names = name if isinstance(name, list) else [name]
        if not all(isinstance(one, Hashable) for one in names):
            raise InvalidArgumentError(role, given=name, allowed="the name of a column, or a list of names")
    try:
        chosen = choose(list(source.keys()), x, y)
    except RefusedColumnsError as error:
        argument = "source" if error.field == "file" else error.field
        raise InvalidArgumentError(argument, given=error.given, allowed=error.allowed) from None
    first, second = ([source[name] for name in names] for names in (chosen.x, chosen.y))
    return _side_by_side("x", first), _side_by_side("y", second)


def _side_by_side(role: str, columns: list[Any]) -> Any:
    """One column as it is; several as rows of a vector each."""
    if len(columns) == 1:
        return columns[0]
    arrays = [_numbers(role, column) for column in columns]
    if len({len(array) for array in arrays}) > 1:
        raise InvalidArgumentError(role, given="columns of unequal lengths", allowed="as many rows in each")
    return np.column_stack(arrays)


def _numbers(name: str, column: Any) -> NDArray[np.float64]:
    try:
        array = np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidArgumentError(name, given=column, allowed="a column of numbers") from None
    if array.ndim not in (1, 2) or len(array) < 2 or not array.size or not np.isfinite(array).all():
        given = f"array of shape {array.shape}"
        allowed = "two or more finite numbers, or rows of as many numbers each, shape (n, k)"
        raise InvalidArgumentError(name, given=given, allowed=allowed)
    return array


def _arrays_request(x: NDArray[np.float64], y: NDArray[np.float64]) -> Request:
    if len(x) != len(y):
        raise InvalidArgumentError("y", given=f"{len(y)} entries", allowed=f"as many as x has, {len(x)}")
    buffer = io.BytesIO()
    np.savez(buffer, x=x, y=y)
    return _request(buffer.getvalue(), CONTENT_TYPES[".npz"], {})


def _request(content: bytes, kind: str, query: dict[str, str]) -> Request:
    headers = {"Content-Type": kind}
    # Content-addressed: uploading twice stores once, so it may be retried. Large files need patience.
    return Request("POST", "/v1/datasets", query=query, headers=headers, body=content, timeout_s=300.0)
