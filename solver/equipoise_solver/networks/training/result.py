"""The answer of an ensemble of networks, from a checkpoint that is done."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles.accumulators import Means
from equipoise_solver.ensembles.result import TimeSeries
from equipoise_solver.networks.data import GaussianTeacher
from equipoise_solver.networks.training.dynamics import Gd, Langevin, Sgd, Sgf
from equipoise_solver.networks.training.observables import has_closed_forms, trace_is_exact
from equipoise_solver.networks.training.pieces import CPU, ESCAPE, Workshop
from equipoise_solver.networks.training.plan import TrainingPlan
from equipoise_solver.networks.training.run import MAX_LOST_KEPT
from equipoise_solver.networks.training.samples import observed_samples
from equipoise_solver.networks.training.segments import record_times, segments_of


@dataclass(frozen=True)
class LostNetwork:
    """A network that diverged.

    Attributes:
        path: its number.
        steps: updates after which it was found lost.
    """

    path: int
    steps: int


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """Observables over time, over networks that have not diverged by then, and where the networks ended.

    Attributes:
        n_paths: networks asked for.
        n_diverged: networks lost: a parameter is not finite, or beyond 1e30 (float32: 1e15), or so large that
            an observable overflows.
        path_steps: steps taken in all.
        time: updates (Sgd, Gd) or SDE time (Sgf, Langevin) at the records, shape (n_records + 1,).
        learned: sum of the learning rates by then, or SDE time, shape (n_records + 1,).
        observables: name to series over time, for example "loss" and "norm.W1"; see `observables`.
        snapshots: name to the same of the first networks, shape (n_snapshots, n_records + 1); NaN once lost.
        parameters: at the end, by block, shape (n_paths, *block shape), float64; NaN where lost.
        lost: the first diverged networks, at most 16.
        notes: sentences that qualify the numbers.
    """

    n_paths: int
    n_diverged: int
    path_steps: int
    time: NDArray[np.float64]
    learned: NDArray[np.float64]
    observables: dict[str, TimeSeries]
    snapshots: dict[str, NDArray[np.float64]]
    parameters: dict[str, NDArray[np.float64]]
    lost: tuple[LostNetwork, ...]
    notes: tuple[str, ...]


def finish(plan: TrainingPlan, checkpoint: Checkpoint) -> TrainingResult:
    """The answer, from a checkpoint that is done.

    Raises:
        ValueError: work is left to do, or the checkpoint is of a part.
    """
    if not checkpoint.is_done:
        raise ValueError(f"fraction={checkpoint.fraction:.3g} of the work is done: advance it to 1 first.")
    if checkpoint.scalars["part"] is not None:
        raise ValueError(f"part={checkpoint.scalars['part']} is not the whole: merge all parts first.")
    segments = segments_of(plan)
    time = record_times(plan, segments)
    lost_at = checkpoint.arrays["lost_at"].reshape(-1)[: plan.n_paths]
    lost = np.flatnonzero(lost_at >= 0)
    names = Workshop(plan, CPU).names
    return TrainingResult(
        n_paths=plan.n_paths,
        n_diverged=int(lost.size),
        path_steps=int(checkpoint.scalars["path_steps"]),
        time=time,
        learned=_learned(plan, segments.record_steps),
        observables=_series(checkpoint, names, time),
        snapshots={name: checkpoint.arrays["snapshots"][:, i] for i, name in enumerate(names)},
        parameters=_parameters(plan, checkpoint),
        lost=tuple(LostNetwork(int(path), int(lost_at[path])) for path in lost[:MAX_LOST_KEPT]),
        notes=notes_of(plan, n_lost=int(lost.size)),
    )


def _series(
    checkpoint: Checkpoint, names: tuple[str, ...], time: NDArray[np.float64]
) -> dict[str, TimeSeries]:
    records = Means(*(checkpoint.arrays[f"records_{part}"] for part in ("count", "mean", "squares")))
    error = records.standard_error
    return {
        name: TimeSeries(
            time=time,
            mean=np.where(records.count[:, i] > 0, records.mean[:, i], np.nan),
            standard_error=error[:, i],
            count=records.count[:, i].astype(np.int64),
        )
        for i, name in enumerate(names)
    }


def _learned(plan: TrainingPlan, steps: tuple[int, ...]) -> NDArray[np.float64]:
    """Sum of the rates up to each record, in parts so that long runs fit into memory."""
    total, sums = 0.0, [0.0]
    for start, end in pairwise(steps):
        for first in range(start, end, 1 << 20):
            total += float(plan.rates(first, min(1 << 20, end - first)).sum())
        sums.append(total)
    return np.array(sums)


def _parameters(plan: TrainingPlan, checkpoint: Checkpoint) -> dict[str, NDArray[np.float64]]:
    rows: NDArray[Any] = checkpoint.arrays["parameters"].reshape(-1, plan.n_parameters)[: plan.n_paths]
    blocks, at = {}, 0
    for block in plan.network.blocks:
        part = rows[:, at : at + block.size].astype(np.float64)
        blocks[block.name] = part.reshape(plan.n_paths, *block.shape)
        at += block.size
    return blocks


def notes_of(plan: TrainingPlan, *, n_lost: int) -> tuple[str, ...]:
    """What is to be said about the numbers of a run: sentences that qualify them."""
    notes = []
    if n_lost:
        notes.append(
            f"{n_lost} of {plan.n_paths} networks diverged (a parameter beyond {ESCAPE[plan.precision]:.0e} "
            "or not finite): later averages leave them out, so they are conditional on survival."
        )
    notes += _notes_of_observables(plan)
    is_by_epoch = isinstance(plan.dynamics, Sgd) and plan.dynamics.sampling == "epoch"
    if is_by_epoch and "balance_residual" in plan.observables and plan.balance_temperature is None:
        notes.append(
            "balance_residual takes T = learning_rate/(batch_size (1 - momentum)), that of sampling with "
            "replacement: by epoch the noise of successive batches partly cancels."
        )
    if isinstance(plan.dynamics, Sgf):
        notes.append("The noise has the covariance of the given samples; Euler's step is of weak order 1.")
    if isinstance(plan.dynamics, Langevin):
        notes.append(
            f"Euler-Maruyama steps of {plan.clock_step:.3g} keep the law of Gibbs only up to terms of order "
            "step_size: along a curvature h the variance is T/(h (1 - step_size h/2))."
        )
    return tuple(notes)


def _notes_of_observables(plan: TrainingPlan) -> list[str]:
    notes = []
    if not has_closed_forms(plan.network, plan.data):
        if isinstance(plan.data, GaussianTeacher):
            notes.append(f"Observables are averages over {plan.n_observed} fixed samples of the teacher.")
        elif plan.data.n > plan.n_observed:
            notes.append(
                f"Observables are averages over {plan.n_observed} fixed samples out of {plan.data.n}."
            )
        if "sharpness" in plan.observables and not trace_is_exact(plan.network, observed_samples(plan)):
            notes.append(
                "sharpness is Hutchinson's estimate with 32 random vectors, the same at every record."
            )
    if _has_label_noise(plan) and {"noise_trace", "balance_residual"} & set(plan.observables):
        notes.append("noise_trace and balance_residual leave out the noise that is added to labels.")
    return notes


def _has_label_noise(plan: TrainingPlan) -> bool:
    return isinstance(plan.dynamics, Sgd | Gd) and plan.dynamics.label_noise > 0
