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
from equipoise_solver.errors import InvalidModelError, LimitExceededError

_LOG_TWO = math.log(2.0)
_STEEPEST = 1e250  # Of the slope of the scale: beyond, its powers are no numbers.
_SCAN = 1001
_MISSING = 1e-12  # Part of the mean time that may pass on a way that is left out.


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
        LimitExceededError: drift or noise at the start are beyond numbers, or so is the time.
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
    nearer, missing = _from_where_numbers_go(profile, start)
    if low is not None and high is not None:
        found = _out_of(profile, nearer, *inner)
    else:
        level = inner[0] if high is None else inner[1]
        found = _to_level(profile, nearer, level=level, upwards=low is None)
    broken = math.isnan(found.log_mean) or (math.isfinite(found.log_mean) and math.isnan(found.variance))
    if broken or not missing <= _MISSING * found.mean:
        raise _beyond_numbers(start)
    return found


def _from_where_numbers_go(profile: Profile, start: float) -> tuple[float, float]:
    """The start, or the farthest point on the way from an entrance at which drift and noise are numbers.

    Returns:
        The point, and about how long the way to it takes, [time]: the drift decides there.
    """
    line = profile.line
    y = profile.y_of(start, field="start")
    if abs(float(line.slope(np.array(y)))) < _STEEPEST:
        return start, 0.0
    end = profile.low if y < profile.mesh.edges[0] else profile.high
    way = np.linspace(profile.mesh.edges[0 if end is profile.low else -1], y, _SCAN)
    seen = np.abs(line.slope(way)) < _STEEPEST
    if end.kind != "entrance" or not seen[0]:
        raise _beyond_numbers(start)
    nearer = way[np.argmin(seen) - 1]
    x = float(line.coordinate.value(nearer))
    drift = abs(float(line.coefficients(np.array([nearer]))[0][0]))
    return x, abs(float(line.coordinate.jacobian(nearer))) / drift


def _beyond_numbers(start: float) -> LimitExceededError:
    return LimitExceededError(
        "start",
        given=f"start={start:.12g}, from where the time is beyond 64-bit numbers",
        allowed="drift and noise that stay numbers on the way",
        remedy="Start nearer to the level.",
    )


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
    """Scale measures from both levels, on a mesh with edges at start and levels.

    `middle` is the edge at which both are about equal: below, what is measured from the lower level follows
    S and what is measured from the upper one does not; above it is the other way round.
    """

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
        scale = self.profile.scale
        self.middle = middle_edge(self.from_first(scale), self.to_last(scale))
        self.below = self.from_first(scale.with_order(self.orders(1.0, 0.0), self.middle))
        self.above = self.to_last(scale.with_order(self.orders(0.0, 1.0), self.middle))
        self.log_length = float(np.logaddexp(self.below.edges[self.middle], self.above.edges[self.middle]))

    def orders(self, left: float, right: float) -> Array:
        """One order below the middle and another above."""
        panel = np.arange(self.profile.mesh.rise.size)
        return np.where(panel < self.middle, left, right)

    def from_first(self, density: Positive) -> Positive:
        """The integral from the lower level."""
        return integral_from_low(density, start=self.first)

    def to_last(self, density: Positive) -> Positive:
        """The integral to the upper level."""
        return integral_to_high(density, stop=self.last)

    def _log_at_start(self, positive: Positive) -> float:
        height = float(self.profile.mesh.heights(self.middle)[self.at])
        order = float(positive.order[self.at - 1 if self.at > self.middle else self.at])
        return float(positive.edges[self.at]) + (order * height if order else 0.0)

    def average(self, weight: Positive) -> float:
        """log of the integral of Green's function of start times a weight (of order -1)."""
        left, right = self.from_first(self.below * weight), self.to_last(self.above * weight)
        first = self._log_at_start(self.above) + self._log_at_start(left)
        second = self._log_at_start(self.below) + self._log_at_start(right)
        return float(np.logaddexp(first, second)) - self.log_length

    def _sides(self) -> tuple[Positive, Positive]:
        """The integrals of S(low, .] dM from below and of S(., high] dM from above, both of order -1."""
        speed, orders = self.profile.speed, self.orders(-1.0, -1.0)
        left = self.from_first(self.below * speed).with_order(orders, self.middle)
        return left, self.to_last(self.above * speed).with_order(orders, self.middle)

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
        speed, orders = self.profile.speed, self.orders(-1.0, -1.0)
        falls = (self.below * speed).with_order(orders, self.middle).rest
        rises = (self.above * speed).with_order(orders, self.middle).rest
        with np.errstate(divide="ignore", invalid="ignore"):
            rest, edges = _log_gap(right.rest, left.rest), _log_gap(right.edges, left.edges)
            change = np.sign(left.rest - right.rest) * np.exp(np.logaddexp(falls, rises) - rest)
        change = np.where(np.isfinite(change), change, 0.0)
        gap = Positive(self.profile.mesh, orders, rest, edges, change)
        scaled: Positive = self.profile.scale * gap.power(2)
        return scaled.scaled(_LOG_TWO - 2.0 * self.log_length)


def middle_edge(below: Positive, above: Positive) -> int:
    """The inner edge at which two integrals of one density are closest to each other."""
    with np.errstate(invalid="ignore"):
        gap = np.abs(below.edges - above.edges)
    gap[[0, -1]] = math.inf
    return int(np.nanargmin(gap))


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
        back, on = behind(scale), ahead(scale)
        log_probability = float(back.edges[at] - np.logaddexp(back.edges[at], on.edges[at]))
        middle = middle_edge(back, on)
        panel = np.arange(fine.mesh.rise.size)
        orders = np.where((panel < middle) == upwards, 1.0, 0.0)
        reach = behind(scale.with_order(orders, middle))
        reach = reach.scaled(-float(np.logaddexp(back.edges[middle], on.edges[middle])))
        scale, speed = scale * reach.power(-2), speed * reach.power(2)
    behind_speed = behind(speed)
    if np.isposinf(behind_speed.edges[at]):
        return PassageTime(math.exp(log_probability), math.inf, math.nan, log_probability, math.inf)
    log_mean = float(ahead(scale * behind_speed).edges[at])
    inner = behind(scale * behind_speed.power(2))
    log_variance = _LOG_TWO + float(ahead(scale * inner).edges[at])
    variance = _exp(log_variance) if math.isfinite(log_mean) else math.nan
    return PassageTime(math.exp(log_probability), _exp(log_mean), variance, log_probability, log_mean)


def _exp(log: float) -> float:
    return math.exp(log) if log < 709.0 else math.inf
