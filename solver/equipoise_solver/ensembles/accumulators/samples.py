"""Streaming statistics of v: sums per path and one histogram of all samples, a block at a time.

A block's sample is a row of LANES numbers: 0 for paths absorbed at 0, NaN for paths that are lost or are not
there. NaN poisons its own sums only and is left out of the histogram.
"""

import functools
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
HELD = 8
"""Samples of a block that are held back and added together."""
TILE = 64
"""Lanes whose sums stay in the first-level cache while the samples held are added to them."""
_SHIFT = np.uint64(52 - MANTISSA_BITS)
_MAGNITUDE, _SIGN = np.uint64(0x7FFFFFFFFFFFFFFF), np.uint64(63)


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of any widths, and where to look for a number's bin by its sign and leading bits.

    Attributes:
        edges: increasing, shape (n + 1,); bin i is [edges[i], edges[i+1]).
        first_key: leading bits of the least magnitude that is told apart.
        ranges: the least and the largest number of edges at or below a number, by its key: by leading bits,
            positive numbers first, shape (2, keys).
        inner: the edge between these two, or NaN where there is none, shape (keys,); empty if anywhere
            there are more.
    """

    edges: NDArray[np.float64]
    first_key: int
    ranges: NDArray[np.int32]
    inner: NDArray[np.float64]


def bins_of(edges: NDArray[np.float64]) -> Bins:
    """The bins between increasing edges, shape (n + 1,)."""
    return _bins_of(edges.tobytes())


@functools.lru_cache(maxsize=4)  # Small runs that differ in their seeds only would take longer for this.
def _bins_of(content: bytes) -> Bins:
    edges = np.frombuffer(content).copy()  # Kernels are compiled for arrays that may be written to.
    keys = (np.abs(edges).view(np.uint64) >> _SHIFT).astype(np.int64)
    first = int(keys[edges != 0.0].min())
    keys = np.maximum(keys - first, 0)
    n = int(keys.max()) + 1
    # Edges up to the end of each range of magnitudes, from 0 upwards and from 0 downwards.
    up, down = (np.bincount(keys[side], minlength=n).cumsum() for side in (edges >= 0.0, edges < 0.0))
    least, largest = np.empty((2, n), dtype=np.int32), np.empty((2, n), dtype=np.int32)
    largest[0] = edges.size - up[-1] + up
    least[0, 0], least[0, 1:] = edges.size - up[-1], largest[0, :-1]
    least[1] = down[-1] - down
    largest[1, 0], largest[1, 1:] = down[-1], least[1, :-1]
    # Zero of either sign is at or above an edge at 0.
    largest[1, 0] += int(np.any(edges == 0.0))
    least[1, n - 1] = 0
    ranges = np.stack([least.ravel(), largest.ravel()])
    n_inner = ranges[1] - ranges[0]
    inner = np.where(n_inner > 0, edges[np.minimum(ranges[0], edges.size - 1)], np.nan)
    return Bins(edges, first, ranges, inner if n_inner.max() <= 1 else np.empty(0))


@inlined
def _key_of(x: Any, first_key: Any, n_keys: Any) -> Any:
    """Sign and leading bits of x, as an index."""
    half = n_keys >> 1
    bits = bits_of(x)
    key = np.int64((bits & _MAGNITUDE) >> _SHIFT) - first_key
    return np.int64(bits >> _SIGN) * half + min(max(key, 0), half - 1)


@inlined
def _searched(x: Any, low: Any, high: Any, edges: Any) -> Any:
    """Number of edges at or below x, between low and high."""
    while low < high:
        middle = (low + high) >> 1
        if x >= edges[middle]:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def count_row(v: Any, edges: Any, first_key: Any, ranges: Any, inner: Any, counts: Any, keys: Any) -> None:
    """Add a row of v, shape (LANES,), to the histogram; keys (LANES,) int64 is room to work in.

    Counts are those below the first edge, in the bins, and from the last edge on; NaN is left out. With at
    most one edge to compare with nothing branches: on which side x lies is chance, and a branch that cannot
    be predicted costs more than all the rest.
    """
    for j in range(LANES):
        keys[j] = _key_of(v[j], first_key, ranges.shape[1])
    if inner.size > 0:
        for j in range(LANES):
            if v[j] == v[j]:
                counts[np.int64(ranges[0, keys[j]]) + np.int64(v[j] >= inner[keys[j]])] += 1
    else:
        for j in range(LANES):
            if v[j] == v[j]:
                low, high = np.int64(ranges[0, keys[j]]), np.int64(ranges[1, keys[j]])
                counts[_searched(v[j], low, high, edges)] += 1


@inlined
def add_samples(
    rows: Any,
    n_rows: Any,
    origin: Any,
    sums: Any,
    edges: Any,
    first_key: Any,
    ranges: Any,
    inner: Any,
    counts: Any,
    keys: Any,
) -> None:
    """Add the first n_rows rows of v, shape (HELD, LANES), to sums (N_SUMS, LANES) and histogram."""
    for first in range(0, LANES, TILE):
        for i in range(n_rows):
            for j in range(first, first + TILE):
                x = rows[i, j]
                off = x - origin
                square = off * off
                sums[0, j] += off
                sums[1, j] += square
                sums[2, j] += off * square
                sums[3, j] += square * square
                sums[LOG, j] += fused_logarithm(max(abs(x), LOG_FLOOR))
                sums[LEAST, j] = x if x < sums[LEAST, j] else sums[LEAST, j]
                sums[LARGEST, j] = x if x > sums[LARGEST, j] else sums[LARGEST, j]
    for i in range(n_rows):
        count_row(rows[i], edges, first_key, ranges, inner, counts, keys)


def _accumulate(
    v: Any,
    first: Any,
    origin: Any,
    sums: Any,
    edges: Any,
    first_key: Any,
    ranges: Any,
    inner: Any,
    counts: Any,
) -> None:
    rows, keys = np.empty((1, LANES)), np.empty(LANES, dtype=np.int64)
    for i in range(first, v.shape[0]):
        for b in range(sums.shape[0]):
            rows[0] = v[i, b * LANES : (b + 1) * LANES]
            add_samples(rows, 1, origin, sums[b], edges, first_key, ranges, inner, counts, keys)


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
        array_of(types.int32, 2),
        array_of(F8, 1),
        array_of(I8, 1),
    )
    kernel = compiled(_accumulate, signature)
    kernel(v, first, origin, sums, bins.edges, bins.first_key, bins.ranges, bins.inner, counts)
