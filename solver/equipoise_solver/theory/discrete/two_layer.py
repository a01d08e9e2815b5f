"""The balanced two-layer network at finite step: v' = v (delta + X)**2, a chain on v > 0.

With u = w and l = (u w x - y)**2 + gamma (u**2 + w**2) a step is u' = u (1 - 2 eta gamma - 2 eta m),
m = A v - B, so that u = w stays and v = u w is multiplied by F**2, F = delta + X, delta = 1 - 2 eta gamma,
X = -2 eta m. On y = log v it is a random walk with a factor that depends on v.

Towards v = 0 the factor no longer depends on v, and the density is v**(s - 1) with E|F|**(-2 s) = 1 - loss
per step, or s = 1/2 where jumps down by |F| ~ 0 bring more. For Gaussian data the line ends where that power
law has set in, and the law goes on analytically; for empirical data it is continued until 1e-16 is left.

For large v, |F| ~ 2 eta A v: v is cubed by each step, and returns only if A v is small by chance; the line is
continued until that chance is below RETURN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from equipoise_solver.theory.discrete.data import Training
from equipoise_solver.theory.discrete.growth import Factor
from equipoise_solver.theory.discrete.minibatch import GaussianDisplacement
from equipoise_solver.theory.discrete.panels import Panels
from equipoise_solver.theory.discrete.points import PointLaw
from equipoise_solver.theory.discrete.recombination import Atoms
from equipoise_solver.theory.discrete.solution import Chain, settled
from equipoise_solver.theory.discrete.transfer import empirical_transfer, gaussian_transfer
from equipoise_solver.theory.moments import DataMoments

Array = NDArray[np.float64]

RETURN = 1e-10
_LEAST_LOG = 36.0  # exp(-36) = 2e-16.
_STRAIGHT = 60.0  # So far below the bulk, what the power law misses is a probability of about exp(-30).
_WIDEST = 12.0  # Panels that are much wider than a step would not pass anything on to each other.
_MOST_NARROW = 1000.0
_FARTHEST = 300.0
_ABOVE = 2.0  # Width of panels above the ceiling: explosion rates are then good to 1e-9.
_TINY = 1e-200


@dataclass(frozen=True, slots=True)
class LogCoordinate:
    """y = log v, y' = y + 2 log|retention + X|."""

    retention: float

    def value(self, y: Array) -> Array:
        """v; it may underflow to 0, where the factor is that of v = 0."""
        result: Array = np.exp(y)
        return result

    def invert(self, v: Array) -> Array:
        """log v, -inf for v <= 0."""
        with np.errstate(divide="ignore"):
            result: Array = np.log(np.maximum(v, 0.0))
        return result

    def slope(self, y: Array) -> Array:
        """dv/dy."""
        return self.value(y)

    def image(self, y: Array, displacement: Array) -> Array:
        """y after one step."""
        result: Array = y + 2.0 * np.log(np.maximum(np.abs(self.retention + displacement), _TINY))
        return result

    def sources(self, y: Array, displacement: Array) -> Array:
        """Where y came from."""
        result: Array = y - 2.0 * np.log(np.maximum(np.abs(self.retention + displacement), _TINY))
        return result

    def kernel(self, start: Array, end: Array, displacement: GaussianDisplacement) -> Array:
        """Density at `end` after one step from `start`: both signs of the factor."""
        size = np.exp(np.minimum(0.5 * (end - start), _FARTHEST))
        v = np.exp(start)
        both = displacement.density(size - self.retention, v)
        both += displacement.density(-size - self.retention, v)
        result: Array = 0.5 * size * both
        return result

    def passing(self, start: Array, level: float) -> tuple[Array, Array]:
        """Displacements at most the first or at least the second pass the level."""
        size = np.exp(np.minimum(0.5 * (level - start), _FARTHEST))
        return -size - self.retention, size - self.retention


@dataclass(frozen=True, slots=True, eq=False)
class TwoLayerLaw:
    """The solved chain.

    Attributes:
        chain: on y = log v.
        exponent: s with P(V < v) ~ v**s at v = 0; None where V stays away from 0.
        ceiling: v up to which the chain's law is given; None if no run passes beyond all bounds.
    """

    chain: Chain
    exponent: float | None
    ceiling: float | None


def ceiling(moments: DataMoments, training: Training) -> float:
    """v from which a full-batch step no longer brings v down: delta - 2 eta (b1 v - b2) = -1."""
    eta = training.learning_rate
    return (1.0 + training.retention + 2.0 * eta * moments.beta2) / (2.0 * eta * moments.beta1)


def gaussian_chain(
    displacement: GaussianDisplacement, moments: DataMoments, training: Training
) -> TwoLayerLaw:
    """The quasi-stationary law for Gaussian data in the sector v > 0, where v = 0 repels."""
    coordinate = LogCoordinate(training.retention)
    factor = Factor.of_gaussian(displacement, 0.0, training.retention)
    rim = ceiling(moments, training)
    middle, spread = _bulk(moments, training, rim)
    top = max(_no_return(displacement), rim * math.e**2)
    edges = _edges(middle - _STRAIGHT, middle, spread, math.log(rim), math.log(top))
    chain = settled(
        Panels(edges),
        lambda panels, rate: gaussian_transfer(panels, coordinate, displacement, tail_rate=rate),
        coordinate,
        cut=math.log(rim),
        tail_rate=lambda loss: _tail(factor, loss),
    )
    return TwoLayerLaw(chain, chain.density.tail_rate, rim)


def _tail(factor: Factor, loss: float) -> tuple[float, bool]:
    """s of the power law under a loss per step, and whether it balances that loss."""
    exponent, balances = factor.exponent_under_loss(loss)
    return 0.5 * min(exponent, 1.0), balances


def empirical_chain(atoms: Atoms, moments: DataMoments, training: Training) -> TwoLayerLaw:
    """The stationary or quasi-stationary law for empirical data in the sector v > 0, where v = 0 repels."""
    coordinate = LogCoordinate(training.retention)
    step = 2.0 * training.learning_rate
    offset, slope = training.retention + step * atoms.products, step * atoms.squares
    rim = ceiling(moments, training)
    middle, spread = _bulk(moments, training, rim)
    bound = _upper_end(offset, slope, math.exp(middle))
    crosses = bound is None or bool(np.any(offset - slope * bound <= 0))
    factor = Factor.of_atoms(offset, atoms.weights)
    floor = _lower_end(offset, slope, bound)
    exponent = _lower_exponent(factor, crosses) if floor is None else None
    low = math.log(floor) if floor is not None else middle - _fall(exponent, spread)
    top = math.log(bound) if bound is not None else _certain_escape(offset, slope)
    cut = top if bound is not None else min(math.log(rim), top)
    chain = settled(
        Panels(_edges(low, middle, spread, cut, top)),
        lambda panels, _: empirical_transfer(panels, coordinate, atoms, step, can_escape=bound is None),
        coordinate,
        cut=cut,
        carried=lambda nodes, masses: PointLaw.carried(nodes, masses, coordinate, atoms, step, cut),
    )
    return TwoLayerLaw(chain, exponent, math.exp(cut) if bound is None else None)


def _certain_escape(offset: Array, slope: Array) -> float:
    """log v from which every minibatch that moves v raises it for good."""
    moving = slope > 0
    return math.log(float(np.max((np.abs(offset[moving]) + 1.0) / slope[moving]))) + 2.0


def _bulk(moments: DataMoments, training: Training, rim: float) -> tuple[float, float]:
    """log of the fixed point of full-batch descent, and the spread of log v about it by linearisation."""
    fixed = (moments.beta2 - training.weight_decay) / moments.beta1
    centre = fixed if 0 < fixed < rim else 0.5 * rim
    multiplier = 1.0 - 4.0 * training.learning_rate * moments.beta1 * centre
    noise = 16.0 * training.learning_rate**2 * moments.noise(centre) / training.batch_size
    variance = noise / max(1.0 - multiplier**2, 1e-2)
    return math.log(centre), min(max(math.sqrt(variance), 1e-6), 0.5)


def _lower_exponent(factor: Factor, crosses_zero: bool) -> float | None:
    """s with P(V < v) ~ v**s at v = 0, None beyond MOST_EXPONENT/2.

    Where |F| may be arbitrarily small, jumps down to v have the density v**(-1/2), so that s <= 1/2.
    """
    own = factor.negative_exponent()
    if not crosses_zero:
        return None if own is None else 0.5 * own
    return 0.5 * min(own or 1.0, 1.0)


def _fall(exponent: float | None, spread: float) -> float:
    """How far below the bulk the law has 1e-16 left: v**exponent after a bulk that ends soon."""
    power_law = _LEAST_LOG / exponent if exponent is not None else 0.0
    return power_law + min(1.0, 12.0 * spread)


def _no_return(displacement: GaussianDisplacement) -> float:
    """v from which |F| < 1 has a probability below about RETURN: W < 2/(unit v), a chi2 probability."""
    half = 0.5 * displacement.degrees
    quantile = 2.0 * math.exp((math.log(RETURN) + float(gammaln(half + 1.0))) / half)
    return 2.0 / (displacement.unit * min(quantile, displacement.degrees))


def _edges(low: float, middle: float, spread: float, cut: float, top: float) -> Array:
    """Edges that are even over the bulk and grow away from it, from low over the cut to top."""
    left = middle - _ladder(1.5 * spread, middle - low, 1.7)
    if 0.9 * _STRAIGHT < middle - low < _MOST_NARROW:
        left = np.concatenate([left, np.arange(low, middle - 2.0 * _WIDEST, _WIDEST)])
    right = middle + _ladder(1.5 * spread, cut - middle, 1.5)
    beyond = np.linspace(cut, top, math.ceil((top - cut) / _ABOVE) + 1)
    edges = np.unique(np.concatenate([[middle], left, right, beyond]))
    apart = np.diff(edges) > 1e-12 * (1.0 + np.abs(edges[:-1]))
    kept: Array = edges[np.append(apart, True)]
    return kept


def _ladder(first: float, total: float, growth: float) -> Array:
    """Distances first, 2 first, 3 first, 4 first, and then growing steps up to total, which ends them."""
    if total <= 0:
        return np.zeros(0)
    steps = [first * k for k in (1.0, 2.0, 3.0, 4.0)]
    while steps[-1] < total:
        steps.append(steps[-1] * growth)
    kept = [step for step in steps if step < total * (1.0 - 0.2 / 4)]
    return np.array([*kept, total])


def _upper_end(offset: Array, slope: Array, start: float) -> float | None:
    """The least level from `start` on that no minibatch passes; None if some lead on to infinity.

    f(v) = v (P - Q v)**2 rises to 4 P**3/(27 Q) at P/(3 Q), falls to 0 at P/Q and then rises for good.
    """
    moving = slope > 0
    p, q = offset[moving], slope[moving]
    fixed = np.where((p > 1.0) & (p <= 1.5), (p - 1.0) / q, 0.0)  # Reached from below without overshoot.
    level = max(start, float(np.max(fixed)))
    for _ in range(10_000):
        at_peak = np.where((p > 0) & (p / (3.0 * q) < level), 4.0 * np.maximum(p, 0.0) ** 3 / (27.0 * q), 0.0)
        highest = max(float(np.max(at_peak)), float(np.max(level * (offset - slope * level) ** 2)))
        if highest <= level * (1.0 + 1e-13):
            return level * (1.0 + 1e-12)
        if highest > float(np.max((np.abs(p) + 1.0) / q)):
            return None
        level = highest
    return None


def _lower_end(offset: Array, slope: Array, bound: float | None) -> float | None:
    """The greatest level below which no minibatch leads from the support; None if that is 0."""
    if bound is None or np.any(offset <= 1.0) or np.any(offset - slope * bound <= 0):
        return None
    fixed = float(np.min((offset - 1.0) / np.maximum(slope, _TINY)))
    return min(fixed, float(np.min(bound * (offset - slope * bound) ** 2))) * (1.0 - 1e-12)
