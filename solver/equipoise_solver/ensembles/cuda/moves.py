"""The schemes on a path, in groups of steps: what their kernels of the CPU do to a lane.

    group(x, y, noise, p)   the state (x, y) after the steps that four numbers of noise serve, and how many
                            of them were made
    single(x, y, noise, p)  the same after the first of these steps
    value(x, y, n)          v, and whether it has been absorbed at 0
    extra(x, y, v, n)       |theta|^2 and the imbalance between the layers

p are the scheme's numbers in the precision of the state, n the same in float64; y is not used where the state
is one number. `max` and `min` are written out: on a card they would lose NaN, by which lost paths are known.
"""

import math
from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import GROUP, inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.elementary import exponential, logarithm
from equipoise_solver.ensembles.noise.minibatch_gaussian import batch_of
from equipoise_solver.ensembles.schemes import (
    linear_splitting,
    reciprocal_splitting,
    two_layer_euler,
    two_layer_update,
)
from equipoise_solver.ensembles.schemes.explicit import ABSORBED
from equipoise_solver.ensembles.schemes.reciprocal_splitting import FIRST_STEP, readout

_inner = reciprocal_splitting.inner
_linear = linear_splitting.move
_euler = two_layer_euler.move
_update, _batch_numbers = two_layer_update.move, two_layer_update.batch_numbers


@inlined
def reciprocal_splitting_group(x: Any, y: Any, noise: Any, p: Any) -> Any:
    """Of `schemes.reciprocal_splitting`: neighbouring halves of a flow in one."""
    positive = y > like(y, 0.0)
    slope = p[5] if positive else p[7]
    shift = p[6] if positive else p[8]
    alpha2 = p[2] if positive else -p[2]
    gain, whole = p[4], p[4] + p[4]
    x = math.sqrt(fma(x, x, gain))
    for i in range(GROUP):
        x = _inner(x, like(x, noise[i]), slope, shift, p[1], alpha2, p[3], p[0])
        x = math.sqrt(fma(x, x, whole if i < GROUP - 1 else gain))
    return (p[9] if p[9] < x else x), y, GROUP


@inlined
def reciprocal_splitting_value(x: Any, y: Any, n: Any) -> Any:
    """Of `schemes.reciprocal_splitting`."""
    size = np.float64(x)
    square = size * size
    shown = readout(square, n[10])
    shown = shown if square > FIRST_STEP * n[10] else square
    return np.float64(y) / math.sqrt(shown), size >= n[9]


@inlined
def reciprocal_splitting_extra(x: Any, y: Any, v: Any, n: Any) -> Any:
    """Of `schemes.reciprocal_splitting`."""
    return 2.0 * abs(v), 0.0


@inlined
def linear_splitting_group(x: Any, y: Any, noise: Any, p: Any) -> Any:
    """Of `schemes.linear_splitting`."""
    for i in range(GROUP):
        x = _linear(x, like(x, noise[i]), p[0], p[1], p[2], p[3], p[4], p[5])
    return x, y, GROUP


@inlined
def linear_splitting_value(x: Any, y: Any, n: Any) -> Any:
    """Of `schemes.linear_splitting`."""
    return np.float64(x), False


@inlined
def linear_splitting_extra(x: Any, y: Any, v: Any, n: Any) -> Any:
    """Of `schemes.linear_splitting`."""
    return v * v / n[6], 0.0


@inlined
def explicit_value(x: Any, y: Any, n: Any) -> Any:
    """Of `schemes.explicit`."""
    v = np.float64(x)
    return v, abs(v) < (ABSORBED if n[len(n) - 2] > 1.0 else -1.0)


@inlined
def explicit_extra(x: Any, y: Any, v: Any, n: Any) -> Any:
    """Of `schemes.explicit`."""
    layers, width = n[len(n) - 2], n[len(n) - 1]
    share = abs(v) / width
    share = ABSORBED if share < ABSORBED else share
    return width * layers * exponential(2.0 / layers * logarithm(share)), 0.0


@inlined
def two_layer_euler_group(x: Any, y: Any, noise: Any, p: Any) -> Any:
    """Of `schemes.two_layer_euler`."""
    for i in range(GROUP):
        x, y = _euler(x, y, like(x, noise[i]), p)
    return x, y, GROUP


@inlined
def two_layer_euler_value(x: Any, y: Any, n: Any) -> Any:
    """Of `schemes.two_layer_euler`."""
    u, w = np.float64(x), np.float64(y)
    return u * w, (abs(u) < n[6]) and (abs(w) < n[6])


@inlined
def two_layer_euler_extra(x: Any, y: Any, v: Any, n: Any) -> Any:
    """Of `schemes.two_layer_euler`."""
    u, w = np.float64(x), np.float64(y)
    return u * u + w * w, abs(u * u - w * w)


@inlined
def two_layer_update_group(x: Any, y: Any, noise: Any, p: Any) -> Any:
    """Of `schemes.two_layer_update`, by batches from normal numbers."""
    square, product = batch_of(noise[0], noise[1], _batch_numbers(p))
    x, y, first = _update(x, y, like(x, square), like(x, product), p[1], p[2])
    square, product = batch_of(noise[2], noise[3], _batch_numbers(p))
    x, y, second = _update(x, y, like(x, square), like(x, product), p[1], p[2])
    return x, y, np.int32(first) + np.int32(second)


@inlined
def two_layer_update_single(x: Any, y: Any, noise: Any, p: Any) -> Any:
    """Of `schemes.two_layer_update`, by a batch from normal numbers."""
    square, product = batch_of(noise[0], noise[1], _batch_numbers(p))
    x, y, made = _update(x, y, like(x, square), like(x, product), p[1], p[2])
    return x, y, np.int32(made)


@inlined
def two_layer_update_value(x: Any, y: Any, n: Any) -> Any:
    """Of `schemes.two_layer_update`."""
    u, w = np.float64(x), np.float64(y)
    return u * w, (abs(u) < n[3]) and (abs(w) < n[3])


two_layer_update_extra = two_layer_euler_extra
