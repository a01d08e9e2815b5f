"""Maxima and minima of densities given on panels: found between nodes, refined by repeated sectioning."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.quadrature import Array, Index, Panels

_SECTIONS = 32
_ROUNDS = 11  # 32**11 = 2**55: from the distance of two nodes to the last bit.


class DensityCoordinate(Protocol):
    """A coordinate that knows the density in v."""

    def density_slope(self, y: Array, owner: Index) -> Array:
        """d(log p)/dy with p the density in v."""

    def log_jacobian(self, y: Array, owner: Index) -> Array:
        """log(dv/dy)."""


class Extrema(NamedTuple):
    """Local extrema of the density in v, sorted by (owner, y); `height` is log p at a node nearby."""

    owner: Index
    y: Array
    is_maximum: NDArray[np.bool_]
    height: Array


def local_extrema(panels: Panels, coordinate: DensityCoordinate) -> Extrema:
    """Every sign change of the slope of the density that the nodes of panels (with heights) tell apart."""
    owner = np.repeat(panels.owner, panels.slope.shape[1])
    y = panels.nodes.ravel()
    sign = np.sign(coordinate.density_slope(panels.nodes, panels.owner)).ravel()
    turns = np.flatnonzero((sign[:-1] * sign[1:] < 0) & (owner[:-1] == owner[1:]))
    height = (panels.h - coordinate.log_jacobian(panels.nodes, panels.owner)).ravel()
    low, high, who, before = y[turns], y[turns + 1], owner[turns], sign[turns]
    part = np.linspace(0.0, 1.0, _SECTIONS + 1)
    for _ in range(_ROUNDS if turns.size else 0):
        grid = low[:, None] + (high - low)[:, None] * part
        after = np.sign(coordinate.density_slope(grid, who)) != before[:, None]
        after[:, 0], after[:, -1] = False, True
        index = np.argmax(after, axis=1)
        row = np.arange(index.size)
        low, high = grid[row, index - 1], grid[row, index]
    return Extrema(who, 0.5 * (low + high), before > 0, height[turns])


def highest_maximum(panels: Panels, coordinate: DensityCoordinate) -> Array:
    """y of the highest local maximum of each density, nan where there is none, shape (n,)."""
    found = local_extrema(panels, coordinate)
    result = np.full(panels.first().size, np.nan)
    order = np.argsort(np.where(found.is_maximum, found.height, -np.inf), kind="stable")
    order = order[found.is_maximum[order]]
    result[found.owner[order]] = found.y[order]  # The last, that is the highest, assignment stays.
    return result


def barrier_and_maximum(panels: Panels, coordinate: DensityCoordinate) -> tuple[float, float] | None:
    """y of the lowest minimum left of the highest maximum, and of that maximum; None without a pair."""
    found = local_extrema(panels, coordinate)
    peaks = np.flatnonzero(found.is_maximum)
    # A maximum that has no minimum to its left is no state beside the one at the left end.
    peaks = peaks[[bool(np.any(~found.is_maximum[:peak])) for peak in peaks]] if peaks.size else peaks
    if peaks.size == 0:
        return None
    peak = peaks[np.argmax(found.height[peaks])]
    valleys = np.flatnonzero(~found.is_maximum[:peak])
    valley = valleys[np.argmin(found.height[valleys])]
    return float(found.y[valley]), float(found.y[peak])
