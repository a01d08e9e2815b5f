"""Begin, advance and finish an ensemble: pieces of work on a pool of threads, merged in order.

The result of a piece depends on the plan and on its own paths only, and pieces merge from left to right in
their fixed order, so any threads, budgets, chunks and restarts give the same bits.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles.accumulators import Means, accumulate, block_means, merge_means
from equipoise_solver.ensembles.accumulators.samples import N_POWERS
from equipoise_solver.ensembles.compiled import (
    LANES,
    compiled,
    features_signature,
    flow_signature,
    key_of,
    noise_signature,
    update_signature,
)
from equipoise_solver.ensembles.drivers import (
    ABSORBED,
    LOST,
    flow_kernel,
    show_kernel,
    update_kernel,
)
from equipoise_solver.ensembles.initial import initial_states
from equipoise_solver.ensembles.observables import OBSERVABLES
from equipoise_solver.ensembles.plan import SHARD_BLOCKS, EnsemblePlan
from equipoise_solver.ensembles.schedule import Schedule, Unit, schedule_of
from equipoise_solver.ensembles.streams import stream_words

N_PATH_MEANS = N_POWERS + 1
"""Means per path that are averaged over paths: four powers of v - origin, and the sum of the first two."""
MAX_LOST_KEPT = 16
"""Diverged paths that are kept as examples."""
Arrays = dict[str, NDArray[Any]]


@dataclass
class _Kernels:
    """Compiled kernels of a plan."""

    draw: Any
    step: Any
    features: Any
    drive: Any
    show: Any


@dataclass
class _Outcome:
    """What a piece of work adds: all of it is merged in order."""

    counts: NDArray[np.int64]
    total: float
    extent: tuple[float, float]
    records: Means
    record_range: tuple[int, int]
    paths: Means | None
    path_steps: int
    n_lost: int
    n_absorbed: int
    lost: list[list[float | None]]


def begin(plan: EnsemblePlan) -> Checkpoint:
    """State before the first piece of work."""
    schedule = schedule_of(plan)
    n_records = schedule.n_records + 1
    arrays: Arrays = {
        "counts": np.zeros(plan.histogram_edges.size + 1, dtype=np.int64),
        "extent": np.array([np.inf, -np.inf]),
        **_stored("records", Means.empty((len(plan.observables), n_records))),
        **_stored("paths", Means.empty((N_PATH_MEANS,))),
    }
    scalars = {"unit": 0, "path_steps": 0, "n_lost": 0, "n_absorbed": 0, "total": 0.0, "lost": []}
    return _checkpoint(schedule, arrays, scalars, origin=plan.moments.minimum)


def advance(plan: EnsemblePlan, checkpoint: Checkpoint, *, budget: float, threads: int = 1) -> Checkpoint:
    """Do at least one piece of work, and more until about `budget` path-steps are done.

    Args:
        plan: the plan that the checkpoint was begun with.
        checkpoint: where to go on; it is not changed.
        budget: path-steps to do before returning.
        threads: threads to work on, >= 1.

    Returns:
        the next checkpoint; the bits in the end do not depend on budget or threads. The last one keeps the
        final states of the last shard, "shard_state" of shape (blocks, n_state, LANES).
    """
    schedule = schedule_of(plan)
    arrays = {name: array.copy() for name, array in checkpoint.arrays.items()}
    scalars: dict[str, Any] = {**checkpoint.scalars, "lost": list(checkpoint.scalars["lost"])}
    kernels = _kernels(plan)
    target = scalars["path_steps"] + budget
    per_unit = max(1.0, plan.path_steps / schedule.n_units)
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        while scalars["unit"] < schedule.n_units:
            first = scalars["unit"]
            unit = schedule.unit(first)
            if unit.samples[0] == 0 and unit.blocks[0] == 0:
                arrays = {**arrays, **_start_shard(plan, schedule, unit.shard)}
            wanted = max(1, int((target - scalars["path_steps"]) / per_unit))
            stop = min(schedule.row_end(first), schedule.n_units, first + wanted)
            units = [schedule.unit(i) for i in range(first, stop)]
            work = [(plan, schedule, kernels, arrays, each) for each in units]
            outcomes = pool.map(_do_unit, work) if threads > 1 else map(_do_unit, work)
            _merge(arrays, scalars, outcomes)
            scalars["unit"] = stop
            if scalars["path_steps"] >= target:
                break
    return _checkpoint(schedule, arrays, scalars, origin=plan.moments.minimum)


def _checkpoint(schedule: Schedule, arrays: Arrays, scalars: dict[str, Any], *, origin: float) -> Checkpoint:
    done = scalars["unit"] >= schedule.n_units
    if done:
        arrays = {
            name: a for name, a in arrays.items() if name == "shard_state" or not name.startswith("shard_")
        }
    n = int(arrays["counts"].sum())
    live = {
        "mean": origin + scalars["total"] / n if n > 0 else None,
        "n_diverged": scalars["n_lost"],
        "n_absorbed": scalars["n_absorbed"],
        "path_steps": scalars["path_steps"],
    }
    fraction = 1.0 if done else scalars["unit"] / schedule.n_units
    return Checkpoint(fraction=fraction, arrays=arrays, scalars=scalars, live=live)


def _stored(name: str, means: Means) -> Arrays:
    return {f"{name}_count": means.count, f"{name}_mean": means.mean, f"{name}_squares": means.squares}


def _kernels(plan: EnsemblePlan) -> _Kernels:
    adaptive = plan.scheme.clock == "adaptive"
    of_step = flow_signature if adaptive else update_signature
    return _Kernels(
        draw=compiled(plan.noise_source.fill, noise_signature()),
        step=compiled(plan.scheme.step, of_step(plan.precision)),
        features=compiled(plan.scheme.features, features_signature(plan.precision)),
        drive=flow_kernel(plan.precision) if adaptive else update_kernel(plan.precision),
        show=show_kernel(plan.precision),
    )


def _start_shard(plan: EnsemblePlan, schedule: Schedule, shard: int) -> Arrays:
    """Arrays of a shard at time 0, lanes last; lanes beyond the last path are never touched."""
    n_blocks = schedule.n_blocks(shard)
    first_path = shard * SHARD_BLOCKS * LANES
    dtype = np.float32 if plan.precision == "float32" else np.float64
    flat = initial_states(plan, first_path=first_path, n_paths=n_blocks * LANES)
    state = flat.reshape(plan.scheme.n_state, n_blocks, LANES).transpose(1, 0, 2)
    arrays: Arrays = {
        "shard_state": np.ascontiguousarray(state, dtype=dtype),
        "shard_words": stream_words(
            plan.seed,
            first_path=first_path,
            n_blocks=n_blocks,
            lanes=LANES,
            purpose=plan.noise_source.purpose,
        ),
        "shard_status": np.zeros((n_blocks, LANES), dtype=np.uint8),
        "shard_taken": np.zeros((n_blocks, LANES), dtype=np.int64),
        "shard_sums": np.zeros((n_blocks, N_POWERS, LANES)),
    }
    if plan.scheme.clock == "steps":
        arrays["shard_momentum"] = np.zeros_like(arrays["shard_state"])
    return arrays


def _do_unit(work: tuple[EnsemblePlan, Schedule, _Kernels, Arrays, Unit]) -> _Outcome:
    """One piece of work; changes its own blocks of the shard's arrays only."""
    plan, schedule, kernels, arrays, unit = work
    own = slice(*unit.blocks)
    views = {name: array[own] for name, array in arrays.items() if name.startswith("shard_")}
    lanes = schedule.lanes(unit.shard)[own]
    steps_before = int(views["shard_taken"].sum())
    status_before = views["shard_status"].copy()
    shown = _initial_sample(plan, kernels, views, lanes) if unit.samples[0] == 0 else None
    samples = _drive(plan, schedule, kernels, views, lanes, unit)
    counts, total, extent = _accumulate(plan, schedule, views, lanes, samples[0], unit)
    records, record_range = _records(plan, schedule, samples, shown, unit)
    changed = views["shard_status"] != status_before
    is_last = unit.samples[1] == schedule.n_samples
    return _Outcome(
        counts=counts,
        total=total,
        extent=extent,
        records=records,
        record_range=record_range,
        paths=_path_means(schedule, views, lanes) if is_last else None,
        path_steps=int(views["shard_taken"].sum()) - steps_before,
        n_lost=int((changed & (views["shard_status"] == LOST)).sum()),
        n_absorbed=int((changed & (views["shard_status"] == ABSORBED)).sum()),
        lost=_lost_paths(kernels, plan, views, changed, unit),
    )


def _initial_sample(
    plan: EnsemblePlan, kernels: _Kernels, views: Arrays, lanes: NDArray[np.int64]
) -> NDArray[np.float64]:
    shown = np.full((3, 1, lanes.size * LANES), np.nan)
    kernels.show(
        kernels.features,
        views["shard_state"],
        views["shard_status"],
        lanes,
        plan.scheme.numbers,
        plan.scheme.bound,
        shown,
    )
    return shown


def _drive(
    plan: EnsemblePlan,
    schedule: Schedule,
    kernels: _Kernels,
    views: Arrays,
    lanes: NDArray[np.int64],
    unit: Unit,
) -> NDArray[np.float64]:
    """Move the blocks through the samples of a unit; what they show there, shape (3, samples, paths)."""
    shown = np.full((3, unit.samples[1] - unit.samples[0], lanes.size * LANES), np.nan)
    scratch = np.zeros((plan.scheme.n_work, LANES))
    source = plan.noise_source
    first_path = np.uint64((unit.shard * SHARD_BLOCKS + unit.blocks[0]) * LANES)
    common = (views["shard_words"], views["shard_status"], views["shard_taken"], lanes)
    tables = (key_of(plan.seed), first_path, source.numbers, source.table)
    pointers = (kernels.draw, kernels.step, kernels.features, views["shard_state"])
    if plan.scheme.clock == "adaptive":
        kernels.drive(
            *pointers,
            *common,
            schedule.interval,
            *tables,
            plan.scheme.numbers,
            scratch,
            plan.scheme.bound,
            shown,
        )
    else:
        times = schedule.steps_at(unit.samples)
        shuffles = np.zeros((LANES, source.work_columns), dtype=np.int32)
        momentum = views["shard_momentum"]
        kernels.drive(
            *pointers,
            momentum,
            *common,
            times,
            *tables,
            shuffles,
            plan.scheme.numbers,
            scratch,
            plan.scheme.bound,
            shown,
        )
    return shown


def _accumulate(
    plan: EnsemblePlan,
    schedule: Schedule,
    views: Arrays,
    lanes: NDArray[np.int64],
    v: NDArray[np.float64],
    unit: Unit,
) -> tuple[NDArray[np.int64], float, tuple[float, float]]:
    """Add samples after burn-in to the sums per path; their histogram, sum about the origin, and extent."""
    total = 0.0
    extent = (np.inf, -np.inf)
    counts = np.zeros(plan.histogram_edges.size + 1, dtype=np.int64)
    first = max(0, schedule.first_kept - 1 - unit.samples[0])
    v = v[: max(0, schedule.last_kept - unit.samples[0])]
    if first < v.shape[0]:
        sums = np.ascontiguousarray(views["shard_sums"].transpose(1, 0, 2)).reshape(N_POWERS, -1)
        accumulate(
            v,
            first,
            origin=plan.moments.minimum,
            edges=plan.histogram_edges,
            sums=sums,
            counts=counts,
        )
        views["shard_sums"][...] = sums.reshape(N_POWERS, lanes.size, LANES).transpose(1, 0, 2)
        total = float(np.nansum(v[first:] - plan.moments.minimum))
        low, high = np.fmin.reduce(v[first:], axis=None), np.fmax.reduce(v[first:], axis=None)
        extent = (np.inf, -np.inf) if np.isnan(low) else (float(low), float(high))
    return counts, total, extent


def _records(
    plan: EnsemblePlan,
    schedule: Schedule,
    samples: NDArray[np.float64],
    start: NDArray[np.float64] | None,
    unit: Unit,
) -> tuple[Means, tuple[int, int]]:
    """Observables at the records among the samples of a unit.

    Returns:
        means of shape (blocks, observables, records), and the first record and the one after the last.
    """
    every = schedule.samples_per_record
    first, last = unit.samples[0] // every + 1, unit.samples[1] // every
    places = [record * every - 1 - unit.samples[0] for record in range(first, last + 1)]
    shown = samples[:, places]
    if start is not None:
        shown, first = np.concatenate([start, shown], axis=1), 0
    values = np.zeros((len(plan.observables), *shown.shape[1:]))
    with np.errstate(over="ignore", invalid="ignore"):
        for i, name in enumerate(plan.observables):
            values[i] = OBSERVABLES[name](shown[0], shown[1], shown[2], plan.scene)
    blocks = values.reshape(*values.shape[:2], values.shape[2] // LANES, LANES)
    return block_means(np.ascontiguousarray(np.moveaxis(blocks, 2, 0))), (first, last + 1)


def _path_means(schedule: Schedule, views: Arrays, lanes: NDArray[np.int64]) -> Means:
    """Time averages of paths that were not lost, of shape (blocks, N_PATH_MEANS)."""
    averages = views["shard_sums"] / schedule.n_kept
    values = np.concatenate([averages, averages[:, :1] + averages[:, 1:2]], axis=1)
    there = (np.arange(LANES) < lanes[:, None]) & (views["shard_status"] != LOST)
    return block_means(np.where(there[:, None, :], values, np.nan))


def _lost_paths(
    kernels: _Kernels, plan: EnsemblePlan, views: Arrays, changed: NDArray[np.bool_], unit: Unit
) -> list[list[float | None]]:
    """Path, steps taken and v of the first paths that were lost in a unit."""
    first_path = (unit.shard * SHARD_BLOCKS + unit.blocks[0]) * LANES
    blocks, lanes = np.nonzero(changed & (views["shard_status"] == LOST))
    found: list[list[float | None]] = []
    out = np.zeros(3)
    for b, j in zip(blocks[:MAX_LOST_KEPT].tolist(), lanes[:MAX_LOST_KEPT].tolist(), strict=True):
        kernels.features(views["shard_state"][b], j, plan.scheme.numbers, out)
        v = float(out[0]) if np.isfinite(out[0]) else None
        found.append([first_path + b * LANES + j, int(views["shard_taken"][b, j]), v])
    return found


def _merge(arrays: Arrays, scalars: dict[str, Any], outcomes: Iterable[_Outcome]) -> None:
    """Merge what pieces of work add, in their order, block by block."""
    for outcome in outcomes:
        arrays["counts"] += outcome.counts
        low, high = arrays["extent"]
        arrays["extent"] = np.array([min(low, outcome.extent[0]), max(high, outcome.extent[1])])
        first, stop = outcome.record_range
        for b in range(outcome.records.count.shape[0]):
            _merge_into(arrays, "records", (slice(None), slice(first, stop)), outcome.records, b)
            if outcome.paths is not None:
                _merge_into(arrays, "paths", (slice(None),), outcome.paths, b)
        for name in ("path_steps", "n_lost", "n_absorbed", "total"):
            scalars[name] += getattr(outcome, name)
        scalars["lost"] = (scalars["lost"] + outcome.lost)[:MAX_LOST_KEPT]


def _merge_into(arrays: Arrays, name: str, where: tuple[slice, ...], blocks: Means, b: int) -> None:
    held = Means(*(arrays[f"{name}_{part}"][where] for part in ("count", "mean", "squares")))
    merged = merge_means(held, Means(blocks.count[b], blocks.mean[b], blocks.squares[b]))
    for part in ("count", "mean", "squares"):
        arrays[f"{name}_{part}"][where] = getattr(merged, part)
