"""How long weight decay leaves deep networks (depth >= 2) their learned state before they collapse to v = 0.

In the coordinate in which the noise is 1 the drift of |v| has a stable zero, the learned state, and below
it an unstable one, the barrier: near 0 the decay -2 (D+1) gamma v beats the signal v^q. Noise carries every
path over the barrier in the end. Seen in v itself that drift is mu - (sigma^2)'/4, Stratonovich's; unlike the
zeros of mu, which the general tool takes, its zeros and Kramers' formula do not depend on the coordinate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from equipoise_solver.diffusion.passage import PassageTime, passage_time
from equipoise_solver.diffusion.problem import Diffusion
from equipoise_solver.diffusion.profile import profile_of
from equipoise_solver.diffusion.quasi_stationary import QuasiStationaryLaw, quasi_stationary_law
from equipoise_solver.errors import LimitExceededError, UnsupportedCombinationError
from equipoise_solver.theory.coefficients import Array, Coefficients, moment_arrays, network_coefficients
from equipoise_solver.theory.moments import DataMoments
from equipoise_solver.theory.reduced.problem import network_diffusion

_SURVEY = 4001
_MARGIN = 5.0  # In log v.
_STEP = 1e-5
_LARGEST_LOG = 709.0


@dataclass(frozen=True)
class Escape:
    """The fate of a metastable learned state, in the sign of v of the data.

    Attributes:
        learned: |v| at the stable zero of Stratonovich's drift, [state].
        barrier: |v| at the unstable one, [state].
        level: where a path counts as collapsed, [state].
        height: int_barrier^learned 2 mu/sigma^2 dv of Stratonovich's drift, the exponent of Kramers' formula.
        passage: first time at the level from the learned state; every path gets there.
        kramers_time: Kramers' formula for its mean; right as T -> 0 for levels well below the barrier.
        log_kramers_time: its logarithm, also where the time is beyond the largest number.
        law: of |v| given that the level has not been reached for long, with the rate of escape; None behind
            barriers too high to compute it, where the rate is 1/mean and the law that of the local
            equilibrium (`stationary_law`).
    """

    learned: float
    barrier: float
    level: float
    height: float
    passage: PassageTime
    kramers_time: float
    log_kramers_time: float
    law: QuasiStationaryLaw | None


def escape(
    moments: DataMoments,
    *,
    depth: int,
    temperature: float,
    weight_decay: float,
    width: int = 1,
    level: float | None = None,
) -> Escape:
    """Mean escape time, its low-temperature formula and the quasi-stationary law.

    Args:
        moments: the data; the sign of beta2 does not matter.
        depth: D >= 2.
        temperature: T > 0, [time].
        weight_decay: gamma > 0.
        width: d >= 1.
        level: |v| at which a path counts as collapsed; a tenth of the barrier if None.

    Raises:
        UnsupportedCombinationError: no barrier shields a learned state.
    """
    data = moments if moments.beta2 >= 0 else moments.mirrored()
    problem = network_diffusion(
        data, depth=depth, temperature=temperature, width=width, weight_decay=weight_decay
    ).diffusion()
    c = network_coefficients(
        moment_arrays(data),
        depth=depth,
        width=np.array([float(width)]),
        temperature=np.array([temperature]),
        weight_decay=np.array([weight_decay]),
    )
    if c.pull[0] == 0 or problem.low != 0.0 or problem.high != math.inf:
        raise _no_barrier(weight_decay)
    barrier, learned = _zeros(c, weight_decay)
    at = 0.1 * barrier if level is None else level
    height = _height(c, learned, barrier)
    log_kramers = height + _log_kramers_factor(c, learned, barrier)
    return Escape(
        learned=learned,
        barrier=barrier,
        level=at,
        height=height,
        passage=passage_time(profile_of(problem), learned, low=at),
        kramers_time=math.exp(log_kramers) if log_kramers < _LARGEST_LOG else math.inf,
        log_kramers_time=log_kramers,
        law=_law(problem, at),
    )


def _law(problem: Diffusion, level: float) -> QuasiStationaryLaw | None:
    try:
        return quasi_stationary_law(problem, below=level)
    except LimitExceededError:
        return None


def _no_barrier(weight_decay: float) -> UnsupportedCombinationError:
    return UnsupportedCombinationError(
        "weight_decay",
        given=weight_decay,
        allowed="depth >= 2, weight decay > 0, no wall, and a barrier between v = 0 and a learned state",
        remedy="Lower the weight decay or the temperature.",
    )


def _natural_drift(c: Coefficients, v: Array) -> Array:
    """mu - (sigma^2)'/4 for one point (n = 1) and v > 0, [state/time]."""
    q, slope = 1.0 - c.exponent, 2.0 * c.alpha1 * (v - c.root)
    spread = c.amplitude**2 * c.temperature
    result: Array = c.drift(v) - spread * (
        2.0 * q * v ** (2.0 * q - 1.0) * c.noise(v) + v ** (2.0 * q) * slope
    )
    return result


def _zeros(c: Coefficients, weight_decay: float) -> tuple[float, float]:
    """The unstable and the stable zero of the natural drift."""

    def drift(log_v: float) -> float:
        return float(_natural_drift(c, np.array([math.exp(log_v)]))[0])

    # Above the least-squares point and below the zero of the decay against the signal it is negative.
    least = math.log((c.pull / c.beta2)[0]) / -c.exponent if c.beta2[0] > 0 else 0.0
    highest = math.log((c.beta2 / c.beta1)[0]) if c.beta2[0] > 0 else 0.0
    log_v = np.linspace(least - _MARGIN, highest + _MARGIN, _SURVEY)
    sign = np.sign(_natural_drift(c, np.exp(log_v)))
    rises = np.flatnonzero((sign[:-1] < 0) & (sign[1:] > 0))
    falls = np.flatnonzero((sign[:-1] > 0) & (sign[1:] < 0))
    if rises.size == 0 or falls.size == 0:
        raise _no_barrier(weight_decay)
    found = [math.exp(brentq(drift, log_v[k], log_v[k + 1], xtol=1e-14)) for k in (rises[-1], falls[-1])]
    return found[0], found[1]


def _height(c: Coefficients, learned: float, barrier: float) -> float:
    """int_barrier^learned 2 mu/sigma^2 dv, mu the natural drift."""

    def climb(log_v: float) -> float:
        v = np.array([math.exp(log_v)])
        return float((2.0 * v * _natural_drift(c, v) / c.diffusion(v) ** 2)[0])

    height: float = quad(climb, math.log(barrier), math.log(learned), epsabs=0.0, epsrel=1e-11, limit=200)[0]
    return height


def _log_kramers_factor(c: Coefficients, learned: float, barrier: float) -> float:
    """log of 2 pi/sqrt(-mu'(learned) mu'(barrier)), which the time has besides exp(height).

    mu is the natural drift.

    References: H. A. Kramers, Physica 7 (1940), 284: the overdamped limit, with noise 1.
    """

    def slope(v: float) -> float:
        ends = _natural_drift(c, v * np.array([1.0 - _STEP, 1.0 + _STEP]))
        return float(ends[1] - ends[0]) / (2.0 * _STEP * v)

    return math.log(2.0 * math.pi) - 0.5 * math.log(slope(barrier) * -slope(learned))
