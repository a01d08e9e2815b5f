"""Streaming statistics of v: sums per path and one histogram of all samples, a block at a time.

A block's sample is a row of LANES numbers: 0 for paths absorbed at 0, NaN for paths that are lost or are not
there. NaN poisons its own sums only and is left out of the histogram.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import F8, I8, LANES, array_of, compiled, inlined
from equipoise_solver.ensembles.device import bits_of
from equipoise_solver.ensembles.elementary import fused_logarithm

N_POWERS = 4
LOG, LEAST, LARGEST = 4, 5, 6
"""Rows of the sums after the powers: ln |v|, and the least and the largest v."""
N_SUMS = 7
LOG_FLOOR = 1e-300
"""|v| below which ln |v| counts as that of the floor."""
MANTISSA_BITS = 10
"""Leading bits of the mantissa that the search for a bin starts from."""
_SHIFT = np.uint64(52 - MANTISSA_BITS)
_MAGNITUDE, _SIGN = np.uint64(0x7FFFFFFFFFFFFFFF), np.uint64(63)


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of any widths, and where to look for a number's bin by its leading bits.

    Attributes:
        edges: increasing, shape (n + 1,); bin i is [edges[i], edges[i+1]).
        first_key: leading bits of the least magnitude that is told apart.
        ranges: for the sign (0 for +) and the leading bits, the least and the largest number of edges at or
            below a number with them, shape (2, 2, keys).
    """

    edges: NDArray[np.float64]
    first_key: int
    ranges: NDArray[np.int32]


def bins_of(edges: NDArray[np.float64]) -> Bins:
    """The bins between increasing edges, shape (n + 1,)."""
    shift = np.uint64(52 - MANTISSA_BITS)
    keys = (np.abs(edges).view(np.uint64) >> shift).astype(np.int64)
    first = int(keys[edges != 0.0].min())
    keys = np.maximum(keys - first, 0)
    n = int(keys.max()) + 1
    # Edges up to the end of each range of magnitudes, from 0 upwards and from 0 downwards.
    up, down = (np.bincount(keys[side], minlength=n).cumsum() for side in (edges >= 0.0, edges < 0.0))
    ranges = np.empty((2, 2, n), dtype=np.int32)
    ranges[0, 1] = edges.size - up[-1] + up
    ranges[0, 0, 0], ranges[0, 0, 1:] = edges.size - up[-1], ranges[0, 1, :-1]
    ranges[1, 0] = down[-1] - down
    ranges[1, 1, 0], ranges[1, 1, 1:] = down[-1], ranges[1, 0, :-1]
    # Zero of either sign is at or above an edge at 0.
    ranges[1, 1, 0] += int(np.any(edges == 0.0))
    ranges[1, 0, n - 1] = 0
    return Bins(edges, first, ranges)


@inlined
def bin_of(x: Any, edges: Any, first_key: Any, ranges: Any) -> Any:
    """Number of edges at or below x: 0 below the first, i + 1 in bin i, n + 1 from the last on."""
    bits = bits_of(x)
    sign = np.int64(bits >> _SIGN)
    key = np.int64((bits & _MAGNITUDE) >> _SHIFT) - first_key
    key = min(max(key, 0), ranges.shape[2] - 1)
    low, high = np.int64(ranges[sign, 0, key]), np.int64(ranges[sign, 1, key])
    while low < high:
        middle = (low + high) >> 1
        if x >= edges[middle]:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def add_sample(v: Any, origin: Any, sums: Any, edges: Any, first_key: Any, ranges: Any, counts: Any) -> None:
    """Add a row of v, shape (LANES,), to the sums, shape (N_SUMS, LANES), and to the histogram."""
    for j in range(LANES):
        x = v[j]
        off = x - origin
        square = off * off
        sums[0, j] += off
        sums[1, j] += square
        sums[2, j] += off * square
        sums[3, j] += square * square
        sums[LOG, j] += fused_logarithm(max(abs(x), LOG_FLOOR))
        sums[LEAST, j] = x if x < sums[LEAST, j] else sums[LEAST, j]
        sums[LARGEST, j] = x if x > sums[LARGEST, j] else sums[LARGEST, j]
    for j in range(LANES):
        if v[j] == v[j]:
            counts[bin_of(v[j], edges, first_key, ranges)] += 1


def _accumulate(
    v: Any, first: Any, origin: Any, sums: Any, edges: Any, first_key: Any, ranges: Any, counts: Any
) -> None:
    for i in range(first, v.shape[0]):
        for b in range(sums.shape[0]):
            row = v[i, b * LANES : (b + 1) * LANES]
            add_sample(row, origin, sums[b], edges, first_key, ranges, counts)


def empty_sums(n_blocks: int) -> NDArray[np.float64]:
    """Sums before the first sample, shape (n_blocks, N_SUMS, LANES)."""
    sums = np.zeros((n_blocks, N_SUMS, LANES))
    sums[:, LEAST] = np.inf
    sums[:, LARGEST] = -np.inf
    return sums


def accumulate(
    v: NDArray[np.float64],
    first: int,
    *,
    origin: float,
    bins: Bins,
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Add the samples v[first:], shape (samples, paths), to the sums and to the histogram.

    Args:
        v: samples.
        first: first sample that counts.
        origin: sums are of powers of v - origin, against cancellation.
        bins: of the histogram.
        sums: shape (blocks, N_SUMS, LANES), changed.
        counts: shape (n + 2,), changed: below the first edge, the bins, from the last edge on.
    """
    signature = types.void(
        array_of(F8, 2),
        I8,
        F8,
        array_of(F8, 3),
        array_of(F8, 1),
        I8,
        array_of(types.int32, 3),
        array_of(I8, 1),
    )
    compiled(_accumulate, signature)(v, first, origin, sums, bins.edges, bins.first_key, bins.ranges, counts)
