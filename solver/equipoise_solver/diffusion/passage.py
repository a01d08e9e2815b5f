"""Mean and variance of first passage times, to one level or out of an interval.

With scale measure S and speed measure M, all integrals of positive functions:

    out of (a, b)   E T = [S(x, b] I(x) + S(a, x] J(x)]/S(a, b],  I(x) = integral of S(a, .] dM over (a, x],
                                                                  J(x) = integral of S(., b] dM over (x, b]
    up to b         E T = integral over (x, b] of M(low, .] dS, where the lower end sends paths back

The variance V has no cancellation either: L V = -noise**2 (dT/dx)**2, V = 0 at the levels, so it is the same
average with noise**2 (dT/dx)**2 in place of 1. Where the lower end keeps paths, those that reach b form the
diffusion with scale density s/u**2 and speed density u**2 m, u the probability to reach b.

References: S. Karlin and H. M. Taylor, A Second Course in Stochastic Processes (1981), section 15.3 and 15.9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from equipoise_solver.diffusion.hitting import check_order
from equipoise_solver.diffusion.logarithms import Positive, integral_from_low, integral_to_high
from equipoise_solver.diffusion.mesh import is_steep
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.profile import Profile, require_decided
from equipoise_solver.errors import InvalidModelError

_LOG_TWO = math.log(2.0)


@dataclass(frozen=True)
class PassageTime:
    """The first time at which a level is reached.

    Attributes:
        probability: that one is reached at all.
        mean: of the time if it is, [time]; may be infinite.
        variance: of the time if it is, [time**2]; may be infinite, nan where the mean is.
        log_probability: log(probability), of full relative accuracy.
        log_mean: log(mean), also where the mean is beyond the largest number.
    """

    probability: float
    mean: float
    variance: float
    log_probability: float
    log_mean: float


def passage_time(
    profile: Profile, start: float, *, low: float | None = None, high: float | None = None
) -> PassageTime:
    """The first time at which x is at one of the levels.

    Args:
        profile: the diffusion; it behaves at open ends as its profile says.
        start: x at time 0, inside.
        low: a level below start, or the lower end if it is reached (it then counts as a level, also if it
            reflects); None leaves this side open.
        high: the same above.

    Raises:
        InvalidModelError: no level, levels out of order, or an end as level that is never reached.
        UnsupportedCombinationError: an end that matters is undecided.
    """
    diffusion = profile.line.diffusion
    ends = low == diffusion.low, high == diffusion.high
    inner = None if ends[0] else low, None if ends[1] else high
    check_order(profile, inner[0], start, inner[1])
    for side, at_end, end in (("low", ends[0], profile.low), ("high", ends[1], profile.high)):
        if at_end and not end.reached:
            raise InvalidModelError(
                side, given=str(end.at), allowed="levels that can be reached", remedy=end.reason
            )
    if low is None and high is None:
        raise InvalidModelError("low", given=None, allowed="at least one level, low or high")
    if low is not None and high is not None:
        return _out_of(profile, start, *inner)
    return _to_level(profile, start, level=inner[0] if high is None else inner[1], upwards=low is None)


def _out_of(profile: Profile, start: float, low: float | None, high: float | None) -> PassageTime:
    """Out of an interval; None is an end that is reached."""
    walk = _Walk(profile, start, low, high)
    log_mean = walk.average(walk.profile.speed)
    crossing = walk.crossing()
    if crossing is not None:
        walk = _Walk(profile, start, low, high, extra=crossing)
    log_variance = walk.average(walk.spread())
    return PassageTime(1.0, _exp(log_mean), _exp(log_variance), 0.0, log_mean)


class _Walk:
    """Scale measures from both levels, on a mesh with edges at start and levels."""

    def __init__(
        self,
        profile: Profile,
        start: float,
        low: float | None,
        high: float | None,
        *,
        extra: float | None = None,
    ) -> None:
        levels = {s: profile.y_of(x, field=s) for s, x in (("low", low), ("high", high)) if x is not None}
        rough = np.array([*levels.values(), *([] if extra is None else [extra])])
        points = np.array([profile.y_of(start, field="start"), *levels.values()])
        self.profile, index = profile.with_edges(points, levels=rough)
        place = dict(zip(("start", *levels), index.tolist(), strict=True))
        self.at = place["start"]
        self.first, self.last = place.get("low"), place.get("high")
        self.below = integral_from_low(self.profile.scale, start=self.first)
        self.above = integral_to_high(self.profile.scale, stop=self.last)

    def average(self, weight: Positive) -> float:
        """log of the integral of Green's function of start times a weight (of order -1)."""
        left = integral_from_low(self.below * weight, start=self.first)
        right = integral_to_high(self.above * weight, stop=self.last)
        terms = (
            self.above.edges[self.at] + left.edges[self.at],
            self.below.edges[self.at] + right.edges[self.at],
        )
        total = np.logaddexp(self.above.edges[self.at], self.below.edges[self.at])
        return float(np.logaddexp(*terms) - total)

    def _sides(self) -> tuple[Positive, Positive]:
        speed = self.profile.speed
        left = integral_from_low(self.below * speed, start=self.first)
        return left, integral_to_high(self.above * speed, stop=self.last)

    def crossing(self) -> float | None:
        """y at which the mean time is largest, if that is inside a steep panel."""
        left, right = self._sides()
        sign = np.sign(right.edges - left.edges)
        turns = np.flatnonzero((sign[:-1] > 0) & (sign[1:] <= 0))
        if turns.size == 0:
            return None
        k, mesh = int(turns[0]), self.profile.mesh
        if not is_steep(mesh.slope[k : k + 1], mesh.half[k : k + 1])[0]:
            return None
        difference = (right.rest - left.rest)[k]
        return float(np.interp(0.0, -difference, mesh.nodes[k]))

    def spread(self) -> Positive:
        """noise**2 (dT/dx)**2 m in y, T the mean time: 2 s (J - I)**2/S(a, b]**2."""
        left, right = self._sides()
        slope = (self.profile.speed * self.below, self.profile.speed * self.above)
        with np.errstate(divide="ignore", invalid="ignore"):
            rest = _log_gap(right.rest, left.rest)
            edges = _log_gap(right.edges, left.edges)
            sign = np.sign(left.rest - right.rest)
            change = sign * np.exp(np.logaddexp(slope[0].rest, slope[1].rest) - rest)
        gap = Positive(self.profile.mesh, 0, rest, edges, np.where(np.isfinite(change), change, 0.0))
        length = Positive(
            self.profile.mesh,
            1,
            np.logaddexp(self.below.rest, self.above.rest),
            np.logaddexp(self.below.edges, self.above.edges),
            np.zeros_like(rest),
        )
        return (self.profile.scale * gap * gap * length.power(-2)).scaled(_LOG_TWO)


def _log_gap(a: Array, b: Array) -> Array:
    """log|exp(a) - exp(b)|."""
    high = np.maximum(a, b)
    gap = np.where(np.isneginf(high), -math.inf, -np.abs(a - b))
    result: Array = high + np.log(-np.expm1(gap))
    return result


def _to_level(profile: Profile, start: float, *, level: float | None, upwards: bool) -> PassageTime:
    """To one level; None is the end on that side. Paths may be lost at the other end."""
    end = profile.low if upwards else profile.high
    require_decided(end)
    points = [profile.y_of(start, field="start")]
    points += [] if level is None else [profile.y_of(level, field="high" if upwards else "low")]
    fine, index = profile.with_edges(np.array(points), levels=np.array(points[1:]))
    at = int(index[0])
    stop = int(index[1]) if level is not None else None

    def behind(density: Positive) -> Positive:
        return integral_from_low(density) if upwards else integral_to_high(density)

    def ahead(density: Positive) -> Positive:
        return integral_to_high(density, stop=stop) if upwards else integral_from_low(density, start=stop)

    scale, speed, log_probability = fine.scale, fine.speed, 0.0
    if end.absorbs:
        reach = _probability(behind(scale), ahead(scale), scale, sign=1.0 if upwards else -1.0)
        log_probability = float(reach.edges[at])
        scale, speed = scale * reach.power(-2), speed * reach.power(2)
    behind_speed = behind(speed)
    if np.isposinf(behind_speed.edges[at]):
        return PassageTime(math.exp(log_probability), math.inf, math.nan, log_probability, math.inf)
    log_mean = float(ahead(scale * behind_speed).edges[at])
    inner = behind(scale * behind_speed.power(2))
    log_variance = _LOG_TWO + float(ahead(scale * inner).edges[at])
    variance = _exp(log_variance) if math.isfinite(log_mean) else math.nan
    return PassageTime(math.exp(log_probability), _exp(log_mean), variance, log_probability, log_mean)


def _probability(behind: Positive, ahead: Positive, scale: Positive, *, sign: float) -> Positive:
    """behind/(behind + ahead), of order 0: to reach what is ahead before what is behind."""
    rest = behind.rest - np.logaddexp(behind.rest, ahead.rest)
    edges = behind.edges - np.logaddexp(behind.edges, ahead.edges)
    total = np.logaddexp(behind.rest, ahead.rest)
    log_slope = np.minimum(scale.rest + ahead.rest - behind.rest - total, 700.0)
    return Positive(behind.mesh, 0, rest, edges, sign * np.exp(log_slope))


def _exp(log: float) -> float:
    return math.exp(log) if log < 709.0 else math.inf
