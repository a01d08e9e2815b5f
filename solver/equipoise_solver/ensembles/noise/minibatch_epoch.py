"""Minibatches by epoch: every path goes through its own shuffle of the data, a fresh one per epoch.

The shuffle of (path, epoch) is Fisher and Yates with its own stream, so a restart inside an epoch rebuilds
it and checkpoints need not hold it. As with PyTorch's DataLoader (drop_last=False), the last batch of an
epoch holds what is left and is averaged over its own size.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.streams import MINIBATCHES, PERMUTATIONS, below, start_stream


@inlined
def shuffle(work: Any, n: Any, lanes: Any, key: Any, first_path: Any, epoch: Any) -> None:
    """Put the shuffle of 0 .. n - 1 of every lane's path and that epoch into work[lane]."""
    for j in range(lanes):
        path = first_path + np.uint64(j)
        a, b, c, d = start_stream(key, path, PERMUTATIONS, epoch)
        for i in range(n):
            work[j, i] = i
        for i in range(n - 1, 0, -1):
            bound = np.uint64(i + 1)
            k, a, b, c, d = below(bound, np.uint64(4294967296) % bound, a, b, c, d)
            moved = work[j, i]
            work[j, i] = work[j, k]
            work[j, k] = moved


def fill(
    words: Any,
    active: Any,
    out: Any,
    lanes: Any,
    step: Any,
    fresh: Any,
    key: Any,
    first_path: Any,
    numbers: Any,
    table: Any,
    work: Any,
) -> None:
    """Put (A, B) into out[:, lane]; numbers = (S,), table = (x^2, xy), work holds the shuffles.

    See `compiled.noise_signature`.
    """
    n = table.shape[1]
    size = np.int64(numbers[0])
    n_batches = (n + size - 1) // size
    epoch = step // n_batches
    place = step % n_batches
    start = place * size
    stop = min(start + size, n)
    if place == 0 or fresh == 1:
        shuffle(work, n, lanes, key, first_path, epoch)
    for j in range(lanes):
        squares = 0.0
        products = 0.0
        for i in range(start, stop):
            squares = squares + table[0, work[j, i]]
            products = products + table[1, work[j, i]]
        out[0, j] = squares / np.float64(stop - start)
        out[1, j] = products / np.float64(stop - start)


def source(*, x: NDArray[np.float64], y: NDArray[np.float64], batch_size: int) -> NoiseSource:
    """Batches of pairs (x_i, y_i), each of shape (n,)."""
    return NoiseSource(
        name="minibatch_epoch",
        fill=fill,
        purpose=MINIBATCHES,
        weak_order=None,
        numbers=np.array([min(batch_size, x.size)], dtype=np.float64),
        table=np.ascontiguousarray([x * x, x * y]),
        work_columns=x.size,
    )
