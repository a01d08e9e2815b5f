"""The law of a minibatch: A = mean x**2, B = mean x*y, and of the displacement X(v) = -2 eta (A v - B).

Gaussian data: X(v) has a variance-gamma law, in closed form at any batch size. Empirical data, drawn with
replacement: every multiset is an atom while there are at most MOST_ATOMS; beyond that fewer atoms with the
same mixed moments of (A, B) up to total degree DEGREE (see `recombination`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from equipoise_solver.theory.discrete.data import GaussianData, SampleData, Training
from equipoise_solver.theory.discrete.recombination import Atoms, mean_of_independent
from equipoise_solver.theory.discrete.variance_gamma import density

Array = NDArray[np.float64]

MOST_ATOMS = 2048
# The logarithm of the probability beyond the ends of the tabulated displacements.
_TAIL = 40.0
_BODY = np.linspace(-8.0, 8.0, 17)
_EVEN = np.linspace(0.0, 1.0, 9)
_BRIDGE = np.linspace(0.0, 1.0, 6)


@dataclass(frozen=True, slots=True)
class GaussianDisplacement:
    """X(v) = location*W + scale*sqrt(W)*Z, W ~ chi2 of `degrees`, location = -unit*(v - slope).

    Since A = input_std**2 W/S and A v - B given A is N(A (v - slope), noise_std**2 A/S).

    Attributes:
        unit: 2 eta input_std**2/S.
        slope: of the data.
        scale: 2 eta noise_std input_std/S > 0.
        degrees: S.
    """

    unit: float
    slope: float
    scale: float
    degrees: int

    @classmethod
    def of(cls, data: GaussianData, training: Training) -> GaussianDisplacement:
        """The displacement of one step."""
        step = 2.0 * training.learning_rate * data.input_std / training.batch_size
        return cls(step * data.input_std, data.slope, step * data.noise_std, training.batch_size)

    def location(self, v: Array) -> Array:
        """Mean of X per degree of freedom, at v of any shape."""
        result: Array = -self.unit * (v - self.slope)
        return result

    def density(self, x: Array, v: Array) -> Array:
        """Density of X(v) at x, broadcast."""
        return density(x, self.location(v), self.scale, self.degrees)

    def breakpoints(self, v: Array) -> Array:
        """Points between which the density of X(v) is smooth, unsorted, shape (v.size, n_points).

        They crowd at X = 0, where the density is singular for few degrees of freedom, and run out to tails
        of probability below 1e-16.
        """
        location = self.location(v)
        root = np.hypot(location, self.scale)
        # Tails fall like exp(-x/(|location| + root)) towards the location, and faster against it.
        far = _TAIL + math.sqrt(_TAIL * self.degrees) + 0.5 * self.degrees
        sign = np.where(location < 0, -1.0, 1.0)[:, None]
        broad = sign * (far * (np.abs(location) + root))[:, None]
        narrow = -sign * (far * self.scale**2 / (np.abs(location) + root))[:, None]
        middle = (self.degrees * location)[:, None]
        spread = math.sqrt(self.degrees) * np.hypot(self.scale, math.sqrt(2.0) * location)[:, None]
        body = np.clip(middle + spread * _BODY, np.minimum(broad, narrow), np.maximum(broad, narrow))
        levels = _levels(self.degrees)
        bridge = -narrow * np.abs(broad / narrow) ** _BRIDGE
        return np.concatenate(
            [broad * levels, narrow * levels, broad * _EVEN, narrow * _EVEN, bridge, body], axis=1
        )


def _levels(degrees: int) -> Array:
    """Fractions of a scale that approach 0 until |x|**degrees is negligible."""
    depth = max(40.0 / max(degrees, 1), 6.0)
    result: Array = 4.0 ** -np.arange(0.0, depth / math.log(4.0) + 4.0)
    return result


def is_enumerated(data: SampleData, batch_size: int) -> bool:
    """Whether every minibatch becomes an atom: at most MOST_ATOMS multisets of batch_size samples."""
    n = data.x.size
    logarithm = gammaln(n + batch_size) - gammaln(n) - gammaln(batch_size + 1)
    return bool(logarithm < math.log(MOST_ATOMS + 0.5))


def empirical_atoms(data: SampleData, batch_size: int) -> Atoms:
    """Atoms of (A, B): exact where at most MOST_ATOMS multisets, else with moments up to DEGREE exact."""
    single = Atoms(data.x * data.x, data.x * data.y, np.full(data.x.size, 1.0 / data.x.size), degree=None)
    if not is_enumerated(data, batch_size):
        return mean_of_independent(single, batch_size)
    return single if batch_size == 1 else _multisets(single, batch_size)


def _multisets(single: Atoms, batch_size: int) -> Atoms:
    """Every multiset of batch_size samples with its multinomial probability."""
    n = single.weights.size
    chosen = np.array(list(combinations_with_replacement(range(n), batch_size)), dtype=np.intp)
    counts = np.zeros((chosen.shape[0], n))
    np.add.at(counts, (np.arange(chosen.shape[0])[:, None], chosen), 1.0)
    logarithm = gammaln(batch_size + 1.0) - np.sum(gammaln(counts + 1.0), axis=1) - batch_size * math.log(n)
    weights = np.exp(logarithm)
    shares = counts / batch_size
    return Atoms(shares @ single.squares, shares @ single.products, weights / float(np.sum(weights)), None)
