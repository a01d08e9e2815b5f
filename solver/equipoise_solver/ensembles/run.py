"""Begin and advance an ensemble: pieces of work on a pool of threads, merged in order.

The result of a piece depends on the plan and on its own paths only, and pieces merge from left to right in
their fixed order, so any threads, budgets, chunks and restarts give the same bits. When all is done, some
paths run again at twice the step, which tells the bias of the step: see `pilot`.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles.accumulators import Means, merge_means
from equipoise_solver.ensembles.devices import CPU, on_card
from equipoise_solver.ensembles.pilot import pilot_of
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.schedule import Schedule, Unit, schedule_of
from equipoise_solver.ensembles.units import (
    MAX_LOST_KEPT,
    N_PASSAGE_BINS,
    N_PATH_MEANS,
    Arrays,
    Outcome,
    aligned_copy,
    do_unit,
    kernels_of,
    start_shard,
)

Scalars = dict[str, Any]
PILOT = "pilot_"
"""Prefix of the arrays of the second run."""
CARD_STEPS = 4e9
"""Least path-steps of a piece of work on a card, so that bringing it there and back costs little."""


def begin(plan: EnsemblePlan) -> Checkpoint:
    """State before the first piece of work."""
    arrays, scalars = _begin(plan)
    pilot = pilot_of(plan)
    if pilot is not None:
        its_arrays, scalars["pilot"] = _begin(pilot)
        arrays |= {PILOT + name: array for name, array in its_arrays.items()}
    return _checkpoint(plan, pilot, arrays, scalars)


def advance(
    plan: EnsemblePlan, checkpoint: Checkpoint, *, budget: float, threads: int = 1, device: str = CPU
) -> Checkpoint:
    """Do at least one piece of work, and more until about `budget` path-steps are done.

    Args:
        plan: the plan that the checkpoint was begun with.
        checkpoint: where to go on; it is not changed.
        budget: path-steps to do before returning.
        threads: threads to work on, >= 1.
        device: "cpu", or a card "cuda:N" that `devices.resolve_device` has found fit for the plan.

    Returns:
        the next checkpoint; the bits in the end do not depend on budget or threads, and those of CPU and card
        agree to rounding, so a run may go on on another device. The last one keeps the final states of the
        last shard, "shard_state" of shape (blocks, n_state, LANES).
    """
    arrays = {name: aligned_copy(array) for name, array in checkpoint.arrays.items()}
    own = {name: array for name, array in arrays.items() if not name.startswith(PILOT)}
    its = {name.removeprefix(PILOT): a for name, a in arrays.items() if name.startswith(PILOT)}
    scalars: Scalars = {**checkpoint.scalars, "lost": list(checkpoint.scalars["lost"])}
    pilot = pilot_of(plan)
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        run_all = pool.map if threads > 1 else map
        done = _advance(plan, own, scalars, budget, threads, run_all, device)
        if pilot is not None and done < budget:
            scalars["pilot"] = {**scalars["pilot"], "lost": list(scalars["pilot"]["lost"])}
            _advance(pilot, its, scalars["pilot"], budget - done, threads, run_all, device)
    return _checkpoint(plan, pilot, {**own, **{PILOT + name: a for name, a in its.items()}}, scalars)


def _begin(plan: EnsemblePlan) -> tuple[Arrays, Scalars]:
    schedule = schedule_of(plan)
    n_records = schedule.n_records + 1
    pilot = pilot_of(plan)
    n_compared = plan.n_paths if plan.coarsening == 2 else pilot.n_paths if pilot is not None else 0
    arrays: Arrays = {
        "counts": np.zeros(plan.histogram_edges.size + 1, dtype=np.int64),
        "extent": np.array([np.inf, -np.inf]),
        "path_means": np.full(n_compared, np.nan),
        "snapshots": np.full((min(plan.n_snapshots, plan.n_paths), n_records), np.nan),
        "passage_counts": np.zeros(N_PASSAGE_BINS, dtype=np.int64),
        **_stored("records", Means.empty((len(plan.recorded), n_records))),
        **_stored("paths", Means.empty((N_PATH_MEANS,))),
        **_stored("passages", Means.empty((1,))),
    }
    scalars = {"unit": 0, "path_steps": 0, "n_lost": 0, "n_absorbed": 0, "total": 0.0, "lost": []}
    return arrays, scalars


def _advance(
    plan: EnsemblePlan,
    arrays: Arrays,
    scalars: Scalars,
    budget: float,
    threads: int,
    run_all: Callable[..., Iterable[Outcome]],
    device: str,
) -> float:
    """Do pieces of one run, changing its state, and return the path-steps done; 0 if nothing was left."""
    schedule = schedule_of(plan)
    start = scalars["path_steps"]
    if scalars["unit"] >= schedule.n_units:
        return 0.0
    kernels = replace(kernels_of(plan), on_card=on_card(device, plan))
    per_unit = max(1.0, plan.path_steps / schedule.n_units)
    while scalars["unit"] < schedule.n_units:
        first = scalars["unit"]
        unit = schedule.unit(first)
        if unit.samples[0] == 0 and unit.blocks[0] == 0:
            arrays |= start_shard(plan, schedule, unit.shard)
        # As many pieces for each thread: one alone would leave the others idle.
        share = int((start + budget - scalars["path_steps"]) / per_unit / threads)
        wanted = threads * max(1, share)
        if kernels.on_card is None:
            stop = min(schedule.row_end(first), schedule.n_units, first + wanted)
            units = [schedule.unit(i) for i in range(first, stop)]
        else:
            joined, stop = _joined(schedule, first, max(wanted, int(CARD_STEPS / per_unit)))
            units = [joined]
        work = [(plan, schedule, kernels, arrays, each) for each in units]
        _merge(arrays, scalars, run_all(do_unit, work))
        scalars["unit"] = stop
        if scalars["path_steps"] - start >= budget:
            break
    if scalars["unit"] >= schedule.n_units:
        for name in [name for name in arrays if name.startswith("shard_") and name != "shard_state"]:
            del arrays[name]
    return max(1.0, float(scalars["path_steps"] - start))


def _joined(schedule: Schedule, first: int, wanted: int) -> tuple[Unit, int]:
    """About `wanted` pieces from `first` on as one, of whole rows in one shard, and the piece after them.

    A card takes all blocks of a shard at once, and the longer the better.
    """
    unit, stop = schedule.unit(first), min(schedule.row_end(first), schedule.n_units)
    while unit.blocks[0] == 0 and stop < schedule.n_units and stop - first < wanted:
        if schedule.unit(stop).shard != unit.shard:
            break
        stop = schedule.row_end(stop)
    last = schedule.unit(stop - 1)
    blocks, samples = (unit.blocks[0], last.blocks[1]), (unit.samples[0], last.samples[1])
    return Unit(unit.shard, blocks, samples), stop


def _checkpoint(
    plan: EnsemblePlan, pilot: EnsemblePlan | None, arrays: Arrays, scalars: Scalars
) -> Checkpoint:
    n = int(arrays["counts"].sum())
    live = {
        "mean": plan.moments.minimum + scalars["total"] / n if n > 0 else None,
        "n_diverged": scalars["n_lost"],
        "n_absorbed": scalars["n_absorbed"],
        "path_steps": scalars["path_steps"],
    }
    runs = [(plan, scalars)] if pilot is None else [(plan, scalars), (pilot, scalars["pilot"])]
    shares = [(run.path_steps, state["unit"], schedule_of(run).n_units) for run, state in runs]
    done = all(unit >= n_units for _, unit, n_units in shares)
    fraction = sum(work * unit / n_units for work, unit, n_units in shares) / sum(s[0] for s in shares)
    return Checkpoint(
        fraction=1.0 if done else min(fraction, 1 - 1e-9), arrays=arrays, scalars=scalars, live=live
    )


def _stored(name: str, means: Means) -> Arrays:
    return {f"{name}_count": means.count, f"{name}_mean": means.mean, f"{name}_squares": means.squares}


def _merge(arrays: Arrays, scalars: Scalars, outcomes: Iterable[Outcome]) -> None:
    """Merge what pieces of work add, in their order."""
    for outcome in outcomes:
        arrays["counts"] += outcome.counts
        arrays["passage_counts"] += outcome.passage_counts
        low, high = arrays["extent"]
        arrays["extent"] = np.array([min(low, outcome.extent[0]), max(high, outcome.extent[1])])
        records = slice(*outcome.record_range)
        _merge_into(arrays, "records", (slice(None), records), outcome.records)
        _merge_into(arrays, "passages", (slice(None),), outcome.passages)
        if outcome.snapshots.shape[0] > 0:
            arrays["snapshots"][:, records] = outcome.snapshots
        if outcome.paths is not None:
            _merge_into(arrays, "paths", (slice(None),), outcome.paths)
        if outcome.path_means is not None:
            held = arrays["path_means"][outcome.first_path :][: outcome.path_means.size]
            held[:] = outcome.path_means[: held.size]
        for name in ("path_steps", "n_lost", "n_absorbed", "total"):
            scalars[name] += getattr(outcome, name)
        scalars["lost"] = (scalars["lost"] + outcome.lost)[:MAX_LOST_KEPT]


def _merge_into(arrays: Arrays, name: str, where: tuple[slice, ...], more: Means) -> None:
    held = Means(*(arrays[f"{name}_{part}"][where] for part in ("count", "mean", "squares")))
    merged = merge_means(held, more)
    for part in ("count", "mean", "squares"):
        arrays[f"{name}_{part}"][where] = getattr(merged, part)
