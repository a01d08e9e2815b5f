"""Positive functions of y by their logarithms: products, and integrals from either end.

A function is exp(order*S + rest): with the order kept apart, S of thousands of decades costs no digits.
The scale density has order 1, the speed density order -1, and their product order 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from equipoise_solver.diffusion.mesh import (
    TO_ANTIDERIVATIVE,
    TO_DERIVATIVE,
    TO_EDGES,
    Flags,
    Mesh,
    is_steep,
    levin,
)
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.quadrature import WEIGHTS

_FLAT = 1e-9  # A tail whose rate is below this has an infinite integral.

_LOST = 1e14  # Logarithms of this size are rounded to 0.01.
_MOST_LOG = 700.0


@dataclass(frozen=True, slots=True)
class Positive:
    """exp(order*S + rest) on a mesh.

    Attributes:
        mesh: where it is known.
        order: how many times S is in its logarithm.
        rest: at the nodes, (panel, node).
        edges: rest at the edges, (panel + 1,).
        slope: d(logarithm)/dy at the nodes, S included.
    """

    mesh: Mesh
    order: int
    rest: Array
    edges: Array
    slope: Array

    def __mul__(self, other: Positive) -> Positive:
        """The product, on the same mesh."""
        return Positive(
            self.mesh,
            self.order + other.order,
            self.rest + other.rest,
            self.edges + other.edges,
            self.slope + other.slope,
        )

    def rates(self) -> tuple[float, float]:
        """d(logarithm)/dy at the first and the last edge, where the ends are straight.

        S and rest are taken apart: at steep ends their slopes cancel in products of order 0.
        """
        y, tilt = self.mesh.edges, self.mesh.slope
        first = min(int(np.searchsorted(y, y[0] + 0.9)), y.size - 1)
        last = max(int(np.searchsorted(y, y[-1] - 0.9, side="right")) - 1, 0)
        low = float(self.edges[first] - self.edges[0]) / float(y[first] - y[0])
        high = float(self.edges[-1] - self.edges[last]) / float(y[-1] - y[last])
        if self.order:
            low += self.order * float((tilt[0] @ TO_EDGES)[0])
            high += self.order * float((tilt[-1] @ TO_EDGES)[1])
        return low, high

    def power(self, exponent: int) -> Positive:
        """It to an integer power."""
        return Positive(
            self.mesh,
            self.order * exponent,
            self.rest * exponent,
            self.edges * exponent,
            self.slope * exponent,
        )

    def log_ratio(self, one: int, two: int) -> float:
        """log of its value at edge one over that at edge two."""
        rise = math.fsum(self.mesh.rise[min(one, two) : max(one, two)])
        return float(self.edges[one] - self.edges[two]) + self.order * (rise if one > two else -rise)

    def scaled(self, log_factor: float) -> Positive:
        """exp(log_factor) times it."""
        return Positive(self.mesh, self.order, self.rest + log_factor, self.edges + log_factor, self.slope)


def scale_density(mesh: Mesh) -> Positive:
    """The density of the scale measure in y."""
    return _base(mesh, 1, mesh.log_jacobian)


def speed_density(mesh: Mesh) -> Positive:
    """The density of the speed measure in y."""
    return _base(mesh, -1, mesh.log_rate)


def _base(mesh: Mesh, order: int, rest: Array) -> Positive:
    slope = order * mesh.slope + rest @ TO_DERIVATIVE / mesh.half[:, None]
    return Positive(mesh, order, rest, edge_values(rest), slope)


def edge_values(values: Array) -> Array:
    """Values at the edges of a continuous function known at the nodes, (panel + 1,)."""
    ends = values @ TO_EDGES
    return np.append(ends[:, 0], ends[-1, 1])


def integral_from_low(density: Positive, *, start: int | None = None) -> Positive:
    """The integral of a density from the lower end, or from an edge, up to y.

    Args:
        density: what to integrate.
        start: the edge at which it starts; None is the lower end itself, where the density is straight.
    """
    mesh = density.mesh
    tail = -math.inf
    if start is None:
        start = 0
        rate = density.rates()[0]
        tail = density.edges[0] - math.log(rate) if rate > _FLAT else math.inf
    local, total = _local(density)
    drop = -density.order * mesh.rise
    edges = np.empty(mesh.edges.size)
    edges[: start + 1] = -math.inf
    edges[start] = tail
    level = tail
    for k, (step, shift) in enumerate(zip(total[start:].tolist(), drop[start:].tolist(), strict=True), start):
        level = _log_sum(level, step) + shift
        edges[k + 1] = level
    rest = np.logaddexp(edges[:-1, None], local) - density.order * mesh.within
    rest[:start] = -math.inf
    return Positive(mesh, density.order, rest, edges, _own_slope(density, rest))


def integral_to_high(density: Positive, *, stop: int | None = None) -> Positive:
    """The integral of a density from y up to the upper end, or up to an edge; as integral_from_low."""
    mesh = density.mesh
    n = mesh.edges.size - 1
    tail = -math.inf
    if stop is None:
        stop = n
        rate = density.rates()[1]
        tail = density.edges[-1] - math.log(-rate) if rate < -_FLAT else math.inf
    local, total = _local(density, upwards=False)
    lift = density.order * mesh.rise
    edges = np.full(n + 1, -math.inf)
    edges[stop] = level = tail
    # Local integrals are relative to S at the left edge: what comes from the right is brought there.
    for k in range(stop - 1, -1, -1):
        level = _log_sum(level + lift[k], total[k])
        edges[k] = level
    beyond = (edges[1:] + lift)[:, None]
    rest = np.logaddexp(beyond, local) - density.order * mesh.within
    rest[stop:] = -math.inf
    return Positive(mesh, density.order, rest, edges, -_own_slope(density, rest))


def _own_slope(density: Positive, rest: Array) -> Array:
    """density/integral; 0 where the integral is 0, infinite, or a constant lost in the rounding of S."""
    known = np.abs(rest) < _LOST
    ratio = np.where(known, density.rest - np.where(known, rest, 0.0), -math.inf)
    return np.exp(np.minimum(ratio, _MOST_LOG))


def _log_sum(a: float, b: float) -> float:
    high, low = (a, b) if a >= b else (b, a)
    if math.isinf(high) or low == -math.inf:
        return high
    return high + math.log1p(math.exp(low - high))


def _local(density: Positive, *, upwards: bool = True) -> tuple[Array, Array]:
    """Logarithms of the integrals from the left edge to the nodes (or from the nodes to the right edge), and
    over the panels, in units of exp(order*S) at the left edge.
    """
    mesh, half = density.mesh, density.mesh.half
    log = density.order * mesh.within + density.rest
    steep = is_steep(density.slope, half) & np.all(np.isfinite(density.rest), axis=1)
    nodes, total = np.empty_like(log), np.empty(half.size)
    nodes[~steep], total[~steep] = _plain(log[~steep], half[~steep], upwards)
    if np.any(steep):
        ends = log_at_ends(density, steep)
        nodes[steep], total[steep] = _steep(log[steep], ends, density.slope[steep], half[steep], upwards)
    return nodes, total


def log_total(density: Positive) -> Array:
    """Logarithms of the integrals over the panels, in units of exp(order*S) at their left edges."""
    return _local(density)[1]


def _plain(log: Array, half: Array, upwards: bool) -> tuple[Array, Array]:
    peak = log.max(axis=1, initial=-math.inf)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        value = np.exp(log - peak[:, None])
        part = value @ TO_ANTIDERIVATIVE if upwards else (value[:, ::-1] @ TO_ANTIDERIVATIVE)[:, ::-1]
        shift = (peak + np.log(half))[:, None]
        return np.log(np.maximum(part, 0.0)) + shift, np.log(value @ WEIGHTS) + shift[:, 0]


def log_at_ends(density: Positive, rows: Flags) -> Array:
    """The logarithm at both edges of some panels, relative to order*S at the left edge, (panel, 2)."""
    rise = density.order * density.mesh.rise
    result: Array = np.stack([density.edges[:-1], density.edges[1:] + rise], axis=1)[rows]
    return result


def _steep(log: Array, ends: Array, slope: Array, half: Array, upwards: bool) -> tuple[Array, Array]:
    p = levin(slope, half)
    at_nodes = log + np.log(np.abs(p))
    at_ends = ends + np.log(np.abs(p @ TO_EDGES))
    first, last = at_ends[:, 0], at_ends[:, 1]
    fixed = (first if upwards else last)[:, None]
    return _log_difference(at_nodes, fixed), _log_difference(first, last)


def _log_difference(a: Array, b: Array) -> Array:
    """log|exp(a) - exp(b)|."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = np.maximum(a, b) + np.log(-np.expm1(-np.abs(a - b)))
    return result
