"""A piece of work of an ensemble: some blocks of paths, moved through some samples.

What a piece does depends on the plan and on its own paths only.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from equipoise_solver.ensembles.accumulators import (
    N_POWERS,
    Bins,
    Means,
    accumulate,
    block_means,
    empty_sums,
    merge_blocks,
)
from equipoise_solver.ensembles.compiled import (
    F8,
    I8,
    LANES,
    array_of,
    compiled,
    features_signature,
    flow_signature,
    key_of,
    noise_signature,
    pointed,
    show_signature,
    step_signature,
)
from equipoise_solver.ensembles.costs import SHARD_BLOCKS
from equipoise_solver.ensembles.drivers import (
    BELOW,
    LOST,
    flow_kernel,
    show_kernel,
    steps_kernel,
)
from equipoise_solver.ensembles.initial import initial_states
from equipoise_solver.ensembles.observables import OF_LAYERS, codes_of, record_samples
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.schedule import Schedule, Unit
from equipoise_solver.ensembles.streams import fill_words
from equipoise_solver.ensembles.tally import tally

N_PATH_MEANS = N_POWERS + 2
"""Means per path that are averaged over paths: four powers of v - origin, ln |v|, and the sum of the first
two."""
MAX_LOST_KEPT = 16
"""Diverged paths that are kept as examples."""
CACHE_LINE = 64
"""Bytes of a line of the first-level cache."""
N_PASSAGE_BINS = 100
"""Bins of equal length of the histogram of passage times."""
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Kernels:
    """Compiled kernels of a plan."""

    draw: Any
    step: Any
    drive: Any
    show: Any
    bins: Bins
    single: Any = None
    extra: Any = None
    features: Any = None
    on_card: Any = None
    """What takes the place of `_drive_steps` on a graphics card."""


@dataclass
class Outcome:
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
    first_path: int
    path_means: NDArray[np.float64] | None
    snapshots: NDArray[np.float64]
    passages: Means
    passage_counts: NDArray[np.int64]


def kernels_of(plan: EnsemblePlan) -> Kernels:
    """The compiled kernels of a plan."""
    source, scheme = plan.noise_source, plan.scheme
    draw = pointed(source.fill, noise_signature(source.precision))
    bins = plan.bins
    if plan.has_fixed_clock:
        signature = step_signature(plan.precision, source.precision)
        single = pointed(scheme.single, signature)
        # Where nothing that is recorded asks for the layers, v is shown twice.
        extra = scheme.value if OF_LAYERS.isdisjoint(plan.recorded) else scheme.extra
        return Kernels(
            draw=draw,
            step=pointed(scheme.step, signature) if source.steps > 1 else single,
            single=single,
            drive=steps_kernel(plan.precision, source.precision),
            show=pointed(scheme.value, show_signature(plan.precision)),
            extra=pointed(extra, show_signature(plan.precision)),
            bins=bins,
        )
    return Kernels(
        draw=draw,
        step=pointed(scheme.step, flow_signature(plan.precision)),
        drive=flow_kernel(plan.precision),
        show=show_kernel(plan.precision),
        features=pointed(scheme.features, features_signature(plan.precision)),
        bins=bins,
    )


def start_shard(plan: EnsemblePlan, schedule: Schedule, shard: int) -> Arrays:
    """Room for the arrays of a shard, lanes last; pieces of work fill their own part, see `_start_blocks`."""
    n_blocks = schedule.n_blocks(shard)
    dtype = np.float32 if plan.precision == "float32" else np.float64
    return {
        "shard_state": aligned((n_blocks, plan.scheme.n_state, LANES), dtype),
        "shard_words": aligned((n_blocks, 4, LANES), np.uint32),
        "shard_status": np.zeros((n_blocks, LANES), dtype=np.uint8),
        "shard_taken": np.zeros((n_blocks, LANES), dtype=np.int64),
        "shard_sums": empty_sums(n_blocks),
        "shard_anchor": np.full((n_blocks, LANES), np.nan),
        "shard_passed": np.full((n_blocks, LANES), BELOW, dtype=np.int64),
    }


def aligned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Zeros that start at a cache line: a vector that lies across two lines takes twice the time."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(n_bytes + CACHE_LINE, dtype=np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    lines: NDArray[Any] = room[start : start + n_bytes].view(dtype).reshape(shape)
    return lines


def aligned_copy(array: NDArray[Any]) -> NDArray[Any]:
    """A copy that starts at a cache line."""
    copy = aligned(array.shape, array.dtype)
    copy[...] = array
    return copy


def _start_blocks(plan: EnsemblePlan, views: Arrays, first_path: int) -> None:
    """States and streams of blocks at time 0; lanes beyond the last path run along and are left out."""
    n_blocks = views["shard_state"].shape[0]
    flat = initial_states(plan, first_path=first_path, n_paths=n_blocks * LANES)
    views["shard_state"][...] = flat.reshape(plan.scheme.n_state, n_blocks, LANES).transpose(1, 0, 2)
    fill_words(views["shard_words"], plan.seed, first_path=first_path, purpose=plan.noise_source.purpose)


def do_unit(work: tuple[EnsemblePlan, Schedule, Kernels, Arrays, Unit]) -> Outcome:
    """One piece of work; changes its own blocks of the shard's arrays only."""
    plan, schedule, kernels, arrays, unit = work
    own = slice(*unit.blocks)
    views = {name: array[own] for name, array in arrays.items() if name.startswith("shard_")}
    if unit.samples[0] == 0:
        _start_blocks(plan, views, _first_path(unit))
    lanes = schedule.lanes(unit.shard)[own]
    before = tally(views, lanes)
    status_before = views["shard_status"].copy()
    drive = kernels.on_card or (_drive_steps if plan.has_fixed_clock else _drive_flow)
    counts, records, snapshots = drive(plan, schedule, kernels, views, lanes, unit)
    after = tally(views, lanes)
    n_lost = after.n_lost - before.n_lost
    is_last = unit.samples[1] == schedule.n_samples
    means = _path_means(schedule, views, lanes) if is_last else None
    passages, passage_counts = _passages(plan, schedule, views, lanes, is_last=is_last)
    return Outcome(
        counts=counts,
        total=after.total - before.total,
        records=merge_blocks(records),
        record_range=_record_range(schedule, unit),
        paths=merge_blocks(block_means(means)) if means is not None else None,
        extent=after.extent if is_last else (np.inf, -np.inf),
        path_steps=after.steps - before.steps,
        n_lost=n_lost,
        n_absorbed=after.n_absorbed - before.n_absorbed,
        lost=_lost_paths(kernels, plan, views, lanes, status_before, unit) if n_lost > 0 else [],
        first_path=_first_path(unit),
        path_means=None if means is None else plan.moments.minimum + means[:, 0].reshape(-1),
        snapshots=snapshots,
        passages=passages,
        passage_counts=passage_counts,
    )


def _first_path(unit: Unit) -> int:
    return (unit.shard * SHARD_BLOCKS + unit.blocks[0]) * LANES


def _n_snapshots(plan: EnsemblePlan, unit: Unit) -> int:
    """Paths of a unit that are kept at every record."""
    return min(plan.n_snapshots, plan.n_paths, LANES) if _first_path(unit) == 0 else 0


def _record_range(schedule: Schedule, unit: Unit) -> tuple[int, int]:
    """First record of a unit and the one after the last; the first unit has the start too."""
    every = schedule.samples_per_record
    first = 0 if unit.samples[0] == 0 else unit.samples[0] // every + 1
    return first, unit.samples[1] // every + 1


def _drive_steps(
    plan: EnsemblePlan,
    schedule: Schedule,
    kernels: Kernels,
    views: Arrays,
    lanes: NDArray[np.int64],
    unit: Unit,
) -> tuple[NDArray[np.int64], Means, NDArray[np.float64]]:
    """Move the blocks of a unit by a fixed clock.

    Returns:
        its histogram, its records of shape (blocks, observables, records), and v of the first paths there,
        shape (snapshots, records).
    """
    source = plan.noise_source
    first, stop = _record_range(schedule, unit)
    samples = np.arange(unit.samples[0], unit.samples[1] + 1)
    places = np.where(samples % schedule.samples_per_record == 0, samples // schedule.samples_per_record, -1)
    places = np.where(places >= first, places - first, -1).astype(np.int64)
    kept = np.array([schedule.first_kept, schedule.last_kept + 1]) - unit.samples[0]
    counts = np.zeros(kernels.bins.edges.size + 1, dtype=np.int64)
    records = Means.empty((lanes.size, len(plan.recorded), stop - first))
    snapshots = np.full((_n_snapshots(plan, unit), stop - first), np.nan)
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
        aligned((source.rows, LANES), noise_dtype),
        plan.scheme.numbers,
        np.zeros((plan.scheme.n_work, LANES)),
        plan.scheme.bound,
        plan.moments.minimum,
        views["shard_sums"],
        kernels.bins.edges,
        kernels.bins.first_key,
        kernels.bins.ranges,
        kernels.bins.inner,
        counts,
        codes_of(plan.recorded),
        plan.scene.numbers,
        records.count,
        records.mean,
        records.squares,
        views["shard_anchor"],
        schedule.anchor - first,
        snapshots,
        int(plan.first_passage is not None),
        plan.first_passage or 0.0,
        1e-12 if plan.precision == "float64" else 1e-6,
        plan.passage_variance,
        views["shard_passed"],
    )
    return counts, records, snapshots


def _drive_flow(
    plan: EnsemblePlan,
    schedule: Schedule,
    kernels: Kernels,
    views: Arrays,
    lanes: NDArray[np.int64],
    unit: Unit,
) -> tuple[NDArray[np.int64], Means, NDArray[np.float64]]:
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
    records = record_samples(
        recorded,
        plan.recorded,
        plan.scene,
        anchors=views["shard_anchor"],
        anchor_place=schedule.anchor - begin,
    )
    return counts, records, recorded[0, :, : _n_snapshots(plan, unit)].T


def _path_means(schedule: Schedule, views: Arrays, lanes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Time averages of paths, shape (blocks, N_PATH_MEANS, LANES); NaN for those that were lost."""
    means = np.empty((lanes.size, N_PATH_MEANS, LANES))
    _averages_kernel()(views["shard_sums"], views["shard_status"], lanes, float(schedule.n_kept), means)
    return means


def _averages(sums: Any, status: Any, lanes: Any, n_kept: Any, means: Any) -> None:
    last = N_PATH_MEANS - 1
    for b in range(means.shape[0]):
        for j in range(LANES):
            is_there = j < lanes[b] and status[b, j] != LOST
            for i in range(last):
                means[b, i, j] = sums[b, i, j] / n_kept if is_there else np.nan
            means[b, last, j] = means[b, 0, j] + means[b, 1, j]


@cache
def _averages_kernel() -> Any:
    signature = types.void(array_of(F8, 3), array_of(types.uint8, 2), array_of(I8, 1), F8, array_of(F8, 3))
    return compiled(_averages, signature)


def _passages(
    plan: EnsemblePlan, schedule: Schedule, views: Arrays, lanes: NDArray[np.int64], *, is_last: bool
) -> tuple[Means, NDArray[np.int64]]:
    """Times of first passage at the end of a shard, in SDE time or updates, and their histogram."""
    counts = np.zeros(N_PASSAGE_BINS, dtype=np.int64)
    if not is_last or plan.first_passage is None:
        return Means.empty((1,)), counts
    steps = views["shard_passed"]
    end = plan.duration if plan.duration is not None else float(schedule.n_steps)
    times = np.where(_there(lanes) & (steps >= 0), steps * (end / schedule.n_steps), np.nan)
    counts += np.histogram(times[np.isfinite(times)], bins=N_PASSAGE_BINS, range=(0.0, end))[0]
    return merge_blocks(block_means(times[:, None, :])), counts


def _there(lanes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which lanes are paths, shape (blocks, LANES)."""
    return np.arange(LANES) < lanes[:, None]


def _lost_paths(
    kernels: Kernels,
    plan: EnsemblePlan,
    views: Arrays,
    lanes: NDArray[np.int64],
    status_before: NDArray[np.uint8],
    unit: Unit,
) -> list[list[float | None]]:
    """Path, steps taken and v of the first paths that were lost in a unit."""
    first_path = _first_path(unit)
    is_lost = (views["shard_status"] == LOST) & (status_before != LOST)
    blocks, places = np.nonzero(is_lost & _there(lanes))
    found: list[list[float | None]] = []
    shown, features = np.zeros((4, LANES)), np.zeros(3)
    for b, j in zip(blocks[:MAX_LOST_KEPT].tolist(), places[:MAX_LOST_KEPT].tolist(), strict=True):
        state = views["shard_state"][b]
        if plan.has_fixed_clock:
            kernels.show.kernel(state, plan.scheme.numbers, shown)
            value = float(shown[0, j])
        else:
            kernels.features.kernel(state, j, plan.scheme.numbers, features)
            value = float(features[0])
        steps = int(views["shard_taken"][b, j])
        found.append([first_path + b * LANES + j, steps, value if np.isfinite(value) else None])
    return found
