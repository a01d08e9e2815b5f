"""The true critical line of the two-layer network in the (learning rate, batch size) plane.

Next to v = 0 a step multiplies v by F**2, F = 1 + 2 eta (B - gamma), so v = 0 attracts where E log|F| < 0.
At small eta, E log|F| = 2 eta b2' - 2 eta**2 (b2'**2 + a3/S) + ..., b2' = b2 - gamma, which vanishes at the
second-order line T = eta/S = b2'/(a3 + S b2'**2); the SDE has b2'/a3. At large eta it grows like
log(2 eta) + E log|B - gamma|: v = 0 repels again, and what learns then soon explodes. Between the two there
need be no eta at which v = 0 attracts: for x ~ N(0, 1), y = x + N(0, 1) there is none at any batch size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from equipoise_solver.theory.discrete.data import Data, SampleData, Training
from equipoise_solver.theory.discrete.growth import Factor
from equipoise_solver.theory.discrete.origin import factor_at_zero, mean_products

Array = NDArray[np.float64]

_MOST_POLES = 64
_SCAN = 120
_BESIDE = 1e-13  # Relative distance from a pole at which its logarithm is looked at.


@dataclass(frozen=True, slots=True)
class CriticalLine:
    """Learning rates at which v = 0 neither attracts nor repels, at one batch size.

    Attributes:
        batch_size: S.
        learning_rates: increasing. v = 0 attracts beyond the first and repels beyond the second, and so on;
            the other way round where E[xy] <= weight_decay. Empty if v = 0 never changes sides.
        second_order: S b2'/(a3 + S b2'**2), None where b2' <= 0.
        continuous: S b2'/a3, of the SDE; None where b2' <= 0 or a3 = 0.
        is_complete: whether every root is listed; with very many distinct minibatches, windows narrower
            than a scan of 120 points are not looked for.
    """

    batch_size: int
    learning_rates: tuple[float, ...]
    second_order: float | None
    continuous: float | None
    is_complete: bool


def lyapunov_exponent(
    data: Data, *, learning_rate: float, batch_size: int, weight_decay: float = 0.0
) -> float:
    """Mean growth of log|v| per step next to v = 0 of the two-layer network, 2 E log|1 + 2 eta (B - gamma)|.

    In the sector with the sign of E[xy]. The logarithm of a minibatch that leads to v = 0 exactly counts as
    -690.

    Raises:
        InvalidModelError: an argument outside its range.
    """
    return 2.0 * factor_at_zero(_ahead(data), Training(learning_rate, batch_size, weight_decay)).mean_log()


def critical_line(data: Data, *, batch_size: int, weight_decay: float = 0.0) -> CriticalLine:
    """The learning rates at which E log|1 + 2 eta (B - gamma)| = 0.

    Raises:
        InvalidModelError: an argument outside its range.
    """
    Training(1.0, batch_size, weight_decay)
    ahead = _ahead(data)
    moments = ahead.moments()
    drive = moments.beta2 - weight_decay
    second = batch_size * drive / (moments.alpha3 + batch_size * drive**2) if drive > 0 else None
    continuous = batch_size * drive / moments.alpha3 if drive > 0 and moments.alpha3 > 0 else None
    if isinstance(ahead, SampleData):
        products, weights = mean_products(ahead, batch_size)
        roots, is_complete = _empirical_roots(products - weight_decay, weights)
    else:
        size = math.sqrt(drive**2 + moments.alpha3 / batch_size)
        start = 1e-3 * min(second or math.inf, 1.0 / size)

        def growth(learning_rate: float) -> float:
            return factor_at_zero(ahead, Training(learning_rate, batch_size, weight_decay)).mean_log()

        roots, is_complete = _scanned_roots(growth, start, 1.0 / size), True
    return CriticalLine(batch_size, tuple(roots), second, continuous, is_complete)


def _ahead(data: Data) -> Data:
    return data.mirrored() if data.moments().beta2 < 0 else data


def _scanned_roots(growth: Callable[[float], float], start: float, scale: float) -> list[float]:
    """Roots of a smooth function that ends up growing like log(learning_rate)."""
    end = 10.0 * scale
    while growth(end) <= 0.5 and end < 1e12 * scale:
        end *= 10.0
    grid = np.geomspace(start, end, _SCAN)
    values = np.array([growth(float(point)) for point in grid])
    changes = np.flatnonzero(np.sign(values[1:]) != np.sign(values[:-1]))
    return [float(brentq(growth, grid[i], grid[i + 1], xtol=1e-300, rtol=1e-14)) for i in changes]


def _empirical_roots(drives: Array, weights: Array) -> tuple[list[float], bool]:
    """Roots for a discrete law of B - gamma.

    E log|1 + 2 eta b| falls to -inf at the pole eta = -1/(2 b) of every b < 0 and is concave between poles,
    so each stretch has at most two roots, on both sides of its maximum.
    """

    def growth(learning_rate: float) -> float:
        return Factor.of_atoms(1.0 + 2.0 * learning_rate * drives, weights).mean_log()

    poles = np.unique(-0.5 / drives[drives < 0])
    if poles.size > _MOST_POLES:
        scale = 1.0 / math.sqrt(float(weights @ drives**2))
        mean = float(weights @ drives)
        start = 1e-3 * scale * min(1.0, scale * mean if mean > 0 else 1.0)
        return _scanned_roots(growth, start, scale), False
    if poles.size == 0:
        return [], True  # Concave from 0 with a slope that is not negative, and without a pole: positive.
    roots = []
    stretches = zip([0.0, *poles], [*poles, math.inf], strict=True)
    for low, high in stretches:
        roots.extend(_roots_between(growth, drives, weights, low, high))
    return roots, True


def _roots_between(
    growth: Callable[[float], float], drives: Array, weights: Array, low: float, high: float
) -> list[float]:
    """The roots between two poles; from 0, where the function is 0; or up to infinity, where it grows."""

    def slope(learning_rate: float) -> float:
        return float(weights @ (drives / (1.0 + 2.0 * learning_rate * drives)))

    left = low * (1.0 + _BESIDE) if low > 0 else 1e-9 * high
    right = high * (1.0 - _BESIDE)
    if math.isinf(high):
        right = 2.0 * left
        while growth(right) <= 0:
            right *= 2.0
        return _bracketed(growth, left, right)
    if slope(left) <= 0 or slope(right) >= 0:
        return _bracketed(growth, left, right)
    top = float(brentq(slope, left, right, xtol=1e-300, rtol=1e-14))
    return _bracketed(growth, left, top) + _bracketed(growth, top, right)


def _bracketed(growth: Callable[[float], float], left: float, right: float) -> list[float]:
    if growth(left) * growth(right) >= 0:
        return []
    return [float(brentq(growth, left, right, xtol=1e-300, rtol=1e-14))]
