"""Gradient descent of a diagonal network with minibatches (A, B), and heavy-ball momentum.

    g = 2 (A v - B) dv/dtheta + 2 gamma theta,   m <- mu m + g,   theta <- theta - eta m

A path whose |v| reaches the bound is frozen there: `taken` keeps the number of its updates before that.
"""

from typing import Any

import numpy as np

from equipoise_solver.ensembles.schemes.products import (
    absorption_threshold,
    product_features,
    product_gradient,
)
from equipoise_solver.ensembles.schemes.scheme import Scheme, identity

DIVERGED = 1e30
"""|v| from which a path counts as diverged: the next step multiplies it by about (eta v)^2 for depth 1."""


def step(state: Any, momentum: Any, batch: Any, taken: Any, lanes: Any, numbers: Any, work: Any) -> None:
    """One update of every lane; state = theta; see `compiled.update_signature`."""
    rate, friction, gamma = numbers[0], numbers[1], numbers[2]
    layers = np.int64(numbers[3])
    width = np.int64(numbers[4])
    n = layers * width
    value, tail = n, n + 1
    product_gradient(state, 0, work, 0, value, tail, lanes, layers, width)
    for j in range(lanes):
        v = work[value, j]
        alive = abs(v) < DIVERGED
        work[value, j] = 2.0 * (batch[0, j] * v - batch[1, j])
        work[tail, j] = 1.0 if alive else 0.0
        taken[j] += np.int64(alive)
    for i in range(n):
        for j in range(lanes):
            u = np.float64(state[i, j])
            gradient = work[value, j] * work[i, j] + 2.0 * gamma * u
            m = friction * np.float64(momentum[i, j]) + gradient
            alive = work[tail, j] != 0.0
            momentum[i, j] = m if alive else np.float64(momentum[i, j])
            state[i, j] = u - rate * m if alive else u


def features(state: Any, lane: Any, numbers: Any, out: Any) -> Any:
    """The v, |theta|^2 and imbalance of one lane; see `compiled.features_signature`."""
    return product_features(state, lane, np.int64(numbers[3]), np.int64(numbers[4]), numbers[5], out)


def scheme(*, depth: int, width: int, learning_rate: float, momentum: float, weight_decay: float) -> Scheme:
    """The update rule for any depth >= 0; its state is the parameters."""
    layers = depth + 1
    n = layers * width
    threshold = absorption_threshold(depth)
    return Scheme(
        name="product_update",
        clock="steps",
        interpretation=None,
        noise_type=None,
        weak_order=None,
        step=step,
        features=features,
        n_state=n,
        n_work=n + 2,
        numbers=np.array([learning_rate, momentum, weight_decay, layers, width, threshold], dtype=np.float64),
        to_state=identity,
    )
