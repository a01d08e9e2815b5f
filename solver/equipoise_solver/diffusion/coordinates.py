"""A coordinate y in (-inf, inf) for every interval, and the diffusion seen in it.

(low, inf)    x = low + scale*e^y
(-inf, high)  x = high - scale*e^-y
(low, high)   x = low + (high - low)/(1 + e^-y)
the line      x = center + scale*sinh(y)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.problem import Diffusion


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

    def anchored(self, y: Array) -> tuple[Array, Array]:
        """The nearest finite end (0 on the line) and x minus it, to all digits; both of the shape of y."""
        y = np.asarray(y, dtype=np.float64)
        match self.kind:
            case "low":
                return np.full_like(y, self.low), self.from_low(y)
            case "high":
                return np.full_like(y, self.high), -self.from_high(y)
            case "both":
                upper = y >= 0
                limit = np.where(upper, self.high, self.low)
                return limit, np.where(upper, -self.from_high(y), self.from_low(y))
            case _:
                return np.zeros_like(y), self.value(y)


@dataclass(frozen=True)
class Line:
    """A diffusion seen in a coordinate: everything is made of slope, log_rate and log_jacobian.

    With S(y) the integral of the slope: the scale measure is ds = exp(S + log_jacobian) dy and the speed
    measure dm = exp(log_rate - S) dy.
    """

    diffusion: Diffusion
    coordinate: Coordinate

    def coefficients(self, y: Array) -> tuple[Array, Array]:
        """Drift and noise at y, precise next to finite ends."""
        y = np.asarray(y, dtype=np.float64)
        limit, rest = self.coordinate.anchored(y)
        drift, noise = np.empty_like(rest), np.empty_like(rest)
        for end in np.unique(limit):
            here = limit == end
            drift[here], noise[here] = self.diffusion.near(float(end), rest[here])
        return drift, noise

    def both(self, y: Array) -> tuple[Array, Array]:
        """slope(y) and log_rate(y)."""
        drift, noise = self.coefficients(y)
        log_jacobian = self.coordinate.log_jacobian(y)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            log_noise = np.log(np.abs(noise))
            slope = -2.0 * (drift / noise) * (np.exp(log_jacobian) / noise)
        return slope, math.log(2.0) + log_jacobian - 2.0 * log_noise

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
    """The diffusion in a coordinate that suits its interval."""
    return Line(diffusion, Coordinate(diffusion.low, diffusion.high))
