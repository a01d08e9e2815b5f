"""Drift and noise next to ends where digits cancel, computed again with as many as it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.exact import Precise
from equipoise_solver.diffusion.near_end import Array, Near
from equipoise_solver.expressions import Node

if TYPE_CHECKING:
    from equipoise_solver.diffusion.problem import Diffusion

Flags = NDArray[np.bool_]
OUTER = 3.0  # |y| beyond which x is next to an end.
_LOST = 1e-11  # Relative error beyond which a value is computed again.
_BANDS = (20, 80, 320)
"""Decades between a distance and 1: each band computes with twice as many digits, and 40."""


def mended(diffusion: Diffusion, tree: Node, point: float, rest: Array, near: Near, matters: Flags) -> Array:
    """The values of an expression, those whose digits cancelled computed again.

    Args:
        diffusion: the problem.
        tree: the expression.
        point: what the distances are measured from.
        rest: x minus the point, (n,).
        near: the value at point + rest, with its error.
        matters: where digits matter.
    """
    value = near.total
    with np.errstate(invalid="ignore"):
        lost = matters & np.isfinite(rest) & (rest != 0) & (near.safe_error > _LOST * np.abs(value))
    if not np.any(lost):
        return value
    decades = np.abs(np.log10(np.abs(np.where(lost, rest, 1.0))))
    band = np.searchsorted(_BANDS, decades)
    for k, most in enumerate(_BANDS):
        rows = np.flatnonzero(lost & (band == k))
        if rows.size:
            value[rows] = _again(Precise(diffusion.parameters, decades=most), tree, point, rest[rows])
    return value


def _again(precise: Precise, tree: Node, point: float, rest: Array) -> list[float]:
    values = (precise.value(tree, point, precise.number(distance)) for distance in rest.tolist())
    return [float("nan") if value is None else float(value) for value in values]
