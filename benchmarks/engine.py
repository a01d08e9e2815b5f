"""Equipoise's own rows, all through the public door `equipoise_solver.solving.solve`."""

from functools import partial
from typing import Any

from benchmarks.contenders import DTYPES, Contender, Run
from benchmarks.workloads import (
    BATCH_SIZE,
    DESCENT,
    FLOW,
    LEARNING_RATE,
    STEP_SIZE,
    TEMPERATURE,
    WEIGHTS,
    Workload,
)
from equipoise_solver.solving import solve

THREADS = 2
N_PATHS, N_STEPS = 1 << 17, 10_000
DESCENT_STEPS = 4000

EULER = "equipoise, Euler"
DEFAULT = "equipoise, default scheme, no path lost"
SGD = "equipoise"
ONE_THREAD = "equipoise, Euler, 1 thread"
THREE_POINT = "equipoise, Euler, three-point noise"
TWO_POINT = "equipoise, Euler, two-point noise"
BARE = "equipoise, Euler, least accumulators"
FULL = "equipoise, Euler, all accumulators"

ALL_ACCUMULATORS: dict[str, Any] = {
    "observables": ["value", "loss", "excess_loss", "imbalance", "noise", "sign", "norm", "autocorrelation"],
    "n_records": 20,
    "n_snapshots": 16,
    "burn_in": 0.5,
}
LEAST_ACCUMULATORS: dict[str, Any] = {"observables": ["value"], "n_records": 1, "burn_in": 0.999}

_EULER, _AUTO = {"scheme": "euler"}, {"scheme": "auto"}
ROWS: dict[str, list[tuple[str, dict[str, Any], dict[str, Any], int]]] = {
    FLOW.key: [
        (EULER, _EULER, {}, THREADS),
        (DEFAULT, _AUTO, {}, THREADS),
        (THREE_POINT, _EULER, {"noise": "three_point"}, THREADS),
        (TWO_POINT, _EULER, {"noise": "two_point"}, THREADS),
        (ONE_THREAD, _EULER, {}, 1),
        (BARE, _EULER, LEAST_ACCUMULATORS, THREADS),
        (FULL, _EULER, ALL_ACCUMULATORS, THREADS),
    ],
    WEIGHTS.key: [(EULER, _EULER, {}, THREADS), (DEFAULT, _AUTO, {}, THREADS)],
    DESCENT.key: [(SGD, {}, {}, THREADS)],
}
"""Per workload: name, fields of the dynamics, fields of the spec, threads."""


def contenders(workload: Workload, device: str = "cpu", n_paths: int = N_PATHS) -> list[Contender]:
    """Rows of equipoise; on a card, threads do not count."""
    n_steps = DESCENT_STEPS if workload.key == DESCENT.key else N_STEPS
    return [
        Contender(
            name,
            dtype,
            partial(_prepare, workload, dtype, dynamics, fields, threads, device),
            n_paths,
            n_steps,
            is_peer=False,
            checks_itself=True,
        )
        for name, dynamics, fields, threads in ROWS[workload.key]
        for dtype in DTYPES
        if device == "cpu" or threads == THREADS
    ]


def _prepare(
    workload: Workload,
    dtype: str,
    dynamics: dict[str, Any],
    fields: dict[str, Any],
    threads: int,
    device: str,
    n_paths: int,
    n_steps: int,
) -> Run:
    question = {**spec(workload, dtype, n_paths, n_steps, **dynamics), **fields}
    return lambda: solve(question, threads=threads, device=device)


def spec(workload: Workload, dtype: str, n_paths: int, n_steps: int, **dynamics: Any) -> dict[str, Any]:
    """The workload as a spec."""
    common = {
        "task": "simulate",
        "model": {"kind": "diagonal", "depth": 1},
        "data": {"kind": "gaussian"},
        "n_paths": n_paths,
        "precision": dtype,
        "n_records": 20,
        "seed": 1,
    }
    if workload.key == DESCENT.key:
        sgd = {"kind": "sgd", "learning_rate": LEARNING_RATE, "batch_size": BATCH_SIZE, **dynamics}
        return {**common, "dynamics": sgd, "n_steps": n_steps}
    sgf = {"kind": "sgf", "temperature": TEMPERATURE, "step_size": STEP_SIZE, **dynamics}
    coordinate = "model" if workload.key == FLOW.key else "parameters"
    return {**common, "dynamics": sgf, "coordinate": coordinate, "duration": n_steps * STEP_SIZE}
