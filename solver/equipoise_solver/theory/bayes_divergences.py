"""Kullback-Leibler divergences and total variation between a tabulated density and a normal law."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from scipy.special import log_ndtr, ndtr, ndtri

from equipoise_solver.diffusion.quadrature import (
    NODES,
    ORDER,
    WEIGHTS,
    panels_from_edges,
    resolve_slope,
    too_sharp,
)
from equipoise_solver.theory.coefficients import Array
from equipoise_solver.theory.coordinates import LineCoordinate, SectorCoordinate
from equipoise_solver.theory.laws import Density, StationaryLaw

_BASIS: Array = np.ascontiguousarray(legendre.legvander(NODES, ORDER).T)
_REACH = 10.0  # Standard deviations of the normal law; 1e-23 of its mass lies beyond.
_SURVEY = 2000
_STEPS = 60
_ENOUGH = 1e-11
_ROUNDS = 8
_FAR = 40.0  # So many e-foldings below all scales of v the leading powers of v are exact.
_CLOSE = 0.5  # In standard deviations: closer to the lower end the mass is integrated, not subtracted.


@dataclass(frozen=True, slots=True)
class Normal:
    """The normal law of mean `center`, conditional on (low, high)."""

    center: float
    std: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def log_mass(self) -> float:
        """The logarithm of the mass of (low, high) under the law on the whole line."""
        a, b = (self.low - self.center) / self.std, (self.high - self.center) / self.std
        if a > 0:
            a, b = -b, -a
        return float(log_ndtr(b) + np.log1p(-np.exp(log_ndtr(a) - log_ndtr(b))))

    def log_pdf(self, v: Array) -> Array:
        """The logarithm of the density inside (low, high)."""
        z = (v - self.center) / self.std
        result: Array = -0.5 * z * z - math.log(self.std * math.sqrt(2.0 * math.pi)) - self.log_mass
        return result

    def cdf(self, v: Array) -> Array:
        """P(V <= v)."""
        low = ndtr((self.low - self.center) / self.std)
        share = (ndtr((v - self.center) / self.std) - low) / math.exp(self.log_mass)
        result: Array = np.clip(np.where(v >= self.high, 1.0, share), 0.0, 1.0)
        return result

    def below(self, v: Array) -> Array:
        """P(V <= v) for v inside (low, high), any shape, of full relative accuracy next to low."""
        z = (v - self.center) / self.std
        if math.isinf(self.low):
            result: Array = np.exp(log_ndtr(z) - self.log_mass)
            return result
        distance = v - self.low
        inner = self.low + distance[..., None] * 0.5 * (NODES + 1.0)
        near = 0.5 * distance * (np.exp(self.log_pdf(inner)) @ WEIGHTS)
        return np.where(distance < _CLOSE * self.std, near, self.cdf(v))

    def above(self, v: Array) -> Array:
        """P(V > v) for v inside (low, inf), of full relative accuracy in the tail."""
        result: Array = np.exp(log_ndtr((self.center - v) / self.std) - self.log_mass)
        return result

    def quantile(self, q: Array) -> Array:
        """v with cdf(v) = q."""
        low = ndtr((self.low - self.center) / self.std)
        v = self.center + self.std * ndtri(low + q * math.exp(self.log_mass))
        result: Array = np.clip(v, self.low, self.high)
        return result

    def log_moment(self, mean: float, variance: float) -> float:
        """E[log_pdf(V)] for V of that mean and variance inside (low, high)."""
        square = (variance + (mean - self.center) ** 2) / self.std**2
        return -0.5 * square - math.log(self.std * math.sqrt(2.0 * math.pi)) - self.log_mass


def expected_own_log_density(density: Density) -> float:
    """E[log p(V)] for V of density p; power-law ends are integrated analytically."""
    table, coordinate = density.table, density.coordinate
    half = 0.5 * (table.right - table.left)
    y = (table.left + half)[:, None] + half[:, None] * NODES
    log_share = table.h_series @ _BASIS - math.log(table.total)
    panel = np.zeros(table.left.size, dtype=np.intp)
    log_density = log_share - coordinate.log_jacobian(y, panel)
    total = float(np.sum(half * ((np.exp(log_share) * log_density) @ WEIGHTS)))
    for edge, rate, height, outwards in zip(
        (table.left[0], table.right[-1]), table.ends, table.end_heights, (-1.0, 1.0), strict=True
    ):
        if not math.isfinite(rate):
            continue
        near, far = coordinate.log_jacobian(np.array([edge, edge + outwards]), np.zeros(2, dtype=np.intp))
        # Beyond the edge log p is a line in the distance, whose mean is 1/rate.
        expected = height - math.log(table.total) - near - (rate + far - near) / rate
        total += math.exp(height) / (rate * table.total) * float(expected)
    return total


def expected_log_density(law: StationaryLaw, normal: Normal) -> float:
    """E[log p(V)] for V of the normal law Q, which must live where the density p of the law does.

    By parts, from an anchor c: log p(c) - int_low^c (log p)' Q(v) dv + int_c^high (log p)' (1 - Q(v)) dv, so
    that p may be as small as it likes where Q has mass.

    Raises:
        LimitExceededError: the integral does not settle.
    """
    density = law.density
    assert density is not None
    coordinate = density.coordinate
    assert isinstance(coordinate, SectorCoordinate | LineCoordinate), "p has no wall"
    anchor = _anchor(law, normal, coordinate)
    edges = _edges(coordinate, normal, anchor)
    start = float(density.table.log_density(np.array([anchor]))[0])
    start -= float(coordinate.log_jacobian(np.array([anchor]), np.zeros(1, dtype=np.intp))[0])
    previous = math.inf
    for _ in range(_ROUNDS):
        panels = resolve_slope(panels_from_edges(edges[None, :], coordinate.slope, None), coordinate.slope)
        y = panels.nodes
        v = coordinate.value(y)
        share = np.where(y < anchor, -normal.below(v), normal.above(v))
        slope = coordinate.slope(y, panels.owner)
        slope -= np.tanh(y) if isinstance(coordinate, LineCoordinate) else 1.0
        pieces = (slope * share) @ WEIGHTS * panels.half
        total = start + float(np.sum(pieces)) + _beyond(coordinate, normal, float(edges[0]))
        if abs(total - previous) <= _ENOUGH * (1.0 + abs(start) + float(np.sum(np.abs(pieces)))):
            return total
        previous = total
        edges = np.unique(np.concatenate([panels.left, panels.right, 0.5 * (panels.left + panels.right)]))
    raise too_sharp()


def _anchor(law: StationaryLaw, normal: Normal, coordinate: SectorCoordinate | LineCoordinate) -> float:
    """y at the center of the normal law, or at the median of p if p is too small there to be tabulated."""
    assert law.density is not None
    anchor = coordinate.invert(np.array([normal.center]))
    if math.isfinite(float(law.density.table.log_density(anchor)[0])):
        return float(anchor[0])
    return float(law.density.table.quantile(np.array([0.5]))[0])


def _beyond(coordinate: SectorCoordinate | LineCoordinate, normal: Normal, low: float) -> float:
    """What the part next to v = 0 adds, where y (log p)' is a power of v and Q(v) in proportion to v."""
    if isinstance(coordinate, LineCoordinate):
        return 0.0
    y, owner = np.array([[low]]), np.zeros(1, dtype=np.intp)
    slope = float(coordinate.density_slope(y, owner)[0, 0])
    below = float(normal.below(coordinate.value(np.array([low])))[0])
    return -slope * below / (1.0 + coordinate.c.exponent)


def _edges(coordinate: SectorCoordinate | LineCoordinate, normal: Normal, anchor: float) -> Array:
    """First panels over the bulk of the normal law, graded where p is sharp; the anchor is an edge."""
    v = normal.center + normal.std * np.linspace(-_REACH, _REACH, 41)
    if isinstance(coordinate, LineCoordinate):
        y, own = coordinate.invert(v), coordinate.edges()[0]
    else:
        c = coordinate.c
        y = coordinate.invert(v[v > 0.0])
        with np.errstate(divide="ignore"):
            own_scale = float(np.sqrt(c.alpha3 / c.alpha1)[0])
        scales = [float(coordinate.anchor[0]), own_scale, normal.std, normal.std**2 / normal.center]
        if c.root[0] != 0.0:
            scales.append(abs(float(c.root[0])))
        least = float(coordinate.invert(np.array([min(scales)]))[0]) - _FAR
        y = np.concatenate([np.arange(least, y[0], 1.0), y])
        own = coordinate.edges(y[:1], y[-1:])[0]
    low, high = min(float(y[0]), anchor - 1.0), max(float(y[-1]), anchor + 1.0)
    inside = own[(own > low) & (own < high)]
    return np.unique(np.concatenate([[low, high], y, inside, [anchor]]))


def total_variation(law: StationaryLaw, normal: Normal) -> float:
    """sup over events of the difference in probability, by distribution functions between the crossings."""
    q = np.concatenate([np.geomspace(1e-15, 1e-3, 200), np.linspace(0.0, 1.0, _SURVEY)[1:-1]])
    q = np.concatenate([q, 1.0 - q[:200]])
    points = np.unique(np.concatenate([law.quantile(q), normal.quantile(q)]))
    low, high = law.support
    ends = [end for end in (low, high, normal.low, normal.high) if math.isfinite(end)]
    points = points[np.isfinite(points) & (points > low) & (points < high)]

    def excess(v: Array) -> Array:
        return law.log_pdf(v) - normal.log_pdf(v)

    sign = excess(points) > 0
    turns = np.flatnonzero(sign[1:] != sign[:-1])
    left, right = points[turns], points[turns + 1]
    for _ in range(_STEPS):
        middle = 0.5 * (left + right)
        same = (excess(middle) > 0) == sign[turns]
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    cuts = np.unique(np.concatenate([left, ends]))
    gap = np.concatenate([[0.0], law.cdf(cuts) - normal.cdf(cuts), [0.0]])
    return 0.5 * float(np.sum(np.abs(np.diff(gap))))
