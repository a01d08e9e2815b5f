"""A piece of work on the card: its blocks go there, a few launches move them, and they come back."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba import cuda as _untyped_cuda
from numpy.typing import NDArray

from equipoise_solver.ensembles.accumulators import Means
from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.cuda.kernels import kernel_of
from equipoise_solver.ensembles.cuda.paths import THREADS, record
from equipoise_solver.ensembles.observables import codes_of
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.schedule import Schedule, Unit
from equipoise_solver.ensembles.units import Arrays, Kernels

cuda: Any = _untyped_cuda
MAX_SHARED = 48 << 10
"""Memory that a block of threads of any card can share, [bytes]."""
MAX_PLACES = 16
"""Records of a launch: each keeps three numbers per path on the card until it is averaged."""
MAX_LAUNCH = 20_000_000_000
"""Path-steps of a launch, a fraction of a second: a card that also draws a screen stops longer ones."""


def pieces(
    times: NDArray[np.int64], places: NDArray[np.int64], *, n_paths: int, max_places: int = MAX_PLACES
) -> list[tuple[int, int]]:
    """First sample of each launch, the last one of the launch before, and the one after its last.

    Args:
        times: steps made at each sample, shape (samples,).
        places: place of each sample's record, or -1.
        n_paths: paths of the launch.
        max_places: most records of a launch.
    """
    found: list[tuple[int, int]] = []
    first, n_places = 0, 0
    for i in range(times.size):
        is_record = bool(places[i] >= 0)
        too_long = (times[i] - times[first]) * n_paths > MAX_LAUNCH
        if i > first + 1 and (too_long or n_places + is_record > max_places):
            found.append((first, i))
            first, n_places = i - 1, 0
        n_places += is_record
    return [*found, (first, times.size)]


def drive_steps(
    plan: EnsemblePlan,
    schedule: Schedule,
    kernels: Kernels,
    views: Arrays,
    lanes: NDArray[np.int64],
    unit: Unit,
    *,
    index: int = 0,
) -> tuple[NDArray[np.int64], Means, NDArray[np.float64]]:
    """Move the blocks of a unit by a fixed clock, on card number `index`; the same as `units` on the CPU.

    Lanes beyond the last path stay where they are.
    """
    with cuda.gpus[index]:
        return _drive(plan, schedule, kernels, views, lanes, unit)


def _drive(
    plan: EnsemblePlan,
    schedule: Schedule,
    kernels: Kernels,
    views: Arrays,
    lanes: NDArray[np.int64],
    unit: Unit,
) -> tuple[NDArray[np.int64], Means, NDArray[np.float64]]:
    """The same on the current card."""
    first, places = _places(schedule, unit)
    times = schedule.steps_at(unit.samples)
    n_paths, n_records = int(lanes.sum()), int(places.max()) + 1
    is_first = unit.shard == 0 and unit.blocks[0] == 0
    n_snapshots = min(plan.n_snapshots, plan.n_paths, LANES) if is_first else 0
    card = {name: cuda.to_device(array) for name, array in views.items()}
    counts = cuda.to_device(np.zeros(kernels.bins.edges.size + 1, dtype=np.int64))
    snapshots = cuda.to_device(np.full((max(1, n_snapshots), max(1, n_records)), np.nan))
    edges = cuda.to_device(kernels.bins.edges)
    shared = kernels.bins.edges.nbytes + 4 * counts.size
    in_shared = shared <= MAX_SHARED
    records = Means.empty((lanes.size, len(plan.recorded), n_records))
    numbers = tuple(plan.scheme.numbers.tolist())
    real = np.float32 if plan.precision == "float32" else np.float64
    kernel = kernel_of(plan)[-(-n_paths // THREADS), THREADS, 0, shared if in_shared else 0]
    anchor = schedule.anchor - first
    for begin, stop in pieces(times, places, n_paths=n_paths):
        own = places[begin:stop].copy()
        if begin > 0 or first > 0:
            own[0] = -1
        placed = own[own >= 0]
        low = int(placed[0]) if placed.size else 0
        shown = cuda.device_array((3, max(1, placed.size), n_paths), dtype=np.float64)
        with _small_grids():
            kernel(
                card["shard_state"],
                card["shard_words"],
                card["shard_status"],
                card["shard_taken"],
                card["shard_sums"],
                card["shard_anchor"],
                n_paths,
                cuda.to_device(times[begin:stop]),
                cuda.to_device(own),
                max(1, schedule.first_kept - unit.samples[0] - begin),
                schedule.last_kept + 1 - unit.samples[0] - begin,
                plan.duration is None,
                tuple(real(number) for number in numbers),
                numbers,
                plan.scheme.bound,
                plan.moments.minimum,
                anchor,
                edges,
                counts,
                in_shared,
                shown,
                low,
                snapshots,
                n_snapshots,
            )
            if placed.size:
                _average(plan, records, shown, card["shard_anchor"], (low, low + placed.size), anchor)
    for name, array in card.items():
        array.copy_to_host(views[name])
    return counts.copy_to_host(), records, snapshots.copy_to_host()[:n_snapshots, :n_records]


def _places(schedule: Schedule, unit: Unit) -> tuple[int, NDArray[np.int64]]:
    """First record of a unit, and the place of each sample's record among them, or -1."""
    every = schedule.samples_per_record
    first = 0 if unit.samples[0] == 0 else unit.samples[0] // every + 1
    samples = np.arange(unit.samples[0], unit.samples[1] + 1)
    places = np.where(samples % every == 0, samples // every - first, -1)
    return first, np.maximum(places, -1).astype(np.int64)


def _average(
    plan: EnsemblePlan, records: Means, shown: Any, anchors: Any, places: tuple[int, int], anchor: int
) -> None:
    """Average what paths have shown over blocks, and put it into the records from places[0] on."""
    n_blocks, n_observables = records.count.shape[:2]
    shape = (n_blocks, n_observables, places[1] - places[0])
    held = [cuda.device_array(shape, dtype=np.float64) for _ in range(3)]
    record[-(-n_blocks * shape[1] * shape[2] // THREADS), THREADS](
        shown,
        shown.shape[2],
        anchors,
        anchor,
        places[0],
        cuda.to_device(codes_of(plan.recorded)),
        tuple(plan.scene.numbers.tolist()),
        *held,
    )
    for part, array in zip((records.count, records.mean, records.squares), held, strict=True):
        part[:, :, places[0] : places[1]] = array.copy_to_host()


@contextmanager
def _small_grids() -> Iterator[None]:
    """Few paths leave most of a card idle: that is known."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Grid size")
        yield
