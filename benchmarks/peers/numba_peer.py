"""numba: prange over paths with np.random in the loop, the way its users write it."""

import math
from functools import partial
from typing import Any

import numba
import numpy as np

from benchmarks.contenders import DTYPES, Contender, Run
from benchmarks.updates import DRIFT, NOISE
from benchmarks.workloads import (
    A1,
    A2,
    A3,
    B1,
    B2,
    BATCH_SIZE,
    DESCENT,
    FLOW,
    LEARNING_RATE,
    START,
    TEMPERATURE,
    WEIGHTS,
    Workload,
)

GAMMA_ROW = "numba prange, O(1) by np.random.standard_gamma"


def contenders(workload: Workload) -> list[Contender]:
    """Rows of numba; np.random is double precision, so float32 keeps only the state in single."""
    ways = {
        FLOW.key: [("numba prange, np.random.normal", _flow, 1 << 16, 500)],
        WEIGHTS.key: [("numba prange, np.random.normal", _weights, 1 << 16, 500)],
        DESCENT.key: [
            ("numba prange, draws the batch", _descent, 1 << 13, 150),
            (GAMMA_ROW, _gamma_descent, 1 << 14, 600),
        ],
    }
    return [
        Contender(name, dtype, partial(_prepare, make, dtype), n_paths, n_steps)
        for name, make, n_paths, n_steps in ways[workload.key]
        for dtype in DTYPES
    ]


def _prepare(make: Any, dtype: str, n_paths: int, n_steps: int) -> Run:
    kernel = numba.njit(parallel=True, fastmath=True)(make(np.dtype(dtype).type))
    return lambda: kernel(n_paths, n_steps)


def _flow(number: Any) -> Any:
    a1, a2, a3, b1, b2 = number(A1), number(2 * A2), number(A3), number(B1), number(B2)
    drift, noise, temperature, start = number(DRIFT), number(NOISE), number(TEMPERATURE), number(START)

    def kernel(n_paths: int, n_steps: int) -> Any:
        out = np.empty(n_paths, number)
        for i in numba.prange(n_paths):
            v = start
            for _ in range(n_steps):
                g = (a1 * v - a2) * v + a3
                normal = number(np.random.normal())  # noqa: NPY002
                v += v * (drift * (temperature * g - b1 * v + b2) + noise * math.sqrt(g) * normal)
            out[i] = v
        return out

    return kernel


def _weights(number: Any) -> Any:
    a1, a2, a3, b1, b2 = number(A1), number(2 * A2), number(A3), number(B1), number(B2)
    drift, noise, start = number(DRIFT / 2), number(NOISE / 2), number(START)

    def kernel(n_paths: int, n_steps: int) -> Any:
        out = np.empty(n_paths, number)
        for i in numba.prange(n_paths):
            u, w = start, start
            for _ in range(n_steps):
                v = u * w
                g = (a1 * v - a2) * v + a3
                normal = number(np.random.normal())  # noqa: NPY002
                force = drift * (b1 * v - b2) - noise * math.sqrt(g) * normal
                u, w = u - w * force, w - u * force
            out[i] = u * w
        return out

    return kernel


def _descent(number: Any) -> Any:
    rate, start = number(2 * LEARNING_RATE / BATCH_SIZE), number(START)

    def kernel(n_paths: int, n_steps: int) -> Any:
        out = np.empty(n_paths, number)
        for i in numba.prange(n_paths):
            u, w = start, start
            for _ in range(n_steps):
                squares, products = number(0), number(0)
                for _sample in range(BATCH_SIZE):
                    x = number(np.random.normal())  # noqa: NPY002
                    squares += x * x
                    products += x * (x + number(np.random.normal()))  # noqa: NPY002
                gradient = rate * (u * w * squares - products)
                u, w = u - w * gradient, w - u * gradient
            out[i] = u * w
        return out

    return kernel


def _gamma_descent(number: Any) -> Any:
    rate, start = number(2 * LEARNING_RATE / BATCH_SIZE), number(START)

    def kernel(n_paths: int, n_steps: int) -> Any:
        out = np.empty(n_paths, number)
        for i in numba.prange(n_paths):
            u, w = start, start
            for _ in range(n_steps):
                squares = number(2 * np.random.standard_gamma(BATCH_SIZE / 2))  # noqa: NPY002
                products = squares + math.sqrt(squares) * number(np.random.normal())  # noqa: NPY002
                gradient = rate * (u * w * squares - products)
                u, w = u - w * gradient, w - u * gradient
            out[i] = u * w
        return out

    return kernel
