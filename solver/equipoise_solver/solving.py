"""Spec in, chunks of work, solution out."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from equipoise_solver.checkpoint import CHECKPOINT_VERSION, Checkpoint
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.specs import (
    Compare,
    CompareSolution,
    Simulate,
    SimulateSolution,
    Stationary,
    StationarySolution,
    parse_spec,
)
from equipoise_solver.tasks.stationary import StationaryWork
from equipoise_solver.tasks.work import Cost, LoadDataset, Work

__all__ = ["CHECKPOINT_VERSION", "Checkpoint", "Cost", "LoadDataset", "Work", "prepare", "solve"]

# Path-steps between two reports of progress: a fraction of a second of work.
_REPORT_EVERY = 20_000_000


def prepare(spec: Any, *, load_dataset: LoadDataset | None = None) -> Work:
    """Validate a spec, resolve its data, and return the work that it is.

    Args:
        spec: dictionary or spec model.
        load_dataset: maps a dataset id to its (x, y); needed for data of kind "dataset".

    Raises:
        pydantic.ValidationError: a field is unknown, missing, of the wrong kind or out of bounds.
        SolverError: the fields are valid one by one, but describe nothing that can be solved.
    """
    match parse_spec(spec):
        case Stationary() as stationary:
            return StationaryWork(stationary, load_dataset=load_dataset)
        case Simulate() as simulate:
            from equipoise_solver.tasks.simulate import SimulateWork  # Compiled kernels only when needed.

            return SimulateWork(simulate, load_dataset=load_dataset)
        case Compare() as compare:
            from equipoise_solver.tasks.compare import CompareWork

            return CompareWork(compare, load_dataset=load_dataset)


def solve(
    spec: Any,
    *,
    device: str = "auto",
    threads: int | None = None,
    on_progress: Callable[[float, Mapping[str, float | int | None]], None] | None = None,
    load_dataset: LoadDataset | None = None,
) -> StationarySolution | SimulateSolution | CompareSolution:
    """Solve a spec in this process.

    Args:
        spec: dictionary or spec model.
        device: "cpu" or "auto".
        threads: threads of a simulation; None takes the processors of this machine. The result does not
            depend on it.
        on_progress: called between chunks with the fraction done, 0..1, and live statistics.
        load_dataset: maps a dataset id to its (x, y); needed for data of kind "dataset".

    Returns:
        The solution; `solution.model_dump(mode="json")` is what the HTTP API returns.

    Raises:
        pydantic.ValidationError: a field is unknown, missing, of the wrong kind or out of bounds.
        SolverError: the fields are valid one by one, but describe nothing that can be solved.
    """
    if device not in ("auto", "cpu"):
        raise InvalidModelError("device", given=device, allowed="'auto' or 'cpu'")
    work = prepare(spec, load_dataset=load_dataset)
    n_threads = threads or os.cpu_count() or 1
    checkpoint = work.begin()
    while not checkpoint.is_done:
        checkpoint = work.advance(checkpoint, _REPORT_EVERY, threads=n_threads)
        if on_progress is not None:
            on_progress(checkpoint.fraction, checkpoint.live)
    return work.finish(checkpoint)
