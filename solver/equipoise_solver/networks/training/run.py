"""Begin and advance an ensemble of networks: pieces of work on a pool of threads, merged in order.

What a piece gives depends on the plan and on its own group only, and pieces merge from left to right in their
fixed order, so any threads, budgets, chunks and restarts give the same bits; and a group does not depend on
how many paths there are, so more of them change none. A part of the groups keeps the records of each, which
merge in the same order when all parts are there: see `merging`.
"""

import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles.accumulators import Means, block_means, merge_means
from equipoise_solver.errors import UnsupportedCombinationError
from equipoise_solver.networks.training.dynamics import Gd, Sgd
from equipoise_solver.networks.training.pieces import CPU, Outcome, Workshop, do_pieces, one_thread_each
from equipoise_solver.networks.training.plan import TrainingPlan
from equipoise_solver.networks.training.segments import Piece, Segments, segments_of
from equipoise_solver.networks.training.starts import initial_rows

Arrays = dict[str, NDArray[Any]]
MAX_LOST_KEPT = 16
"""Diverged networks that are named."""


def begin(plan: TrainingPlan, part: tuple[int, int] | None = None, *, fingerprint: str = "") -> Checkpoint:
    """State before the first piece of work.

    Args:
        plan: the plan.
        part: number of a part of the groups and of how many; None for the whole.
        fingerprint: what the parts of other plans do not have.
    """
    part = None if part is None or part[1] == 1 else part
    segments = segments_of(plan, part)
    rows = initial_rows(plan)[segments.first_group :][: segments.n_groups]
    n_names = len(Workshop(plan, CPU).names)
    n_records = len(segments.record_steps)
    recorded = (n_records, n_names)
    arrays: Arrays = {
        "parameters": rows,
        "lost_at": np.full(rows.shape[:2], -1, dtype=np.int64),
        "snapshots": np.full((min(plan.n_snapshots, plan.n_paths), n_names, n_records), np.nan),
        **stored(Means.empty(recorded if part is None else (segments.n_groups, *recorded))),
    }
    if isinstance(plan.dynamics, Sgd | Gd) and plan.dynamics.momentum > 0:
        arrays["momenta"] = np.zeros_like(rows)
    scalars = {"plan": fingerprint, "part": None if part is None else list(part)}
    return checkpoint_of(plan, arrays, {**scalars, "piece": 0, "path_steps": 0})


def advance(
    plan: TrainingPlan, checkpoint: Checkpoint, *, budget: float, threads: int = 1, device: str = CPU
) -> Checkpoint:
    """Do at least one piece of work, and more until about `budget` path-steps are done.

    Args:
        plan: the plan that the checkpoint was begun with.
        checkpoint: where to go on; it is not changed.
        budget: path-steps to do before returning.
        threads: threads to work on, >= 1.
        device: "cpu", or a card "cuda:N", on which all networks train at once by torch; its results agree
            with those of a CPU to rounding.

    Raises:
        UnsupportedCombinationError: field "device", torch does not see that card.
    """
    check_device(device)
    segments = segments_of(plan, checkpoint.scalars["part"])
    arrays = {name: np.array(array) for name, array in checkpoint.arrays.items()}
    index = int(checkpoint.scalars["piece"])
    shop, done = Workshop(plan, device), 0
    with one_thread_each(), ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        while index < segments.n_pieces and (done == 0 or done < budget):
            wanted = _wanted(plan, segments, index, budget=budget - done, threads=threads, device=device)
            pieces = [segments.piece(i) for i in range(index, index + wanted)]
            together = [pieces] if device != CPU else [[piece] for piece in pieces]
            given = pool.map(lambda some: _do(shop, segments, arrays, some), together)
            _merge(arrays, segments, pieces, given)
            index += wanted
            done += sum(_path_steps(plan, piece) for piece in pieces)
    path_steps = int(checkpoint.scalars["path_steps"]) + done
    return checkpoint_of(plan, arrays, {**checkpoint.scalars, "piece": index, "path_steps": path_steps})


def check_device(device: str) -> None:
    """Refuse a device that torch does not see.

    Raises:
        UnsupportedCombinationError: field "device".
    """
    n_cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    seen = [CPU, *(f"cuda:{i}" for i in range(n_cards))]
    if device not in seen:
        raise UnsupportedCombinationError("device", given=device, allowed=f"one of {seen} on this machine")


def _wanted(
    plan: TrainingPlan, segments: Segments, index: int, *, budget: float, threads: int, device: str
) -> int:
    """Pieces to do next: of one segment, as many for each thread."""
    left = segments.row_end(index) - index
    if device != CPU:
        return left
    per_piece = max(1, _path_steps(plan, segments.piece(index)))
    return min(left, threads * max(1, int(budget / per_piece / threads)))


def _path_steps(plan: TrainingPlan, piece: Piece) -> int:
    """Steps of the paths of a piece, those that fill up the last group left out."""
    n_paths = min(plan.group_size, plan.n_paths - piece.group * plan.group_size)
    return piece.n_steps * n_paths


def _do(shop: Workshop, segments: Segments, arrays: Arrays, pieces: list[Piece]) -> list[Outcome]:
    groups = slice(pieces[0].group - segments.first_group, pieces[-1].group + 1 - segments.first_group)
    momenta = arrays["momenta"][groups] if "momenta" in arrays else None
    return do_pieces(shop, pieces, arrays["parameters"][groups], momenta)


def _merge(
    arrays: Arrays, segments: Segments, pieces: list[Piece], outcomes: Iterable[list[Outcome]]
) -> None:
    """Take over what pieces give, in their order."""
    flat = [outcome for some in outcomes for outcome in some]
    for piece, outcome in zip(pieces, flat, strict=True):
        place = piece.group - segments.first_group
        arrays["parameters"][place] = outcome.parameters
        if outcome.momenta is not None:
            arrays["momenta"][place] = outcome.momenta
        lost = arrays["lost_at"][place]
        lost[outcome.is_lost & (lost < 0)] = piece.first_step + piece.n_steps
        if outcome.at_start is not None:
            _record(arrays, segments, 0, piece.group, outcome.at_start)
        if outcome.at_end is not None and piece.record is not None:
            _record(arrays, segments, piece.record, piece.group, outcome.at_end)


def _record(arrays: Arrays, segments: Segments, record: int, group: int, values: NDArray[np.float64]) -> None:
    is_whole = arrays["records_count"].ndim == 2
    place = record if is_whole else (group - segments.first_group, record)
    held = Means(*(arrays[f"records_{part}"][place] for part in ("count", "mean", "squares")))
    merged = merge_means(held, block_means(values))
    for part in ("count", "mean", "squares"):
        arrays[f"records_{part}"][place] = getattr(merged, part)
    first = group * values.shape[1]
    kept = arrays["snapshots"][first : first + values.shape[1]]
    kept[:, :, record] = values.T[: kept.shape[0]]


def stored(means: Means) -> Arrays:
    """Means of the records as arrays of a checkpoint."""
    return {"records_count": means.count, "records_mean": means.mean, "records_squares": means.squares}


def merged_records(arrays: Mapping[str, NDArray[Any]]) -> Means:
    """Means of the records over all groups, merged from left to right, shape (n_records, names)."""
    held = Means(*(arrays[f"records_{part}"] for part in ("count", "mean", "squares")))
    if held.count.ndim == 2:
        return held
    merged = Means.empty(held.count.shape[1:])
    for group in range(held.count.shape[0]):
        merged = merge_means(merged, Means(held.count[group], held.mean[group], held.squares[group]))
    return merged


def checkpoint_of(plan: TrainingPlan, arrays: Arrays, scalars: dict[str, Any]) -> Checkpoint:
    """The checkpoint of a state, with its fraction and what is worth showing."""
    segments = segments_of(plan, scalars["part"])
    index = scalars["piece"]
    share = index / segments.n_pieces
    n_paths = plan.n_paths - segments.first_group * plan.group_size
    return Checkpoint(
        fraction=1.0 if index >= segments.n_pieces else min(share, 1 - 1e-9),
        arrays=arrays,
        scalars=scalars,
        live={
            "mean": _latest(arrays, segments, index),
            "n_diverged": int((arrays["lost_at"].reshape(-1)[:n_paths] >= 0).sum()),
            "path_steps": scalars["path_steps"],
        },
    )


def _latest(arrays: Arrays, segments: Segments, index: int) -> float | None:
    """Mean of the first observable at the last record that all networks have reached."""
    done = segments.ends[index // segments.n_groups - 1] if index >= segments.n_groups else 0
    record = sum(step <= done for step in segments.record_steps) - 1
    first = {name: array[..., record, :1] for name, array in arrays.items() if name.startswith("records_")}
    if first["records_count"].size == 0:
        return None
    own = merged_records({name: array[..., np.newaxis, :] for name, array in first.items()})
    if own.count[0, 0] == 0:
        return None
    mean = float(own.mean[0, 0])
    return mean if math.isfinite(mean) else None
