"""The density of the learned state of one point, with its moments, mode and, if any, barrier."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from equipoise_solver.diffusion.quadrature import (
    Ends,
    integrate,
    panels_from_edges,
    resolve_slope,
    with_heights,
)
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory import closed_forms
from equipoise_solver.theory.coefficients import Array, Coefficients
from equipoise_solver.theory.coordinates import LineCoordinate, SectorCoordinate
from equipoise_solver.theory.extrema import barrier_and_maximum, highest_maximum
from equipoise_solver.theory.integrals import DensityTable, density_table, size_moments
from equipoise_solver.theory.laws import Density, InvertibleCoordinate
from equipoise_solver.theory.walls import GapCoordinate, WallCoordinate

_AT_ZERO = np.zeros(1)
# The search for a barrier starts where the pull outweighs the signal by so many e-foldings, and ends so many
# e-foldings from a wall.
_BEYOND_BALANCE = 7.0
_NEAR_WALL = 40.0
_LEAST_LOG = -740.0


@dataclass(frozen=True, slots=True)
class LearnedState:
    """A density with its moments; mode None if it has no local maximum."""

    density: Density
    mean: float
    variance: float
    mode: float | None
    log_normalisation: float
    reference: float


def line_state(c: Coefficients) -> LearnedState:
    """Depth 0; the moments are closed forms and are left nan here."""
    if c.floor[0] == 0 and c.alpha1[0] > 0:
        return _walled_line_state(c)
    mode = closed_forms.line_mode(c)
    pull = 2.0 * c.alpha1 + c.stiffness * c.beta1
    line = LineCoordinate(c, mode, np.sqrt(c.noise(mode) / pull))
    ends = line.ends()
    panels = integrate(panels_from_edges(line.edges(), line.slope, None), ends, line.slope, None)
    density = Density(density_table(panels, ends), line, -math.inf, math.inf, 1.0)
    reference = float(mode[0])
    return LearnedState(
        density, math.nan, math.nan, reference, _log_normalisation(c, density, reference), reference
    )


def _walled_line_state(c: Coefficients) -> LearnedState:
    scale = (c.beta2 - c.beta1 * c.root) / c.beta1
    state = _state(c, WallCoordinate(c, scale), low=float(c.root[0]))
    assert state is not None  # Depth 0 has no pull, so it needs no barrier.
    return state


def sector_state(c: Coefficients, *, beyond_wall: bool) -> LearnedState | None:
    """Depth >= 1, v > 0: on (0, inf), or on one side of the wall; None if a pull leaves no barrier."""
    walled = c.alpha1[0] > 0 and c.floor[0] == 0 and c.root[0] >= 0
    if not walled:
        return _state(c, sector_coordinate(c), low=0.0)
    wall = float(c.root[0])
    if beyond_wall or wall == 0:
        return _state(c, WallCoordinate(c, c.beta2 / c.beta1 - c.root), low=wall)
    return _state(c, GapCoordinate(c), low=0.0, high=wall)


def sector_coordinate(c: Coefficients) -> SectorCoordinate:
    """Anchored at the noise-free fixed point, or at the least-squares point where there is none."""
    fixed = closed_forms.noise_free_point(c)
    anchor = np.where(np.isnan(fixed), c.beta2 / c.beta1, fixed)
    return SectorCoordinate(c, anchor, np.where(np.isnan(fixed), c.force(anchor), 0.0))


def _state(
    c: Coefficients,
    coordinate: SectorCoordinate | WallCoordinate | GapCoordinate,
    *,
    low: float,
    high: float = math.inf,
) -> LearnedState | None:
    left, right = coordinate.low_edge(), coordinate.high_edge()
    ends, barrier = coordinate.ends(), None
    if c.pull[0] > 0 and low == 0.0:
        barrier = _barrier(c, coordinate, right)
        if barrier is None:
            return None
        left, ends = np.array([barrier[0]]), Ends(np.array([np.nan]), ends.right)
        low = float(coordinate.value(left)[0])
    panels = panels_from_edges(coordinate.edges(left, right), coordinate.slope, coordinate.log_size)
    panels = integrate(panels, ends, coordinate.slope, coordinate.log_size)
    moments = size_moments(panels, ends, coordinate)
    mode = highest_maximum(panels, coordinate) if barrier is None else np.array([barrier[1]])
    density = Density(density_table(panels, ends), coordinate, low, high, 1.0)
    center = _inside(density.table, coordinate)
    return LearnedState(
        density=density,
        mean=float(coordinate.origin[0] + moments.mean[0]),
        variance=float(moments.variance[0]),
        mode=None if np.isnan(mode[0]) else float(coordinate.value(mode)[0]),
        log_normalisation=_log_normalisation(c, density, center),
        reference=center,
    )


def _inside(table: DensityTable, coordinate: InvertibleCoordinate) -> float:
    """v at y = 0, or at the nearest point that the table covers."""
    y = np.clip(_AT_ZERO, table.left[:1], table.right[-1:])
    return float(coordinate.value(y)[0])


def _log_normalisation(c: Coefficients, density: Density, at: float) -> float:
    """log of int f dv for the f of the StationaryLaw docstring: log f(at) - log p(at)."""
    point: Array = np.array([at])
    log_f = -np.log(c.noise(point)) - (c.power * np.log(point) if c.power else 0.0)
    return float((log_f - density.log_pdf(point))[0])


def _barrier(
    c: Coefficients, coordinate: SectorCoordinate | WallCoordinate | GapCoordinate, right: Array
) -> tuple[float, float] | None:
    """y of the barrier and of the maximum beyond it, searched from below the balance of pull and signal."""
    balance = (np.log(c.pull / c.beta2) - _BEYOND_BALANCE) / -c.exponent
    if c.root[0] > 0:
        balance = np.minimum(balance, np.log(c.root) - _BEYOND_BALANCE)
    if balance[0] < _LEAST_LOG:
        layers = (c.depth or 0) + 1.0
        raise InvalidModelError(
            "weight_decay",
            given=float((c.pull * c.amplitude)[0] / layers),
            allowed="0, or so much that its barrier lies above the smallest 64-bit number",
            remedy="Set it to 0: moments and bulk stay the same to the last digit.",
        )
    left = coordinate.invert(np.exp(balance))
    right = np.maximum(right, _NEAR_WALL if isinstance(coordinate, GapCoordinate) else left + 1.0)
    edges = coordinate.edges(left, right)
    panels = resolve_slope(panels_from_edges(edges, coordinate.slope, None), coordinate.slope)
    return barrier_and_maximum(with_heights(panels), coordinate)
