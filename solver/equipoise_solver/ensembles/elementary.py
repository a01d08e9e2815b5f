"""Elementary functions that the compiler can put into vectors: exp, ln, and normal numbers by Box and Muller.

Each is written once, as Python that runs on float64 scalars in a kernel; `reference.py` runs the same
operations on NumPy arrays and agrees bit for bit, since every operation is one IEEE operation in the same
order.
"""

import math
from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import bits_of, float_of, floor, fma
from equipoise_solver.ensembles.elementary_tables import COSINE, EXP, LOG, SINE

LOG2_E = 1.4426950408889634
LN2 = 0.6931471805599453
LN2_HIGH = 0.693147180369123816490
"""Leading 33 bits of ln 2, so that k*LN2_HIGH is exact for |k| < 2**20."""
LN2_LOW = 1.90821492927058770002e-10
TINIEST_EXPONENT, LARGEST_EXPONENT = -708.0, 709.0

TO_UNIT = 2.0**-32
TO_FINE_UNIT = 2.0**-64
TO_QUARTER = 2.0**-31
SQRT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)
_MANTISSA = np.int64(52)
_MANTISSA_U = np.uint64(52)
_SIGN = np.uint32(0x80000000)
_ONE, _TWO, _HALF = np.uint32(1), np.uint32(2), np.uint64(32)

_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8, _L9, _L10, _L11, _L12, _L13, _L14, _L15, _L16, _L17, _L18 = LOG
_S0, _S1, _S2, _S3, _S4, _S5, _S6 = SINE
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7 = COSINE
_E0, _E1, _E2, _E3, _E4, _E5, _E6, _E7, _E8, _E9, _E10, _E11, _E12, _E13 = EXP


@inlined
def exponential(x: Any) -> Any:
    """exp(x) to 2 ulp, x clipped to [-708, 709]; NaN stays NaN."""
    if x < TINIEST_EXPONENT:
        x = TINIEST_EXPONENT
    if x > LARGEST_EXPONENT:
        x = LARGEST_EXPONENT
    k = floor(x * LOG2_E + 0.5)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = _E13 * r + _E12
    p = p * r + _E11
    p = p * r + _E10
    p = p * r + _E9
    p = p * r + _E8
    p = p * r + _E7
    p = p * r + _E6
    p = p * r + _E5
    p = p * r + _E4
    p = p * r + _E3
    p = p * r + _E2
    p = p * r + _E1
    p = p * r + _E0
    return p * float_of(np.uint64((np.int64(np.int32(k)) + 1023) << _MANTISSA))


@inlined
def logarithm(x: Any) -> Any:
    """ln(x) for normal positive x, absolute error below 4e-16 * max(1, |ln x|)."""
    bits = bits_of(x)
    e = np.int64(bits - SQRT_HALF_BITS) >> _MANTISSA
    f = float_of(np.uint64(bits - (np.uint64(e) << _MANTISSA_U))) - 1.0
    p = _L18 * f + _L17
    p = p * f + _L16
    p = p * f + _L15
    p = p * f + _L14
    p = p * f + _L13
    p = p * f + _L12
    p = p * f + _L11
    p = p * f + _L10
    p = p * f + _L9
    p = p * f + _L8
    p = p * f + _L7
    p = p * f + _L6
    p = p * f + _L5
    p = p * f + _L4
    p = p * f + _L3
    p = p * f + _L2
    p = p * f + _L1
    p = p * f + _L0
    return p * f + np.float64(np.int32(e)) * LN2


@inlined
def fused_logarithm(x: Any) -> Any:
    """`logarithm` by fused multiply-adds: half the instructions, the same error."""
    bits = bits_of(x)
    e = np.int64(bits - SQRT_HALF_BITS) >> _MANTISSA
    f = float_of(np.uint64(bits - (np.uint64(e) << _MANTISSA_U))) - 1.0
    p = fma(_L18, f, _L17)
    p = fma(p, f, _L16)
    p = fma(p, f, _L15)
    p = fma(p, f, _L14)
    p = fma(p, f, _L13)
    p = fma(p, f, _L12)
    p = fma(p, f, _L11)
    p = fma(p, f, _L10)
    p = fma(p, f, _L9)
    p = fma(p, f, _L8)
    p = fma(p, f, _L7)
    p = fma(p, f, _L6)
    p = fma(p, f, _L5)
    p = fma(p, f, _L4)
    p = fma(p, f, _L3)
    p = fma(p, f, _L2)
    p = fma(p, f, _L1)
    p = fma(p, f, _L0)
    return fma(p, f, np.float64(np.int32(e)) * LN2)


@inlined
def relative_growth(r: Any) -> Any:
    """(exp(r) - 1)/r for |r| <= ln(2)/2, by fused multiply-adds."""
    p = fma(_E13, r, _E12)
    p = fma(p, r, _E11)
    p = fma(p, r, _E10)
    p = fma(p, r, _E9)
    p = fma(p, r, _E8)
    p = fma(p, r, _E7)
    p = fma(p, r, _E6)
    p = fma(p, r, _E5)
    p = fma(p, r, _E4)
    p = fma(p, r, _E3)
    p = fma(p, r, _E2)
    return fma(p, r, _E1)


@inlined
def fused_exponential(x: Any) -> Any:
    """`exponential` by fused multiply-adds, for |x| <= 700."""
    k = floor(fma(x, LOG2_E, 0.5))
    r = fma(k, -LN2_LOW, fma(k, -LN2_HIGH, x))
    p = fma(relative_growth(r), r, _E0)
    return p * float_of(np.uint64((np.int64(np.int32(k)) + 1023) << _MANTISSA))


@inlined
def unit_uniform(high: Any, low: Any) -> Any:
    """A uniform number in (0, 1] from 64 bits; near 0 its spacing is 2**-64."""
    return np.float64(high) * TO_UNIT + (np.float64(low) + 0.5) * TO_FINE_UNIT


@inlined
def normal_pair(high: Any, low: Any, turn: Any) -> Any:
    """Two independent normal numbers from three words, |z| <= 9.5.

    Box and Muller: the radius sqrt(-2 ln u) from 64 bits; the angle in a quarter turn about 45 degrees from
    30 bits of `turn`, where cos and sin are (c - s)/sqrt(2) and (c + s)/sqrt(2); the two other bits are the
    signs.
    """
    r = math.sqrt(-logarithm(unit_uniform(high, low)))
    t = np.float64(np.int32(np.uint32(turn << _TWO))) * TO_QUARTER
    z = t * t
    s = _S6 * z + _S5
    s = s * z + _S4
    s = s * z + _S3
    s = s * z + _S2
    s = s * z + _S1
    s = s * z + _S0
    s = s * t
    c = _C7 * z + _C6
    c = c * z + _C5
    c = c * z + _C4
    c = c * z + _C3
    c = c * z + _C2
    c = c * z + _C1
    c = c * z + _C0
    first = bits_of(r * (c - s)) ^ (np.uint64(turn & _SIGN) << _HALF)
    second = bits_of(r * (c + s)) ^ (np.uint64(np.uint32(turn << _ONE) & _SIGN) << _HALF)
    return float_of(np.uint64(first)), float_of(np.uint64(second))
