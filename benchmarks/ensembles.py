"""Ensembles against NumPy: the SDE of the two-layer model, and minibatch SGD."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import interleaved
from equipoise_solver.solving import solve
from equipoise_solver.specs import SimulateSolution

THREADS = 2
TEMPERATURE, STEP_SIZE, DURATION = 0.05, 1e-3, 10.0
LEARNING_RATE = 0.01
N_PATHS = 32_768
N_STEPS = 500
Array = NDArray[np.float64]


def table() -> list[str]:
    """Markdown rows: workload, contender, million path-steps per second, spread, ratio to the best peer."""
    return [*_rows("SDE of v, float64", _flow()), *_rows("SGD, S = 16, gaussian data", _descent())]


def _rows(workload: str, contenders: dict[str, tuple[Callable[[], float], float]]) -> list[str]:
    for name, (run, _) in contenders.items():
        mean = run()
        assert abs(mean - 0.97) < 0.05, f"{workload}, {name}: mean {mean} is no answer to time"
    timings = interleaved({name: run for name, (run, _) in contenders.items()})
    rates = {name: contenders[name][1] / timings[name].median_s / 1e6 for name in contenders}
    best = max(rate for name, rate in rates.items() if not name.startswith("equipoise"))
    return [
        f"| {workload} | {name} | {rate:.0f} | {timings[name].spread:.0%} | {rate / best:.1f} |"
        for name, rate in rates.items()
    ]


def _solve(**fields: Any) -> SimulateSolution:
    spec = {
        "task": "simulate",
        "model": {"kind": "diagonal", "depth": 1},
        "data": {"kind": "gaussian"},
        "n_paths": N_PATHS,
        "n_records": 20,
        "seed": 1,
    }
    solution = solve({**spec, **fields}, threads=THREADS)
    assert isinstance(solution, SimulateSolution)
    return solution


def _flow() -> dict[str, tuple[Callable[[], float], float]]:
    spec = {
        "dynamics": {"kind": "sgf", "temperature": TEMPERATURE},
        "coordinate": "model",
        "duration": DURATION,
    }
    n_steps = int(DURATION / STEP_SIZE)
    return {
        "equipoise, its own steps, no path lost": (
            lambda: _solve(**spec).mean or 0.0,
            float(_solve(**spec).path_steps),
        ),
        "numpy, 2 threads, in place, Euler-Maruyama (explodes)": (
            lambda: _threaded(lambda n, seed: _numpy_flow(n, n_steps, seed)),
            float(N_PATHS * n_steps),
        ),
    }


def _descent() -> dict[str, tuple[Callable[[], float], float]]:
    sgd = {"kind": "sgd", "learning_rate": LEARNING_RATE, "batch_size": 16}
    return {
        "equipoise": (
            lambda: _solve(dynamics=sgd, n_steps=N_STEPS).mean or 0.0,
            float(N_PATHS * N_STEPS),
        ),
        "numpy, 2 threads, draws the batch": (
            lambda: _threaded(lambda n, seed: _numpy_descent(n, N_STEPS, 16, seed)),
            float(N_PATHS * N_STEPS),
        ),
    }


def _threaded(run: Callable[[int, int], Array]) -> float:
    chunk = 16_384
    with ThreadPoolExecutor(THREADS) as pool:
        parts = list(pool.map(lambda seed: run(chunk, seed), range(N_PATHS // chunk)))
    return float(np.mean(np.concatenate(parts)))


def _numpy_flow(n: int, n_steps: int, seed: int) -> Array:
    """Euler-Maruyama of dv = [-4v(v-1) + 4Tvg] dt + 4v sqrt(Tg) dW, g = 2v^2 - 4v + 3, in place."""
    rng = np.random.Generator(np.random.SFC64(seed))
    v, g, drift, noise = np.full(n, 1.0), np.empty(n), np.empty(n), np.empty(n)
    root_step = np.sqrt(STEP_SIZE)
    with np.errstate(all="ignore"):
        for _ in range(n_steps):
            rng.standard_normal(out=noise)
            np.multiply(v, 2.0, out=g)
            g -= 4.0
            g *= v
            g += 3.0
            g *= TEMPERATURE
            np.subtract(g, v, out=drift)
            drift += 1.0
            drift *= 4.0 * STEP_SIZE
            np.sqrt(g, out=g)
            g *= noise
            g *= 4.0 * root_step
            drift += g
            drift *= v
            v += drift
    kept: Array = v[np.isfinite(v) & (np.abs(v) < 1e3)]
    return kept


def _numpy_descent(n: int, n_steps: int, batch_size: int, seed: int) -> Array:
    """Minibatch SGD of (u w x - y)^2 with y = x + noise, the S pairs drawn at every step."""
    rng = np.random.Generator(np.random.SFC64(seed))
    u, w = np.full(n, 1.0), np.full(n, 1.0)
    for _ in range(n_steps):
        x, noise = rng.standard_normal((batch_size, n)), rng.standard_normal((batch_size, n))
        gradient = 2 * np.mean((u * w * x - x - noise) * x, axis=0)
        u, w = u - LEARNING_RATE * w * gradient, w - LEARNING_RATE * u * gradient
    product: Array = u * w
    return product
