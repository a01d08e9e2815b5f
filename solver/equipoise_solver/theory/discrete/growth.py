"""The factor F by which one step multiplies: E log|F|, E|F|**power, and roots of E|F|**power = 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import gammaln

from equipoise_solver.theory.discrete.minibatch import GaussianDisplacement

Array = NDArray[np.float64]

_NODES, _WEIGHTS = legendre.leggauss(20)
_LEVELS = 3.0 ** -np.arange(0.0, 36.0)
_TINY = 1e-300
MOST_EXPONENT = 1e3
"""Largest exponent that is looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """The law of log|F|, F = retention + X, as points with weights.

    Attributes:
        log_size: log|F|, shape (n,).
        log_weights: logarithms of their probabilities, shape (n,).
        at_zero: density of F at 0; 0 for a discrete law.
        least: |F| below which log_size has no points, where the density of F is at_zero.
    """

    log_size: Array
    log_weights: Array
    at_zero: float = 0.0
    least: float = 0.0

    @classmethod
    def of_atoms(cls, factors: Array, weights: Array) -> Factor:
        """A discrete law; F = 0 counts as 1e-300."""
        return cls(np.log(np.maximum(np.abs(factors), _TINY)), np.log(weights))

    @classmethod
    def of_gaussian(cls, displacement: GaussianDisplacement, v: float, retention: float) -> Factor:
        """F at v, by quadrature that crowds at F = 0 and at X = 0."""
        values = np.array([v])
        cuts = displacement.breakpoints(values)[0]
        low, high = float(cuts.min()), float(cuts.max())
        scale = max(abs(retention), 1e-8)
        near = np.concatenate([-retention + scale * _LEVELS, -retention - scale * _LEVELS])
        cuts = np.unique(np.clip(np.concatenate([cuts, near, [0.0]]), low, high))
        least = scale * float(_LEVELS[-1])
        middle, half = 0.5 * (cuts[1:] + cuts[:-1]), 0.5 * np.diff(cuts)
        keep = np.abs(middle + retention) > least
        points = middle[keep, None] + half[keep, None] * _NODES
        weights = displacement.density(points, values) * (half[keep, None] * _WEIGHTS)
        at_zero = 0.0
        if low < -retention < high:
            at_zero = float(displacement.density(np.array([-retention + 0.5 * least]), values)[0])
        total = float(np.sum(weights)) + 2.0 * least * at_zero
        log_weights = np.log(np.maximum(weights.ravel() / total, _TINY))
        return cls(np.log(np.abs(points + retention)).ravel(), log_weights, at_zero / total, least)

    @classmethod
    def of_chi_square(cls, unit: float, degrees: int, retention: float) -> Factor:
        """F = retention - unit*W, W ~ chi2, unit != 0: out to where powers up to MOST_EXPONENT have mass."""
        half, spread = 0.5 * degrees, math.sqrt(2.0 * degrees)
        zero = retention / unit
        far = degrees + 40.0 * spread + 8.0 * MOST_EXPONENT + 2.0 * abs(zero)
        cuts = np.concatenate(
            [
                zero * (1.0 - _LEVELS),
                zero * (1.0 + _LEVELS),
                degrees * 3.0 ** -np.arange(0.0, 36.0 + 60.0 / degrees),
                degrees + spread * np.linspace(-9.0, 9.0, 25),
                np.geomspace(degrees + 1.0, far, 150),
                [0.0],
            ]
        )
        cuts = np.unique(np.clip(cuts, 0.0, far))
        least = abs(zero) * float(_LEVELS[-1])
        middle, size = 0.5 * (cuts[1:] + cuts[:-1]), 0.5 * np.diff(cuts)
        keep = np.abs(middle - zero) > least
        points = middle[keep, None] + size[keep, None] * _NODES
        constant = -half * math.log(2.0) - float(gammaln(half))
        log_weights = constant + (half - 1.0) * np.log(points) - 0.5 * points
        log_weights += np.log(size[keep, None] * _WEIGHTS)
        at_zero = math.exp(constant + (half - 1.0) * math.log(zero) - 0.5 * zero) / unit if zero > 0 else 0.0
        return cls(
            np.log(abs(unit) * np.maximum(np.abs(points - zero), least)).ravel(),
            log_weights.ravel(),
            at_zero,
            least * abs(unit),
        )

    def mean_log(self) -> float:
        """E log|F|."""
        inner = 2.0 * self.at_zero * self.least * (math.log(self.least) - 1.0) if self.at_zero > 0 else 0.0
        return float(np.exp(self.log_weights) @ self.log_size) + inner

    def excess(self, power: float) -> float:
        """(E|F|**power - 1)/power for power > -1, power != 0, without cancellation; inf if it overflows."""
        with np.errstate(over="ignore"):
            grown = power * self.log_size
            small = np.exp(self.log_weights) * np.expm1(np.minimum(grown, 1.0))
            large = np.exp(self.log_weights + grown) - np.exp(self.log_weights)
            total = float(np.sum(np.where(grown < 1.0, small, large)))
        if self.at_zero > 0:
            total += 2.0 * self.at_zero * self.least * (self.least**power / (1.0 + power) - 1.0)
        return total / power

    def negative_exponent(self) -> float | None:
        """p > 0 with E|F|**-p = 1, which needs E log|F| > 0; None if |F| >= 1 always or p > MOST_EXPONENT.

        It is below 1 where F has a density at 0, however small.
        """
        return self._root(-1.0, 1.0 - 1e-13 if self.at_zero > 0 else MOST_EXPONENT)

    def exponent_under_loss(self, loss: float) -> tuple[float, bool]:
        """p > 0 with E|F|**-p = 1 - loss, the larger of two roots, and whether there is one.

        It is the power of a law that loses this share of itself per step. If E|F|**-p never gets as low as
        1 - loss, runs outlast the loss by lingering at v = 0; then p is where it is least. For a factor with
        a density at 0 and E log|F| > 0.
        """
        own = self.negative_exponent() or 1.0
        if loss <= 0:
            return own, True

        def above(power: float) -> float:
            return min(loss - power * self.excess(-power), 1e300)

        least = float(
            minimize_scalar(above, bounds=(0.0, own), method="bounded", options={"xatol": 1e-9 * own}).x
        )
        if above(least) >= 0:
            return least, False
        if above(own) <= 0:
            return own, True
        return float(brentq(above, least, own, xtol=1e-15, rtol=1e-13)), True

    def positive_exponent(self) -> float | None:
        """p > 0 with E|F|**p = 1, which needs E log|F| < 0; None if |F| <= 1 always or p > MOST_EXPONENT."""
        return self._root(1.0, MOST_EXPONENT)

    def _root(self, sign: float, most: float) -> float | None:
        def mismatch(power: float) -> float:
            return min(sign * self.excess(sign * power), 1e300)

        low, high = 0.0, 1e-3
        while mismatch(high) <= 0:
            if high >= most:
                return most if most < 1.0 else None
            low, high = high, min(2.0 * high, most)
        low = max(low, 1e-14)
        return float(brentq(mismatch, low, high, xtol=1e-14, rtol=1e-13)) if mismatch(low) < 0 else low
