"""Sums of powers of v per path, and the histogram of all samples, from the samples of one piece of work."""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import F8, I8, array_of, compiled

N_POWERS = 4


def _accumulate(v: Any, first: Any, origin: Any, edges: Any, sums: Any, counts: Any) -> None:
    n_bins = edges.shape[0] - 1
    for i in range(first, v.shape[0]):
        for j in range(v.shape[1]):
            x = v[i, j]
            off = x - origin
            square = off * off
            sums[0, j] += off
            sums[1, j] += square
            sums[2, j] += off * square
            sums[3, j] += square * square
            if not np.isfinite(x):
                continue
            low = -1
            high = n_bins + 1
            while high - low > 1:
                middle = (low + high) // 2
                if x >= edges[middle]:
                    low = middle
                else:
                    high = middle
            counts[low + 1] += 1


def accumulate(
    v: NDArray[np.float64],
    first: int,
    *,
    origin: float,
    edges: NDArray[np.float64],
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Add the samples v[first:], shape (samples, paths), to the sums and to the histogram.

    Args:
        v: samples; NaN from when a path is lost, which then poisons its own sums only.
        first: first sample that counts.
        origin: sums are of powers of v - origin, against cancellation.
        edges: increasing, shape (n + 1,); bin i is [edges[i], edges[i+1]).
        sums: shape (4, paths), changed.
        counts: shape (n + 2,), changed: below the first edge, the bins, from the last edge on.
    """
    signature = types.void(array_of(F8, 2), I8, F8, array_of(F8, 1), array_of(F8, 2), array_of(I8, 1))
    compiled(_accumulate, signature)(v, first, origin, edges, sums, counts)
