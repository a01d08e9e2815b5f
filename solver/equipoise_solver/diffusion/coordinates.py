"""A coordinate y in (-inf, inf) for every interval, and the diffusion seen in it.

(low, inf)    x = low + scale*e^y
(-inf, high)  x = high - scale*e^-y
(low, high)   x = low + (high - low)/(1 + e^-y)
the line      x = center + scale*sinh(y)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.digits import OUTER, mended
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.sampling import kinks, sampling, zoom

if TYPE_CHECKING:
    from equipoise_solver.diffusion.problem import Diffusion


_LEAST = 1e-290  # Below 2e-308 numbers lose digits.
_NOTHING = 1e-16  # A slope that changes no integral.
_SLOPE_ERROR = 1e-11  # From which error of the slope on digits that cancel are computed again.
_CENTRAL = 0.5  # |y| next to the center of a coordinate.
_FAR = 10.0  # Times center and scale: where x - center says no more than x.
_TINY = 1e-6  # Of a scale that panels around a zero of the drift at a simple number would miss.
_MANY = 50  # A drift with so many zeros has no scale of its own.


@dataclass(frozen=True)
class Coordinate:
    """The map y -> x of an interval, increasing.

    Attributes:
        low: the lower end of x, may be -inf.
        high: the upper end of x, may be inf.
        center: x at y = 0 on the line; elsewhere of no meaning.
        scale: [state], > 0; of no meaning between two finite ends.
    """

    low: float
    high: float
    center: float = 0.0
    scale: float = 1.0

    @property
    def kind(self) -> str:
        """Which ends are finite: "low", "high", "both" or "none"."""
        names = {(True, True): "both", (True, False): "low", (False, True): "high", (False, False): "none"}
        return names[math.isfinite(self.low), math.isfinite(self.high)]

    def value(self, y: Array) -> Array:
        """x, rounded; near a finite end its distances keep their digits, x does not."""
        y = np.asarray(y, dtype=np.float64)
        if self.kind == "none":
            result: Array = self.center + self.scale * np.sinh(y)
            return result
        if self.kind == "both":
            return np.where(y < 0, self.low + self.from_low(y), self.high - self.from_high(y))
        return np.asarray(
            self.low + self.from_low(y) if self.kind == "low" else self.high - self.from_high(y)
        )

    def from_low(self, y: Array) -> Array:
        """x - low, to all digits; inf where low is."""
        y = np.asarray(y, dtype=np.float64)
        with np.errstate(over="ignore"):
            if self.kind == "low":
                return np.asarray(self.scale * np.exp(y))
            if self.kind == "both":
                return np.asarray((self.high - self.low) / (1.0 + np.exp(-y)))
            return np.full_like(y, math.inf) if math.isinf(self.low) else self.value(y) - self.low

    def from_high(self, y: Array) -> Array:
        """high - x, to all digits; inf where high is."""
        y = np.asarray(y, dtype=np.float64)
        with np.errstate(over="ignore"):
            if self.kind == "high":
                return np.asarray(self.scale * np.exp(-y))
            if self.kind == "both":
                return np.asarray((self.high - self.low) / (1.0 + np.exp(y)))
            return np.full_like(y, math.inf)

    def jacobian(self, y: Array) -> Array:
        """dx/dy, from the same numbers as the distances, so that rounding cancels in ratios."""
        y = np.asarray(y, dtype=np.float64)
        match self.kind:
            case "low":
                return self.from_low(y)
            case "high":
                return self.from_high(y)
            case "both":
                return np.asarray(self.from_low(-np.abs(y)) / (1.0 + np.exp(-np.abs(y))))
            case _:
                return np.asarray(self.scale * np.cosh(y))

    def log_jacobian(self, y: Array) -> Array:
        """log(dx/dy)."""
        y = np.asarray(y, dtype=np.float64)
        size = np.abs(y)
        match self.kind:
            case "low":
                result: Array = math.log(self.scale) + y
            case "high":
                result = math.log(self.scale) - y
            case "both":
                result = math.log(self.high - self.low) - size - 2.0 * np.log1p(np.exp(-size))
            case _:  # log cosh y
                result = math.log(self.scale) + size + np.log1p(np.exp(-2.0 * size)) - math.log(2.0)
        return result

    def invert(self, x: Array | float) -> Array:
        """y of x inside the interval; -inf and inf at its ends."""
        x = np.asarray(x, dtype=np.float64)
        with np.errstate(divide="ignore"):
            match self.kind:
                case "low":
                    return np.asarray(np.log((x - self.low) / self.scale))
                case "high":
                    return np.asarray(-np.log((self.high - x) / self.scale))
                case "both":
                    return np.asarray(np.log(x - self.low) - np.log(self.high - x))
                case _:
                    return np.asarray(np.arcsinh((x - self.center) / self.scale))

    @property
    def anchors(self) -> tuple[float, ...]:
        """The points from which `anchored` measures; nan is none."""
        match self.kind:
            case "both":
                return self.low, self.high, math.nan
            case "none":
                return self.center, math.nan
            case "low":
                return self.low, self.low + self.scale, math.nan
            case _:
                return self.high, self.high - self.scale, math.nan

    def anchored(self, y: Array) -> list[tuple[float, NDArray[np.bool_], Array]]:
        """Parts of y: a point near x, where in y that is, and x minus the point, (n,).

        That is to all digits near finite ends, and near the center of the coordinate, where sharp laws live.
        Elsewhere the point is nan and the difference x itself.
        """
        y = np.asarray(y, dtype=np.float64)
        first, second = (self._next_to(k, y) for k in (0, 1))
        parts = []
        for k, here in enumerate((first, second & ~first, ~(first | second))):
            if np.any(here):
                point = self.anchors[k] if k < len(self.anchors) else math.nan
                parts.append((point, here, self._rest(k, y[here])))
        return parts

    def _next_to(self, k: int, y: Array) -> NDArray[np.bool_]:
        """Where y is next to anchor k."""
        match self.kind, k:
            case "both", _:
                return (y < -_CENTRAL) if k == 0 else (y > _CENTRAL)
            case "none", _:
                wide = math.asinh(_FAR * (abs(self.center) / self.scale + 1.0))
                return (np.abs(y) < wide) if k == 0 else np.zeros(y.shape, dtype=bool)
            case "low", 0:
                return y < -_CENTRAL
            case "high", 0:
                return y > _CENTRAL
            case _:
                return np.abs(y) <= _CENTRAL

    def _rest(self, k: int, y: Array) -> Array:
        """x minus anchor k, or x itself."""
        if k == 2:
            return self.value(y)
        match self.kind, k:
            case "both", _:
                return self.from_low(y) if k == 0 else -self.from_high(y)
            case "none", _:
                return np.asarray(self.scale * np.sinh(y))
            case "low", 0:
                return self.from_low(y)
            case "high", 0:
                return -self.from_high(y)
            case "low", _:
                return np.asarray(self.scale * np.expm1(y))
            case _:
                return np.asarray(-self.scale * np.expm1(-y))


@dataclass(frozen=True)
class Line:
    """A diffusion seen in a coordinate: everything is made of slope, log_rate and log_jacobian.

    With S(y) the integral of the slope: the scale measure is ds = exp(S + log_jacobian) dy and the speed
    measure dm = exp(log_rate - S) dy.

    Attributes:
        diffusion: the problem.
        coordinate: its coordinate.
        kinks: y where drift or noise have a kink or jump.
    """

    diffusion: Diffusion
    coordinate: Coordinate
    kinks: tuple[float, ...] = ()

    def coefficients(self, y: Array) -> tuple[Array, Array]:
        """Drift and noise at y, precise next to finite ends."""
        y = np.asarray(y, dtype=np.float64)
        drift, noise, jacobian = np.empty_like(y), np.empty_like(y), self.coordinate.jacobian(y)
        for point, here, rest in self.coordinate.anchored(y):
            outer = np.abs(y[here]) > OUTER
            drift[here], noise[here] = self._near(point, rest, jacobian[here], outer)
        return drift, noise

    def _near(
        self, point: float, rest: Array, jacobian: Array, outer: NDArray[np.bool_]
    ) -> tuple[Array, Array]:
        diffusion = self.diffusion
        near = diffusion.tree_near(diffusion.noise_tree, point, rest)
        noise = mended(diffusion, diffusion.noise_tree, point, rest, near, outer)
        near = diffusion.tree_near(diffusion.drift_tree, point, rest)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
            matters = outer & (2.0 * (near.safe_error / noise) * (jacobian / noise) > _SLOPE_ERROR)
        return mended(diffusion, diffusion.drift_tree, point, rest, near, matters), noise

    def both(self, y: Array) -> tuple[Array, Array]:
        """slope(y) and log_rate(y); nan where drift or noise are so small that numbers lose digits."""
        drift, noise = self.coefficients(y)
        jacobian = self.coordinate.jacobian(y)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
            share = jacobian / noise
            slope = -2.0 * (drift / noise) * share
            ratio, noise = np.abs(share / noise), np.abs(noise)
            far = ~np.isfinite(ratio) | (ratio < 1e-300)
            log_ratio = np.where(far, np.log(np.abs(share)) - np.log(noise), np.log(ratio))
            lost = (noise < _LEAST) | ((np.abs(drift) < _LEAST) & (np.abs(slope) > _NOTHING))
        slope, log_ratio = np.where(lost, np.nan, slope), np.where(lost, np.nan, log_ratio)
        return slope, math.log(2.0) + log_ratio

    def slope(self, y: Array) -> Array:
        """d(log s)/dy = -2 drift x' / noise**2, with s the scale density in x."""
        return self.both(y)[0]

    def log_rate(self, y: Array) -> Array:
        """log(2 x' / noise**2): the speed density in y is exp(log_rate - S)."""
        return self.both(y)[1]

    def log_jacobian(self, y: Array) -> Array:
        """log(dx/dy): the scale density in y is exp(S + log_jacobian)."""
        return self.coordinate.log_jacobian(y)


def line_of(diffusion: Diffusion) -> Line:
    """The diffusion in a coordinate that suits its interval, its scale taken from the zeros of the drift."""
    coordinate = _suited(diffusion)
    return Line(diffusion, coordinate, tuple(kinks(diffusion, coordinate)))


def _suited(diffusion: Diffusion) -> Coordinate:
    plain = Coordinate(diffusion.low, diffusion.high)
    if plain.kind == "both":
        return plain
    y = sampling()
    y = y[np.abs(y) < 40.0]
    drift, _ = Line(diffusion, plain).coefficients(y)
    turns = np.flatnonzero(np.sign(drift[1:]) * np.sign(drift[:-1]) < 0)
    zeros = y[drift == 0]
    if turns.size == 0 and zeros.size == 1 and plain.kind == "none":
        center = float(plain.value(zeros)[0])
        width = _width(diffusion, center)
        return Coordinate(diffusion.low, diffusion.high, center, width) if width < _TINY else plain
    if not 0 < turns.size < _MANY:
        return plain
    first, last = zoom(
        lambda t: Line(diffusion, plain).coefficients(t)[0], y[turns[[0, -1]]], y[turns[[0, -1]] + 1]
    )
    if plain.kind != "none":
        scale = float(np.exp(plain.log_jacobian(np.array(0.5 * (first + last)))))
        return Coordinate(diffusion.low, diffusion.high, scale=scale)
    ends = plain.value(np.array([first, last]))
    center = float(0.5 * (ends[0] + ends[1]))
    scale = max(0.5 * float(ends[1] - ends[0]), _width(diffusion, float(ends[0])))
    return Coordinate(diffusion.low, diffusion.high, center=center, scale=scale)


def _width(diffusion: Diffusion, zero: float) -> float:
    """How far the noise drives x from a zero of the drift, [state]; about right is good enough."""
    step = 1e-4 * max(abs(zero), 1e-4)
    drift = diffusion.drift(np.array([zero - step, zero + step]))
    pull = abs(float(drift[1] - drift[0])) / (2.0 * step)
    width = float(np.abs(diffusion.noise(np.array(zero)))) / math.sqrt(2.0 * pull) if pull > 0 else math.nan
    return width if math.isfinite(width) and width > 0 else 1.0
