"""Where a time evolution starts: at a point, or from a density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from equipoise_solver.diffusion.coordinates import Line
from equipoise_solver.diffusion.evolution_cells import Cells
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.operator_segments import Levels
from equipoise_solver.errors import InvalidModelError

Density = Callable[[Array], Array]

_NODES, _WEIGHTS = legendre.leggauss(8)
_SCAN = np.linspace(-60.0, 60.0, 24_001)
_EMPTY = 1e-14
_NORMALISED = 1e-3


@dataclass(frozen=True, slots=True)
class Start:
    """A law in y.

    Attributes:
        center: a point inside, or the point it starts from.
        inside: (low, high) between which it lies.
        density: of x, or None for the point.
    """

    center: float
    inside: tuple[float, float]
    density: Density | None

    def masses(self, line: Line, cells: Cells, faces: Array) -> Array:
        """Its masses in the absorbing place below, the cells between the faces, and the place above."""
        result = np.zeros(cells.y.size + 2)
        if self.density is None:
            result[1 + int(np.argmin(np.abs(cells.y - self.center)))] = 1.0
            return result
        half = 0.5 * np.diff(faces)
        y = (faces[:-1] + half)[:, None] + half[:, None] * _NODES
        values = np.asarray(self.density(line.coordinate.value(y))) * np.exp(line.log_jacobian(y))
        result[1:-1] = np.maximum((values @ _WEIGHTS) * half, 0.0)
        return np.asarray(result / result.sum())


def start_of(line: Line, levels: Levels, start: float | Density) -> Start:
    """The start at a point x or with a density of x.

    Raises:
        InvalidModelError: a point outside the levels, or a density that is negative or misses mass 1.
    """
    if callable(start):
        return _from_density(line, levels, start)
    low, high = line.coordinate.low, line.coordinate.high
    y = float(line.coordinate.invert(start)) if low < start < high else np.inf
    if not levels[0] < y < levels[1]:
        raise InvalidModelError(
            "start", given=start, allowed="a point inside the interval, between the levels"
        )
    return Start(y, (y, y), None)


def _from_density(line: Line, levels: Levels, density: Density) -> Start:
    y = _SCAN[(levels[0] < _SCAN) & (levels[1] > _SCAN)]
    values = density(line.coordinate.value(y)) * np.exp(line.log_jacobian(y))
    total = float(np.trapezoid(values, y))
    if not (np.all(values >= 0) and abs(total - 1.0) < _NORMALISED):
        raise InvalidModelError(
            "start", given=f"a density with integral {total:.6g}", allowed="a density >= 0 with integral 1"
        )
    lives = y[values > _EMPTY * values.max()]
    share = np.cumsum(values)
    center = float(y[int(np.searchsorted(share, 0.5 * share[-1]))])
    return Start(center, (float(lives[0]), float(lives[-1])), density)
