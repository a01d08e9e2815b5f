"""The index of a power-law tail, from the counts of a histogram.

References:
    Hill, A simple general approach to inference about the tail of a distribution (1975).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARES = (1e-3, 1e-2)
"""Shares of all samples that may make the tail: the smallest that holds enough of them."""
LEAST_EFFECTIVE = 100
"""Fewest effectively independent samples in a tail."""


@dataclass(frozen=True)
class Tail:
    """P(|v| > x) falls as x^-index beyond the threshold, if it is a power law there.

    Attributes:
        index: Hill's estimate; the density falls as x^-(index + 1).
        standard_error: index/sqrt(effectively independent samples in the tail).
        threshold: where the tail starts.
        count: samples in it.
    """

    index: float
    standard_error: float
    threshold: float
    count: int


def tail_of(edges: NDArray[np.float64], counts: NDArray[np.int64], *, n_effective: float) -> Tail | None:
    """Hill's estimate for |v|, by the likelihood of a Pareto law in bins; None without enough samples.

    Args:
        edges: increasing, shape (n + 1,).
        counts: shape (n + 2,): below the first edge, the bins, from the last edge on.
        n_effective: effectively independent samples behind all counts.
    """
    total = int(counts.sum())
    magnitudes = np.maximum(np.abs(edges[:-1]), np.abs(edges[1:]))
    lower = np.minimum(np.abs(edges[:-1]), np.abs(edges[1:]))
    lower = np.where((edges[:-1] < 0) & (edges[1:] > 0), 0.0, lower)
    for share in SHARES:
        if total == 0 or share * n_effective < LEAST_EFFECTIVE:
            continue
        order = np.argsort(lower, kind="stable")[::-1]
        beyond = counts[0] + counts[-1] + np.cumsum(counts[1:-1][order])
        place = int(np.searchsorted(beyond, share * total))
        if place >= order.size:
            return None
        threshold = float(lower[order[place]])
        tail = order[: place + 1]
        inside = counts[1:-1][tail]
        if threshold <= 0 or inside.sum() == 0:
            return None
        # Samples within a bin at its geometric middle, those beyond the edges censored there.
        middles = np.sqrt(magnitudes[tail] * np.maximum(lower[tail], threshold))
        excess = float((inside * np.log(middles / threshold)).sum())
        excess += float(counts[0]) * math.log(max(abs(edges[0]) / threshold, 1.0))
        excess += float(counts[-1]) * math.log(max(abs(edges[-1]) / threshold, 1.0))
        count = int(inside.sum() + counts[0] + counts[-1])
        if excess <= 0:
            return None
        index = float(inside.sum()) / excess
        return Tail(index, index / math.sqrt(max(1.0, n_effective * count / total)), threshold, count)
    return None
