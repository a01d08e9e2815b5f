"""Quantiles from the counts of a histogram."""

import numpy as np
from numpy.typing import NDArray


def histogram_quantiles(
    levels: NDArray[np.float64],
    edges: NDArray[np.float64],
    counts: NDArray[np.int64],
    *,
    extent: tuple[float, float] = (-np.inf, np.inf),
) -> NDArray[np.float64]:
    """Quantiles by interpolation within bins: linear, and in the logarithm where edges are decades apart.

    Args:
        levels: probabilities, shape (q,), each in (0, 1).
        edges: increasing, shape (n + 1,).
        counts: shape (n + 2,): below the first edge, the bins, from the last edge on.
        extent: least and largest sample, which no quantile passes.

    Returns:
        values, shape (q,); -inf or inf where the quantile lies below or beyond the edges; NaN without
        samples. Where all samples are one number, that number.
    """
    total = counts.sum()
    if total == 0:
        return np.full(levels.shape, np.nan)
    if extent[0] == extent[1]:
        return np.full(levels.shape, extent[0])
    reached = np.cumsum(counts[:-1]) / total
    wanted = np.searchsorted(reached, levels, side="left")
    values = np.empty(levels.shape)
    for i, (level, bin_index) in enumerate(zip(levels, wanted, strict=True)):
        if bin_index == 0:
            values[i] = -np.inf
        elif bin_index >= reached.size:
            values[i] = np.inf
        else:
            share = (level - reached[bin_index - 1]) / (reached[bin_index] - reached[bin_index - 1])
            values[i] = _between(float(edges[bin_index - 1]), float(edges[bin_index]), float(share))
    return np.where(np.isfinite(values), np.clip(values, *extent), values)


def _between(low: float, high: float, share: float) -> float:
    """The number at that share of the way from low to high."""
    if low * high > 0 and max(low / high, high / low) > 2:
        return float(low * (high / low) ** share)
    return low + share * (high - low)
