"""Panels of the line y with Gauss-Lobatto nodes, on which speed and scale are known through logarithms.

The line is cut into panels, halved until the slope of the scale, the noise and dx/dy are resolved, and
until neither speed nor scale changes by more than a few powers of ten along one panel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from equipoise_solver.diffusion.coordinates import Line
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.errors import LimitExceededError

DEGREE = 16


def _lobatto(degree: int) -> tuple[Array, Array]:
    """Nodes and weights of the Gauss-Lobatto rule on [-1, 1] with degree+1 nodes."""
    series = np.eye(degree + 1)[degree]
    slope = legendre.legder(series)
    inner = np.sort(legendre.legroots(slope).real)
    for _ in range(2):
        inner = inner - legendre.legval(inner, slope) / legendre.legval(inner, legendre.legder(slope))
    nodes: Array = np.concatenate([[-1.0], inner, [1.0]])
    return nodes, 2.0 / (degree * (degree + 1) * legendre.legval(nodes, series) ** 2)


NODES, WEIGHTS = _lobatto(DEGREE)
_BASIS = legendre.legvander(NODES, DEGREE)
TO_SERIES: Array = np.asarray(np.linalg.inv(_BASIS).T, dtype=np.float64)
"""Values at the nodes (last axis) @ TO_SERIES = Legendre coefficients."""
_ANTIDERIVATIVES = np.stack([legendre.legint(row, lbnd=-1) for row in np.eye(DEGREE + 1)])
INTEGRATE: Array = TO_SERIES @ _ANTIDERIVATIVES @ legendre.legvander(NODES, DEGREE + 1).T
"""Values @ INTEGRATE = antiderivative at the nodes that vanishes at the first."""


def _differentiation() -> Array:
    """Matrix D with D @ values = derivative at the nodes, rows summing to 0 exactly as far as possible."""
    derivatives = np.stack([np.append(legendre.legder(row), 0.0) for row in np.eye(DEGREE + 1)])
    matrix = (TO_SERIES @ derivatives @ _BASIS.T).T
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    return np.asarray(matrix, dtype=np.float64)


DIFFERENTIATE: Array = _differentiation()

_TALL = 7.0  # largest change of log m and log s along a panel.
_TOLERANCE = 1e-12
_LONGEST = 3.0
_SHORTEST = 1e-7  # a jump of a coefficient inside so short a panel moves results by less than 1e-9.
_INSIDE = 1e-10  # how far from a kink or jump the coefficients at its two sides are taken, in half panels.
_FEWEST, _MOST = 12, 3000
_MAX_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Panels:
    """Successive panels; arrays over nodes have shape (panel, node) and repeat the shared nodes.

    Attributes:
        edges: y of the ends of the panels, shape (panel+1,).
        y, x: coordinate and state of the nodes.
        log_speed, log_scale: logarithms of m_y and s_y, the largest m_y being 1.
        log_stretch: logarithm of dx/dy.
    """

    edges: Array
    y: Array
    x: Array
    log_speed: Array
    log_scale: Array
    log_stretch: Array

    @property
    def half(self) -> Array:
        """Half lengths of the panels, shape (panel,)."""
        return 0.5 * np.diff(self.edges)

    @property
    def metric(self) -> Array:
        """dz/dy = (dx/dy)/noise at the nodes."""
        result: Array = np.sqrt(0.5) * np.exp(0.5 * (self.log_speed + self.log_scale))
        return result

    @property
    def metric_lengths(self) -> Array:
        """Length of each panel in z, shape (panel,)."""
        result: Array = (self.metric @ WEIGHTS) * self.half
        return result


def nodes_of(edges: Array) -> Array:
    """y of the nodes of the panels between successive edges, shape (panel, node); shared nodes are equal."""
    half = 0.5 * np.diff(edges)
    y: Array = (edges[:-1] + half)[:, None] + half[:, None] * NODES
    y[:, 0], y[:, -1] = edges[:-1], edges[1:]
    return y


def make_panels(line: Line, edges: Array, *, fineness: float = 1.0) -> Panels:
    """Panels on which the coefficients of the line are resolved, at least those between the edges.

    Args:
        line: the diffusion.
        edges: ends of panels in y, ascending.
        fineness: how many times shorter than needed the panels are.

    Raises:
        LimitExceededError: more than 1200 panels would be needed, or speed or scale overflow.
    """
    longest = min(_LONGEST, (edges[-1] - edges[0]) / _FEWEST) / fineness
    edges = _shortened(np.asarray(edges, dtype=np.float64), longest)
    for _ in range(_MAX_ROUNDS):
        panels, bad = _evaluated(line, edges, _TALL / fineness)
        bad &= np.diff(edges) > _SHORTEST
        if not np.any(bad):
            return panels
        edges = halve(edges, bad)
        if edges.size > _MOST:
            break
    raise LimitExceededError(
        "diffusion",
        given=f"coefficients that {_MOST} panels do not resolve",
        allowed="coefficients that vary on fewer scales",
        remedy="Narrow the interval or smooth the drift and the noise.",
    )


def halve(edges: Array, chosen: NDArray[np.bool_]) -> Array:
    """The edges with the middles of the chosen panels added."""
    middle = 0.5 * (edges[:-1] + edges[1:])[chosen]
    return np.sort(np.concatenate([edges, middle]))


def _shortened(edges: Array, longest: float) -> Array:
    counts = np.maximum(np.ceil(np.diff(edges) / longest), 1).astype(int)
    pieces = [np.linspace(a, b, n + 1)[:-1] for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)]
    return np.append(np.concatenate(pieces), edges[-1])


def _evaluated(line: Line, edges: Array, tallest: float) -> tuple[Panels, NDArray[np.bool_]]:
    y = nodes_of(edges)
    half = 0.5 * np.diff(edges)
    at_kink = np.isin(edges, np.asarray(line.kinks))
    inside = y.copy()
    inside[:, 0] += _INSIDE * half * at_kink[:-1]
    inside[:, -1] -= _INSIDE * half * at_kink[1:]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        slope, log_rate = line.both(inside)
    log_stretch = line.log_jacobian(y)
    _check_finite(line, y, slope + log_rate)
    rises = (slope @ INTEGRATE) * half[:, None]
    starts = np.concatenate([[0.0], np.cumsum(rises[:-1, -1])])
    log_scale = starts[:, None] + rises + log_stretch
    log_speed = log_rate + log_stretch - log_scale
    top = float(log_speed.max())
    panels = Panels(edges, y, line.coordinate.value(y), log_speed - top, log_scale + top, log_stretch)
    tall = np.maximum(np.ptp(log_speed, axis=1), np.ptp(log_scale, axis=1))
    bad: NDArray[np.bool_] = tall > tallest
    for values, size in ((slope, half), (log_stretch, 1.0), (log_rate, 1.0)):
        error = np.abs(values @ TO_SERIES[:, -2:]).max(axis=1) * size
        bad |= error > _TOLERANCE * np.maximum(1.0, np.abs(values).max(axis=1) * size)
    return panels, bad


def _check_finite(line: Line, y: Array, values: Array) -> None:
    if not np.all(np.isfinite(values)):
        where = line.coordinate.value(y[~np.isfinite(values)][:1])
        raise LimitExceededError(
            "diffusion",
            given=f"drift or noise without a finite value, or no noise, at x = {float(where[0]):.6g}",
            allowed="finite drift and positive noise inside the interval",
        )
