"""Seconds to the first answer: compiling everything, a model alone, and nothing, by numba's cache on disk."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine import spec
from benchmarks.workloads import DESCENT, FLOW, WEIGHTS, WORKLOADS

KEYS = (FLOW.key, WEIGHTS.key, DESCENT.key)
OTHER = "other"
"""Another model, which leaves the kernels that all share in the cache."""


@dataclass(frozen=True)
class Startup:
    """Seconds of the first tiny run of one workload, after the imports."""

    workload: str
    import_s: float
    first_s: float
    """Nothing is in the cache."""
    model_s: float
    """Another model has run before."""
    reload_s: float


def startups(*, n_rounds: int) -> list[Startup]:
    """Medians over fresh processes, each pair with a cache folder of its own."""
    return [_startup(key, n_rounds) for key in KEYS]


def _startup(key: str, n_rounds: int) -> Startup:
    rounds = []
    for _ in range(n_rounds):
        with tempfile.TemporaryDirectory(prefix="equipoise-bench-") as folder:
            first = _first_answer(key, folder)
        with tempfile.TemporaryDirectory(prefix="equipoise-bench-") as folder:
            _first_answer(OTHER, folder)
            model, reload = _first_answer(key, folder), _first_answer(key, folder)
        solves = (first["solve_s"], model["solve_s"], reload["solve_s"])
        rounds.append((reload["import_s"], *solves))
    return Startup(key, *(statistics.median(seconds) for seconds in zip(*rounds, strict=True)))


def _first_answer(key: str, folder: str) -> dict[str, float]:
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.startup", key],
        env={**os.environ, "NUMBA_CACHE_DIR": folder},
        cwd=Path(__file__).parent.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    seconds: dict[str, float] = json.loads(process.stdout)
    return seconds


def main() -> None:
    """The fresh process: print the seconds of the imports and of the first answer."""
    key = sys.argv[1]
    workload = FLOW if key == OTHER else next(workload for workload in WORKLOADS if workload.key == key)
    started = time.perf_counter()
    import equipoise_solver.tasks.simulate  # noqa: F401
    from equipoise_solver.solving import solve

    imported = time.perf_counter()
    dynamics = {"scheme": "log_euler"} if key == OTHER else {}
    solve(spec(workload, "float64", 256, 100, **dynamics), threads=1)
    print(json.dumps({"import_s": imported - started, "solve_s": time.perf_counter() - imported}))


if __name__ == "__main__":
    main()
