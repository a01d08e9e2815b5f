"""Products of a diagonal network: v = sum_i prod_k u_i^(k), and its gradient without a division.

Parameters are rows theta[i*(depth + 1) + k] of a block; each lane is one path.
"""

from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import inlined


@inlined
def product_gradient(
    theta: Any,
    first: Any,
    out: Any,
    out_first: Any,
    value_row: Any,
    tail_row: Any,
    lanes: Any,
    layers: Any,
    width: Any,
) -> None:
    """Put dv/dtheta into rows out_first.. of `out`, and v into row value_row; row tail_row is overwritten."""
    for j in range(lanes):
        out[value_row, j] = 0.0
    for i in range(width):
        base = first + i * layers
        target = out_first + i * layers
        for j in range(lanes):
            out[target, j] = 1.0
        for k in range(1, layers):
            for j in range(lanes):
                out[target + k, j] = out[target + k - 1, j] * np.float64(theta[base + k - 1, j])
        last = layers - 1
        for j in range(lanes):
            out[value_row, j] += out[target + last, j] * np.float64(theta[base + last, j])
            out[tail_row, j] = 1.0
        for k in range(layers - 2, -1, -1):
            for j in range(lanes):
                out[tail_row, j] *= np.float64(theta[base + k + 1, j])
                out[target + k, j] *= out[tail_row, j]


@inlined
def product_features(state: Any, lane: Any, layers: Any, width: Any, threshold: Any, out: Any) -> Any:
    """Features of the parameters of one lane; 1 if all are below the threshold, at which v has vanished."""
    value = 0.0
    norm = 0.0
    largest = 0.0
    for i in range(width):
        product = 1.0
        for k in range(layers):
            u = np.float64(state[i * layers + k, lane])
            product *= u
            norm += u * u
            largest = abs(u) if abs(u) > largest else largest
        value += product
    top = 0.0
    bottom = np.inf
    for k in range(layers):
        layer = 0.0
        for i in range(width):
            u = np.float64(state[i * layers + k, lane])
            layer += u * u
        top = layer if layer > top else top
        bottom = layer if layer < bottom else bottom
    out[0] = value
    out[1] = norm
    out[2] = top - bottom
    return 1 if largest < threshold else 0


def absorption_threshold(depth: int) -> float:
    """|u| below which every product of depth + 1 of them is below 1e-300; 0 (never) for depth 0."""
    return float(10.0 ** (-300.0 / (depth + 1))) if depth > 0 else 0.0
