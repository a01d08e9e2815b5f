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
from equipoise_solver.theory.discrete.reach import (
    edges_about,
    moment_reach,
    require_few_panels,
    require_resolvable,
    tail_reach,
)
from equipoise_solver.theory.discrete.recombination import Atoms
from equipoise_solver.theory.discrete.solution import Chain, settled
from equipoise_solver.theory.discrete.support import certain_escape, lower_end, upper_end
from equipoise_solver.theory.discrete.transfer import empirical_transfer, gaussian_transfer
from equipoise_solver.theory.moments import DataMoments

Array = NDArray[np.float64]

RETURN = 1e-10
_LEAST_LOG = 36.0  # exp(-36) = 2e-16.
_STRAIGHT = 60.0  # So far below the bulk, what the power law misses is a probability of about exp(-30).
_STRAIGHT_WITHOUT_JUMPS = 30.0  # Where |F| ~ 0 has a probability below 1e-17.
_WIDEST = 12.0
_STEPS = 150.0  # Widest panel in standard deviations of a step near v = 0; see `reach`.
_NARROW = 0.5  # Laws that reach no further in log v are solved there alone.
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
        is_confined: whether all but 1e-16 of the law lies next to the fixed point, where it was solved.
    """

    chain: Chain
    exponent: float | None
    ceiling: float | None
    is_confined: bool = False


def ceiling(moments: DataMoments, training: Training) -> float:
    """v from which a full-batch step no longer brings v down: delta - 2 eta (b1 v - b2) = -1."""
    eta = training.learning_rate
    return (1.0 + training.retention + 2.0 * eta * moments.beta2) / (2.0 * eta * moments.beta1)


def gaussian_chain(
    displacement: GaussianDisplacement, moments: DataMoments, training: Training
) -> TwoLayerLaw:
    """The quasi-stationary law for Gaussian data in the sector v > 0, where v = 0 repels.

    Raises:
        LimitExceededError: a step that is too small.
    """
    coordinate = LogCoordinate(training.retention)
    rim = ceiling(moments, training)
    bulk = _bulk(moments, training, rim)
    deviations = Factor.of_chi_square(
        2.0 * math.exp(bulk.middle) * displacement.unit, displacement.degrees, 1.0
    )
    if bulk.is_stable and deviations.mean_log() < 0:
        reach = bulk.spread * tail_reach(deviations.positive_exponent())
        if reach < _NARROW:
            edges = edges_about(bulk.middle, bulk.middle - reach, bulk.middle + reach, bulk.spread)
            chain = settled(
                Panels(edges),
                lambda panels, _: gaussian_transfer(panels, coordinate, displacement),
                coordinate,
                cut=float(edges[-1]),
            )
            return TwoLayerLaw(chain, None, rim, is_confined=True)
    factor = Factor.of_gaussian(displacement, 0.0, training.retention)
    top = max(_no_return(displacement), rim * math.e**2)
    step = (
        4.0
        * training.learning_rate
        * math.hypot(moments.beta2, math.sqrt(moments.alpha3 / training.batch_size))
    )
    fall = _STRAIGHT if factor.at_zero > 0 else _STRAIGHT_WITHOUT_JUMPS
    widest = min(_STEPS * step, _WIDEST)
    require_few_panels(training.learning_rate, fall / widest)
    edges = _edges(bulk, fall, widest, math.log(rim), math.log(top))
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
    """The stationary or quasi-stationary law for empirical data in the sector v > 0, where v = 0 repels.

    Raises:
        LimitExceededError: a step that is too small.
    """
    coordinate = LogCoordinate(training.retention)
    step = 2.0 * training.learning_rate
    offset, slope = training.retention + step * atoms.products, step * atoms.squares
    rim = ceiling(moments, training)
    bulk = _bulk(moments, training, rim)
    bound = upper_end(offset, slope, math.exp(bulk.middle))
    floor = lower_end(offset, slope, bound)
    cut = math.log(bound) if bound is not None else min(math.log(rim), certain_escape(offset, slope))
    centre = math.exp(bulk.middle)
    reach = moment_reach(1.0 - 2.0 * slope * centre, 2.0 * (offset - slope * centre - 1.0), atoms.weights)
    is_confined = bulk.is_stable and 1.3 * reach < _NARROW
    exponent = None
    if is_confined:
        low, cut = bulk.middle - 1.3 * reach, min(cut, bulk.middle + 1.3 * reach)
        low = max(low, math.log(floor)) if floor is not None else low
        edges = edges_about(bulk.middle, low, cut, bulk.spread)
    else:
        if floor is None:
            crosses = bound is None or bool(np.any(offset - slope * bound <= 0))
            exponent = _lower_exponent(Factor.of_atoms(offset, atoms.weights), crosses)
        fall = bulk.middle - math.log(floor) if floor is not None else _fall(exponent, bulk.spread)
        width = max(
            min(_STEPS * 2.0 * float(np.sqrt(atoms.weights @ (offset - 1.0) ** 2)), _WIDEST), fall / 100
        )
        edges = _edges(bulk, fall, width, cut, cut if bound is not None else certain_escape(offset, slope))
    chain = settled(
        Panels(edges),
        lambda panels, _: empirical_transfer(
            panels, coordinate, atoms, step, can_escape=bound is None and not is_confined
        ),
        coordinate,
        cut=cut,
        carried=lambda nodes, masses: PointLaw.carried(nodes, masses, coordinate, atoms, step, cut),
    )
    return TwoLayerLaw(chain, exponent, rim if bound is None else None, is_confined)


@dataclass(frozen=True, slots=True)
class _Bulk:
    """The fixed point of full-batch descent, and what linearisation says of the law about it.

    Attributes:
        middle: log of the fixed point; of half the ceiling if there is none below it.
        spread: standard deviation of log v, at most 1/2.
        is_stable: whether full-batch descent settles there.
    """

    middle: float
    spread: float
    is_stable: bool


def _bulk(moments: DataMoments, training: Training, rim: float) -> _Bulk:
    fixed = (moments.beta2 - training.weight_decay) / moments.beta1
    centre = fixed if 0 < fixed < rim else 0.5 * rim
    pull = 4.0 * training.learning_rate * moments.beta1 * centre
    noise = 16.0 * training.learning_rate**2 * moments.noise(centre) / training.batch_size
    room = pull * (2.0 - pull) if pull < 1.0 else max(pull * (2.0 - pull), 1e-2)
    spread = math.sqrt(noise / room)
    require_resolvable(training.learning_rate, pull=pull, relative_spread=spread)
    return _Bulk(math.log(centre), min(spread, 0.5), is_stable=centre == fixed and pull < 1.9)


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


def _edges(bulk: _Bulk, fall: float, widest: float, cut: float, top: float) -> Array:
    """Edges that are even over the bulk and grow away from it, down by `fall`, up over the cut to the top."""
    middle, spread = bulk.middle, bulk.spread
    left = middle - _ladder(1.5 * spread, fall, 1.7, widest)
    right = middle + _ladder(1.5 * spread, cut - middle, 1.5, math.inf)
    beyond = np.linspace(cut, top, math.ceil((top - cut) / _ABOVE) + 1)
    edges = np.unique(np.concatenate([[middle], left, right, beyond]))
    apart = np.diff(edges) > 1e-12 * (1.0 + np.abs(edges[:-1]))
    kept: Array = edges[np.append(apart, True)]
    return kept


def _ladder(first: float, total: float, growth: float, widest: float) -> Array:
    """Distances first, 2 first, 3 first, 4 first, and then growing steps up to total, which ends them."""
    if total <= 0:
        return np.zeros(0)
    steps = [first * k for k in (1.0, 2.0, 3.0, 4.0)]
    while steps[-1] < total:
        steps.append(steps[-1] + min((growth - 1.0) * steps[-1], widest))
    kept = [step for step in steps if step < total * (1.0 - 0.2 / 4)]
    return np.array([*kept, total])
