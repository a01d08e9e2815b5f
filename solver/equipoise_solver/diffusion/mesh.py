"""Panels in y on which the slope and the logarithms of a diffusion are known to all digits.

Scale and speed densities run over thousands of decades, so they are never formed: a panel knows S relative to
its left edge, and every integral is a logarithm relative to S. A panel is good if it resolves the slope of S
and log_rate, and if exp(S) and exp(-S) change by less than exp(4) along it, or else so steeply (Levin panels)
that their integrals follow from the slow solution of p' + f' p = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from equipoise_solver.diffusion.coordinates import Line
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.quadrature import (
    INTEGRATE_SERIES,
    NODES,
    ORDER,
    TO_SERIES,
    WEIGHTS,
    panel_nodes,
)
from equipoise_solver.errors import LimitExceededError

Flags = NDArray[np.bool_]
TO_ANTIDERIVATIVE: Array = TO_SERIES @ INTEGRATE_SERIES @ legendre.legvander(NODES, ORDER).T
"""Values at the nodes (last axis) @ TO_ANTIDERIVATIVE = integral from -1 to each node."""
_DERIVATIVES = np.stack([np.append(legendre.legder(row), 0.0) for row in np.eye(ORDER)])
TO_DERIVATIVE: Array = TO_SERIES @ _DERIVATIVES @ legendre.legvander(NODES, ORDER - 1).T
"""Values at the nodes (last axis) @ TO_DERIVATIVE = derivative at each node."""
TO_EDGES: Array = TO_SERIES @ legendre.legvander(np.array([-1.0, 1.0]), ORDER - 1).T
"""Values at the nodes (last axis) @ TO_EDGES = values at -1 and 1."""
_DIAGONAL = np.arange(ORDER)
_TO_LAST = np.ascontiguousarray(TO_SERIES[:, -2:])

GENTLE = 4.0
"""Largest change of a logarithm along a panel whose integrals are plain quadrature."""
STEEP = 100.0
"""Least change of a logarithm along a Levin panel: its transients are below exp(-33) where it starts."""
_RUNGS = 10  # exp(-40) = 4e-18
_STEP = 2.0
_ALL_DIGITS = 1e15
_STEEPEST = 1e60  # Whatever lies beyond is negligible whether straight or not.
_REACH = 690.0  # exp(690) is about the largest number.
_MOST_PANELS = 6000
# Rounding in the slope makes the last coefficients stall: after some rounds of halving less is asked for.
_TOLERANCES = (1e-14, 1e-14, 1e-14, 1e-13, 1e-13, 1e-12, 1e-12, 1e-11, 1e-10, 1e-9)
_MAX_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Mesh:
    """Adjacent panels; arrays of shape (panel,), (panel, node) or (panel + 1,).

    Attributes:
        edges: y, increasing, (panel + 1,).
        slope: dS/dy at the nodes.
        log_rate: log of 2 x'/noise**2 at the nodes.
        log_jacobian: log x' at the nodes.
    """

    edges: Array
    slope: Array
    log_rate: Array
    log_jacobian: Array

    @property
    def half(self) -> Array:
        """Half lengths, (panel,)."""
        result: Array = 0.5 * np.diff(self.edges)
        return result

    @property
    def nodes(self) -> Array:
        """y at the nodes, (panel, node)."""
        return panel_nodes(self.edges[:-1], self.edges[1:])

    @property
    def within(self) -> Array:
        """S at the nodes minus S at the left edge, (panel, node)."""
        result: Array = (self.slope @ TO_ANTIDERIVATIVE) * self.half[:, None]
        return result

    @property
    def rise(self) -> Array:
        """S at the right edge minus S at the left edge, (panel,)."""
        result: Array = (self.slope @ WEIGHTS) * self.half
        return result

    def heights(self, origin: int) -> Array:
        """S at the edges minus S at edge origin, summed outwards from there, (panel + 1,)."""
        upwards = np.cumsum(self.rise[origin:])
        downwards = np.cumsum(self.rise[:origin][::-1])[::-1]
        return np.concatenate([-downwards, [0.0], upwards])


def mesh_of(line: Line, points: Array | None = None) -> Mesh:
    """A mesh out to where the ends are straight, with edges at the points.

    Raises:
        LimitExceededError: more panels than this service computes.
    """
    low, high = straight_range(line)
    points = np.zeros(0) if points is None else points
    low, high = min(low, float(np.min(points, initial=low))), max(high, float(np.max(points, initial=high)))
    n = max(1, int(np.ceil((high - low) / _STEP)))
    kinks = np.array([kink for kink in line.kinks if low < kink < high])
    rungs = ladder(line, kinks)
    rungs = rungs[(rungs > low) & (rungs < high)]
    edges = _united(np.linspace(low, high, n + 1), np.concatenate([points, kinks, rungs]))
    return _resolved(line, _evaluated(line, edges))


def ladder(line: Line, points: Array) -> Array:
    """Edges around points at which integrals start or coefficients jump, closer than S changes by GENTLE.

    Behind such a point integrals have transients exp(-|S - S(point)|), which Levin panels do not know.
    """
    step = 1e-6
    slopes = [line.slope(points - step), line.slope(points + step)]
    rungs = []
    for sign, slope in zip((-1.0, 1.0), slopes, strict=True):
        steep = np.abs(slope) > STEEP / (2.0 * _STEP)
        length = GENTLE / np.abs(slope[steep])
        rungs.append((points[steep][:, None] + sign * length[:, None] * np.arange(1, _RUNGS + 1)).ravel())
    return np.concatenate(rungs)


def with_points(line: Line, mesh: Mesh, points: Array) -> Mesh:
    """The same mesh with edges at the points as well; it grows to hold points outside."""
    points = np.unique(points)
    low, high = float(min(points[0], mesh.edges[0])), float(max(points[-1], mesh.edges[-1]))
    outer = [np.arange(low, mesh.edges[0], _STEP), np.arange(high, mesh.edges[-1], -_STEP)]
    edges = _united(mesh.edges, np.concatenate([points, *outer]))
    if edges.size == mesh.edges.size:
        return mesh
    old = np.searchsorted(mesh.edges, edges[:-1])
    old = np.minimum(old, mesh.edges.size - 2)
    kept = (mesh.edges[old] == edges[:-1]) & (mesh.edges[old + 1] == edges[1:])
    fresh = _at(line, edges[:-1][~kept], edges[1:][~kept])
    return _resolved(line, _woven(edges, kept, _rows(mesh, old[kept]), fresh))


def _united(edges: Array, points: Array) -> Array:
    """Edges and points, sorted."""
    return np.unique(np.concatenate([edges, points]))


def _at(line: Line, left: Array, right: Array) -> tuple[Array, Array, Array]:
    y = panel_nodes(left, right)
    slope, log_rate = line.both(y)
    return slope, log_rate, line.log_jacobian(y)


def _evaluated(line: Line, edges: Array) -> Mesh:
    return Mesh(edges, *_at(line, edges[:-1], edges[1:]))


def _rows(mesh: Mesh, index: NDArray[np.intp]) -> tuple[Array, Array, Array]:
    return mesh.slope[index], mesh.log_rate[index], mesh.log_jacobian[index]


def _woven(
    edges: Array, kept: Flags, old: tuple[Array, Array, Array], fresh: tuple[Array, Array, Array]
) -> Mesh:
    arrays = []
    for one, two in zip(old, fresh, strict=True):
        array = np.empty((kept.size, ORDER))
        array[kept], array[~kept] = one, two
        arrays.append(array)
    return Mesh(edges, *arrays)


def _resolved(line: Line, mesh: Mesh) -> Mesh:
    bad = np.ones(1, dtype=bool)
    for k in range(_MAX_ROUNDS):
        bad = _unresolved(mesh, _TOLERANCES[min(k, len(_TOLERANCES) - 1)])
        if not np.any(bad):
            return mesh
        if bad.size + np.count_nonzero(bad) > _MOST_PANELS:
            break
        mesh = _halved(line, mesh, bad)
    worst = line.coordinate.value(mesh.edges[:-1][bad][0])
    raise LimitExceededError(
        "drift",
        given=f"drift or noise that change too fast near x = {worst:.6g}",
        allowed=f"what {_MOST_PANELS} panels resolve",
        remedy="Raise the noise, or narrow the interval.",
    )


def _halved(line: Line, mesh: Mesh, bad: Flags) -> Mesh:
    middle = 0.5 * (mesh.edges[:-1] + mesh.edges[1:])[bad]
    edges = np.sort(np.concatenate([mesh.edges, middle]))
    count = np.where(bad, 2, 1)
    kept = np.repeat(~bad, count)
    fresh = _at(line, edges[:-1][~kept], edges[1:][~kept])
    return _woven(edges, kept, _rows(mesh, np.flatnonzero(~bad)), fresh)


def _unresolved(mesh: Mesh, tolerance: float) -> Flags:
    half, within = mesh.half, mesh.within
    # x is a function of y known to |y| times the rounding of numbers.
    rounding = 1.0 + 0.1 * np.maximum(np.abs(mesh.edges[:-1]), np.abs(mesh.edges[1:]))
    lengths = half[:, None]
    parts = [_part_unresolved(mesh.slope * lengths), _part_unresolved(mesh.log_rate)]
    bad: Flags = np.maximum(*parts) > tolerance * rounding
    bad |= _part_unresolved(mesh.log_jacobian) > tolerance * rounding
    for sign, rest in ((1.0, mesh.log_jacobian), (-1.0, mesh.log_rate)):
        value = sign * within + rest
        slope = sign * mesh.slope + rest @ TO_DERIVATIVE / half[:, None]
        gentle = value.max(axis=1) - value.min(axis=1) <= GENTLE
        bad |= ~(gentle | _levin_resolved(slope, half, max(1e-11, 10.0 * tolerance)))
    edges = np.abs(mesh.edges)
    return bad & (half > 1e-14 * np.maximum(1.0, np.maximum(edges[:-1], edges[1:])))


def _part_unresolved(values: Array) -> Array:
    """The last two Legendre coefficients, relative to 1 + the largest value."""
    result: Array = np.abs(values @ _TO_LAST).max(axis=1) / (1.0 + np.abs(values).max(axis=1))
    return result


def is_steep(slope: Array, half: Array) -> Flags:
    """Panels along which a logarithm with this slope is monotone and changes by STEEP or more."""
    one_sign = (slope.min(axis=1) > 0) | (slope.max(axis=1) < 0)
    result: Flags = one_sign & (np.abs(slope).min(axis=1) * half >= 0.5 * STEEP)
    return result


def levin(slope: Array, half: Array) -> Array:
    """p of p' + f' p = 1 at the nodes, so that the integral of exp(f) is p*exp(f) between any two points."""
    return slow_solution(slope, half, np.ones_like(slope))


def slow_solution(slope: Array, half: Array, values: Array) -> Array:
    """p of p' + f' p = values at the nodes: the integral of values*exp(f) is p*exp(f) between any points."""
    matrix: Array = np.zeros((half.size, ORDER, ORDER))
    matrix[:, _DIAGONAL, _DIAGONAL] = slope
    matrix += TO_DERIVATIVE.T / half[:, None, None]
    return np.asarray(np.linalg.solve(matrix, values[..., None])[..., 0], dtype=np.float64)


def _levin_resolved(slope: Array, half: Array, tolerance: float) -> Flags:
    steep = is_steep(slope, half)
    p = levin(slope[steep], half[steep])
    steep[steep] = np.abs(p @ _TO_LAST).max(axis=1) <= tolerance * np.abs(p).max(axis=1)
    return steep


def straight_range(line: Line) -> tuple[float, float]:
    """y between which slope or log_rate still bend: beyond, slope is constant or a power of the distance."""
    y = np.arange(-_REACH, _REACH + 1.0, _STEP)
    slope, log_rate = line.both(y)
    finite = np.isfinite(slope) & np.isfinite(log_rate) & (np.abs(slope) < _STEEPEST)
    middle = y.size // 2
    low = middle - int(np.argmin(np.append(finite[middle::-1], False))) + 1
    high = middle + int(np.argmin(np.append(finite[middle:], False))) - 1
    if not high > low + 2:
        raise LimitExceededError(
            "interval",
            given="drift or noise beyond the largest number",
            allowed="drift and noise that are finite around the middle of the interval",
        )
    inside = slice(low, high + 1)
    rows = [values[inside] for values in (y, slope, log_rate, line.log_jacobian(y))]
    bends, bends_back = _bends(*rows), _bends(*(row[::-1] for row in rows))
    above = int(np.flatnonzero(bends)[-1]) + 1 if np.any(bends) else middle - low
    below = int(np.flatnonzero(bends_back)[-1]) + 1 if np.any(bends_back) else high - middle
    up, down = min(low + above + 1, high), max(high - below - 1, low)
    return float(y[max(min(down, middle - 4), low)]), float(y[min(max(up, middle + 4), high)])


def _bends(y: Array, slope: Array, log_rate: Array, log_jacobian: Array) -> Flags:
    """Where slope and the two logarithms are not yet what they are at the last points."""
    far = slope[-2]
    constant = np.abs(slope - far) <= 4e-15 * (1.0 + abs(far))
    with np.errstate(divide="ignore", invalid="ignore"):
        power = _straight_line(np.log(np.abs(slope)), y)
    level = _straight_line(log_rate, y) & _straight_line(log_jacobian, y)
    # At steep ends integrals are straight up to 1/slope.
    straight: Flags = level & (constant | (power & (np.abs(slope) > _ALL_DIGITS)))
    straight[-2:] = True
    return ~straight


def _straight_line(values: Array, y: Array) -> Flags:
    """Where f(y + 1) - 2 f(y) + f(y - 1) is rounding, in steps of the grid; true at both ends."""
    result: Flags = np.ones(values.size, dtype=bool)
    bend: Array = np.abs(values[2:] - 2.0 * values[1:-1] + values[:-2])
    result[1:-1] = bend <= 4e-15 * (10.0 + np.abs(values[1:-1]) + np.abs(y[1:-1]))
    return result
