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
    with_heights,
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
# Near v = 0 log p falls like v**-((D-1)/(D+1)), and its share of the integral like v**(2/(D+1)).
_LEAST_SHARE = -30.0
_OVERFLOW = 690.0


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
    """E[log p(V)] for V of the normal law, which must live where the density p of the law does.

    The exponent of p is integrated anew over the bulk of the normal law, however small p is there.

    Raises:
        LimitExceededError: the integral does not settle.
    """
    density = law.density
    assert density is not None
    coordinate = density.coordinate
    assert isinstance(coordinate, SectorCoordinate | LineCoordinate), "p has no wall"
    anchor = float(coordinate.invert(np.array([normal.center]))[0])
    at_anchor = float(density.table.log_density(np.array([anchor]))[0])
    edges = _edges(coordinate, normal, anchor)
    previous = math.inf
    for _ in range(_ROUNDS):
        panels = panels_from_edges(edges[None, :], coordinate.slope, None)
        panels = with_heights(resolve_slope(panels, coordinate.slope))
        h = panels.h + (at_anchor - panels.h_left[np.argmin(np.abs(panels.left - anchor))])
        jacobian, v = coordinate.log_jacobian(panels.nodes, panels.owner), coordinate.value(panels.nodes)
        weight = np.exp(normal.log_pdf(v) + jacobian)
        total = float(panels.total(weight * (h - jacobian))[0])
        if abs(total - previous) <= _ENOUGH * max(1.0, abs(total)):
            return total
        previous = total
        edges = np.unique(np.concatenate([panels.left, panels.right, 0.5 * (panels.left + panels.right)]))
    raise too_sharp()


def _edges(coordinate: SectorCoordinate | LineCoordinate, normal: Normal, anchor: float) -> Array:
    """First panels over the bulk of the normal law, graded where p is sharp; the anchor is an edge."""
    v = normal.center + normal.std * np.linspace(-_REACH, _REACH, 41)
    if isinstance(coordinate, LineCoordinate):
        y = coordinate.invert(v)
        own = coordinate.edges()[0]
    else:
        y = coordinate.invert(v[v > max(normal.low, 0.0)])
        if v[0] <= normal.low:
            depth = -coordinate.c.exponent
            least = max(_LEAST_SHARE / (1.0 - depth), -_OVERFLOW / max(depth, 1e-3)) if depth > 0 else -42.0
            y = np.concatenate([np.arange(least + y[0], y[0], 1.0), y])
        own = coordinate.edges(y[:1], y[-1:])[0]
    inside = own[(own > y[0]) & (own < y[-1])]
    return np.unique(np.concatenate([y, inside, [anchor]]))


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
