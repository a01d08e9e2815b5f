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
from equipoise_solver.ensembles.accumulators import (
    LARGEST,
    LEAST,
    N_POWERS,
    Bins,
    Means,
    accumulate,
    block_means,
    empty_sums,
    merge_blocks,
    merge_means,
)
from equipoise_solver.ensembles.compiled import (
    LANES,
    compiled,
    features_signature,
    flow_signature,
    key_of,
    noise_signature,
    show_signature,
    step_signature,
)
from equipoise_solver.ensembles.drivers import (
    ABSORBED,
    LOST,
    flow_kernel,
    show_kernel,
    steps_kernel,
)
from equipoise_solver.ensembles.initial import initial_states
from equipoise_solver.ensembles.observables import codes_of, record_samples
from equipoise_solver.ensembles.plan import SHARD_BLOCKS, EnsemblePlan
from equipoise_solver.ensembles.schedule import Schedule, Unit, schedule_of
from equipoise_solver.ensembles.streams import stream_words

N_PATH_MEANS = N_POWERS + 2
"""Means per path that are averaged over paths: four powers of v - origin, ln |v|, and the sum of the first
two."""
MAX_LOST_KEPT = 16
"""Diverged paths that are kept as examples."""
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Kernels:
    """Compiled kernels of a plan."""

    draw: Any
    step: Any
    drive: Any
    show: Any
    bins: Bins
    single: Any = None
    extra: Any = None
    features: Any = None


@dataclass
class _Outcome:
    """What a piece of work adds: all of it is merged in order."""

    counts: NDArray[np.int64]
    total: float
    records: Means
    record_range: tuple[int, int]
    paths: Means | None
    extent: tuple[float, float]
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
    source, scheme = plan.noise_source, plan.scheme
    draw = compiled(source.fill, noise_signature(source.precision))
    bins = plan.bins
    if plan.has_fixed_clock:
        signature = step_signature(plan.precision, source.precision)
        single = compiled(scheme.single, signature)
        return _Kernels(
            draw=draw,
            step=compiled(scheme.step, signature) if source.steps > 1 else single,
            single=single,
            drive=steps_kernel(plan.precision, source.precision),
            show=compiled(scheme.value, show_signature(plan.precision)),
            extra=compiled(scheme.extra, show_signature(plan.precision)),
            bins=bins,
        )
    return _Kernels(
        draw=draw,
        step=compiled(scheme.step, flow_signature(plan.precision)),
        drive=flow_kernel(plan.precision),
        show=show_kernel(plan.precision),
        features=compiled(scheme.features, features_signature(plan.precision)),
        bins=bins,
    )


def _start_shard(plan: EnsemblePlan, schedule: Schedule, shard: int) -> Arrays:
    """Room for the arrays of a shard, lanes last; pieces of work fill their own part, see `_start_blocks`."""
    n_blocks = schedule.n_blocks(shard)
    dtype = np.float32 if plan.precision == "float32" else np.float64
    return {
        "shard_state": np.empty((n_blocks, plan.scheme.n_state, LANES), dtype=dtype),
        "shard_words": np.empty((n_blocks, 4, LANES), dtype=np.uint32),
        "shard_status": np.zeros((n_blocks, LANES), dtype=np.uint8),
        "shard_taken": np.zeros((n_blocks, LANES), dtype=np.int64),
        "shard_sums": empty_sums(n_blocks),
    }


def _start_blocks(plan: EnsemblePlan, views: Arrays, first_path: int) -> None:
    """States and streams of blocks at time 0; lanes beyond the last path run along and are left out."""
    n_blocks = views["shard_state"].shape[0]
    flat = initial_states(plan, first_path=first_path, n_paths=n_blocks * LANES)
    views["shard_state"][...] = flat.reshape(plan.scheme.n_state, n_blocks, LANES).transpose(1, 0, 2)
    views["shard_words"][...] = stream_words(
        plan.seed,
        first_path=first_path,
        n_blocks=n_blocks,
        lanes=LANES,
        purpose=plan.noise_source.purpose,
    )


def _do_unit(work: tuple[EnsemblePlan, Schedule, _Kernels, Arrays, Unit]) -> _Outcome:
    """One piece of work; changes its own blocks of the shard's arrays only."""
    plan, schedule, kernels, arrays, unit = work
    own = slice(*unit.blocks)
    views = {name: array[own] for name, array in arrays.items() if name.startswith("shard_")}
    if unit.samples[0] == 0:
        _start_blocks(plan, views, _first_path(unit))
    lanes = schedule.lanes(unit.shard)[own]
    there = np.arange(LANES) < lanes[:, None]
    steps_before = int(views["shard_taken"][there].sum())
    sum_before = _finite_sum(views, there)
    status_before = views["shard_status"].copy()
    drive = _drive_steps if plan.has_fixed_clock else _drive_flow
    counts, records = drive(plan, schedule, kernels, views, lanes, unit)
    changed = (views["shard_status"] != status_before) & there
    is_last = unit.samples[1] == schedule.n_samples
    return _Outcome(
        counts=counts,
        total=_finite_sum(views, there) - sum_before,
        records=merge_blocks(records),
        record_range=_record_range(schedule, unit),
        paths=merge_blocks(_path_means(schedule, views, there)) if is_last else None,
        extent=_extent(views, there) if is_last else (np.inf, -np.inf),
        path_steps=int(views["shard_taken"][there].sum()) - steps_before,
        n_lost=int((changed & (views["shard_status"] == LOST)).sum()),
        n_absorbed=int((changed & (views["shard_status"] == ABSORBED)).sum()),
        lost=_lost_paths(kernels, plan, views, changed, unit),
    )


def _first_path(unit: Unit) -> int:
    return (unit.shard * SHARD_BLOCKS + unit.blocks[0]) * LANES


def _finite_sum(views: Arrays, there: NDArray[np.bool_]) -> float:
    """Sum of v - origin over the samples of paths that are not lost."""
    sums = views["shard_sums"][:, 0][there]
    return float(sums[np.isfinite(sums)].sum())


def _extent(views: Arrays, there: NDArray[np.bool_]) -> tuple[float, float]:
    """Least and largest sample."""
    return float(views["shard_sums"][:, LEAST][there].min()), float(
        views["shard_sums"][:, LARGEST][there].max()
    )


def _record_range(schedule: Schedule, unit: Unit) -> tuple[int, int]:
    """First record of a unit and the one after the last; the first unit has the start too."""
    every = schedule.samples_per_record
    first = 0 if unit.samples[0] == 0 else unit.samples[0] // every + 1
    return first, unit.samples[1] // every + 1


def _drive_steps(
    plan: EnsemblePlan,
    schedule: Schedule,
    kernels: _Kernels,
    views: Arrays,
    lanes: NDArray[np.int64],
    unit: Unit,
) -> tuple[NDArray[np.int64], Means]:
    """Move the blocks of a unit by a fixed clock.

    Returns:
        its histogram, and its records of shape (blocks, observables, records).
    """
    source = plan.noise_source
    first, stop = _record_range(schedule, unit)
    samples = np.arange(unit.samples[0], unit.samples[1] + 1)
    places = np.where(samples % schedule.samples_per_record == 0, samples // schedule.samples_per_record, -1)
    places = np.where(places >= first, places - first, -1).astype(np.int64)
    kept = np.array([schedule.first_kept, schedule.last_kept + 1]) - unit.samples[0]
    counts = np.zeros(kernels.bins.edges.size + 1, dtype=np.int64)
    records = Means.empty((lanes.size, len(plan.observables), stop - first))
    noise_dtype = np.float32 if source.precision == "float32" else np.float64
    kernels.drive(
        kernels.draw,
        kernels.step,
        kernels.single,
        kernels.show,
        kernels.extra,
        views["shard_state"],
        views["shard_words"],
        views["shard_status"],
        views["shard_taken"],
        lanes,
        schedule.steps_at(unit.samples),
        np.maximum(kept, 1).astype(np.int64),
        places,
        source.steps,
        int(plan.duration is None),
        key_of(plan.seed),
        np.uint64(_first_path(unit)),
        source.numbers,
        source.table,
        np.zeros((LANES, source.work_columns), dtype=np.int32),
        np.zeros((source.rows, LANES), dtype=noise_dtype),
        plan.scheme.numbers,
        np.zeros((plan.scheme.n_work, LANES)),
        plan.scheme.bound,
        plan.moments.minimum,
        views["shard_sums"],
        kernels.bins.edges,
        kernels.bins.first_key,
        kernels.bins.ranges,
        counts,
        codes_of(plan.observables),
        plan.scene.numbers,
        records.count,
        records.mean,
        records.squares,
    )
    return counts, records


def _drive_flow(
    plan: EnsemblePlan,
    schedule: Schedule,
    kernels: _Kernels,
    views: Arrays,
    lanes: NDArray[np.int64],
    unit: Unit,
) -> tuple[NDArray[np.int64], Means]:
    """The same by an adaptive clock."""
    source = plan.noise_source
    n_paths = lanes.size * LANES
    start = np.full((3, 1, n_paths), np.nan)
    shown = np.full((3, unit.samples[1] - unit.samples[0], n_paths), np.nan)
    if unit.samples[0] == 0:
        kernels.show(
            kernels.features,
            views["shard_state"],
            views["shard_status"],
            lanes,
            plan.scheme.numbers,
            plan.scheme.bound,
            start,
        )
    kernels.drive(
        kernels.draw,
        kernels.step,
        kernels.features,
        views["shard_state"],
        views["shard_words"],
        views["shard_status"],
        views["shard_taken"],
        lanes,
        schedule.interval,
        key_of(plan.seed),
        np.uint64(_first_path(unit)),
        source.numbers,
        source.table,
        plan.scheme.numbers,
        np.zeros((plan.scheme.n_work, LANES)),
        plan.scheme.bound,
        shown,
    )
    counts = np.zeros(kernels.bins.edges.size + 1, dtype=np.int64)
    first = max(0, schedule.first_kept - 1 - unit.samples[0])
    kept = shown[0, : max(0, schedule.last_kept - unit.samples[0])]
    if first < kept.shape[0]:
        accumulate(
            kept,
            first,
            origin=plan.moments.minimum,
            bins=kernels.bins,
            sums=views["shard_sums"],
            counts=counts,
        )
    every = schedule.samples_per_record
    begin, stop = _record_range(schedule, unit)
    places = [record * every - 1 - unit.samples[0] for record in range(max(begin, 1), stop)]
    recorded = shown[:, places]
    if begin == 0:
        recorded = np.concatenate([start, recorded], axis=1)
    return counts, record_samples(recorded, plan.observables, plan.scene)


def _path_means(schedule: Schedule, views: Arrays, there: NDArray[np.bool_]) -> Means:
    """Time averages of paths that were not lost, of shape (blocks, N_PATH_MEANS)."""
    averages = views["shard_sums"][:, : N_PATH_MEANS - 1] / schedule.n_kept
    values = np.concatenate([averages, averages[:, :1] + averages[:, 1:2]], axis=1)
    alive = there & (views["shard_status"] != LOST)
    return block_means(np.where(alive[:, None, :], values, np.nan))


def _lost_paths(
    kernels: _Kernels, plan: EnsemblePlan, views: Arrays, changed: NDArray[np.bool_], unit: Unit
) -> list[list[float | None]]:
    """Path, steps taken and v of the first paths that were lost in a unit."""
    first_path = _first_path(unit)
    blocks, lanes = np.nonzero(changed & (views["shard_status"] == LOST))
    found: list[list[float | None]] = []
    shown, features = np.zeros((4, LANES)), np.zeros(3)
    for b, j in zip(blocks[:MAX_LOST_KEPT].tolist(), lanes[:MAX_LOST_KEPT].tolist(), strict=True):
        state = views["shard_state"][b]
        if plan.has_fixed_clock:
            kernels.show(state, plan.scheme.numbers, shown)
            value = float(shown[0, j])
        else:
            kernels.features(state, j, plan.scheme.numbers, features)
            value = float(features[0])
        steps = int(views["shard_taken"][b, j])
        found.append([first_path + b * LANES + j, steps, value if np.isfinite(value) else None])
    return found


def _merge(arrays: Arrays, scalars: dict[str, Any], outcomes: Iterable[_Outcome]) -> None:
    """Merge what pieces of work add, in their order."""
    for outcome in outcomes:
        arrays["counts"] += outcome.counts
        low, high = arrays["extent"]
        arrays["extent"] = np.array([min(low, outcome.extent[0]), max(high, outcome.extent[1])])
        first, stop = outcome.record_range
        _merge_into(arrays, "records", (slice(None), slice(first, stop)), outcome.records)
        if outcome.paths is not None:
            _merge_into(arrays, "paths", (slice(None),), outcome.paths)
        for name in ("path_steps", "n_lost", "n_absorbed", "total"):
            scalars[name] += getattr(outcome, name)
        scalars["lost"] = (scalars["lost"] + outcome.lost)[:MAX_LOST_KEPT]


def _merge_into(arrays: Arrays, name: str, where: tuple[slice, ...], more: Means) -> None:
    held = Means(*(arrays[f"{name}_{part}"][where] for part in ("count", "mean", "squares")))
    merged = merge_means(held, more)
    for part in ("count", "mean", "squares"):
        arrays[f"{name}_{part}"][where] = getattr(merged, part)
