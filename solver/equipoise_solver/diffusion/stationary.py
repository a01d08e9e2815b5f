"""The law in the long run: a density, atoms at ends that keep what arrives, or none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from equipoise_solver.diffusion.derivative import derivative, operation
from equipoise_solver.diffusion.expectation import Expectation
from equipoise_solver.diffusion.hitting import hitting_probability
from equipoise_solver.diffusion.logarithms import integral_from_low, integral_to_high
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.profile import Profile
from equipoise_solver.diffusion.sampling import anchored, anchored_value, zoom
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.expressions import Node

MOST_MOMENT = 20
_NEWTON_ROUNDS = 60


@dataclass(frozen=True)
class LongRun:
    """Where a diffusion is in the long run.

    Attributes:
        kind: "density", "atoms", "none" (no stationary law) or "undecided".
        reason: why, a sentence.
        atoms: (end, probability) of the ends that keep what tends there; an infinite end keeps what escapes.
        density: the stationary law where there is one.
    """

    kind: Literal["density", "atoms", "none", "undecided"]
    reason: str
    atoms: tuple[tuple[float, float], ...] = ()
    density: StationaryDensity | None = None


def long_run(profile: Profile, *, start: float | None = None) -> LongRun:
    """The law to which the diffusion tends.

    Args:
        profile: the diffusion.
        start: x at time 0; needed where both ends attract, for it decides between them.

    Raises:
        InvalidModelError: both ends keep paths, and no start inside was given.
    """
    low, high = profile.low, profile.high
    for end in (low, high):
        if end.attracting is None or (end.finite_speed is None and not end.attracting):
            return LongRun("undecided", end.reason)
    takers = [end for end in (low, high) if end.absorbs]
    if len(takers) == 2:
        if start is None:
            raise InvalidModelError(
                "start", given=None, allowed="a number inside", remedy="Both ends attract: the start decides."
            )
        split = hitting_probability(profile, start)
        reason = f"Both ends keep what tends there. {low.reason} {high.reason}"
        return LongRun("atoms", reason, ((low.at, split.low), (high.at, split.high)))
    if takers:
        return LongRun("atoms", f"All paths tend to one end. {takers[0].reason}", ((takers[0].at, 1.0),))
    spread = [end for end in (low, high) if not end.finite_speed]
    if spread:
        reason = f"The speed measure is infinite: paths spread without end. {spread[0].reason}"
        return LongRun("none", reason)
    reason = f"Both ends send paths back. {low.reason} {high.reason}"
    return LongRun("density", reason, density=StationaryDensity(profile))


class StationaryDensity:
    """The stationary law of a diffusion whose speed measure is finite."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._law = Expectation(profile.speed)

    def density(self, x: Array | float) -> Array:
        """Probability density at points inside the interval, [1/state]."""
        return np.asarray(np.exp(self.log_density(x)))

    def log_density(self, x: Array | float) -> Array:
        """Its logarithm; of full relative accuracy far in the tails."""
        y = self._inside(x)
        profile, index = self.profile.with_edges(np.ravel(y))
        log = Expectation(profile.speed).log_edges(profile.speed)
        result = log[index].reshape(y.shape) - profile.line.log_jacobian(y)
        return np.asarray(result)

    def _inside(self, x: Array | float) -> Array:
        x = np.asarray(x, dtype=np.float64)
        diffusion = self.profile.line.diffusion
        if not np.all((x > diffusion.low) & (x < diffusion.high)):
            raise InvalidModelError("x", given=str(x), allowed="points inside the interval")
        return self.profile.line.coordinate.invert(x)

    def cdf(self, x: Array | float) -> Array:
        """P(X <= x); 0 and 1 outside the interval."""
        return np.exp(self._log_cdf(x, upper=False))

    def survival(self, x: Array | float) -> Array:
        """P(X > x), of full relative accuracy where it is small."""
        return np.exp(self._log_cdf(x, upper=True))

    def _log_cdf(self, x: Array | float, *, upper: bool) -> Array:
        x = np.asarray(x, dtype=np.float64)
        diffusion = self.profile.line.diffusion
        inside = (x > diffusion.low) & (x < diffusion.high)
        sure = (x <= diffusion.low) if upper else (x >= diffusion.high)
        result = np.where(sure, 0.0, -math.inf)
        if np.any(inside):
            y = self.profile.line.coordinate.invert(x[inside])
            result[inside] = self._log_cdf_of_y(y, upper=upper)
        return result

    def _log_cdf_of_y(self, y: Array, *, upper: bool) -> Array:
        profile, index = self.profile.with_edges(y)
        return _log_tails(profile)[1 if upper else 0][index]

    def quantile(self, probability: Array | float) -> Array:
        """x with P(X <= x) = probability, to about 1e-13 in the probability of the smaller side.

        Raises:
            InvalidModelError: a probability that is not between 0 and 1.
        """
        p = np.asarray(probability, dtype=np.float64)
        if not np.all((p > 0) & (p < 1)):
            raise InvalidModelError("probability", given=str(probability), allowed="numbers between 0 and 1")
        flat = p.ravel()
        y = np.empty_like(flat)
        upper = flat > 0.5
        for side in (False, True):
            chosen = upper == side
            if np.any(chosen):
                log = np.log1p(-flat[chosen]) if side else np.log(flat[chosen])
                y[chosen] = self._quantile_y(log, upper=side)
        return self.profile.line.coordinate.value(y).reshape(p.shape)

    def _quantile_y(self, log_probability: Array, *, upper: bool) -> Array:
        """Newton's method on log P as a function of y, kept between the edges of a panel."""
        sign, side = (-1.0, 1) if upper else (1.0, 0)
        mesh = self.profile.mesh
        y = np.concatenate([mesh.edges, mesh.nodes.ravel()])
        log = np.concatenate(
            [_log_tails(self.profile)[side], _log_tails(self.profile, nodes=True)[side].ravel()]
        )
        order = np.lexsort((sign * y, log))
        y, log = y[order], log[order]
        beyond = log_probability < log[0]
        tail = y[0] + sign * (log_probability - log[0]) / abs(self.profile.speed.rates()[side])
        place = np.clip(np.searchsorted(log, log_probability), 1, log.size - 1)
        low, high = np.minimum(y[place - 1], y[place]), np.maximum(y[place - 1], y[place])
        y = np.interp(log_probability, log, y)
        for _ in range(_NEWTON_ROUNDS):
            profile, index = self.profile.with_edges(y)
            log_y = _log_tails(profile)[side][index]
            slope = np.exp(Expectation(profile.speed).log_edges(profile.speed)[index] - log_y)
            short = (log_probability - log_y) * sign
            low, high = np.where(short > 0, y, low), np.where(short > 0, high, y)
            with np.errstate(divide="ignore", invalid="ignore"):
                newton = y + short / slope
            near = np.abs(newton - y) <= 1e-14 * np.maximum(1.0, np.abs(y))
            if np.all(near | beyond):
                break
            inside = near | ((newton > low) & (newton < high))
            y = np.where(inside, newton, 0.5 * (low + high))
        return np.asarray(np.where(beyond, tail, y))

    def moment(self, order: int, *, center: float = 0.0) -> float:
        """E[(X - center)**order]; infinite, or nan for odd orders of laws with two heavy tails, if none.

        Raises:
            InvalidModelError: the order is not between 0 and 20.
        """
        if not 0 <= order <= MOST_MOMENT or order != int(order):
            raise InvalidModelError("order", given=order, allowed=f"an integer between 0 and {MOST_MOMENT}")
        growth = self._growth(order)
        low, high = self._law.density.rates()
        falls = low - growth[0] > 1e-9, high + growth[1] < -1e-9
        if not all(falls):
            sides = {1.0 if order % 2 == 0 else -1.0} if not falls[0] else set()
            sides |= {1.0} if not falls[1] else set()
            return sides.pop() * math.inf if len(sides) == 1 else math.nan
        coordinate, mesh = self.profile.line.coordinate, self.profile.mesh
        values = (coordinate.value(mesh.nodes) - center) ** order
        return self._law.of(values, (coordinate.value(mesh.edges) - center) ** order, growth)

    def _growth(self, order: int) -> tuple[float, float]:
        diffusion = self.profile.line.diffusion
        low = 0.0 if math.isfinite(diffusion.low) else float(order)
        return low, 0.0 if math.isfinite(diffusion.high) else float(order)

    @cached_property
    def mean(self) -> float:
        """E[X], [state]; nan or infinite where there is none."""
        return self.moment(1)

    @cached_property
    def variance(self) -> float:
        """Var[X], [state**2]; infinite or nan where there is none."""
        return self.moment(2, center=self.mean) if math.isfinite(self.mean) else math.nan

    @cached_property
    def highest_moment(self) -> float:
        """E|X|^k exists for all k below this number; inf if all exist, nan if the tails have not settled."""
        ends = [end for end in (self.profile.low, self.profile.high) if math.isinf(end.at) and not end.grows]
        if not all(end.settled for end in ends):
            return math.nan
        return min((-end.speed_rate for end in ends), default=math.inf)

    def modes(self) -> tuple[float, ...]:
        """Local maxima of the density of x, ends included where it rises towards them.

        At a kink or jump of the coefficients a maximum is the kink itself.
        """
        line, mesh = self.profile.line, self.profile.mesh
        # A panel may hold several maxima: its nodes are looked at too. A slope of mere rounding is 0.
        y = np.unique(np.concatenate([mesh.edges, mesh.nodes.ravel()]))
        slope, error = anchored(self._slope_tree, line.diffusion, line.coordinate, y)
        clear = np.abs(slope) > 4.0 * error
        y, sign = y[clear], np.sign(slope[clear])
        if y.size == 0:
            return ()
        turns = np.flatnonzero((sign[:-1] > 0) & (sign[1:] < 0))
        inside = line.coordinate.value(zoom(self._log_slope, y[turns], y[turns + 1]))
        low, high = self.profile.low, self.profile.high
        ends = [
            end.at for end, up in ((low, sign[0] < 0), (high, sign[-1] > 0)) if up and math.isfinite(end.at)
        ]
        return tuple(sorted({*ends, *inside.tolist()}))

    def _log_slope(self, y: Array) -> Array:
        """noise**2 * d(log density)/dx = 2 drift - d(noise**2)/dx."""
        return anchored_value(self._slope_tree, self.profile.line.diffusion, self.profile.line.coordinate, y)

    @cached_property
    def _slope_tree(self) -> Node:
        diffusion = self.profile.line.diffusion
        noise, two = diffusion.noise_tree, Node("number", value=2.0)
        change = operation("*", operation("*", two, noise), derivative(noise))
        return operation("-", operation("*", two, diffusion.drift_tree), change)


def _log_tails(profile: Profile, *, nodes: bool = False) -> tuple[Array, Array]:
    """log P(below) and log P(above) at the edges or nodes: one is integrated, the other complements it.

    Behind the bulk S is large, and so is its rounding in the logarithm of what is nearly 1.
    """
    law = Expectation(profile.speed)
    parts = integral_from_low(profile.speed), integral_to_high(profile.speed)
    below, above = (np.minimum(law.log_nodes(part) if nodes else law.log_edges(part), 0.0) for part in parts)
    y = profile.mesh.nodes if nodes else profile.mesh.edges
    left = y <= profile.mesh.edges[law.peak]
    with np.errstate(divide="ignore"):
        below = np.where(left, below, np.log(-np.expm1(np.where(left, -1.0, above))))
        above = np.where(left, np.log(-np.expm1(np.where(left, below, -1.0))), above)
    return below, above
