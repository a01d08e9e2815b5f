"""What the paths of a piece of work have come to: their steps, samples and ends, counted in one pass."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from equipoise_solver.ensembles.accumulators import LARGEST, LEAST
from equipoise_solver.ensembles.compiled import F8, I8, array_of, compiled
from equipoise_solver.ensembles.drivers import ABSORBED, LOST


@dataclass(frozen=True)
class Tally:
    """Counts over the paths of some blocks.

    Attributes:
        steps: steps taken.
        total: sum of v - origin over the samples of paths that are not lost.
        n_lost, n_absorbed: paths that have ended so.
        extent: least and largest sample; inf and -inf before the first.
    """

    steps: int
    total: float
    n_lost: int
    n_absorbed: int
    extent: tuple[float, float]


def tally(views: Mapping[str, NDArray[Any]], lanes: NDArray[np.int64]) -> Tally:
    """Count the paths of some blocks.

    Args:
        views: arrays of a shard, of these blocks.
        lanes: paths of each block, the first so many lanes, shape (blocks,).
    """
    found = np.empty(6)
    arrays = (views[name] for name in ("shard_status", "shard_taken", "shard_sums"))
    _tally_kernel()(*arrays, lanes, found)
    steps, total, n_lost, n_absorbed, least, largest = found.tolist()
    return Tally(int(steps), total, int(n_lost), int(n_absorbed), (least, largest))


def _tally(status: Any, taken: Any, sums: Any, lanes: Any, found: Any) -> None:
    steps, n_lost, n_absorbed = 0, 0, 0
    total, least, largest = 0.0, np.inf, -np.inf
    for b in range(lanes.size):
        for j in range(lanes[b]):
            steps += taken[b, j]
            n_lost += status[b, j] == LOST
            n_absorbed += status[b, j] == ABSORBED
            total += sums[b, 0, j] if math.isfinite(sums[b, 0, j]) else 0.0
            least = min(least, sums[b, LEAST, j])
            largest = max(largest, sums[b, LARGEST, j])
    found[0], found[1], found[2], found[3] = steps, total, n_lost, n_absorbed
    found[4], found[5] = least, largest


@cache
def _tally_kernel() -> Any:
    arrays = (array_of(types.uint8, 2), array_of(I8, 2), array_of(F8, 3), array_of(I8, 1), array_of(F8, 1))
    return compiled(_tally, types.void(*arrays))
