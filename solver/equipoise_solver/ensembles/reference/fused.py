"""The fused multiply-add on arrays, rounded once, without an instruction for it.

References:
    Boldo and Melquiond, Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd
    (2008), figure 3. Exact where no intermediate result overflows or underflows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.floating[Any]]
_SPLITTER = 2.0**27 + 1


def two_sum(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and its rounding error: exact together (Knuth)."""
    total = a + b
    other = total - a
    return total, (a - (total - other)) + (b - other)


def two_product(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Product and its rounding error: exact together (Veltkamp and Dekker)."""
    product = a * b
    a_high = _SPLITTER * a - (_SPLITTER * a - a)
    b_high = _SPLITTER * b - (_SPLITTER * b - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def odd_sum(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum rounded to odd: itself if exact, else that neighbour whose last bit is 1."""
    total, error = two_sum(a, b)
    is_even = (total.view(np.int64) & 1) == 0
    towards = np.where(error > 0, np.inf, -np.inf)
    return np.where((error != 0) & is_even, np.nextafter(total, towards), total)


def fma(a: Any, b: Any, c: Any) -> Any:
    """Reference of `device.fma`: a*b + c rounded once, in float32 if an array among them is, else float64.

    Numbers beside arrays are taken in the arrays' precision.
    """
    arrays = [x for x in (a, b, c) if isinstance(x, np.ndarray | np.floating)]
    dtype = np.float32 if any(x.dtype == np.float32 for x in arrays) else np.float64
    x, y, z = np.broadcast_arrays(*(np.asarray(v, dtype=dtype).astype(np.float64) for v in (a, b, c)))
    if dtype == np.float32:  # A product of two float32 is exact in float64.
        return odd_sum(x * y, z).astype(np.float32)
    high, low = two_product(x, y)
    sum_high, sum_low = two_sum(z, low)
    top, rest = two_sum(high, sum_high)
    return top + odd_sum(rest, sum_low)
