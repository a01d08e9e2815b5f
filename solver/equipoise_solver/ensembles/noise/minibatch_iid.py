"""Minibatches of an empirical data set drawn with replacement: S unbiased indices per step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.noise.lanes import keep, stream_of
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.streams import MINIBATCHES, below


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
    """Put (A, B) into out[:, lane]; numbers = (S, 2**32 mod n), table = (x^2, xy).

    See `compiled.noise_signature`.
    """
    size = np.int64(numbers[0])
    bound = np.uint64(table.shape[1])
    threshold = np.uint64(numbers[1])
    for j in range(lanes):
        a, b, c, d = stream_of(words, j)
        squares = 0.0
        products = 0.0
        for _ in range(size):
            i, a, b, c, d = below(bound, threshold, a, b, c, d)
            squares = squares + table[0, i]
            products = products + table[1, i]
        keep(words, j, a, b, c, d)
        out[0, j] = squares / numbers[0]
        out[1, j] = products / numbers[0]


def source(*, x: NDArray[np.float64], y: NDArray[np.float64], batch_size: int) -> NoiseSource:
    """Batches of pairs (x_i, y_i), each of shape (n,)."""
    return NoiseSource(
        name="minibatch_iid",
        fill=fill,
        purpose=MINIBATCHES,
        weak_order=None,
        numbers=np.array([batch_size, 2**32 % x.size], dtype=np.float64),
        table=np.ascontiguousarray([x * x, x * y]),
    )
