"""Means and squared deviations over paths, in blocks that merge from left to right.

References:
    Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances (1979).
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import F8, array_of, compiled


@dataclass(frozen=True, eq=False)
class Means:
    """Count, mean and sum of squared deviations of paths, for many quantities at once.

    Attributes:
        count: number of paths, any shape.
        mean: of the same shape.
        squares: sum of squared deviations from the mean, of the same shape.
    """

    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> "Means":
        """No paths yet."""
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape))

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """Standard error of the mean of independent paths; NaN for fewer than two."""
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt(self.squares / (self.count - 1) / self.count)
        return np.where(self.count > 1, error, np.nan)


def block_means(values: NDArray[np.float64]) -> Means:
    """Means over the last axis; NaN entries are left out.

    Args:
        values: shape (..., lanes); padded lanes and lost paths are NaN.

    Returns:
        Means of shape (...).
    """
    means = Means.empty(values.shape[:-1])
    flat = np.ascontiguousarray(values).reshape(-1, values.shape[-1])
    _means_kernel()(flat, means.count.reshape(-1), means.mean.reshape(-1), means.squares.reshape(-1))
    return means


def _block_means(values: Any, count: Any, mean: Any, squares: Any) -> None:
    for i in range(values.shape[0]):
        n, total, spread = 0.0, 0.0, 0.0
        for x in values[i]:
            if math.isfinite(x):
                n += 1.0
                total += x
        centre = total / max(n, 1.0)
        for x in values[i]:
            if math.isfinite(x):
                spread += (x - centre) * (x - centre)
        count[i], mean[i], squares[i] = n, centre, spread


@cache
def _means_kernel() -> Any:
    return compiled(_block_means, types.void(array_of(F8, 2), *[array_of(F8, 1)] * 3))


def merge_means(left: Means, right: Means) -> Means:
    """Means of both sets of paths."""
    count = left.count + right.count
    share = right.count / np.maximum(count, 1.0)
    gap = right.mean - left.mean
    mean = left.mean + gap * share
    # Products in this order: where the square of a gap overflows, a side without paths adds 0 and not NaN.
    with np.errstate(over="ignore"):
        return Means(count, mean, left.squares + right.squares + gap * (gap * (left.count * share)))


def _merge_blocks(
    count: Any, mean: Any, squares: Any, all_count: Any, all_mean: Any, all_squares: Any
) -> None:
    for i in range(all_count.shape[0]):
        for b in range(count.shape[0]):
            n = all_count[i] + count[b, i]
            share = count[b, i] / max(n, 1.0)
            gap = mean[b, i] - all_mean[i]
            all_mean[i] += gap * share
            all_squares[i] += squares[b, i] + gap * (gap * (all_count[i] * share))
            all_count[i] = n


@cache
def _merge_kernel() -> Any:
    return compiled(_merge_blocks, types.void(*[array_of(F8, 2)] * 3, *[array_of(F8, 1)] * 3))


def merge_blocks(blocks: Means) -> Means:
    """Means over the first axis, merged from left to right."""
    shape = blocks.count.shape[1:]
    merged = Means.empty((math.prod(shape),))
    flat = (
        np.ascontiguousarray(a.reshape(a.shape[0], -1)) for a in (blocks.count, blocks.mean, blocks.squares)
    )
    _merge_kernel()(*flat, merged.count, merged.mean, merged.squares)
    return Means(*(a.reshape(shape) for a in (merged.count, merged.mean, merged.squares)))
