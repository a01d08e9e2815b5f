"""Points at which drift and noise are looked at, zeros between them, and the kinks of expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from equipoise_solver.diffusion.derivative import operation
from equipoise_solver.diffusion.digits import OUTER, mended
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.expressions import Node

if TYPE_CHECKING:
    from equipoise_solver.diffusion.coordinates import Coordinate
    from equipoise_solver.diffusion.problem import Diffusion

_FAR, _NEAR = 690.0, 40.0  # exp(690) is about the largest number.
_ZOOM = 129
_ROUNDS = 8  # 128**8 = 2**56: down to neighbouring numbers.
_MOST_KINKS = 200
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def sampling() -> Array:
    """y over all numbers, dense where x is within 17 decades of its scale."""
    outer = np.arange(_NEAR + 2.0, _FAR + 1.0, 2.0)
    return np.concatenate([-outer[::-1], np.arange(-_NEAR, _NEAR + 0.1, 0.125), outer])


def zoom(function: Callable[[Array], Array], left: Array, right: Array) -> Array:
    """Zeros of functions that change sign between left and right, (n,), to neighbouring numbers."""
    left, right = left.copy(), right.copy()
    sign = np.sign(function(left))
    for _ in range(_ROUNDS):
        points = np.linspace(left, right, _ZOOM, axis=1)
        other = np.sign(function(points)) != sign[:, None]
        first = np.where(other.any(axis=1), np.argmax(other, axis=1), _ZOOM - 1)
        first = np.maximum(first, 1)
        rows = np.arange(left.size)
        left, right = points[rows, first - 1], points[rows, first]
    return right


def kinks(diffusion: Diffusion, coordinate: Coordinate) -> Iterator[float]:
    """y at which an abs, sign, min, max or comparison of drift or noise changes sides."""
    y = sampling()
    count = 0
    for tree in _switches(diffusion.drift_tree) + _switches(diffusion.noise_tree):

        def side(y: Array, tree: Node = tree) -> Array:
            return anchored_value(tree, diffusion, coordinate, y)

        sign = np.sign(side(y))
        turns = np.flatnonzero(sign[1:] * sign[:-1] < 0)
        found = np.concatenate([y[sign == 0], zoom(side, y[turns], y[turns + 1])])
        for kink in found[: _MOST_KINKS - count]:
            yield float(kink)
        count += found.size


def anchored_value(tree: Node, diffusion: Diffusion, coordinate: Coordinate, y: Array) -> Array:
    """An expression of the problem at y, precise next to finite ends."""
    return anchored(tree, diffusion, coordinate, y)[0]


def anchored(
    tree: Node, diffusion: Diffusion, coordinate: Coordinate, y: Array, *, mend: bool = False
) -> tuple[Array, Array]:
    """An expression of the problem at y, and its error by rounding; mend computes lost digits again."""
    y = np.asarray(y, dtype=np.float64)
    value, error = np.empty_like(y), np.empty_like(y)
    for point, here, rest in coordinate.anchored(y):
        near = diffusion.tree_near(tree, point, rest)
        value[here], error[here] = near.total, near.safe_error
        if mend:
            better = mended(diffusion, tree, point, rest, near, np.abs(y[here]) > OUTER)
            error[here] = np.where(better == near.total, error[here], 0.0)
            value[here] = better
    return value, error


def _switches(tree: Node) -> list[Node]:
    """Expressions whose change of sign is a kink of the tree; those that are 0 at all x are left out."""
    found: dict[int, list[Node]] = {}
    _collect(tree, found)
    return [switch for switches in found.values() for switch in switches]


def _collect(tree: Node, found: dict[int, list[Node]]) -> None:
    if id(tree) in found:
        return
    found[id(tree)] = []
    parts = tree.parts
    if tree.kind in ("abs", "sign"):
        found[id(tree)] = [parts[0]]
    elif tree.kind in ("min", "max", *_COMPARISONS):
        found[id(tree)] = [operation("-", a, b) for k, a in enumerate(parts) for b in parts[k + 1 :]]
    for part in parts:
        _collect(part, found)
