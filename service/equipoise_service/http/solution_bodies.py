"""Solutions on the wire: the stored bytes with their seconds, and their arrays as NPZ."""

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from equipoise_solver.specs import parse_solution

_NO_SECONDS = b'"seconds":null'


def with_seconds(content: bytes, seconds: float | None) -> bytes:
    """The stored solution, with the seconds that its job took.

    What is stored leaves them out, so that the same spec gives the same bytes.
    """
    if seconds is None:
        return content
    # Only the field itself reads like this: inside a string the quotes would be escaped.
    before, found, after = content.rpartition(_NO_SECONDS)
    return b"".join((before, b'"seconds":', json.dumps(seconds).encode(), after)) if found else content


def pack_arrays(content: bytes) -> bytes:
    """The arrays of a stored solution as an NPZ file, under flat names such as "density.v"."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = dict(_arrays("", parse_solution(json.loads(content))))
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _arrays(name: str, node: object) -> list[tuple[str, NDArray[Any]]]:
    if isinstance(node, np.ndarray):
        return [(name, node)]
    if isinstance(node, BaseModel):
        # The spec is what was asked; its lists are no arrays of the solution.
        parts = {key: getattr(node, key) for key in type(node).model_fields if key != "spec"}
    elif isinstance(node, dict):
        parts = node
    else:
        return []
    return [item for key, part in parts.items() for item in _arrays(f"{name}.{key}" if name else key, part)]
