"""The schemes on a path, in groups of steps: what their kernels of the CPU do to a lane.

    group(x, y, noise, p)   the state (x, y) after the steps that four numbers of noise serve, and how many
                            of them were made
    single(x, y, noise, p)  the same after the first of these steps

p are the scheme's numbers in the precision of the state; y is x again where the state is one number. `max`
and `min` are written out: on a card they would lose NaN, by which lost paths are known.
"""

import math
from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import GROUP, inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.noise.minibatch_gaussian import batch_of
from equipoise_solver.ensembles.schemes import (
    linear_splitting,
    reciprocal_splitting,
    two_layer_euler,
    two_layer_update,
)


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
        x = reciprocal_splitting.inner(x, like(x, noise[i]), slope, shift, p[1], alpha2, p[3], p[0])
        x = math.sqrt(fma(x, x, whole if i < GROUP - 1 else gain))
    return (p[9] if p[9] < x else x), y, GROUP


@inlined
def linear_splitting_group(x: Any, y: Any, noise: Any, p: Any) -> Any:
    """Of `schemes.linear_splitting`."""
    for i in range(GROUP):
        x = linear_splitting.move(x, like(x, noise[i]), p[0], p[1], p[2], p[3], p[4], p[5])
    return x, y, GROUP


@inlined
def two_layer_euler_group(x: Any, y: Any, noise: Any, p: Any) -> Any:
    """Of `schemes.two_layer_euler`."""
    for i in range(GROUP):
        x, y = two_layer_euler.move(x, y, like(x, noise[i]), p)
    return x, y, GROUP


@inlined
def two_layer_update_single(x: Any, y: Any, noise: Any, p: Any) -> Any:
    """Of `schemes.two_layer_update`, by a batch from normal numbers."""
    square, product = batch_of(noise[0], noise[1], two_layer_update.batch_numbers(p))
    x, y, made = two_layer_update.move(x, y, like(x, square), like(x, product), p[1], p[2])
    return x, y, np.int32(made)


@inlined
def two_layer_update_group(x: Any, y: Any, noise: Any, p: Any) -> Any:
    """Of `schemes.two_layer_update`, by two batches from normal numbers."""
    x, y, first = two_layer_update_single(x, y, noise[:2], p)
    x, y, second = two_layer_update_single(x, y, noise[2:], p)
    return x, y, first + second
