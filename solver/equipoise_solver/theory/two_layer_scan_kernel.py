"""Compiled quadrature of one two-layer law (depth 1): mean and variance by a doubly exponential rule.

In the angle phi with v = root + pole*tan(phi), pole = sqrt(floor/alpha1), the law of v > 0 is

    sin(x)^(r-1) * sin(y)^(3/2) * exp(-tilt*phi) dphi,    x = phi - phi(0) > 0,   y = pi/2 - phi > 0,
    v = radius*sin(x)/sin(y),   r = (Tc/T - 1)/2,
    tilt = (alpha3 beta1 - alpha2 beta2)/(2 T alpha3 sqrt(Delta)):

both ends are powers, and in u = log(x/y) all singularities lie at Im u = +-pi, however sharp the least noise
is. The trapezoidal rule in s, u = center + scale*sinh(s), therefore converges exponentially for every law.
Around the center everything is formed from the difference of angles, so that narrow laws lose no digits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from equipoise_solver.theory.coefficients import Array

LEVELS = 5
"""Halvings of the step, at most; the coarsest step is 2**(LEVELS - 1) times the step of the table."""
_SCALE = 2.0  # In u; a narrow law takes _WIDTHS of its widths instead.
_WIDTHS = 2.0
_LEAST_WIDTH = 1e-6  # Relative to v; below, the exponent has no digits left.
_FAR = -30.0  # u - center below which x is a pure exponential of u.
_NEGLIGIBLE = 1e-16
# Two rules, one with twice the step, that agree to this are far better than this, the finer one; the second
# bound is for the exact identity E[force + T g] = 0, after allowing for so many units of rounding.
_AGREEMENT = 1e-7
_BALANCE = 3e-11
_ROUNDINGS = 16.0 * 2.3e-16

_device = numba.njit(error_model="numpy", forceinline=True)


class _Law(NamedTuple):
    """Coefficients of one point, as in Coefficients."""

    temperature: float
    alpha1: float
    root: float
    floor: float
    beta1: float
    beta2: float


class _Center(NamedTuple):
    """The place about which the nodes lie, at v = value, with x, y and phi there.

    span = x + y = pi/2 - phi(0); radius = v(x = y); scale: of sinh(s) in u.
    """

    rate: float
    tilt: float
    value: float
    pole: float
    radius: float
    x: float
    y: float
    cot_x: float
    cot_y: float
    sin_x: float
    sin_y: float
    sin_span: float
    cos_span: float
    span: float
    scale: float


class _Numbers(NamedTuple):
    """What a rule says of a law."""

    mass: float
    mean: float
    variance: float
    shift: float


@_device
def _center_of(law: _Law) -> _Center:
    """Centered at the maximum of v**2 p(v), which stays away from 0 up to the critical temperature."""
    t, alpha1, root, floor, beta1, beta2 = law
    alpha3 = alpha1 * root * root + floor
    pole, radius = math.sqrt(floor / alpha1), math.hypot(math.sqrt(floor / alpha1), root)
    # The maximum is the positive zero of 3/2 alpha1 v^2 + linear*v - constant.
    linear, constant = beta1 / (2.0 * t) - alpha1 * root, (beta2 + alpha3 * t) / (2.0 * t)
    spread = math.sqrt(linear * linear + 6.0 * alpha1 * constant)
    v = 2.0 * constant / (linear + spread) if linear > 0.0 else (spread - linear) / (3.0 * alpha1)
    rise, turn = v - root, pole * pole - root * (v - root)
    length2 = pole * pole + rise * rise
    x, y, span = math.atan2(pole * v, turn), math.atan2(pole, rise), math.atan2(pole, -root)
    width = math.sqrt(alpha1 * length2 / (v * (3.0 * alpha1 * v + linear)))  # Of log v.
    if not width > _LEAST_WIDTH:
        width = math.nan
    return _Center(
        rate=(beta2 - alpha3 * t) / (2.0 * alpha3 * t),
        tilt=(floor * beta1 + alpha1 * root * (root * beta1 - beta2))
        / (2.0 * t * alpha3 * math.sqrt(alpha1 * floor)),
        value=v,
        pole=pole,
        radius=radius,
        x=x,
        y=y,
        cot_x=turn / (pole * v),
        cot_y=rise / pole,
        sin_x=pole * v / (radius * math.sqrt(length2)),
        sin_y=pole / math.sqrt(length2),
        sin_span=pole / radius,
        cos_span=-root / radius,
        span=span,
        scale=min(_SCALE, _WIDTHS * width * span * pole * v / (x * y * length2)),
    )


@_device
def _sine(angle: float, other: float, c: _Center) -> float:
    """sin(angle) where angle + other = span, precise next to pi too."""
    if angle > 0.5 * math.pi:
        return c.sin_span * math.cos(other) - c.cos_span * math.sin(other)
    return math.sin(angle)


@_device
def _node(c: _Center, distance: float) -> tuple[float, float, float]:
    """Weight, v - value and v at u = center + distance; the weight is relative and without du/ds."""
    if distance <= _FAR:
        return _far_node(c, distance)
    stretch = math.exp(distance)
    rise = math.expm1(distance) if abs(distance) < 0.5 else stretch - 1.0
    shrink = 1.0 / (1.0 + c.x / c.span * rise)
    turn = c.x * c.y / c.span * rise * shrink
    x, y = c.x * stretch * shrink, c.y * shrink
    half = math.sin(0.5 * turn)
    sine, versine = 2.0 * half * math.cos(0.5 * turn), 2.0 * half * half
    # The sines of x and y relative to those at the center, and the logarithm of the first.
    gain, loss = sine * c.cot_x - versine, -sine * c.cot_y - versine
    ratio_x = 1.0 + gain if gain > -0.5 else _sine(x, y, c) / c.sin_x
    ratio_y = 1.0 + loss if loss > -0.5 else _sine(y, x, c) / c.sin_y
    log_x = math.log(ratio_x)
    if abs(gain) < 0.25 and ratio_x != 1.0:
        log_x *= gain / (ratio_x - 1.0)  # Undoes the rounding of 1 + gain.
    fall = ratio_y * math.sqrt(ratio_y)
    weight = stretch * shrink * shrink * fall * math.exp((c.rate - 1.0) * log_x - c.tilt * turn)
    offset = c.pole * sine / (ratio_y * c.sin_y * c.sin_y)
    v = c.value + offset if distance > -0.5 else c.value * ratio_x / ratio_y
    return weight, offset, v


@_device
def _far_node(c: _Center, distance: float) -> tuple[float, float, float]:
    """At v = 0 to the last bit of the moments; the weight keeps its slow exponential fall."""
    share = c.y / c.span
    level = (c.rate - 1.0) * math.log(c.x / c.sin_x) + 1.5 * math.log(c.sin_span / c.sin_y) + c.tilt * c.x
    return math.exp(c.rate * (distance - math.log(share)) + level) / share, -c.value, 0.0


@_device
def _add_side(
    c: _Center, side: float, sinh: Array, cosh: Array, first: int, stride: int, sums: Array
) -> bool:
    """Add nodes first, first + stride, ... of one side, outwards, to the sums; whether they died out.

    sums: of weight * (1, v, v**2, offset, offset**2).
    """
    for index in range(first, sinh.size, stride):
        weight, offset, v = _node(c, side * c.scale * sinh[index])
        weight *= cosh[index]
        sums[0] += weight
        sums[1] += weight * v
        sums[2] += weight * v * v
        sums[3] += weight * offset
        sums[4] += weight * offset * offset
        if weight <= _NEGLIGIBLE * sums[0] and weight * offset * offset <= _NEGLIGIBLE * sums[4]:
            return True
    return False


@_device
def _numbers(c: _Center, sums: Array) -> _Numbers:
    """Mean and variance, from offsets where the law lies about the center, else from v itself."""
    shift = sums[3] / sums[0]
    if abs(shift) < 0.5 * c.value:
        return _Numbers(sums[0], c.value + shift, sums[4] / sums[0] - shift * shift, shift)
    mean = sums[1] / sums[0]
    return _Numbers(sums[0], mean, sums[2] / sums[0] - mean * mean, mean - c.value)


@_device
def _is_resolved(law: _Law, c: _Center, coarse: _Numbers, fine: _Numbers) -> bool:
    """Whether two rules agree, and the finer one meets E[beta1 v - beta2 + T g(v)] = 0 but for rounding."""
    t, alpha1, root, floor, beta1, beta2 = law
    agrees = (
        abs(2.0 * coarse.mass - fine.mass) <= _AGREEMENT * fine.mass
        and abs(coarse.mean - fine.mean) <= _AGREEMENT * fine.mean
        and abs(coarse.variance - fine.variance) <= _AGREEMENT * fine.variance
    )
    least, rise = beta2 / beta1, fine.mean - root
    force = beta1 * ((c.value - least) + fine.shift)
    noise = t * (alpha1 * (rise * rise + fine.variance) + floor)
    rounding = beta1 * (c.value + least) + t * alpha1 * abs(rise) * fine.mean
    return agrees and abs(force + noise) <= _BALANCE * (abs(force) + noise) + _ROUNDINGS * rounding


@_device
def _integrate(law: _Law, sinh: Array, cosh: Array, sums: Array) -> tuple[float, float]:
    """Mean and variance of one law, nan where the finest rule does not resolve it; sums is work space."""
    c, stride = _center_of(law), 2 ** (LEVELS - 1)
    sums[:] = 0.0
    if not c.scale > 0.0:
        return math.nan, math.nan
    ends = _add_side(c, -1.0, sinh, cosh, 0, stride, sums)
    ends = _add_side(c, 1.0, sinh, cosh, stride, stride, sums) and ends
    coarse = _numbers(c, sums)
    while stride > 1 and ends:
        stride //= 2
        ends = _add_side(c, -1.0, sinh, cosh, stride, 2 * stride, sums)
        ends = _add_side(c, 1.0, sinh, cosh, stride, 2 * stride, sums) and ends
        fine = _numbers(c, sums)
        if ends and _is_resolved(law, c, coarse, fine):
            return fine.mean, fine.variance
        coarse = fine
    return math.nan, math.nan


def integrate_all(
    temperature: Array,
    alpha1: Array,
    root: Array,
    floor: Array,
    beta1: Array,
    beta2: Array,
    sinh: Array,
    cosh: Array,
    mean: Array,
    variance: Array,
) -> None:
    """Fill mean and variance, (n,), of laws with 0 < T < Tc, alpha1 > 0, floor > 0; nan where not resolved.

    sinh and cosh are tables at even steps of s from 0, shape (m,).
    """
    sums = np.zeros(5)
    for index in range(temperature.size):
        law = _Law(temperature[index], alpha1[index], root[index], floor[index], beta1[index], beta2[index])
        mean[index], variance[index] = _integrate(law, sinh, cosh, sums)
