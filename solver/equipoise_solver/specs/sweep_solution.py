"""The answer to `sweep`: arrays over the axes."""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from equipoise_solver.specs.base import Answer, Numbers
from equipoise_solver.specs.solved import Solved
from equipoise_solver.specs.sweep import Sweep


def _labelled(value: Any) -> NDArray[Any]:
    """An array of numbers (NaN for null), of flags, or of words ("" for null)."""
    array = np.asarray(value)
    if array.dtype == np.object_:
        entries = [entry for entry in array.ravel() if entry is not None]
        is_words = any(isinstance(entry, str) for entry in entries)
        is_missing = np.array([entry is None for entry in array.ravel()]).reshape(array.shape)
        array = np.where(is_missing, "" if is_words else np.nan, array)
        array = array.astype(np.str_ if is_words else np.float64)
    elif array.dtype.kind in "iu":
        array = array.astype(np.float64)
    array = array.view()
    array.setflags(write=False)
    return array


def _nested(array: NDArray[Any]) -> Any:
    """Nested lists, with null where there is no number or word."""
    missing = array == "" if array.dtype.kind == "U" else ~np.isfinite(array.astype(np.float64))
    content = array.astype(np.object_)
    content[missing] = None
    return content.tolist()


Labelled = Annotated[
    NDArray[Any],
    BeforeValidator(_labelled),
    PlainSerializer(_nested, when_used="json"),
    WithJsonSchema({"type": "array", "items": {}}),
]
"""An array over all axes: numbers, words or flags."""


class RefusedPoint(Answer):
    """A point of a sweep that has no solution."""

    index: tuple[int, ...]
    """Place along each axis, from 0."""
    code: str
    """Stable code of the refusal."""
    message: str
    """What was given, what is allowed."""


class SweepSolution(Solved):
    """Answer to `sweep`."""

    task: Literal["sweep"] = "sweep"
    spec: Sweep
    """The spec that was solved."""
    axes: dict[str, Numbers]
    """Values along each axis; the arrays have their axes in this order, that of the names."""
    outputs: dict[str, Labelled]
    """Arrays over all axes, shape (values of the first axis, ...); null where a point has no such value."""
    n_refused: int
    """Points that were refused, and are null in all arrays."""
    refused: tuple[RefusedPoint, ...]
    """The first of them, and why."""
    notes: tuple[str, ...] = ()
    """What a reader should know."""
