"""Streaming statistics: sums per path, histograms, and means over paths that merge from left to right."""

from equipoise_solver.ensembles.accumulators.histogram import histogram_quantiles
from equipoise_solver.ensembles.accumulators.means import Means, block_means, merge_blocks, merge_means
from equipoise_solver.ensembles.accumulators.samples import (
    LARGEST,
    LEAST,
    LOG,
    N_POWERS,
    Bins,
    accumulate,
    bins_of,
    empty_sums,
)
from equipoise_solver.ensembles.accumulators.tail import Tail, tail_of

__all__ = [
    "LARGEST",
    "LEAST",
    "LOG",
    "N_POWERS",
    "Bins",
    "Means",
    "Tail",
    "accumulate",
    "bins_of",
    "block_means",
    "empty_sums",
    "histogram_quantiles",
    "merge_blocks",
    "merge_means",
    "tail_of",
]
