"""Normal numbers in float32, two from two words: Box and Muller without a branch, a table or a library call.

The radius sqrt(-2 ln u) comes from 32 bits, so |x| <= 6.76; the angle is drawn in a quarter turn about 45
degrees from 30 bits, where cos and sin are (c - s)/sqrt(2) and (c + s)/sqrt(2); the two other bits are the
signs. Polynomials are fitted in relative error (minimax); the error of a number is at most 2.5e-7 r +
6e-8/r for the radius r: float32 rounding, but where u is next to 1 (r < 0.5, a chance of 12 %) that of u.

References:
    Box and Muller, A note on the generation of random normal deviates (1958).
"""

import math
from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import (
    SIGN_BIT,
    and32,
    bits_of_single,
    fma,
    polynomial3,
    shift_left,
    signed_shift_right,
    single_of,
    sub32,
    xor32,
)

_F = np.float32
_TO_UNIT, _HALF_UNIT = _F(2.0**-32), _F(2.0**-33)
_TO_QUARTER = _F(2.0**-31)
_SQRT_HALF = np.uint32(0x3F3504F3)
"""Bits of sqrt(1/2) in float32."""
_LN2, _UNITY = _F(0.6931471805599453), _F(1.0)
_ONE, _TWO, _MANTISSA = np.uint32(1), np.uint32(2), np.uint32(23)
# ln(1 + f)/f on [sqrt(1/2) - 1, sqrt(2) - 1], highest order first.
_L8, _L7, _L6 = _F(0.085333130829961523), _F(-0.14269258206218832), _F(0.14977401280127375)
_L5, _L4, _L3 = _F(-0.16577992896798863), _F(0.19955933358383249), _F(-0.25001352185496062)
_L2, _L1, _L0 = _F(0.33334193286135078), _F(-0.4999999638212389), _F(0.99999997413106712)
# sin(pi t/4)/t and cos(pi t/4) in t^2, lowest order first.
_S0, _S1, _S2, _S3 = (
    _F(0.7853981609766183),
    _F(-0.080745434708101471),
    _F(0.0024900068014923568),
    _F(-3.5954290725110749e-05),
)
_C1, _C2, _C3, _C4 = (
    _F(-0.30842513515829056),
    _F(0.015854325228444592),
    _F(-0.00032593858594162623),
    _F(3.5297971342978537e-06),
)


@inlined
def single_normal_pair(radius: Any, turn: Any) -> Any:
    """Two independent N(0, 1) numbers in float32, |x| <= 6.76, from two words."""
    u = fma(_F(radius), _TO_UNIT, _HALF_UNIT)
    bits = bits_of_single(u)
    e = signed_shift_right(sub32(bits, _SQRT_HALF), _MANTISSA)
    f = single_of(sub32(bits, shift_left(np.uint32(e), _MANTISSA))) - _UNITY
    p = fma(_L8, f, _L7)
    p = fma(p, f, _L6)
    p = fma(p, f, _L5)
    p = fma(p, f, _L4)
    p = fma(p, f, _L3)
    p = fma(p, f, _L2)
    p = fma(p, f, _L1)
    p = fma(p, f, _L0)
    r = math.sqrt(-fma(p, f, _F(e) * _LN2))
    t = _F(np.int32(shift_left(turn, _TWO))) * _TO_QUARTER
    z = t * t
    s = polynomial3(z, _S0, _S1, _S2, _S3) * t
    c = fma(polynomial3(z, _C1, _C2, _C3, _C4), z, _UNITY)
    first = xor32(bits_of_single(r * (c - s)), and32(turn, SIGN_BIT))
    second = xor32(bits_of_single(r * (c + s)), and32(shift_left(turn, _ONE), SIGN_BIT))
    return single_of(first), single_of(second)
