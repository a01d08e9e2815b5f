"""Gradient descent of a two-layer network with one neuron (D = 1, d = 1).

    u <- u - eta g_u, with g_u = 2 (A v - B) w + 2 gamma u; w likewise; v = u w

The same update as `product_update` without momentum, written out for the case that is run most. A path whose
|v| reaches the bound is frozen there: `taken` keeps the number of its updates before that.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import LANES, inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.noise.minibatch_gaussian import batch_of
from equipoise_solver.ensembles.schemes.product_update import escape_bound
from equipoise_solver.ensembles.schemes.scheme import Scheme, identity


@inlined
def move(u: Any, w: Any, square: Any, product: Any, rate: Any, keep: Any, bound: Any) -> Any:
    """One update by the batch (A, B), and whether it was made; rate = 2 eta, keep = 1 - 2 eta gamma."""
    v = u * w
    alive = abs(v) < bound
    force = rate * fma(square, v, -product)
    new_u, new_w = fma(-force, w, keep * u), fma(-force, u, keep * w)
    return (new_u if alive else u), (new_w if alive else w), alive


def step(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """One update of every lane by the batch in the two rows of `noise`; see `compiled.step_signature`."""
    zero = state[0, 0]
    rate, keep, bound = like(zero, numbers[0]), like(zero, numbers[1]), like(zero, numbers[2])
    for j in range(LANES):
        u, w = state[0, j], state[1, j]
        square, product = like(u, noise[0, j]), like(u, noise[1, j])
        u, w, alive = move(u, w, square, product, rate, keep, bound)
        state[0, j] = u
        state[1, j] = w
        taken[j] += np.int32(alive)


@inlined
def _batch_numbers(zero: Any, numbers: Any) -> Any:
    """The numbers of `batch_of`, which follow the scheme's own."""
    return (
        like(zero, numbers[4]),
        like(zero, numbers[5]),
        like(zero, numbers[6]),
        like(zero, numbers[7]),
        like(zero, numbers[8]),
        like(zero, numbers[9]),
        like(zero, numbers[10]),
        like(zero, numbers[11]),
        like(zero, numbers[12]),
        like(zero, numbers[13]),
        like(zero, numbers[14]),
        like(zero, numbers[15]),
        like(zero, numbers[16]),
        like(zero, numbers[17]),
        like(zero, numbers[18]),
        like(zero, numbers[19]),
        like(zero, numbers[20]),
    )


def step_by_normals(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """Two updates of every lane by batches of Gaussian data, each made of two rows of normal numbers."""
    zero = state[0, 0]
    rate, keep, bound = like(zero, numbers[0]), like(zero, numbers[1]), like(zero, numbers[2])
    p = _batch_numbers(zero, numbers)
    for j in range(LANES):
        u, w = state[0, j], state[1, j]
        square, product = batch_of(like(u, noise[0, j]), like(u, noise[1, j]), p)
        u, w, first = move(u, w, square, product, rate, keep, bound)
        square, product = batch_of(like(u, noise[2, j]), like(u, noise[3, j]), p)
        u, w, second = move(u, w, square, product, rate, keep, bound)
        state[0, j] = u
        state[1, j] = w
        taken[j] += np.int32(first) + np.int32(second)


def single_by_normals(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """One update of every lane by the normal numbers in rows 2 row and 2 row + 1."""
    zero = state[0, 0]
    rate, keep, bound = like(zero, numbers[0]), like(zero, numbers[1]), like(zero, numbers[2])
    p = _batch_numbers(zero, numbers)
    for j in range(LANES):
        u, w = state[0, j], state[1, j]
        square, product = batch_of(like(u, noise[2 * row, j]), like(u, noise[2 * row + 1, j]), p)
        u, w, alive = move(u, w, square, product, rate, keep, bound)
        state[0, j] = u
        state[1, j] = w
        taken[j] += np.int32(alive)


def value(state: Any, numbers: Any, out: Any) -> None:
    """Put v and absorption into `out`; see `compiled.show_signature`."""
    for j in range(LANES):
        u, w = np.float64(state[0, j]), np.float64(state[1, j])
        out[0, j] = u * w
        out[3, j] = 1.0 if max(abs(u), abs(w)) < numbers[3] else 0.0


def extra(state: Any, numbers: Any, out: Any) -> None:
    """Put |theta|^2 and |u^2 - w^2| into `out`."""
    for j in range(LANES):
        u, w = np.float64(state[0, j]), np.float64(state[1, j])
        out[1, j] = u * u + w * w
        out[2, j] = abs(u * u - w * w)


def scheme(
    *,
    learning_rate: float,
    weight_decay: float,
    power: float,
    precision: str,
    batch_numbers: NDArray[np.float64] | None = None,
) -> Scheme:
    """The update rule for depth 1 and width 1; its state is (u, w).

    Args:
        learning_rate: eta.
        weight_decay: gamma.
        power: E[x^2] of the data.
        precision: of the state.
        batch_numbers: of `batch_of`, for batches that come as normal numbers; None for batches (A, B).
    """
    bound = escape_bound(depth=1, width=1, learning_rate=learning_rate, power=power)
    floor = 1e-150 if precision == "float64" else 1e-38
    own = np.array([2 * learning_rate, 1 - 2 * learning_rate * weight_decay, bound, floor])
    by_normals = batch_numbers is not None
    return Scheme(
        name="two_layer_update",
        clock="steps",
        interpretation=None,
        noise_type=None,
        weak_order=None,
        step=step_by_normals if by_normals else step,
        single=single_by_normals if by_normals else step,
        value=value,
        extra=extra,
        n_state=2,
        n_work=1,
        numbers=own if batch_numbers is None else np.concatenate([own, batch_numbers]),
        bound=bound,
        to_state=identity,
    )
