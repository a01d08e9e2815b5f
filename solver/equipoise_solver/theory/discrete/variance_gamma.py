"""The variance-gamma law: location*W + scale*sqrt(W)*Z with W ~ chi2 of S degrees, Z ~ N(0, 1)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray
from scipy.special import gammaln, k0e, k1e

Array = NDArray[np.float64]

_DEBYE_TERMS = 13  # The first term left out is below 1e-15 for orders from _DEBYE_FROM on.
_DEBYE_FROM = 12.0
_LEAST = 1e-300
_NEGLIGIBLE = -60.0


def density(x: Array, location: Array, scale: float, degrees: int) -> Array:
    """The density of location*W + scale*sqrt(W)*Z, W ~ chi2_degrees, Z ~ N(0, 1); 0 where below 1e-25/scale.

    With nu = (S - 1)/2, a = location, c = scale and p = 1 + a**2/c**2 it is

        2 exp(a x/c**2) (|x|/(c sqrt(p)))**nu K_nu(|x| sqrt(p)/c) / (sqrt(2 pi) c 2**(S/2) Gamma(S/2)).

    It is finite for S >= 2; for S = 1 it grows like -log|x| at x = 0, and is cut there at |x| = 1e-300.

    Args:
        x: points.
        location: a, broadcastable against x.
        scale: c > 0.
        degrees: S >= 1.

    References:
        Integral of a normal density over W: int w**(nu - 1) exp(-(p w + q/w)/2) dw = 2 (q/p)**(nu/2)
        K_nu(sqrt(p q)), DLMF 10.32.10.
    """
    order = 0.5 * (degrees - 1)
    x, location = np.broadcast_arrays(x, location)
    ratio = np.abs(location) / scale
    size = np.abs(x) / scale
    root = np.sqrt(1.0 + ratio * ratio)
    # a x/c**2 - |x| sqrt(p)/c without cancellation.
    reach = ratio + root
    exponent = -size * np.where((x < 0) == (location < 0), 1.0 / reach, reach)
    if order > 0:
        exponent -= 2.0 * order * np.log(root)
        alive = exponent + order * np.log1p(size * root) > _NEGLIGIBLE
    else:
        alive = exponent > _NEGLIGIBLE
    constant = 0.5 * math.log(2.0 / math.pi) - 0.5 * degrees * math.log(2.0) - float(gammaln(0.5 * degrees))
    result = np.zeros(x.shape)
    argument, height = (size * root)[alive], exponent[alive] + (constant - math.log(scale))
    if order == 0:
        result[alive] = np.exp(height) * k0e(np.maximum(argument, _LEAST))
    else:
        result[alive] = np.exp(height + log_bessel(order, argument))
    return result


def log_bessel(order: float, z: Array) -> Array:
    """log(z**nu K_nu(z) exp(z)), nu = order = 0, 1/2, 1, ..., z >= 0 (> 0 for nu = 0); good to 1e-13."""
    return _by_recursion(order, z) if order < _DEBYE_FROM else _by_debye(order, z)


def _by_recursion(order: float, z: Array) -> Array:
    """K_{nu+1} = K_{nu-1} + (2 nu/z) K_nu upwards, for f_nu = (z/(1 + z))**nu sqrt(1 + z) K_nu exp(z)."""
    z = np.maximum(z, _LEAST)
    room = 1.0 + z
    share = z / room
    if float(order).is_integer():
        index, following = 1.0, np.sqrt(room) * share * k1e(z)
        current = np.sqrt(room) * k0e(z)
    else:
        index, following = 1.5, np.full(z.shape, math.sqrt(0.5 * math.pi))
        current = following
    while index <= order:
        current, following = following, share * share * current + (2.0 * index / room) * following
        index += 1.0
    return np.log(current) + (order - 0.5) * np.log(room)


def _by_debye(order: float, z: Array) -> Array:
    """The uniform asymptotic expansion for large orders, DLMF 10.41.4."""
    ratio = z / order
    root = np.hypot(1.0, ratio)
    # z - nu*eta + nu*log(z), eta = root + log(ratio/(1 + root)).
    exponent = -order / (root + ratio) + order * (math.log(order) + np.log1p(root))
    series = polynomial.polyval(1.0 / root, _debye_series(order))
    result: Array = exponent + 0.5 * math.log(0.5 * math.pi / order) - 0.5 * np.log(root) + np.log(series)
    return result


@lru_cache(maxsize=64)
def _debye_series(order: float) -> Array:
    """Coefficients in p of sum_k (-1)**k U_k(p)/nu**k, DLMF 10.41.9 and 10.41.10."""
    total, term = np.zeros(3 * _DEBYE_TERMS + 1), np.array([1.0])
    for k in range(_DEBYE_TERMS + 1):
        total[: term.size] += term * (-1.0 / order) ** k
        slope = polynomial.polymul([0.0, 0.0, 0.5, 0.0, -0.5], polynomial.polyder(term))
        area = polynomial.polyint(polynomial.polymul([0.125, 0.0, -0.625], term))
        term = polynomial.polyadd(slope, area)
    return total
