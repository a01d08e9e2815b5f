"""Positive functions of y by their logarithms: products, and integrals from either end.

A function is exp(order*S + rest): with the order kept apart, S of thousands of decades costs no digits.
The scale density has order 1, the speed density order -1, and their product order 0. The integral of the
scale density follows it up to its peak and is constant behind: there it has order 0. Orders may therefore
change at one edge, and S is then measured from that edge.
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
        order: how many times S is in its logarithm, on each panel.
        rest: at the nodes, (panel, node).
        edges: rest at the edges, (panel + 1,).
        slope: d(logarithm)/dy at the nodes, S included.
    """

    mesh: Mesh
    order: Array
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
        low += float(self.order[0]) * float((tilt[0] @ TO_EDGES)[0]) if self.order[0] else 0.0
        high += float(self.order[-1]) * float((tilt[-1] @ TO_EDGES)[1]) if self.order[-1] else 0.0
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

    def with_order(self, order: Array, edge: int) -> Positive:
        """The same function with other orders, which change at an edge, S measured from there."""
        heights = self.mesh.heights(edge)
        change = self.order - order
        nodes = heights[:-1, None] + self.mesh.within
        # An edge belongs to the panel on the far side from the origin, where S is 0.
        edges = np.concatenate([change[:edge], [0.0], change[edge:]])
        return Positive(
            self.mesh, order, self.rest + change[:, None] * nodes, self.edges + edges * heights, self.slope
        )

    def scaled(self, log_factor: float) -> Positive:
        """exp(log_factor) times it."""
        return Positive(self.mesh, self.order, self.rest + log_factor, self.edges + log_factor, self.slope)


def scale_density(mesh: Mesh) -> Positive:
    """The density of the scale measure in y."""
    return _base(mesh, 1.0, mesh.log_jacobian)


def speed_density(mesh: Mesh) -> Positive:
    """The density of the speed measure in y."""
    return _base(mesh, -1.0, mesh.log_rate)


def _base(mesh: Mesh, order: float, rest: Array) -> Positive:
    slope = order * mesh.slope + rest @ TO_DERIVATIVE / mesh.half[:, None]
    return Positive(mesh, np.full(mesh.rise.size, order), rest, edge_values(rest), slope)


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
    local, total = _local(density, upwards=True)
    drop = -density.order * mesh.rise
    edges = np.full(mesh.edges.size, -math.inf)
    edges[start] = level = tail
    for k, (step, shift) in enumerate(zip(total[start:].tolist(), drop[start:].tolist(), strict=True), start):
        level = _log_sum(level + shift, step)
        edges[k + 1] = level
    rest = np.logaddexp(edges[:-1, None] - density.order[:, None] * mesh.within, local)
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
    for k in range(stop - 1, -1, -1):
        level = _log_sum(level + float(lift[k]), float(total[k]))
        edges[k] = level
    beyond = edges[1:, None] + density.order[:, None] * (mesh.rise[:, None] - mesh.within)
    rest = np.logaddexp(beyond, local)
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


def log_total(density: Positive, heights: Array) -> Array:
    """Logarithms of the integrals over the panels; heights is S at the edges."""
    up, down = (_local(density, upwards=upwards)[1] for upwards in (True, False))
    at_left, at_right = density.order * heights[:-1], density.order * heights[1:]
    return np.where(at_right > at_left, up + at_right, down + at_left)


def _local(density: Positive, *, upwards: bool) -> tuple[Array, Array]:
    """Logarithms of integrals, each in units of exp(order*S) where it ends.

    They start at the left edge and end at the nodes and at the right edge, or else start at the right edge
    and end, backwards, at the nodes and at the left edge.
    """
    mesh, half = density.mesh, density.mesh.half
    shift = density.order[:, None] * (mesh.within if upwards else mesh.within - mesh.rise[:, None])
    steep = is_steep(density.slope, half) & np.all(np.isfinite(density.rest), axis=1)
    nodes, total = np.empty_like(shift), np.empty(half.size)
    nodes[~steep], total[~steep] = _plain(density, shift, ~steep, upwards)
    if np.any(steep):
        nodes[steep], total[steep] = _steep(density, shift, steep, upwards)
    return nodes, total


def _plain(density: Positive, shift: Array, rows: Flags, upwards: bool) -> tuple[Array, Array]:
    """By Gauss-Legendre quadrature; shift is order*S relative to where the integrals start."""
    log, half = (shift + density.rest)[rows], density.mesh.half[rows]
    peak = log.max(axis=1, initial=-math.inf)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        value = np.exp(log - peak[:, None])
        part = value @ TO_ANTIDERIVATIVE if upwards else (value[:, ::-1] @ TO_ANTIDERIVATIVE)[:, ::-1]
        unit = (peak + np.log(half))[:, None]
        nodes = np.log(np.maximum(part, 0.0)) + unit - shift[rows]
        total = np.log(value @ WEIGHTS) + unit[:, 0]
    rise = (density.order * density.mesh.rise)[rows]
    return nodes, total - rise if upwards else total + rise


def _steep(density: Positive, shift: Array, rows: Flags, upwards: bool) -> tuple[Array, Array]:
    """From the slow solution p: the integral is p*exp(f) where it ends minus p*exp(f) where it starts."""
    p = levin(density.slope[rows], density.mesh.half[rows])
    ends = np.log(np.abs(p @ TO_EDGES))
    left, right = density.edges[:-1][rows] + ends[:, 0], density.edges[1:][rows] + ends[:, 1]
    first, last = (left, right) if upwards else (right, left)
    rise = (density.order * density.mesh.rise)[rows]
    at_nodes = density.rest[rows] + np.log(np.abs(p))
    nodes = _log_difference(at_nodes, first[:, None] - shift[rows])
    return nodes, _log_difference(last, first - rise if upwards else first + rise)


def _log_difference(a: Array, b: Array) -> Array:
    """log|exp(a) - exp(b)|."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = np.maximum(a, b) + np.log(-np.expm1(-np.abs(a - b)))
    return result


def log_at_ends(density: Positive, rows: Flags) -> Array:
    """The logarithm at both edges of some panels, relative to order*S at the left edge, (panel, 2)."""
    rise = density.order * density.mesh.rise
    result: Array = np.stack([density.edges[:-1], density.edges[1:] + rise], axis=1)[rows]
    return result
