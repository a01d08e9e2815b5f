"""numpy: chunks that fit the cache, one thread and one SFC64 per chunk, everything in place."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

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
    STEP_SIZE,
    TEMPERATURE,
    WEIGHTS,
    States,
    Workload,
)

THREADS = 2
CHUNK, BATCH_CHUNK = 16_384, 2048
"""Paths per chunk; chunks below 8192 numbers wait for the interpreter's lock."""

Advance = Callable[[np.random.Generator, int, int, str], States]


def contenders(workload: Workload) -> list[Contender]:
    """Rows of numpy."""
    ways: dict[str, list[tuple[str, Advance, int, int, int]]] = {
        FLOW.key: [("numpy, 2 threads, in place", _flow, CHUNK, 4 * CHUNK, 500)],
        WEIGHTS.key: [("numpy, 2 threads, in place", _weights, CHUNK, 4 * CHUNK, 500)],
        DESCENT.key: [
            ("numpy, 2 threads, draws the batch", _descent, BATCH_CHUNK, 4 * BATCH_CHUNK, 300),
            (GAMMA_ROW, _gamma_descent, CHUNK, 4 * CHUNK, 300),
        ],
    }
    return [
        Contender(name, dtype, partial(_prepare, advance, chunk, dtype), n_paths, n_steps)
        for name, advance, chunk, n_paths, n_steps in ways[workload.key]
        for dtype in DTYPES
    ]


GAMMA_ROW = "numpy, 2 threads, O(1) by standard_gamma"


def _prepare(advance: Advance, chunk: int, dtype: str, n_paths: int, n_steps: int) -> Run:
    chunk = min(chunk, n_paths // THREADS)

    def part(seed: int) -> States:
        with np.errstate(all="ignore"):
            return advance(np.random.Generator(np.random.SFC64(seed)), chunk, n_steps, dtype)

    def run() -> States:
        with ThreadPoolExecutor(THREADS) as pool:
            return np.concatenate(list(pool.map(part, range(n_paths // chunk))))

    return run


def _flow(rng: np.random.Generator, n: int, n_steps: int, dtype: Any) -> States:
    v = np.full(n, START, dtype)
    normal, g, force = np.empty_like(v), np.empty_like(v), np.empty_like(v)
    for _ in range(n_steps):
        rng.standard_normal(out=normal, dtype=dtype)
        _noise_of(v, g)
        g *= TEMPERATURE
        np.multiply(v, -B1, out=force)
        force += g
        force += B2
        force *= DRIFT
        np.sqrt(g, out=g)
        g *= normal
        g *= 4 * math.sqrt(STEP_SIZE)
        force += g
        force *= v
        v += force
    return v


def _weights(rng: np.random.Generator, n: int, n_steps: int, dtype: Any) -> States:
    u, w = np.full(n, START, dtype), np.full(n, START, dtype)
    normal, v, g = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    for _ in range(n_steps):
        rng.standard_normal(out=normal, dtype=dtype)
        np.multiply(u, w, out=v)
        _noise_of(v, g)
        np.sqrt(g, out=g)
        g *= normal
        g *= 0.5 * NOISE
        v *= B1
        v -= B2
        v *= 0.5 * DRIFT
        v -= g
        _descend(u, w, v, g)
    return u * w


def _descent(rng: np.random.Generator, n: int, n_steps: int, dtype: Any) -> States:
    u, w = np.full(n, START, dtype), np.full(n, START, dtype)
    x, noise = np.empty((BATCH_SIZE, n), dtype), np.empty((BATCH_SIZE, n), dtype)
    squares, products, gradient = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    for _ in range(n_steps):
        rng.standard_normal(out=x, dtype=dtype)
        rng.standard_normal(out=noise, dtype=dtype)
        noise *= x
        noise.sum(0, out=products)
        x *= x
        x.sum(0, out=squares)
        products += squares
        _descend_batch(u, w, squares, products, gradient)
    return u * w


def _gamma_descent(rng: np.random.Generator, n: int, n_steps: int, dtype: Any) -> States:
    """The batch's sums in one gamma and one normal number: sum x^2 is chi-squared (S)."""
    u, w = np.full(n, START, dtype), np.full(n, START, dtype)
    squares, products, gradient = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    for _ in range(n_steps):
        rng.standard_gamma(BATCH_SIZE / 2, out=squares, dtype=dtype)
        squares *= 2
        rng.standard_normal(out=products, dtype=dtype)
        np.sqrt(squares, out=gradient)
        products *= gradient
        products += squares
        _descend_batch(u, w, squares, products, gradient)
    return u * w


def _noise_of(v: States, g: States) -> None:
    """g <- a1 v^2 - 2 a2 v + a3."""
    np.multiply(v, A1, out=g)
    g -= 2 * A2
    g *= v
    g += A3


def _descend_batch(u: States, w: States, squares: States, products: States, gradient: States) -> None:
    np.multiply(u, w, out=gradient)
    gradient *= squares
    gradient -= products
    gradient *= 2 * LEARNING_RATE / BATCH_SIZE
    _descend(u, w, gradient, products)


def _descend(u: States, w: States, force: States, spare: States) -> None:
    """(u, w) <- (u - w force, w - u force)."""
    np.multiply(w, force, out=spare)
    force *= u
    w -= force
    u -= spare
