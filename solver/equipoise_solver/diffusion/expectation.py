"""Integrals of smooth functions against a density known by its logarithm."""

from __future__ import annotations

import math

import numpy as np

from equipoise_solver.diffusion.logarithms import Positive, log_at_ends, log_total
from equipoise_solver.diffusion.mesh import TO_EDGES, Flags, is_steep, slow_solution
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.quadrature import WEIGHTS

_NOTHING = -100.0  # The logarithm of what adds nothing to a moment; numbers may overflow and underflow there.


class Expectation:
    """Averages over the law whose density in y is proportional to a Positive function of one order.

    Attributes:
        density: proportional to the law's density in y.
        log_panels: log of the probability of every panel.
        log_tails: log of the probability beyond the first and the last edge.
        peak: the edge at which the density is largest.
        heights: S at the edges, relative to where the density is largest.
        log_norm: log of the integral of the density over all y, relative to the same.
    """

    def __init__(self, density: Positive) -> None:
        self.density = density
        mesh = density.mesh
        middle = int(np.argmin(np.abs(mesh.edges)))
        order = density.order[0]
        self.peak = int(np.argmax(order * mesh.heights(middle) + density.edges))
        self.heights = mesh.heights(self.peak)
        start = order * self.heights
        panels = log_total(density, self.heights)
        rates = density.rates()
        tails = np.array(
            [
                density.edges[0] + start[0] - math.log(rates[0]),
                density.edges[-1] + start[-1] - math.log(-rates[1]),
            ]
        )
        self.log_norm = float(np.logaddexp.reduce(np.concatenate([panels, tails])))
        self.log_panels: Array = panels - self.log_norm
        self.log_tails: Array = tails - self.log_norm
        self._start: Array = start - self.log_norm

    def of(self, values: Array, edges: Array, growth: tuple[float, float] = (0.0, 0.0)) -> float:
        """The average of a function.

        Args:
            values: of it at the nodes, (panel, node).
            edges: of it at the edges, (panel + 1,).
            growth: d(log|function|)/d|y| beyond the first and the last edge.
        """
        density, half = self.density, self.density.mesh.half
        steep = is_steep(density.slope, half)
        log = density.order[:, None] * density.mesh.within + density.rest + self._start[:-1, None]
        reach = log.max(axis=1) + max(growth) * np.abs(density.mesh.nodes).max(axis=1)
        values = np.where((reach < _NOTHING)[:, None], 0.0, values)
        weight = np.exp(log[~steep]) * (WEIGHTS * half[~steep, None])
        parts = [np.sum(weight * values[~steep], axis=1), self._steep(values, steep)]
        low, high = density.rates()
        tails = np.exp(self.log_tails) * np.array([low / (low - growth[0]), high / (high + growth[1])])
        beyond = np.where(tails > 0, edges[[0, -1]], 0.0)
        return math.fsum(np.concatenate([*parts, tails * beyond]).tolist())

    def _steep(self, values: Array, steep: Flags) -> Array:
        """Over steep panels, from the slow solution of p' + f' p = function."""
        density, half = self.density, self.density.mesh.half[steep]
        p = slow_solution(density.slope[steep], half, values[steep])
        weight = np.exp(log_at_ends(density, steep) + self._start[:-1][steep][:, None])
        ends = (p @ TO_EDGES) * weight
        result: Array = ends[:, 1] - ends[:, 0]
        return result

    def log_edges(self, part: Positive) -> Array:
        """log of a function of the density's order at the edges, in units of the density's integral."""
        result: Array = part.edges + part.order[0] * self.heights - self.log_norm
        return result

    def log_nodes(self, part: Positive) -> Array:
        """The same at the nodes."""
        heights = self.heights[:-1, None] + part.mesh.within
        result: Array = part.rest + part.order[:, None] * heights - self.log_norm
        return result
