"""Mean and variance of many two-layer laws (depth 1) at once: the compiled quadrature on all cores.

The first call in a process loads the kernel from numba's disk cache (0.3 s), the first on a machine compiles
it (3 s).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from equipoise_solver.theory.coefficients import Array, Coefficients
from equipoise_solver.theory.two_layer_scan_kernel import LEVELS, integrate_all

_COARSEST_STEP = 0.28
_REACH = 30.0  # In s: enough for T within 1e-10 of Tc.
_BLOCK = 1024  # Points per task of a thread, some 10 ms.
_COLUMNS = ("temperature", "alpha1", "root", "floor", "beta1", "beta2")


def two_layer_moments(c: Coefficients) -> tuple[Array, Array]:
    """Mean and variance on the sector v > 0, shape (n,), nan where the rule does not resolve a law.

    Args:
        c: coefficients of depth 1, with 0 < T < Tc.
    """
    mean, variance = np.full(c.size, np.nan), np.full(c.size, np.nan)
    regular = np.flatnonzero((c.alpha1 > 0) & (c.floor > 0))
    columns = [np.ascontiguousarray(getattr(c, name)[regular]) for name in _COLUMNS]
    found = np.full((2, regular.size), np.nan)
    nodes = np.arange(0.0, _REACH, _COARSEST_STEP / 2 ** (LEVELS - 1))
    tables, kernel = (np.sinh(nodes), np.cosh(nodes)), _kernel()

    def fill(start: int) -> None:
        part = slice(start, start + _BLOCK)
        kernel(*(column[part] for column in columns), *tables, found[0, part], found[1, part])

    _for_each(range(0, regular.size, _BLOCK), fill)
    mean[regular], variance[regular] = found
    return mean, variance


@cache
def _kernel() -> Callable[..., None]:
    """The kernel, compiled or from the disk cache; it runs without the interpreter's lock."""
    signature = types.void(*[types.Array(types.float64, 1, "C")] * 10)
    compiled: Any = numba.njit([signature], cache=True, nogil=True, error_model="numpy")(integrate_all)
    result: Callable[..., None] = compiled
    return result


def _for_each(starts: range, fill: Callable[[int], None]) -> None:
    threads = min(os.cpu_count() or 1, len(starts))
    if threads <= 1:
        for start in starts:
            fill(start)
        return
    with ThreadPoolExecutor(max_workers=threads) as pool:
        list(pool.map(fill, starts))
