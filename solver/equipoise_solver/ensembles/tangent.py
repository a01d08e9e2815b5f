"""The hyperbolic tangent and 1 - exp(-x) for the compiler's vectors: no branch, no table, no library call.

Both come from exp(-r) - 1 = -r q(r) about the nearest multiple of ln 2, so they keep their relative precision
near 0, where exp itself has lost it.
"""

from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import bits_of, float_of, fma, shift_left, single_of
from equipoise_solver.ensembles.elementary import LN2_HIGH, LN2_LOW, LOG2_E, relative_growth
from equipoise_solver.ensembles.elementary_tables import EXP

LARGEST_DECAY = 700.0
"""x from which 1 - exp(-x) counts as that of LARGEST_DECAY, which is 1."""
LARGEST_ARGUMENT, LARGEST_SINGLE_ARGUMENT = 20.0, 10.0
"""|x| from which tanh(x) is 1 to the last bit, in float64 and in float32."""
_F = np.float32
_F1, _F2, _F3, _F4, _F5, _F6, _F7 = (_F(coefficient) for coefficient in EXP[1:8])
_LOG2_E, _HALF, _UNITY, _TWO = _F(LOG2_E), _F(0.5), _F(1.0), _F(2.0)
_LN2_HIGH, _LN2_LOW = _F(0.693359375), _F(-2.12194440e-4)
"""ln 2 in two parts, the first of 9 bits (Cephes, expf)."""
_MANTISSA, _SINGLE_MANTISSA = np.int64(52), np.uint32(23)
_SIGN = np.uint64(0x8000000000000000)


@inlined
def decay(x: Any) -> Any:
    """1 - exp(-x) for x >= 0 in float64, relative error below 4e-16; NaN gives 1."""
    x = x if x < LARGEST_DECAY else LARGEST_DECAY
    k = np.floor(fma(x, -LOG2_E, 0.5))
    r = fma(k, -LN2_LOW, fma(k, -LN2_HIGH, -x))
    power = float_of(np.uint64((np.int64(np.int32(k)) + 1023) << _MANTISSA))
    return fma(-power, relative_growth(r) * r, 1.0 - power)


@inlined
def hyperbolic_tangent(x: Any) -> Any:
    """tanh(x) in float64, relative error below 1e-15; NaN gives 1."""
    a = abs(x)
    gone = decay(2.0 * (a if a < LARGEST_ARGUMENT else LARGEST_ARGUMENT))
    return float_of(np.uint64(bits_of(gone / (2.0 - gone)) | (bits_of(x) & _SIGN)))


@inlined
def single_hyperbolic_tangent(x: Any) -> Any:
    """tanh(x) in float32, relative error below 3e-7; NaN gives 1."""
    a = abs(x)
    a = _TWO * (a if a < _F(LARGEST_SINGLE_ARGUMENT) else _F(LARGEST_SINGLE_ARGUMENT))
    k = np.floor(fma(a, -_LOG2_E, _HALF))
    r = fma(k, -_LN2_LOW, fma(k, -_LN2_HIGH, -a))
    p = fma(_F7, r, _F6)
    p = fma(p, r, _F5)
    p = fma(p, r, _F4)
    p = fma(p, r, _F3)
    p = fma(p, r, _F2)
    p = fma(p, r, _F1)
    power = single_of(shift_left(np.uint32(np.int32(k) + np.int32(127)), _SINGLE_MANTISSA))
    gone = fma(-power, p * r, _UNITY - power)
    size = gone / (_TWO - gone)
    return -size if x < _F(0.0) else size
