"""Streaming statistics: sums per path, histograms, and means over paths that merge from left to right."""

from equipoise_solver.ensembles.accumulators.histogram import histogram_quantiles
from equipoise_solver.ensembles.accumulators.means import Means, block_means, merge_means
from equipoise_solver.ensembles.accumulators.samples import accumulate

__all__ = ["Means", "accumulate", "block_means", "histogram_quantiles", "merge_means"]
