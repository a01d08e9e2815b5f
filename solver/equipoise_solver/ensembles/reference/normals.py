"""Reference of `normals.single_normal_pair`, on arrays of words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles import normals
from equipoise_solver.ensembles.reference.fused import fma

Singles = NDArray[np.float32]
LOG: tuple[Any, ...] = tuple(getattr(normals, f"_L{i}") for i in range(9))
SINE: tuple[Any, ...] = tuple(getattr(normals, f"_S{i}") for i in range(4))
COSINE: tuple[Any, ...] = tuple(getattr(normals, f"_C{i}") for i in range(1, 5))
SQRT_HALF_BITS = 0x3F3504F3
LN2 = np.float32(0.6931471805599453)


def fused_horner(coefficients: tuple[Any, ...], x: Any) -> Any:
    """A polynomial, lowest order first, by Horner's rule with fused multiply-adds."""
    total = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = fma(total, x, c)
    return total


def single_normal_pair(
    radius: NDArray[np.unsignedinteger[Any]], turn: NDArray[np.unsignedinteger[Any]]
) -> tuple[Singles, Singles]:
    """Two N(0, 1) numbers in float32 from two words of 32 bits each."""
    u = fma(radius.astype(np.uint32).astype(np.float32), np.float32(2.0**-32), np.float32(2.0**-33))
    bits = u.view(np.int32)
    e = (bits - np.int32(SQRT_HALF_BITS)) >> 23
    f = (bits - (e << 23)).view(np.float32) - np.float32(1)
    r = np.sqrt(-fma(fused_horner(LOG, f), f, e.astype(np.float32) * LN2))
    angle = turn.astype(np.uint32)
    t = (angle << np.uint32(2)).view(np.int32).astype(np.float32) * np.float32(2.0**-31)
    z = t * t
    s, c = fused_horner(SINE, z) * t, fma(fused_horner(COSINE, z), z, np.float32(1))
    first = np.where(angle >> np.uint32(31), -(r * (c - s)), r * (c - s))
    second = np.where((angle >> np.uint32(30)) & np.uint32(1), -(r * (c + s)), r * (c + s))
    return first, second
