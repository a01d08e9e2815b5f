"""Panels of a line with Gauss-Legendre nodes: cardinal functions, and densities as piecewise polynomials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]

ORDER = 12
NODES, WEIGHTS = legendre.leggauss(ORDER)
_DEGREES = np.arange(ORDER)
TO_SERIES: Array = (legendre.legvander(NODES, ORDER - 1) * WEIGHTS[:, None]) * (_DEGREES + 0.5)
"""Values at the nodes (last axis) @ TO_SERIES = Legendre coefficients."""
_INTEGRATE: Array = np.stack([legendre.legint(row, lbnd=-1) for row in np.eye(ORDER)])


@dataclass(frozen=True, slots=True, eq=False)
class Panels:
    """Panels between successive edges, shape (n + 1,), increasing."""

    edges: Array

    @property
    def count(self) -> int:
        """The number of panels."""
        return self.edges.size - 1

    @property
    def half(self) -> Array:
        """Half lengths, shape (panel,)."""
        result: Array = 0.5 * np.diff(self.edges)
        return result

    @property
    def nodes(self) -> Array:
        """All nodes, increasing, shape (panel*ORDER,)."""
        middle = 0.5 * (self.edges[:-1] + self.edges[1:])
        result: Array = (middle[:, None] + self.half[:, None] * NODES).ravel()
        return result

    def halved(self, chosen: NDArray[np.bool_]) -> Panels:
        """The same with the chosen panels cut in the middle."""
        middle = 0.5 * (self.edges[:-1] + self.edges[1:])[chosen]
        return Panels(np.sort(np.concatenate([self.edges, middle])))

    def locate(self, y: Array) -> tuple[Index, Array]:
        """The panel of each y, and its place there in [-1, 1]; y outside is moved to the nearest end."""
        inside = np.clip(y, self.edges[0], self.edges[-1])
        panel = np.clip(np.searchsorted(self.edges, inside, side="right") - 1, 0, self.count - 1)
        place = (inside - self.edges[panel]) / self.half[panel] - 1.0
        return panel.astype(np.intp), np.clip(place, -1.0, 1.0)


def legendre_values(place: Array) -> list[Array]:
    """P_0 .. P_{ORDER-1} at each place, by the three-term recurrence."""
    values = [np.ones(place.shape), place]
    for k in range(1, ORDER - 1):
        values.append(((2 * k + 1) * place * values[k] - k * values[k - 1]) / (k + 1))
    return values


@dataclass(frozen=True, slots=True, eq=False)
class PanelDensity:
    """A density on the line: a polynomial on each panel, and an exponential below the first.

    Attributes:
        panels: where it is a polynomial.
        series: Legendre coefficients in units of 1/half length, shape (panel, ORDER): panel probability is
            twice the first.
        below: probability below each edge, shape (panel + 1,), ending at 1.
        tail_rate: r of the density exp(r*y) below the first edge, which carries below[0].
    """

    panels: Panels
    series: Array
    below: Array
    tail_rate: float

    @classmethod
    def of(cls, panels: Panels, masses: Array, below: float = 0.0, tail_rate: float = 1.0) -> PanelDensity:
        """The density whose projections on the cardinal functions are `masses`, shape (panel*ORDER,)."""
        series = (masses.reshape(-1, ORDER) / WEIGHTS) @ TO_SERIES
        summed = below + np.concatenate([[0.0], np.cumsum(2.0 * series[:, 0])])
        return cls(panels, series / summed[-1], summed / summed[-1], tail_rate)

    def pdf(self, y: Array) -> Array:
        """The density at y, shape (n,), 0 above the last edge; never negative."""
        panel, place = self.panels.locate(y)
        value = np.einsum("nk,nk->n", legendre.legvander(place, ORDER - 1), self.series[panel])
        value = np.where(y <= self.panels.edges[-1], np.maximum(value / self.panels.half[panel], 0.0), 0.0)
        under = np.minimum(y - self.panels.edges[0], 0.0)
        tail = self.below[0] * self.tail_rate * np.exp(self.tail_rate * under)
        result: Array = np.where(under < 0, tail, value)
        return result

    def cdf(self, y: Array) -> Array:
        """P(Y <= y), shape (n,)."""
        panel, place = self.panels.locate(y)
        area = np.einsum("nk,nk->n", legendre.legvander(place, ORDER), self.series[panel] @ _INTEGRATE)
        under = np.minimum(y - self.panels.edges[0], 0.0)
        share = np.where(under < 0, self.below[0] * np.exp(self.tail_rate * under), self.below[panel] + area)
        result: Array = np.clip(share, 0.0, 1.0)
        return result

    def quantile(self, q: Array) -> Array:
        """y with cdf(y) = q, by bisection to rounding; -inf for 0 if there is a tail."""
        panel = np.clip(np.searchsorted(self.below, q, side="right") - 1, 0, self.panels.count - 1)
        low, high = self.panels.edges[panel], self.panels.edges[panel + 1]
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = self.cdf(middle) < q
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        under = q < self.below[0]
        with np.errstate(divide="ignore"):
            deep = np.log(np.where(under, q, 1.0)) - np.log(np.where(under, self.below[0], 1.0))
        return np.where(under, self.panels.edges[0] + deep / self.tail_rate, 0.5 * (low + high))

    def ends(self) -> Array:
        """Size of the last two coefficients of each panel relative to the largest of all, shape (panel,)."""
        height = np.abs(self.series[:, -2:]).max(axis=1)
        result: Array = height / float(np.max(np.abs(self.series)))
        return result
