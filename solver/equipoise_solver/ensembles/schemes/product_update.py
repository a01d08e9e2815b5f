"""Gradient descent of a diagonal network with minibatches (A, B), and heavy-ball momentum.

    g = 2 (A v - B) dv/dtheta + 2 gamma theta,   m <- mu m + g,   theta <- theta - eta m

A path whose |v| reaches the bound of `escape_bound` is frozen there: `taken` keeps the number of its updates
before that.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.schemes.products import (
    absorption_threshold,
    product_features,
    product_gradient,
)
from equipoise_solver.ensembles.schemes.scheme import Scheme

FARTHEST = 1e30
"""|v| from which a path counts as diverged in any case."""
ESCAPE_GROWTH = 1e4
"""Relative change of the parameters per step, 2 eta A |dv/dtheta|^2, from which a path does not come back.

Each further step multiplies v by about its square and more. The way back to a change of order 1 needs a batch
that puts 1 - 2 eta A |dv/dtheta|^2 / (D + 1) below ESCAPE_GROWTH**-0.5: a chance of about 1e-4 for one
Gaussian pair per batch, and far less for larger batches.
"""


def step(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """One update of every lane; state = theta, then m if there is momentum; see `compiled.step_signature`."""
    rate, friction, gamma = numbers[0], numbers[1], numbers[2]
    layers = np.int64(numbers[3])
    width = np.int64(numbers[4])
    n = layers * width
    value, tail = n, n + 1
    product_gradient(state, 0, work, 0, value, tail, LANES, layers, width)
    for j in range(LANES):
        v = work[value, j]
        alive = abs(v) < numbers[6]
        work[value, j] = 2.0 * (np.float64(noise[0, j]) * v - np.float64(noise[1, j]))
        work[tail, j] = 1.0 if alive else 0.0
        taken[j] += np.int32(alive)
    if friction == 0.0:
        for i in range(n):
            for j in range(LANES):
                u = np.float64(state[i, j])
                gradient = work[value, j] * work[i, j] + 2.0 * gamma * u
                state[i, j] = u - rate * gradient if work[tail, j] != 0.0 else u
    else:
        for i in range(n):
            for j in range(LANES):
                u, held = np.float64(state[i, j]), np.float64(state[n + i, j])
                gradient = work[value, j] * work[i, j] + 2.0 * gamma * u
                m = friction * held + gradient
                alive = work[tail, j] != 0.0
                state[n + i, j] = m if alive else held
                state[i, j] = u - rate * m if alive else u


def value(state: Any, numbers: Any, out: Any) -> None:
    """Put v and absorption into `out`, and all the rest; see `compiled.show_signature`."""
    layers, width = np.int64(numbers[3]), np.int64(numbers[4])
    shown = np.zeros(3)
    for j in range(LANES):
        absorbed = product_features(state, j, layers, width, numbers[5], shown)
        out[0, j] = shown[0]
        out[1, j] = shown[1]
        out[2, j] = shown[2]
        out[3, j] = np.float64(absorbed)


def extra(state: Any, numbers: Any, out: Any) -> None:
    """Nothing that `value` has not done."""


def escape_bound(*, depth: int, width: int, learning_rate: float, power: float) -> float:
    """|v| from which a path counts as diverged, at most FARTHEST.

    There 2 eta b1 |dv/dtheta|^2 is ESCAPE_GROWTH for the network with the smallest gradient at that v, which
    is balanced: |dv/dtheta|^2 = (D+1) d^(2/(D+1)-1) |v|^(2D/(D+1)). Depth 0 grows at a rate that does not
    depend on v, so there only FARTHEST counts.

    Args:
        depth: D >= 0.
        width: d >= 1.
        learning_rate: eta > 0.
        power: b1 = E[x^2] >= 0.
    """
    if depth == 0 or power <= 0:
        return FARTHEST
    layers = depth + 1
    logarithm = math.log(ESCAPE_GROWTH / 2) - math.log(learning_rate) - math.log(power) - math.log(layers)
    logarithm -= (2 / layers - 1) * math.log(width)
    return math.exp(min(logarithm * layers / (2 * depth), math.log(FARTHEST)))


def scheme(
    *, depth: int, width: int, learning_rate: float, momentum: float, weight_decay: float, power: float
) -> Scheme:
    """The update rule for any depth >= 0; its state is the parameters, `power` is E[x^2] of the data."""
    layers = depth + 1
    n = layers * width
    threshold = absorption_threshold(depth)
    bound = escape_bound(depth=depth, width=width, learning_rate=learning_rate, power=power)

    def to_state(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([theta, np.zeros_like(theta)]) if momentum > 0 else theta

    return Scheme(
        name="product_update",
        clock="steps",
        interpretation=None,
        noise_type=None,
        weak_order=None,
        step=step,
        single=step,
        value=value,
        extra=extra,
        n_state=2 * n if momentum > 0 else n,
        n_work=n + 2,
        numbers=np.array(
            [learning_rate, momentum, weight_decay, layers, width, threshold, bound], dtype=np.float64
        ),
        bound=bound,
        to_state=to_state,
    )
