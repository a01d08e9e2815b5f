"""The distribution function of a law that may be fractal: quadrature nodes carried on by every minibatch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.theory.discrete.recombination import Atoms
from equipoise_solver.theory.discrete.transfer import Coordinate

Array = NDArray[np.float64]

_MOST_POINTS = 600_000


@dataclass(frozen=True, slots=True, eq=False)
class PointLaw:
    """A discrete law on the line.

    Attributes:
        places: increasing, shape (n,).
        below: probability up to and including each place, shape (n,), ending at 1.
    """

    places: Array
    below: Array

    @classmethod
    def carried(
        cls, nodes: Array, masses: Array, coordinate: Coordinate, atoms: Atoms, step: float, cut: float
    ) -> PointLaw:
        """The law of masses at nodes after as many exact steps as stay within _MOST_POINTS, given y <= cut.

        The masses integrate smooth functions, and the indicator of y <= level becomes one when each step
        spreads it over all minibatches. step = 2 eta.
        """
        keep = masses != 0
        places, weights = nodes[keep], masses[keep]
        while True:
            values = coordinate.value(places)[:, None]
            moved = coordinate.image(places[:, None], -step * (atoms.squares * values - atoms.products))
            places, weights = moved.ravel(), (weights[:, None] * atoms.weights).ravel()
            if places.size * atoms.weights.size > _MOST_POINTS:
                break
        own = places <= cut
        order = np.argsort(places[own])
        below = np.maximum.accumulate(np.cumsum(weights[own][order]))
        return cls(places[own][order], below / below[-1])

    def cdf(self, y: Array) -> Array:
        """P(Y <= y), linear between places."""
        result: Array = np.interp(y, self.places, self.below, left=0.0, right=1.0)
        return result

    def quantile(self, q: Array) -> Array:
        """The least place with cdf(place) >= q."""
        return self.places[np.minimum(np.searchsorted(self.below, q), self.places.size - 1)]
