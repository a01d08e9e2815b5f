"""Activation functions on lane arrays, each with its slope, in a form that fits vectors."""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import (
    add32,
    bits_of,
    bits_of_single,
    float_of,
    fma,
    shift_left,
    single_of,
)
from equipoise_solver.ensembles.elementary import LN2_HIGH, LN2_LOW, LOG2_E, relative_growth

LINEAR, RELU, LEAKY_RELU, TANH, SIGMOID, SILU = range(6)
CURVES: dict[str, int] = {
    "linear": LINEAR,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "tanh": TANH,
    "sigmoid": SIGMOID,
    "silu": SILU,
}
"""Activations that the compiled kernel knows, and their codes; others go through torch."""

# Taylor's series of (exp(r) - 1)/r on |r| <= ln(2)/2 is exact to 1e-17 with 13 terms and to 2e-8 with 7.
_F = np.float32
_S1, _S2, _S3, _S4, _S5, _S6, _S7 = (_F(1.0 / math.factorial(k)) for k in range(1, 8))
# Adding these rounds to a whole number, which the low bits then hold.
_WHOLE, _SINGLE_WHOLE = 1.5 * 2.0**52, _F(1.5 * 2.0**23)
_SINGLE_LOG2_E = _F(LOG2_E)
_SINGLE_LN2_HIGH, _SINGLE_LN2_LOW = _F(0.693145751953125), _F(1.42860682030941723212e-6)
_BIAS, _MANTISSA = np.uint64(1023), np.uint64(52)
_SINGLE_BIAS, _SINGLE_MANTISSA = np.uint32(127), np.uint32(23)
_ONE, _TWO = _F(1.0), _F(2.0)
_FARTHEST, _SINGLE_FARTHEST = 20.0, _F(10.0)
"""Beyond these tanh rounds to 1."""


@inlined
def _double_decay(x: Any) -> Any:
    """exp(x) - 1 for -700 < x < 700, relative error below 4e-16."""
    shifted = fma(x, LOG2_E, _WHOLE)
    k = shifted - _WHOLE
    r = fma(k, -LN2_LOW, fma(k, -LN2_HIGH, x))
    p = relative_growth(r) * r
    scale = float_of(np.uint64((bits_of(shifted) + _BIAS) << _MANTISSA))
    return fma(scale, p, scale - 1.0)


@inlined
def _single_decay(x: Any) -> Any:
    """exp(x) - 1 in float32 for -80 < x < 80, relative error below 2e-7."""
    shifted = fma(x, _SINGLE_LOG2_E, _SINGLE_WHOLE)
    k = shifted - _SINGLE_WHOLE
    r = fma(k, -_SINGLE_LN2_LOW, fma(k, -_SINGLE_LN2_HIGH, x))
    p = fma(_S7, r, _S6)
    p = fma(p, r, _S5)
    p = fma(p, r, _S4)
    p = fma(p, r, _S3)
    p = fma(p, r, _S2)
    p = fma(p, r, _S1) * r
    scale = single_of(shift_left(add32(bits_of_single(shifted), _SINGLE_BIAS), _SINGLE_MANTISSA))
    return fma(scale, p, scale - _ONE)


@inlined
def _double_tanh(x: Any) -> Any:
    size = abs(x)
    if size > _FARTHEST:
        size = _FARTHEST
    t = _double_decay(-2.0 * size)
    return math.copysign(-t / (2.0 + t), x)


@inlined
def _single_tanh(x: Any) -> Any:
    size = abs(x)
    if size > _SINGLE_FARTHEST:
        size = _SINGLE_FARTHEST
    t = _single_decay(-_TWO * size)
    return math.copysign(-t / (_TWO + t), x)


def exponential_less_one(x: float) -> float:
    """exp(x) - 1 in the float type of x, to 2 ulp; for |x| < 700, in float32 |x| < 80."""
    return math.expm1(x)


def tanh(x: float) -> float:
    """tanh(x) in the float type of x, to 3 ulp; NaN stays NaN."""
    return math.tanh(x)


@overload(exponential_less_one, strict=False)
def _exponential_less_one(x: Any) -> Any:
    if x == types.float32:
        return lambda x: _single_decay(x)
    return lambda x: _double_decay(x)


@overload(tanh, strict=False)
def _tanh(x: Any) -> Any:
    if x == types.float32:
        return lambda x: _single_tanh(x)
    return lambda x: _double_tanh(x)


@inlined
def activate(code: Any, leak: Any, values: Any, slopes: Any) -> None:
    """Put f(z) in place of each z of `values`, and f'(z) into `slopes`, both flat and of equal length.

    leak: slope of leaky_relu below 0, in the type of values. At 0 the slope of the kinked functions is that
    of the left side.
    """
    zero, half, one = values.dtype.type(0.0), values.dtype.type(0.5), values.dtype.type(1.0)
    if code == TANH:
        for i in range(values.shape[0]):
            h = tanh(values[i])
            values[i] = h
            slopes[i] = fma(-h, h, one)
    elif code == RELU:
        for i in range(values.shape[0]):
            z = values[i]
            values[i] = z if z > zero else z * zero
            slopes[i] = one if z > zero else zero
    elif code == LEAKY_RELU:
        for i in range(values.shape[0]):
            z = values[i]
            slope = one if z > zero else leak
            values[i] = slope * z
            slopes[i] = slope
    elif code == SIGMOID:
        for i in range(values.shape[0]):
            h = fma(half, tanh(half * values[i]), half)
            values[i] = h
            slopes[i] = h * (one - h)
    elif code == SILU:
        for i in range(values.shape[0]):
            z = values[i]
            s = fma(half, tanh(half * z), half)
            values[i] = z * s
            slopes[i] = s * fma(z, one - s, one)
