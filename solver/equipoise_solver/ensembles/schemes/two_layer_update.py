"""Gradient descent of a two-layer network with one neuron (D = 1, d = 1).

    u <- u - eta g_u, with g_u = 2 (A v - B) w + 2 gamma u; w likewise; v = u w

The same update as `product_update` without momentum, written out for the case that is run most. A path whose
|v| reaches the bound is frozen there: `taken` keeps the number of its updates before that.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import LANES, inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.noise.minibatch_gaussian import root_of
from equipoise_solver.ensembles.schemes.product_update import escape_bound
from equipoise_solver.ensembles.schemes.scheme import Scheme, identity
from equipoise_solver.ensembles.schemes.two_layers import extra, product_of
from equipoise_solver.ensembles.schemes.two_layers import extra_of as extra_of  # For `cuda.kernels`.


@inlined
def moved(u: Any, w: Any, force: Any, keep: Any, bound: Any) -> Any:
    """One update by force = 2 eta (A v - B), and whether it was made; keep = 1 - 2 eta gamma."""
    alive = abs(u * w) < bound
    new_u, new_w = fma(-force, w, keep * u), fma(-force, u, keep * w)
    return (new_u if alive else u), (new_w if alive else w), alive


@inlined
def moved_without_decay(u: Any, w: Any, force: Any, bound: Any) -> Any:
    """`moved` for keep = 1, the same bits."""
    alive = abs(u * w) < bound
    force = force if alive else like(u, 0.0)
    return fma(-force, w, u), fma(-force, u, w), alive


def step(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """One update of every lane by the batch in the two rows of `noise`; see `compiled.step_signature`."""
    zero = state[0, 0]
    rate, keep, bound = like(zero, numbers[0]), like(zero, numbers[1]), like(zero, numbers[2])
    for j in range(LANES):
        u, w = state[0, j], state[1, j]
        square, product = rate * like(u, noise[0, j]), rate * like(u, noise[1, j])
        u, w, alive = moved(u, w, fma(square, u * w, -product), keep, bound)
        state[0, j] = u
        state[1, j] = w
        taken[j] += np.int32(alive)


@inlined
def batch_numbers(zero: Any, numbers: Any) -> Any:
    """Slope k in the state's precision, spread and coefficients of batches in that of the normal numbers.

    They follow the scheme's own, and make batches times the rate: 2 eta A and 2 eta B.
    """
    return (
        like(zero, numbers[4]),
        np.float32(numbers[5]),
        (
            np.float32(numbers[6]),
            np.float32(numbers[7]),
            np.float32(numbers[8]),
            np.float32(numbers[9]),
            np.float32(numbers[10]),
            np.float32(numbers[11]),
            np.float32(numbers[12]),
            np.float32(numbers[13]),
            np.float32(numbers[14]),
            np.float32(numbers[15]),
            np.float32(numbers[16]),
            np.float32(numbers[17]),
        ),
    )


@inlined
def force_of(v: Any, z: Any, turn: Any, batch: Any) -> Any:
    """2 eta (A v - B) = r (r (v - k) - spread turn) for the batch that two normal numbers make."""
    slope, spread, coefficients = batch
    root, kick = like(v, root_of(z, coefficients)), like(v, spread * turn)
    return root * fma(root, v - slope, -kick)


@inlined
def moved_by_normals(u: Any, w: Any, z: Any, turn: Any, keep: Any, bound: Any, batch: Any) -> Any:
    """`moved` by the batch that two normal numbers make."""
    return moved(u, w, force_of(u * w, z, turn, batch), keep, bound)


@inlined
def group(u: Any, w: Any, noise: Any, p: Any) -> Any:
    """Two updates by four normal numbers; see `cuda.kernels`."""
    batch = batch_numbers(u, p)
    u, w, first = moved_by_normals(u, w, noise[0], noise[1], p[1], p[2], batch)
    u, w, second = moved_by_normals(u, w, noise[2], noise[3], p[1], p[2], batch)
    return u, w, np.int32(first) + np.int32(second)


@inlined
def first_of_group(u: Any, w: Any, noise: Any, p: Any) -> Any:
    """One update by the first two of four normal numbers; see `cuda.kernels`."""
    u, w, made = moved_by_normals(u, w, noise[0], noise[1], p[1], p[2], batch_numbers(u, p))
    return u, w, np.int32(made)


def step_by_normals(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """Two updates of every lane by batches of Gaussian data, each made of two rows of normal numbers."""
    zero = state[0, 0]
    keep, bound = like(zero, numbers[1]), like(zero, numbers[2])
    batch = batch_numbers(zero, numbers)
    if numbers[1] == 1.0:
        for j in range(LANES):
            u, w = state[0, j], state[1, j]
            force = force_of(u * w, noise[0, j], noise[1, j], batch)
            u, w, first = moved_without_decay(u, w, force, bound)
            force = force_of(u * w, noise[2, j], noise[3, j], batch)
            u, w, second = moved_without_decay(u, w, force, bound)
            state[0, j] = u
            state[1, j] = w
            taken[j] += np.int32(first) + np.int32(second)
    else:
        for j in range(LANES):
            u, w = state[0, j], state[1, j]
            u, w, first = moved_by_normals(u, w, noise[0, j], noise[1, j], keep, bound, batch)
            u, w, second = moved_by_normals(u, w, noise[2, j], noise[3, j], keep, bound, batch)
            state[0, j] = u
            state[1, j] = w
            taken[j] += np.int32(first) + np.int32(second)


def single_by_normals(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """One update of every lane by the normal numbers in rows 2 row and 2 row + 1."""
    zero = state[0, 0]
    keep, bound = like(zero, numbers[1]), like(zero, numbers[2])
    batch = batch_numbers(zero, numbers)
    for j in range(LANES):
        u, w = state[0, j], state[1, j]
        u, w, alive = moved_by_normals(u, w, noise[2 * row, j], noise[2 * row + 1, j], keep, bound, batch)
        state[0, j] = u
        state[1, j] = w
        taken[j] += np.int32(alive)


@inlined
def value_of(u: Any, w: Any, numbers: Any) -> Any:
    """The product v, and whether both are so small that it is absorbed at 0."""
    return product_of(u, w, numbers[3])


def value(state: Any, numbers: Any, out: Any) -> None:
    """Put v and absorption into `out`; see `compiled.show_signature`."""
    for j in range(LANES):
        out[0, j], absorbed = value_of(state[0, j], state[1, j], numbers)
        out[3, j] = 1.0 if absorbed else 0.0


def scheme(
    *,
    learning_rate: float,
    weight_decay: float,
    power: float,
    precision: str,
    batch: NDArray[np.float64] | None = None,
) -> Scheme:
    """The update rule for depth 1 and width 1; its state is (u, w).

    Args:
        learning_rate: eta.
        weight_decay: gamma.
        power: E[x^2] of the data.
        precision: of the state.
        batch: `minibatch_gaussian.pair_numbers`, for batches that come as normal numbers; None for (A, B).
    """
    bound = escape_bound(depth=1, width=1, learning_rate=learning_rate, power=power)
    floor = 1e-150 if precision == "float64" else 1e-38
    own = np.array([2 * learning_rate, 1 - 2 * learning_rate * weight_decay, bound, floor])
    by_normals = batch is not None
    if batch is not None:
        # The batches of this scheme come times the rate 2 eta.
        batch = batch.copy()
        batch[1] *= math.sqrt(own[0])
        batch[2:] *= own[0] ** (1 / 6)
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
        numbers=own if batch is None else np.concatenate([own, batch]),
        bound=bound,
        to_state=identity,
    )
