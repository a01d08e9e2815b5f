"""SGD on one coordinate, simulated sample by sample with NumPy: the reference of the tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.theory.discrete import GaussianData, SampleData, Training

Array = NDArray[np.float64]

ESCAPED = 1e30


def minibatches(
    data: GaussianData | SampleData, batch_size: int, n: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """(mean x**2, mean x*y) of n minibatches, from x and y themselves."""
    squares, products = np.zeros(n), np.zeros(n)
    for _ in range(batch_size):
        if isinstance(data, SampleData):
            chosen = rng.integers(0, data.x.size, n)
            x, y = data.x[chosen], data.y[chosen]
        else:
            x = data.input_std * rng.standard_normal(n)
            y = data.slope * x + data.noise_std * rng.standard_normal(n)
        squares += x * x
        products += x * y
    return squares / batch_size, products / batch_size


def simulated(
    data: GaussianData | SampleData,
    run: Training,
    *,
    depth: int,
    start: float | Array,
    n_paths: int,
    n_steps: int,
    rng: np.random.Generator,
) -> Array:
    """v of every path after n_steps; inf for paths that went beyond ESCAPED."""
    v = np.broadcast_to(np.asarray(start, dtype=np.float64), (n_paths,)).copy()
    eta = run.learning_rate
    for _ in range(n_steps):
        squares, products = minibatches(data, run.batch_size, n_paths, rng)
        with np.errstate(over="ignore", invalid="ignore"):
            gradient = squares * v - products
            if depth == 0:
                v = run.retention * v - 2.0 * eta * gradient
            else:
                v = v * (run.retention - 2.0 * eta * gradient) ** 2
        v[~(np.abs(v) < ESCAPED)] = np.inf
    return v


def few_points(slope: float = 0.7, noise: float = 0.5) -> SampleData:
    """Twelve fixed pairs."""
    x = np.array([-1.9, -1.3, -0.8, -0.55, -0.2, 0.1, 0.35, 0.6, 0.9, 1.2, 1.45, 2.1])
    residual = np.array([0.4, -1.1, 1.3, -0.2, -0.9, 0.7, 1.6, -0.5, -1.4, 0.3, 0.8, -1.0])
    return SampleData.from_lists(x, slope * x + noise * residual)
