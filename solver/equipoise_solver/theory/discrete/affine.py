"""Linear regression at finite step: v' = M v + N, M = delta - 2 eta A, N = 2 eta B, a chain on the line."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.theory.discrete.data import Training
from equipoise_solver.theory.discrete.minibatch import GaussianDisplacement
from equipoise_solver.theory.discrete.panels import Panels
from equipoise_solver.theory.discrete.points import PointLaw
from equipoise_solver.theory.discrete.reach import moment_reach, require_resolvable, tail_reach
from equipoise_solver.theory.discrete.recombination import Atoms
from equipoise_solver.theory.discrete.solution import Chain, settled
from equipoise_solver.theory.discrete.transfer import empirical_transfer, gaussian_transfer
from equipoise_solver.theory.moments import DataMoments

Array = NDArray[np.float64]

_STRETCH = 4.0  # Standard deviations in the unit of v within sinh.
_FARTHEST = 600.0
_NEVER = 1e300
_ROUNDS = 10_000


@dataclass(frozen=True, slots=True)
class AffineMoments:
    """Closed forms for v' = M v + N.

    Attributes:
        mean_factor: E M; means converge if |E M| < 1.
        square_factor: E M**2; variances converge if it is < 1.
        mean: b2/(b1 + gamma), where the mean rests; None where b1 + gamma = 0.
        variance: 4 eta**2 g(mean)/(S (1 - E M**2)); None unless E M**2 < 1.

    References:
        Derivation: with r = N + (M - 1) mean, E r = 0, the variance solves V = E M**2 V + E r**2, and
        E r**2 = 4 eta**2 Var[A mean - B] = 4 eta**2 g(mean)/S.
    """

    mean_factor: float
    square_factor: float
    mean: float
    variance: float | None


def affine_moments(moments: DataMoments, training: Training) -> AffineMoments:
    """Mean and variance of linear regression under SGD, from the moments of the data alone."""
    step, size = 2.0 * training.learning_rate, training.batch_size
    factor = training.retention - step * moments.beta1
    square = factor**2 + step**2 * moments.alpha1 / size
    mean = moments.beta2 / (moments.beta1 + training.weight_decay)
    # 1 - E M**2 without cancellation at small steps.
    pull = step * (moments.beta1 + training.weight_decay)
    room = pull * (2.0 - pull) - step**2 * moments.alpha1 / size
    variance = step**2 * moments.noise(mean) / (size * room) if room > 0 else None
    return AffineMoments(factor, square, mean, variance)


@dataclass(frozen=True, slots=True)
class SinhCoordinate:
    """v = centre + spread*sinh(y), v' = retention*v + X."""

    centre: float
    spread: float
    retention: float

    def value(self, y: Array) -> Array:
        """v."""
        result: Array = self.centre + self.spread * np.sinh(y)
        return result

    def invert(self, v: Array) -> Array:
        """y."""
        result: Array = np.arcsinh((v - self.centre) / self.spread)
        return result

    def slope(self, y: Array) -> Array:
        """dv/dy."""
        result: Array = self.spread * np.cosh(y)
        return result

    def image(self, y: Array, displacement: Array) -> Array:
        """y after one step."""
        return self.invert(self.retention * self.value(y) + displacement)

    def sources(self, y: Array, displacement: Array) -> Array:
        """Where y came from."""
        return self.invert((self.value(y) - displacement) / self.retention)

    def kernel(self, start: Array, end: Array, displacement: GaussianDisplacement) -> Array:
        """Density at `end` after one step from `start`."""
        v = self.value(start)
        return displacement.density(self.value(end) - self.retention * v, v) * self.slope(end)

    def passing(self, start: Array, level: float) -> tuple[Array, Array]:
        """No displacement: the line has no end."""
        del level
        return np.full(start.shape, -_NEVER), np.full(start.shape, _NEVER)


def gaussian_affine(
    displacement: GaussianDisplacement, moments: DataMoments, training: Training, kesten: float | None
) -> Chain:
    """The stationary law for Gaussian data, where E log|M| < 0; its tails are |v|**-(1 + kesten).

    Raises:
        LimitExceededError: a step that is too small.
    """
    coordinate = _coordinate(moments, training)
    far = min(math.asinh(tail_reach(kesten) / _STRETCH), _FARTHEST)
    return settled(
        Panels(_edges(-far, far)),
        lambda panels, _: gaussian_transfer(panels, coordinate, displacement),
        coordinate,
        cut=far,
    )


def empirical_affine(atoms: Atoms, moments: DataMoments, training: Training, kesten: float | None) -> Chain:
    """The stationary law for empirical data, on its bounded support if all |M| < 1 and what has mass of it.

    Raises:
        LimitExceededError: a step that is too small.
    """
    coordinate = _coordinate(moments, training)
    step = 2.0 * training.learning_rate
    factors, shifts = training.retention - step * atoms.squares, step * atoms.products
    spread = coordinate.spread / _STRETCH
    reach = moment_reach(factors, shifts + (factors - 1.0) * coordinate.centre, atoms.weights)
    reach = min(reach, spread * tail_reach(kesten)) if kesten is not None else reach
    ends = np.array([-reach, reach]) + coordinate.centre
    if np.all(np.abs(factors) < 1.0):
        ends = np.clip(ends, *_support(factors, shifts))
    low, high = (float(end) for end in np.clip(coordinate.invert(ends), -_FARTHEST, _FARTHEST))
    return settled(
        Panels(_edges(low, high)),
        lambda panels, _: empirical_transfer(panels, coordinate, atoms, step, can_escape=False),
        coordinate,
        cut=high,
        carried=lambda nodes, masses: PointLaw.carried(nodes, masses, coordinate, atoms, step, high),
    )


def _support(factors: Array, shifts: Array) -> tuple[float, float]:
    """The least interval that every map v -> M v + N, |M| < 1, keeps: grown from all fixed points."""
    fixed = shifts / (1.0 - factors)
    low, high = float(fixed.min()), float(fixed.max())
    for _ in range(_ROUNDS):
        first, second = factors * low + shifts, factors * high + shifts
        below = min(low, float(np.min(np.minimum(first, second))))
        above = max(high, float(np.max(np.maximum(first, second))))
        grown = max(low - below, above - high)
        low, high = below, above
        if grown <= 1e-15 * max(abs(low), abs(high)):
            margin = 1e-12 * (high - low)
            return low - margin, high + margin
    radius = float(np.max(np.abs(shifts) / (1.0 - np.abs(factors))))
    return -radius, radius  # No least interval, but one that is kept.


def _coordinate(moments: DataMoments, training: Training) -> SinhCoordinate:
    """Nearly linear over the bulk: some standard deviations, or those of one step where none exists."""
    closed = affine_moments(moments, training)
    require_resolvable(training.learning_rate, pull=1.0 - closed.mean_factor)
    variance = closed.variance
    if variance is None:
        variance = 4.0 * training.learning_rate**2 * moments.noise(closed.mean) / training.batch_size
    return SinhCoordinate(closed.mean, _STRETCH * math.sqrt(variance), training.retention)


def _edges(low: float, high: float) -> Array:
    """Even edges over the bulk, which is within asinh(12/_STRETCH) = 1.8 of 0, and growing from there."""
    edges = list(np.linspace(-1.8, 1.8, 19))
    while edges[-1] < high:
        edges.append(edges[-1] + max(0.3, 0.3 * (edges[-1] - 1.8)))
    while edges[0] > low:
        edges.insert(0, edges[0] - max(0.3, 0.3 * (-1.8 - edges[0])))
    inner = np.array([edge for edge in edges if low + 1e-3 < edge < high - 1e-3])
    return np.concatenate([[low], inner, [high]])
