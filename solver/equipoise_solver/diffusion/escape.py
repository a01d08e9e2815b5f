"""Metastable escape: the exact mean time out of a well beside the formula of Kramers and Eyring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from equipoise_solver.diffusion.derivative import derivative
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.passage import PassageTime, passage_time
from equipoise_solver.diffusion.profile import Profile
from equipoise_solver.diffusion.sampling import anchored_value, zoom
from equipoise_solver.errors import InvalidModelError

_DEEP = (
    30.0  # S falls by so much behind the saddle of a well without a neighbour: hardly any path comes back.
)


@dataclass(frozen=True)
class FixedPoint:
    """A zero of the Ito drift.

    Attributes:
        x: where, [state].
        slope: of the drift there, [1/time]; negative where it is stable.
    """

    x: float
    slope: float


@dataclass(frozen=True)
class Escape:
    """The time from the bottom of a well to a target behind its saddle.

    Attributes:
        well: the stable fixed point, [state].
        saddle: the unstable one that is crossed, [state].
        target: where the clock stops, [state].
        barrier: by how much S, the logarithm of the scale density, is higher at the saddle.
        passage: the exact time.
        kramers_time: mean time by Kramers' formula, [time]; inf beyond the largest number.
        log_kramers_time: its logarithm.
        ratio: exact over Kramers' time, tends to 1 as the barrier grows. Where paths may be lost on the other
            side the exact time is the inverse rate towards this one, mean/probability.
        behind: wells on the other side, [state]: the exact time counts stays there, Kramers' does not.
    """

    well: float
    saddle: float
    target: float
    barrier: float
    passage: PassageTime
    kramers_time: float
    log_kramers_time: float
    ratio: float
    behind: tuple[float, ...]


def fixed_points(profile: Profile) -> tuple[FixedPoint, ...]:
    """Zeros of the drift inside the interval at which it changes sign, in increasing order."""
    line, y = profile.line, profile.mesh.nodes.ravel()
    tree, diffusion, coordinate = line.diffusion.drift_tree, line.diffusion, line.coordinate

    def drift(y: Array) -> Array:
        return anchored_value(tree, diffusion, coordinate, y)

    sign = np.sign(drift(y))
    y, sign = y[sign != 0], sign[sign != 0]
    turns = np.flatnonzero(sign[1:] * sign[:-1] < 0)
    zeros = zoom(drift, y[turns], y[turns + 1])
    slopes = anchored_value(derivative(tree), diffusion, coordinate, zeros)
    points = zip(coordinate.value(zeros).tolist(), slopes.tolist(), strict=True)
    return tuple(FixedPoint(x, slope) for x, slope in points)


def escape(
    profile: Profile, well: float, *, direction: Literal["low", "high"], target: float | None = None
) -> Escape:
    """Escape from the stable fixed point nearest to `well`, over the next unstable one.

    Kramers' formula, for any noise: T = 2 pi (noise_s/noise_w) exp(barrier)/sqrt(|drift'_w| drift'_s), w the
    well and s the saddle; it is Laplace's method for the mean passage time.

    Args:
        profile: the diffusion.
        well: x near the bottom of the well.
        direction: to which side.
        target: where the clock stops; by default the next stable fixed point behind the saddle, or the end
            if that is reached, or else a point from which hardly any path comes back.

    Raises:
        InvalidModelError: there is no well, no saddle on that side, or one of them is flat.

    References: H. A. Kramers, Physica 7 (1940) 284; C. W. Gardiner, Handbook of Stochastic Methods, 5.2.7.
    """
    upwards = direction == "high"
    points = fixed_points(profile)
    wells = [k for k, point in enumerate(points) if point.slope < 0]
    if not wells:
        raise InvalidModelError("well", given=well, allowed="a drift with a stable zero that is not flat")
    k = min(wells, key=lambda k: abs(points[k].x - well))
    beyond = points[k + 1 :] if upwards else points[:k][::-1]
    if not beyond or beyond[0].slope <= 0:
        raise InvalidModelError(
            "direction", given=direction, allowed="the side of a saddle, an unstable zero of the drift"
        )
    bottom, saddle = points[k], beyond[0]
    barrier = _barrier(profile, bottom.x, saddle.x)
    if target is None:
        target = beyond[1].x if len(beyond) > 1 else _deep_target(profile, saddle.x, upwards)
    low, high = (None, target) if upwards else (target, None)
    passage = passage_time(profile, bottom.x, low=low, high=high)
    noise = np.abs(profile.line.diffusion.noise(np.array([bottom.x, saddle.x])))
    curvature = math.log(-bottom.slope) + math.log(saddle.slope)
    prefactor = math.log(2.0 * math.pi) + math.log(noise[1] / noise[0]) - 0.5 * curvature
    log_kramers = prefactor + barrier
    kramers = math.exp(log_kramers) if log_kramers < 709.0 else math.inf
    log_exact = passage.log_mean - passage.log_probability
    ratio = math.exp(log_exact - log_kramers) if log_exact < math.inf else math.inf
    behind = tuple(points[j].x for j in wells if (j < k if upwards else j > k))
    return Escape(bottom.x, saddle.x, target, barrier, passage, kramers, log_kramers, ratio, behind)


def _barrier(profile: Profile, well: float, saddle: float) -> float:
    y = np.array([profile.y_of(well, field="well"), profile.y_of(saddle, field="saddle")])
    fine, index = profile.with_edges(y)
    return float(fine.mesh.heights(int(index[0]))[index[1]])


def _deep_target(profile: Profile, saddle: float, upwards: bool) -> float:
    """The end if it is reached, or the first edge behind the saddle at which S has fallen far."""
    end = profile.high if upwards else profile.low
    if end.reached:
        return end.at
    fine, index = profile.with_edges(np.array([profile.y_of(saddle, field="saddle")]))
    heights = fine.mesh.heights(int(index[0]))
    place = np.arange(heights.size)
    deep = np.flatnonzero((heights < -_DEEP) & ((place > index[0]) == upwards))
    if deep.size == 0:
        raise InvalidModelError(
            "target",
            given=None,
            allowed="a target, for nothing behind the saddle keeps paths from coming back",
        )
    edge = fine.mesh.edges[deep[0] if upwards else deep[-1]]
    return float(profile.line.coordinate.value(edge))
