"""Gradient descent of f = tanh(v x) and of f = w tanh(u x), squared error, batches of pairs, momentum.

    g = (2/S) sum_i (f(x_i) - y_i) df(x_i) + 2 gamma theta,   m <- mu m + g,   theta <- theta - eta m

State: theta = (v) or (u, w), then m if there is momentum. The pairs of a batch come in rows of noise
(`noise.pairs`); the whole data set comes with the numbers of the scheme, and with it two normal numbers that
disturb the labels: noise xi on n labels gives the gradient -(2/n) sum xi_i df(x_i), which is normal with
covariance (2 std/n)^2 sum df df', drawn by Cholesky. Kernels are generated from one template, see
`generated`. A path whose |v|, or |w u|, reaches the bound is frozen there: `taken` keeps the number of its
updates before that.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.generated import module_of
from equipoise_solver.ensembles.schemes.product_update import FARTHEST, extra, value
from equipoise_solver.ensembles.schemes.products import absorption_threshold
from equipoise_solver.ensembles.schemes.scheme import Scheme

OWN = 9
"""Numbers before the pairs: eta, mu, gamma, layers, 1, threshold, bound, n, 2 std/n."""

_HEAD = """
import math

import numpy as np

from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.tangent import {tanh} as tanh


def step(state, noise, row, taken, numbers, work):
    rate, friction, gamma, bound = numbers[0], numbers[1], numbers[2], numbers[6]
    zero = state[0, 0]
"""
_LOOPS = {
    # Work rows: gradient of v, sum of squared slopes.
    ("tanh", "batch"): """
    size = (noise.shape[0] - 1) // 2
    for j in range(LANES):
        work[0, j] = 0.0
    for i in range(size):
        for j in range(LANES):
            x, y = noise[i, j], noise[size + i, j]
            f = tanh(state[0, j] * x)
            work[0, j] += (f - y) * fma(-f, f, like(f, 1.0)) * x
    for j in range(LANES):
        work[0, j] *= 2.0 * noise[2 * size, j]
""",
    ("tanh", "whole"): """
    n = np.int64(numbers[7])
    for j in range(LANES):
        work[0, j] = 0.0
        work[2, j] = 0.0
    for i in range(n):
        x, y = like(zero, numbers[{own} + i]), like(zero, numbers[{own} + n + i])
        for j in range(LANES):
            f = tanh(state[0, j] * x)
            slope = fma(-f, f, like(f, 1.0)) * x
            work[0, j] += (f - y) * slope
            work[2, j] += slope * slope
    for j in range(LANES):
        work[0, j] = 2.0 / numbers[7] * work[0, j] + numbers[8] * math.sqrt(work[2, j]) * noise[0, j]
""",
    ("hidden", "batch"): """
    size = (noise.shape[0] - 1) // 2
    for j in range(LANES):
        work[0, j] = 0.0
        work[1, j] = 0.0
    for i in range(size):
        for j in range(LANES):
            x, y = noise[i, j], noise[size + i, j]
            f = tanh(state[0, j] * x)
            off = fma(state[1, j], f, -y)
            work[0, j] += off * fma(-f, f, like(f, 1.0)) * x
            work[1, j] += off * f
    for j in range(LANES):
        work[0, j] *= 2.0 * noise[2 * size, j] * state[1, j]
        work[1, j] *= 2.0 * noise[2 * size, j]
""",
    ("hidden", "whole"): """
    n = np.int64(numbers[7])
    for j in range(LANES):
        for i in range(5):
            work[i, j] = 0.0
    for i in range(n):
        x, y = like(zero, numbers[{own} + i]), like(zero, numbers[{own} + n + i])
        for j in range(LANES):
            f = tanh(state[0, j] * x)
            slope = fma(-f, f, like(f, 1.0)) * x
            off = fma(state[1, j], f, -y)
            work[0, j] += off * slope
            work[1, j] += off * f
            work[2, j] += slope * slope
            work[3, j] += slope * f
            work[4, j] += f * f
    for j in range(LANES):
        w = np.float64(state[1, j])
        root = math.sqrt(work[2, j])
        cross = work[3, j] / max(root, 1e-300)
        rest = math.sqrt(max(work[4, j] - cross * cross, 0.0))
        first, second = numbers[8] * noise[0, j], numbers[8] * noise[1, j]
        work[0, j] = w * (2.0 / numbers[7] * work[0, j] + root * first)
        work[1, j] = 2.0 / numbers[7] * work[1, j] + cross * first + rest * second
""",
}
_VALUE = {"tanh": "np.float64(state[0, j])", "hidden": "np.float64(state[0, j]) * np.float64(state[1, j])"}
_TAIL = """
    for j in range(LANES):
        alive = abs({value}) < bound
        work[5, j] = 1.0 if alive else 0.0
        taken[j] += np.int32(alive)
    for i in range({n}):
        for j in range(LANES):
            u = np.float64(state[i, j])
            m = work[i, j] + 2.0 * gamma * u
{momentum}
            state[i, j] = u - rate * m if work[5, j] != 0.0 else u
"""
_MOMENTUM = """            held = np.float64(state[{n} + i, j])
            m = friction * held + m
            state[{n} + i, j] = m if work[5, j] != 0.0 else held"""
_PARTS = tuple(
    f"equipoise_solver.ensembles.{name}" for name in ("device", "elementary", "compiled", "tangent")
)


def kernel(*, hidden: bool, whole: bool, momentum: bool, precision: str) -> Any:
    """The kernel of one update, of `compiled.step_signature`.

    Args:
        hidden: f = w tanh(u x), instead of tanh(v x).
        whole: on the pairs among the numbers of the scheme, instead of those in the rows of noise.
        momentum: the state holds m.
        precision: of the state, the noise and the tangent; sums are float64.
    """
    name, n = ("hidden", 2) if hidden else ("tanh", 1)
    tanh = "single_hyperbolic_tangent" if precision == "float32" else "hyperbolic_tangent"
    text = _HEAD.format(tanh=tanh) + _LOOPS[name, "whole" if whole else "batch"].format(own=OWN)
    text += _TAIL.format(value=_VALUE[name], n=n, momentum=_MOMENTUM.format(n=n) if momentum else "")
    return module_of(text, _PARTS).step


def scheme(
    *,
    hidden: bool,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
    precision: Literal["float64", "float32"],
    pairs: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    label_noise: float = 0.0,
) -> Scheme:
    """The update rule; its state is the parameters, then m.

    Args:
        hidden: f = w tanh(u x), instead of tanh(v x).
        learning_rate: eta.
        momentum: mu.
        weight_decay: gamma.
        precision: of state and noise.
        pairs: (x, y), each of shape (n,), for descent on the whole data set; None for batches of pairs.
        label_noise: standard deviation of fresh noise on the labels of the whole data set.
    """
    n = 2 if hidden else 1
    x, y = (np.zeros(0), np.zeros(0)) if pairs is None else pairs
    threshold = absorption_threshold(n - 1)
    disturbance = 2 * label_noise / max(x.size, 1)
    own = [learning_rate, momentum, weight_decay, n, 1, threshold, FARTHEST, x.size, disturbance]
    step = kernel(hidden=hidden, whole=pairs is not None, momentum=momentum > 0, precision=precision)

    def to_state(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([theta, np.zeros_like(theta)]) if momentum > 0 else theta

    return Scheme(
        name="tanh_update",
        clock="steps",
        interpretation=None,
        noise_type=None,
        weak_order=None,
        step=step,
        single=step,
        value=value,
        extra=extra,
        n_state=2 * n if momentum > 0 else n,
        n_work=6,
        numbers=np.concatenate([np.array(own, dtype=np.float64), x, y]),
        bound=FARTHEST,
        to_state=to_state,
    )
