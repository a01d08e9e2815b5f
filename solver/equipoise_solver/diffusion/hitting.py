"""The probability to reach one level before another, also where it is tiny, and in the long run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from equipoise_solver.diffusion.ends import End
from equipoise_solver.diffusion.logarithms import Positive, integral_from_low, integral_to_high
from equipoise_solver.diffusion.profile import Profile, require_decided
from equipoise_solver.errors import InvalidModelError


@dataclass(frozen=True)
class Hitting:
    """Where paths go first.

    Attributes:
        low: probability to reach the lower level (or to tend to the lower end) first.
        high: the same of the upper one.
        log_low: log(low), of full relative accuracy.
        log_high: log(high).
    """

    low: float
    high: float
    log_low: float
    log_high: float


def hitting_probability(
    profile: Profile, start: float, *, low: float | None = None, high: float | None = None
) -> Hitting:
    """P(high before low | start) = S(low, start]/S(low, high], S the scale measure.

    A side without a level is its end: paths tend there if it attracts and does not reflect.

    Args:
        profile: the diffusion.
        start: x at time 0, inside.
        low: the lower level, below start.
        high: the upper level, above start.

    Raises:
        InvalidModelError: the points are not in this order inside the interval.
        UnsupportedCombinationError: an end that matters is undecided.
    """
    low = None if low == profile.line.diffusion.low else low
    high = None if high == profile.line.diffusion.high else high
    check_order(profile, low, start, high)
    possible = (
        low is not None or _takes(profile.low),
        high is not None or _takes(profile.high),
    )
    if not all(possible):
        certain = [0.0 if side else -math.inf for side in possible]
        return _hitting(*certain)
    index, below, above = scales(profile, start, low=low, high=high)
    at_low, at_high = float(above.edges[index]), float(below.edges[index])
    total = float(np.logaddexp(at_low, at_high))
    return _hitting(at_low - total, at_high - total)


def _hitting(log_low: float, log_high: float) -> Hitting:
    return Hitting(math.exp(log_low), math.exp(log_high), log_low, log_high)


def _takes(end: End) -> bool:
    require_decided(end)
    return end.absorbs


def scales(
    profile: Profile, start: float, *, low: float | None, high: float | None
) -> tuple[int, Positive, Positive]:
    """The edge of start, the scale measure from low to y and from y to high; None is an attracting end."""
    levels = {
        side: profile.y_of(x, field=side) for side, x in (("low", low), ("high", high)) if x is not None
    }
    points = np.array([profile.y_of(start, field="start"), *levels.values()])
    fine, index = profile.with_edges(points, levels=points[1:])
    place = dict(zip(("start", *levels), index.tolist(), strict=True))
    below = integral_from_low(fine.scale, start=place.get("low"))
    above = integral_to_high(fine.scale, stop=place.get("high"))
    return place["start"], below, above


def check_order(profile: Profile, low: float | None, start: float, high: float | None) -> None:
    """Refuse levels and starts that are not in order inside the interval.

    Raises:
        InvalidModelError: they are not.
    """
    for field, x in (("low", low), ("start", start), ("high", high)):
        if x is not None:
            profile.y_of(x, field=field)
    if low is not None and not low < start:
        raise InvalidModelError("low", given=low, allowed=f"a level below start={start:.12g}")
    if high is not None and not high > start:
        raise InvalidModelError("high", given=high, allowed=f"a level above start={start:.12g}")
