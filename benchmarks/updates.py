"""One step of each workload, written once for every array library that takes Python's operators."""

import math
from collections.abc import Callable
from typing import Any

from benchmarks.workloads import A1, A2, A3, B1, B2, BATCH_SIZE, LEARNING_RATE, STEP_SIZE, TEMPERATURE

Sqrt = Callable[[Any], Any]

DRIFT = 4 * STEP_SIZE
NOISE = 4 * math.sqrt(STEP_SIZE * TEMPERATURE)


def flow(v: Any, normal: Any, *, sqrt: Sqrt) -> Any:
    """W1: v after one step of Euler-Maruyama."""
    g = (A1 * v - 2 * A2) * v + A3
    return v + v * (DRIFT * (TEMPERATURE * g - B1 * v + B2) + NOISE * sqrt(g) * normal)


def weights(u: Any, w: Any, normal: Any, *, sqrt: Sqrt) -> tuple[Any, Any]:
    """W2: u and w after one step under one normal number."""
    v = u * w
    g = (A1 * v - 2 * A2) * v + A3
    force = (0.5 * DRIFT) * (B1 * v - B2) - (0.5 * NOISE) * sqrt(g) * normal
    return u - w * force, w - u * force


def descent(u: Any, w: Any, x: Any, noise: Any) -> tuple[Any, Any]:
    """W3: u and w after one update with the batch y = x + noise, x and noise of shape (S, path)."""
    squares = (x * x).sum(0)
    return summed_descent(u, w, squares, squares + (x * noise).sum(0))


def summed_descent(u: Any, w: Any, squares: Any, products: Any) -> tuple[Any, Any]:
    """W3, given the batch's sums of x^2 and of x y."""
    gradient = (2 * LEARNING_RATE / BATCH_SIZE) * (u * w * squares - products)
    return u - w * gradient, w - u * gradient
