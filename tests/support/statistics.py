"""Calibrated statistical assertions: tolerances are standard errors, and samples that are too small are
refused.

Each passes if |estimate - exact| <= bias + z * standard_error, and first asserts that a defect of size
`resolves` would be caught with probability 1 - 1e-6 at the given size of the sample.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def _judge(
    name: str, *, off: float, error: float, resolves: float, bias: float, z: float, power_z: float
) -> None:
    seen = (z + power_z) * error + 2 * bias
    assert seen <= resolves, f"{name}: the sample is too small: it sees {seen:.2g}, not {resolves:.2g}"
    ratio = off / error if error > 0 else math.copysign(math.inf, off)
    assert abs(off) <= bias + z * error, (
        f"{name}: off by {off:.3g}, {ratio:+.1f} standard errors, bias {bias:.2g}"
    )


def assert_mean(
    x: Array, exact: float, *, resolves: float, bias: float = 0.0, z: float = 5.0, power_z: float = 4.75
) -> None:
    """Mean of independent samples x, shape (n,), is exact; a defect of size `resolves` would be caught."""
    error = float(x.std(ddof=1)) / math.sqrt(x.size)
    off = float(x.mean()) - exact
    _judge("mean", off=off, error=error, resolves=resolves, bias=bias, z=z, power_z=power_z)


def assert_variance(
    x: Array, exact: float, *, resolves: float, bias: float = 0.0, z: float = 5.0, power_z: float = 4.75
) -> None:
    """Variance of independent samples x, shape (n,), is exact; error sqrt((m4 - v^2)/n)."""
    variance = float(x.var(ddof=1))
    fourth = float(np.mean((x - x.mean()) ** 4))
    error = math.sqrt(max(fourth - variance**2, 0.0) / x.size)
    off = variance - exact
    _judge("variance", off=off, error=error, resolves=resolves, bias=bias, z=z, power_z=power_z)


def assert_fraction(
    count: int,
    n: int,
    exact: float,
    *,
    resolves: float,
    bias: float = 0.0,
    z: float = 5.0,
    power_z: float = 4.75,
) -> None:
    """`count` of n independent trials succeeded with probability `exact`; error sqrt(q (1 - q)/n)."""
    error = math.sqrt(exact * (1 - exact) / n)
    _judge("fraction", off=count / n - exact, error=error, resolves=resolves, bias=bias, z=z, power_z=power_z)


def assert_same_fraction(
    first: Array, second: Array, threshold: float, *, resolves: float, z: float = 5.0, power_z: float = 4.75
) -> None:
    """Two independent samples, of any sizes, lie below the threshold equally often."""
    p, q = float(np.mean(first < threshold)), float(np.mean(second < threshold))
    pooled = (p * first.size + q * second.size) / (first.size + second.size)
    error = math.sqrt(pooled * (1 - pooled) * (1 / first.size + 1 / second.size))
    _judge("fractions", off=p - q, error=error, resolves=resolves, bias=0.0, z=z, power_z=power_z)


def assert_law(x: Array, cdf: Array, *, resolves: float, bias: float = 0.0, level: float = 1e-6) -> None:
    """Independent samples x follow a law: the largest CDF gap is within sqrt(log(2/level)/(2 n)).

    Args:
        x: samples, shape (n,).
        cdf: the exact CDF at the sorted samples, shape (n,).
        resolves: largest CDF gap of the defect that must be caught.
        bias: largest CDF gap that is granted.
        level: chance of a false alarm, and of a miss.
    """
    n = x.size
    bound = math.sqrt(math.log(2 / level) / (2 * n))
    assert 2 * bound + 2 * bias <= resolves, f"n={n} is too small: it sees {2 * bound + 2 * bias:.2g}"
    steps = np.arange(1, n + 1) / n
    gap = float(max(np.max(np.abs(steps - cdf)), np.max(np.abs(steps - 1 / n - cdf))))
    assert gap <= bound + bias, f"largest CDF gap {gap:.3g}, allowed {bound + bias:.3g}"
