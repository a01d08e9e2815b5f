"""Histograms of simulated ensembles: drawn as densities, and read."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from equipoise import specs
from equipoise.plots.bars import bars_of, n_samples


def draw_bars(
    ax: Axes, histogram: specs.Histogram, shown: tuple[float, float], *, colour: str, label: str
) -> None:
    """Draw a histogram as a filled density over a range.

    Args:
        ax: axes.
        histogram: of the model coordinate.
        shown: range.
        colour: of the bars.
        label: of the legend.
    """
    bars = bars_of(histogram, shown)
    ax.stairs(bars.heights, bars.edges, fill=True, color=colour, alpha=0.3, label=label)


def shares(histogram: specs.Histogram) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges of the bins and the share of samples below each, both of shape (n + 1,)."""
    below = histogram.below + np.concatenate([[0], np.cumsum(histogram.counts)])
    return histogram.edges, below / n_samples(histogram)


def share_below(histogram: specs.Histogram, level: float) -> float:
    """Share of samples below a level, linear between edges."""
    return float(np.interp(level, *shares(histogram)))
