"""Minibatches as pairs, for models that are not linear in x: S rows of x, S rows of y, and a row of 1/S.

Where a batch is smaller, as the last one of an epoch, the rows left over hold x = 0, where a model
with f(0) = 0 has no gradient, whatever the label.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import LANES, inlined
from equipoise_solver.ensembles.noise.lanes import keep, stream_of, two_normals
from equipoise_solver.ensembles.noise.minibatch_epoch import shuffle
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.normals import single_normal_pair
from equipoise_solver.ensembles.streams import MINIBATCHES, below, next_word

LARGEST_BATCH = 64
"""Most pairs in a batch: the rows of 512 paths stay in the second-level cache."""


@inlined
def _disturb(words: Any, out: Any, size: Any, std: Any) -> None:
    """Add fresh N(0, std^2) to every label of a batch, two at a time."""
    for i in range(0, size, 2):
        for j in range(LANES):
            first, second = two_normals(words, j)
            out[size + i, j] += std * first
            if i + 1 < size:
                out[size + i + 1, j] += std * second


def fill_gaussian(
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
    """Pairs of Gaussian data; numbers = (S, input_std, slope, noise_std); see `compiled.noise_signature`."""
    size = np.int64(numbers[0])
    for i in range(size):
        for j in range(LANES):
            first, second = two_normals(words, j)
            x = numbers[1] * first
            out[i, j] = x
            out[size + i, j] = numbers[2] * x + numbers[3] * second
    for j in range(LANES):
        out[2 * size, j] = 1.0 / numbers[0]


def fill_gaussian_single(
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
    """The same in float32, from normal numbers of two words; see `fill_gaussian`."""
    size = np.int64(numbers[0])
    input_std, slope, noise_std = np.float32(numbers[1]), np.float32(numbers[2]), np.float32(numbers[3])
    for i in range(size):
        for j in range(LANES):
            a, b, c, d = stream_of(words, j)
            radius, a, b, c, d = next_word(a, b, c, d)
            turn, a, b, c, d = next_word(a, b, c, d)
            keep(words, j, a, b, c, d)
            first, second = single_normal_pair(radius, turn)
            x = input_std * first
            out[i, j] = x
            out[size + i, j] = slope * x + noise_std * second
    for j in range(LANES):
        out[2 * size, j] = 1.0 / numbers[0]


def fill_iid(
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
    """Pairs drawn with replacement; numbers = (S, 2**32 mod n, label std), table = (x, y)."""
    size = np.int64(numbers[0])
    bound = np.uint64(table.shape[1])
    threshold = np.uint64(numbers[1])
    for j in range(LANES):
        a, b, c, d = stream_of(words, j)
        for i in range(size):
            k, a, b, c, d = below(bound, threshold, a, b, c, d)
            out[i, j] = table[0, k]
            out[size + i, j] = table[1, k]
        keep(words, j, a, b, c, d)
        out[2 * size, j] = 1.0 / numbers[0]
    if numbers[2] > 0.0:
        _disturb(words, out, size, numbers[2])


def fill_epoch(
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
    """Pairs by epoch; numbers = (S, label std), table = (x, y), work holds the shuffles."""
    n = table.shape[1]
    size = np.int64(numbers[0])
    n_batches = (n + size - 1) // size
    place = step % n_batches
    if place == 0 or fresh == 1:
        shuffle(work, n, lanes, key, first_path, step // n_batches)
    start = place * size
    there = min(size, n - start)
    for i in range(size):
        for j in range(LANES):
            k = work[j, min(start + i, n - 1)]
            out[i, j] = table[0, k] if i < there else 0.0
            out[size + i, j] = table[1, k] if i < there else 0.0
    for j in range(LANES):
        out[2 * size, j] = 1.0 / np.float64(there)
    if numbers[1] > 0.0:
        _disturb(words, out, size, numbers[1])


def _source(
    name: str,
    fill: Any,
    *,
    size: int,
    numbers: list[float],
    precision: Literal["float64", "float32"],
    table: NDArray[np.float64] | None = None,
    work_columns: int = 1,
) -> NoiseSource:
    return NoiseSource(
        name=name,
        fill=fill,
        purpose=MINIBATCHES,
        weak_order=None,
        numbers=np.array(numbers, dtype=np.float64),
        table=np.zeros((2, 1)) if table is None else table,
        work_columns=work_columns,
        rows=2 * size + 1,
        precision=precision,
    )


def gaussian_source(
    *,
    slope: float,
    noise_std: float,
    input_std: float,
    batch_size: int,
    precision: Literal["float64", "float32"],
) -> NoiseSource:
    """Batches of y = slope x + noise."""
    numbers = [batch_size, input_std, slope, noise_std]
    fill = fill_gaussian_single if precision == "float32" else fill_gaussian
    return _source("pairs_gaussian", fill, size=batch_size, numbers=numbers, precision=precision)


def sample_source(
    *,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    batch_size: int,
    by_epoch: bool,
    std: float,
    precision: Literal["float64", "float32"],
) -> NoiseSource:
    """Batches of pairs (x_i, y_i), each of shape (n,), with label noise of that standard deviation."""
    size = min(batch_size, x.size) if by_epoch else batch_size
    return _source(
        "pairs_epoch" if by_epoch else "pairs_iid",
        fill_epoch if by_epoch else fill_iid,
        size=size,
        numbers=[size, std] if by_epoch else [size, 2**32 % x.size, std],
        precision=precision,
        table=np.ascontiguousarray([x, y]),
        work_columns=x.size if by_epoch else 1,
    )
