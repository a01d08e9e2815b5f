"""From the fine, uneven bins of a solution to the few bars of a picture, and the range worth showing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver import specs

Array = NDArray[np.float64]

N_BARS = 80
LOW, HIGH = 0.001, 0.995
# A law narrower than this fraction of the distance from 0 to the least-squares point is a spike.
NARROW = 0.02
# Share of the area under a curve that may stick out of the picture.
SPIKE = 0.25
# A maximum that rises above the rest of its curve by more than this factor is a pole.
POLE = 4.0


@dataclass(frozen=True)
class Bars:
    """Bars of a normalised histogram.

    Attributes:
        edges: shape (n + 1,), increasing.
        heights: probability per unit of v, shape (n,); all samples, shown or not, make up 1.
    """

    edges: Array
    heights: Array

    @property
    def outline(self) -> tuple[Array, Array]:
        """The upper outline as a curve (v, p), each of shape (2 n,)."""
        return np.repeat(self.edges, 2)[1:-1], np.repeat(self.heights, 2)


def range_of_histogram(histogram: specs.Histogram) -> tuple[float, float] | None:
    """Range from the 0.1 % to the 99.5 % quantile, rounded outwards to bin edges; None without samples."""
    total = n_samples(histogram)
    if total == 0:
        return None
    below = histogram.below + np.concatenate([[0], np.cumsum(histogram.counts)])
    first = int(np.searchsorted(below, LOW * total, side="right")) - 1
    last = int(np.searchsorted(below, HIGH * total, side="left"))
    edges = histogram.edges
    return float(edges[max(first, 0)]), float(edges[min(last, edges.size - 1)])


def range_of_law(law: specs.Law) -> tuple[float, float] | None:
    """Range from the 0.1 % to the 99.5 % quantile of a law; None if all of it is in atoms."""
    v, cdf = law.density.v, law.density.cdf
    if v.size < 2 or not (law.density.p > 0).any():
        return None
    first = int(np.searchsorted(cdf, LOW, side="right")) - 1
    last = int(np.searchsorted(cdf, HIGH, side="left"))
    return float(v[max(first, 0)]), float(v[min(last, v.size - 1)])


def joint_range(*ranges: tuple[float, float] | None, points: tuple[float | None, ...]) -> tuple[float, float]:
    """Range to show: around all ranges, reaching to the points of interest unless they are far away.

    Args:
        ranges: ranges that must be seen.
        points: 0, means, modes and the like.
    """
    known = [part for part in ranges if part is not None]
    marks = [point for point in points if point is not None]
    low = min([part[0] for part in known], default=min(marks, default=0.0))
    high = max([part[1] for part in known], default=max(marks, default=0.0))
    scale = max((abs(mark) for mark in marks), default=0.0)
    spread = high - low
    reach = np.inf if spread <= NARROW * scale else 1.5 * spread
    low = min([low, *(mark for mark in marks if low - mark <= reach)])
    high = max([high, *(mark for mark in marks if mark - high <= reach)])
    margin = 0.03 * (high - low) or 0.5 * abs(high) or 1.0
    return low - margin, high + margin


def bars_of(histogram: specs.Histogram, shown: tuple[float, float]) -> Bars:
    """Merge adjacent bins, within the range shown, into about 80 bars none of which is thinner than that.

    Args:
        histogram: bins of any widths.
        shown: range of the picture.
    """
    total = n_samples(histogram)
    edges = histogram.edges
    inside = np.flatnonzero((edges >= shown[0]) & (edges <= shown[1]))
    if total == 0 or inside.size < 2:
        return Bars(np.array(shown), np.zeros(1))
    kept = _thinned(edges[inside], (shown[1] - shown[0]) / N_BARS)
    below = np.concatenate([[0], np.cumsum(histogram.counts)])[inside]
    return Bars(edges[inside][kept], np.diff(below[kept]) / total / np.diff(edges[inside][kept]))


def n_samples(histogram: specs.Histogram) -> int:
    """Number of samples, those outside the bins included."""
    return int(histogram.counts.sum()) + histogram.below + histogram.above


def ceiling(*curves: tuple[Array, Array], shown: tuple[float, float]) -> float:
    """Height of the picture: the tops of the curves, but a pole or spike may stick out.

    Args:
        curves: pairs (v, p), v not decreasing.
        shown: range of the picture.
    """
    tops = []
    for v, p in curves:
        seen = (v >= shown[0]) & (v <= shown[1]) & np.isfinite(p)
        if seen.any():
            tops.append(_top(v[seen], p[seen]))
    return 1.12 * max(tops, default=0.0) or 1.0


def _top(v: Array, p: Array) -> float:
    """Top of a curve; if it is a pole, or a spike of hardly any area, the height of the rest."""
    low, high = 0.0, float(p.max())
    area = np.trapezoid(p, v)
    for _ in range(120):
        middle = 0.5 * (low + high)
        is_too_low = np.trapezoid(np.maximum(p - middle, 0.0), v) > SPIKE * area
        low, high = (middle, high) if is_too_low else (low, middle)
    if p.max() <= POLE * high:
        return float(p.max())
    even = np.interp(np.linspace(v[0], v[-1], 400), v, p)
    return min(float(p.max()), max(high, POLE * float(np.quantile(even, 0.75))))


def _thinned(edges: Array, width: float) -> list[int]:
    """Indices of edges that are at least `width` apart; the last edge is always one."""
    kept = [0]
    for index in range(1, edges.size):
        # The tolerance keeps even bins even in spite of rounding.
        if edges[index] - edges[kept[-1]] >= width * (1 - 1e-9):
            kept.append(index)
    if kept[-1] != edges.size - 1:
        kept.append(edges.size - 1)
    return kept
