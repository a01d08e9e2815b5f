"""Label noise: fresh N(0, std^2) on every label of a batch at every step, exact in law at O(1) cost.

The noise of S labels enters a batch through mean xi x only, which given the inputs is N(0, std^2 A/S): after
a source has put (A, B) down, B gets std sqrt(A/S) z. Gaussian data need none of this: their own label noise
takes the sum of both variances.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import LANES, inlined
from equipoise_solver.ensembles.noise import full_batch, gaussian, minibatch_epoch, minibatch_iid
from equipoise_solver.ensembles.noise.lanes import two_normals
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.streams import MINIBATCHES

_whole = inlined(full_batch.fill)
_iid = inlined(minibatch_iid.fill)
_epoch = inlined(minibatch_epoch.fill)


@inlined
def _disturb(words: Any, out: Any, spread: Any) -> None:
    """Add spread sqrt(A) z to B in every lane; spread = std/sqrt(S)."""
    for j in range(LANES):
        z, _ = two_normals(words, j)
        out[1, j] += spread * math.sqrt(out[0, j]) * z


def fill_whole(
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
    """`full_batch.fill` with label noise; numbers = (A, B, std/sqrt(n)); see `compiled.noise_signature`."""
    _whole(words, active, out, lanes, step, fresh, key, first_path, numbers, table, work)
    _disturb(words, out, numbers[2])


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
    """`minibatch_iid.fill` with label noise; the last number is std/sqrt(S)."""
    _iid(words, active, out, lanes, step, fresh, key, first_path, numbers, table, work)
    _disturb(words, out, numbers[2])


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
    """`minibatch_epoch.fill` with label noise; the last number is std. The last batch has its own size."""
    _epoch(words, active, out, lanes, step, fresh, key, first_path, numbers, table, work)
    n, size = table.shape[1], np.int64(numbers[0])
    place = step % ((n + size - 1) // size)
    _disturb(words, out, numbers[1] / math.sqrt(np.float64(min(size, n - place * size))))


def normals_source() -> NoiseSource:
    """Two N(0, 1) numbers per step, for schemes that make their own noise of them."""
    return NoiseSource(name="label_normals", fill=gaussian.fill, purpose=MINIBATCHES, weak_order=None)


def whole_source(*, beta1: float, beta2: float, n: int, std: float) -> NoiseSource:
    """The whole data set, of n pairs, with fresh noise on its labels."""
    return NoiseSource(
        name="full_batch_label_noise",
        fill=fill_whole,
        purpose=MINIBATCHES,
        weak_order=None,
        numbers=np.array([beta1, beta2, std / math.sqrt(n)]),
    )


def batch_source(
    *, x: NDArray[np.float64], y: NDArray[np.float64], batch_size: int, by_epoch: bool, std: float
) -> NoiseSource:
    """Batches of pairs (x_i, y_i) with fresh noise on their labels."""
    plain = (minibatch_epoch if by_epoch else minibatch_iid).source(x=x, y=y, batch_size=batch_size)
    spread = std if by_epoch else std / math.sqrt(batch_size)
    return NoiseSource(
        name=f"{plain.name}_label_noise",
        fill=fill_epoch if by_epoch else fill_iid,
        purpose=plain.purpose,
        weak_order=None,
        numbers=np.append(plain.numbers, spread),
        table=plain.table,
        work_columns=plain.work_columns,
    )
