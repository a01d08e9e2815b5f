"""Begin and advance an ensemble: pieces of work on a pool of threads, merged in order.

The result of a piece depends on the plan and on its own paths only; the pieces of a shard merge from left to
right in their fixed order, and shards as `shards` says, so any threads, budgets, chunks, restarts and parts
give the same bits. At the end some paths run again at twice the step, which tells the bias of the step: see
`pilot`. The first part does so, as these paths are its own.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles.accumulators import Means, merge_means
from equipoise_solver.ensembles.devices import CPU, on_card
from equipoise_solver.ensembles.pilot import pilot_of
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.schedule import Schedule, Unit, schedule_of
from equipoise_solver.ensembles.shards import (
    COUNTED,
    TOTALS,
    Part,
    close_shard,
    fold_spans,
    means_in,
    shards_of,
    stored_means,
    units_of,
    wider,
)
from equipoise_solver.ensembles.units import (
    MAX_LOST_KEPT,
    N_PASSAGE_BINS,
    N_PATH_MEANS,
    Arrays,
    Kernels,
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


def begin(plan: EnsemblePlan, part: tuple[int, int] | None = None) -> Checkpoint:
    """State before the first piece of work of the whole, or of a part (number, of) of its shards."""
    part = None if part is None or part[1] == 1 else part
    arrays, scalars = _begin(plan, part)
    pilot = pilot_of(plan)
    if pilot is not None and shards_of(schedule_of(plan), part)[0] == 0:
        its_arrays, scalars["pilot"] = _begin(pilot, None)
        arrays |= {PILOT + name: array for name, array in its_arrays.items()}
    return checkpoint_of(plan, arrays, scalars)


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
    pilot = _pilot_in(plan, scalars)
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool, ThreadPoolExecutor(1) as beside:
        crew = _Crew(threads, pool.map if threads > 1 else map, device)
        begun: list[Future[None]] = []

        def run_pilot(second: EnsemblePlan, budget: float) -> None:
            scalars["pilot"] = {**scalars["pilot"], "lost": list(scalars["pilot"]["lost"])}
            _advance(second, its, scalars["pilot"], budget, crew)

        def at_last() -> None:
            # Its small pieces fill the gap where threads wait for the end of the last row.
            if pilot is not None and crew.looks_ahead and budget >= to_do:
                begun.append(beside.submit(run_pilot, pilot, budget))

        to_do = sum(work - done for done, work, _ in _shares(plan, scalars))
        try:
            done = _advance(plan, own, scalars, budget, crew, at_last)
            if begun:
                begun[0].result()
            elif pilot is not None and done < budget:
                run_pilot(pilot, budget - done)
        except BaseException:
            crew.is_over.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return checkpoint_of(plan, {**own, **{PILOT + name: a for name, a in its.items()}}, scalars)


@dataclass(frozen=True)
class _Crew:
    """Who does pieces of work.

    Attributes:
        threads: how many threads.
        run_all: does pieces with them; what comes of each, in order.
        device: "cpu", or a card "cuda:N".
        is_over: set when the run is given up, so that nobody begins more.
    """

    threads: int
    run_all: Callable[..., Iterable[Outcome]]
    device: str
    is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def looks_ahead(self) -> bool:
        """Whether threads take pieces of what comes next while others end."""
        return self.threads > 1 and self.device == CPU


@dataclass(frozen=True)
class _Row:
    """Pieces that are under way together.

    Attributes:
        shard: their shard, and its arrays.
        stop: the piece after the last.
        outcomes: what comes of them, in order.
        work: path-steps expected of them.
    """

    shard: int
    arrays: Arrays
    stop: int
    outcomes: Iterable[Outcome]
    work: float


def _pilot_in(plan: EnsemblePlan, scalars: Scalars) -> EnsemblePlan | None:
    """The second run, where it belongs to this part."""
    return pilot_of(plan) if "pilot" in scalars else None


def _begin(plan: EnsemblePlan, part: Part) -> tuple[Arrays, Scalars]:
    schedule = schedule_of(plan)
    n_records = schedule.n_records + 1
    pilot = pilot_of(plan)
    n_compared = plan.n_paths if plan.coarsening == 2 else pilot.n_paths if pilot is not None else 0
    n_shown = min(plan.n_snapshots, plan.n_paths)
    first_shard, _ = shards_of(schedule, part)
    if first_shard > 0:  # The paths that are compared and shown are all of the first shard.
        n_compared = n_shown = 0
    arrays: Arrays = {
        "counts": np.zeros(plan.histogram_edges.size + 1, dtype=np.int64),
        "extent": np.array([np.inf, -np.inf]),
        "path_means": np.full(n_compared, np.nan),
        "snapshots": np.full((n_shown, n_records), np.nan),
        "passage_counts": np.zeros(N_PASSAGE_BINS, dtype=np.int64),
        **stored_means("records", Means.empty((len(plan.recorded), n_records))),
        **stored_means("paths", Means.empty((N_PATH_MEANS,))),
        **stored_means("passages", Means.empty((1,))),
    }
    scalars = {
        "plan": plan.fingerprint,
        "part": None if part is None else list(part),
        "unit": schedule.first_unit(first_shard),
        "path_steps": 0,
        "n_lost": 0,
        "n_absorbed": 0,
        "total": 0.0,
        "lost": [],
    }
    return arrays, scalars


def _advance(
    plan: EnsemblePlan,
    arrays: Arrays,
    scalars: Scalars,
    budget: float,
    crew: _Crew,
    at_last: Callable[[], None] = lambda: None,
) -> float:
    """Do pieces of one run, changing its state.

    Args:
        plan: plan of the run.
        arrays: its arrays, which change.
        scalars: its numbers, which change.
        budget: path-steps to do.
        crew: who does them.
        at_last: is called once the last pieces are under way.

    Returns:
        the path-steps done; 0 if nothing was left.
    """
    schedule = schedule_of(plan)
    start = scalars["path_steps"]
    _, end = units_of(schedule, scalars["part"])
    if scalars["unit"] >= end:
        return 0.0
    kernels = replace(kernels_of(plan), on_card=on_card(crew.device, plan))

    def begin_row(first: int, held: Arrays, left: float) -> _Row:
        row = _begin_row(plan, schedule, kernels, crew, first=first, held=held, budget=left)
        if row.stop >= end:
            at_last()
        return row

    row = begin_row(scalars["unit"], arrays, budget)
    while True:
        left = start + budget - scalars["path_steps"] - row.work
        is_whole = row.stop == schedule.first_unit(row.shard + 1)
        # Shards need nothing from each other: no thread waits for the end of one to begin the next.
        ahead = row.stop < end and is_whole and left > 0 and crew.looks_ahead
        following = begin_row(row.stop, {}, left) if ahead else None
        _merge(arrays, scalars, row.outcomes)
        arrays |= row.arrays
        scalars["unit"] = row.stop
        if is_whole:
            close_shard(arrays, scalars, row.shard)
        left = start + budget - scalars["path_steps"]
        if crew.is_over.is_set() or (following is None and (row.stop >= end or left <= 0)):
            break
        row = following or begin_row(row.stop, arrays, left)
    if scalars["unit"] >= end:
        kept = ("shard_state",) if end == schedule.n_units else ()
        for name in [name for name in arrays if name.startswith("shard_") and name not in kept]:
            del arrays[name]
        if scalars["part"] is None:
            fold_spans(arrays, scalars)
    return max(1.0, float(scalars["path_steps"] - start))


def _begin_row(
    plan: EnsemblePlan,
    schedule: Schedule,
    kernels: Kernels,
    crew: _Crew,
    *,
    first: int,
    held: Arrays,
    budget: float,
) -> _Row:
    """Begin with pieces of work from number `first` on, of one shard, about as many as the budget allows.

    Args:
        plan: plan of the run.
        schedule: its schedule.
        kernels: its kernels.
        crew: who does the work.
        first: number of the first piece.
        held: arrays of the shard, if an earlier piece has begun it.
        budget: path-steps to do.
    """
    unit = schedule.unit(first)
    if unit.samples[0] == 0 and unit.blocks[0] == 0:
        held = start_shard(plan, schedule, unit.shard)
    held = {name: array for name, array in held.items() if name.startswith("shard_")}
    per_unit = max(1.0, plan.path_steps / schedule.n_units)
    # As many pieces for each thread: one alone would leave the others idle.
    wanted = crew.threads * max(1, int(budget / per_unit / crew.threads))
    if kernels.on_card is None:
        stop = min(schedule.row_end(first), schedule.n_units, first + wanted)
        units = [schedule.unit(i) for i in range(first, stop)]
    else:
        joined, stop = _joined(schedule, first, max(wanted, int(CARD_STEPS / per_unit)))
        units = [joined]
    work = [(plan, schedule, kernels, held, each) for each in units]
    # One piece needs no other thread.
    outcomes = crew.run_all(do_unit, work) if len(work) > 1 else map(do_unit, work)
    return _Row(unit.shard, held, stop, outcomes, per_unit * (stop - first))


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


def checkpoint_of(plan: EnsemblePlan, arrays: Arrays, scalars: Scalars) -> Checkpoint:
    """The checkpoint of a state, with its fraction and what is worth showing."""
    n = int(arrays["counts"].sum())
    total = scalars["total"] + float(arrays[TOTALS].sum() if TOTALS in arrays else 0.0)
    live = {
        "mean": plan.moments.minimum + total / n if n > 0 else None,
        "n_diverged": scalars["n_lost"],
        "n_absorbed": scalars["n_absorbed"],
        "path_steps": scalars["path_steps"],
    }
    shares = _shares(plan, scalars)
    is_done = all(left == 0 for _, _, left in shares)
    fraction = sum(done for done, _, _ in shares) / sum(work for _, work, _ in shares)
    return Checkpoint(
        fraction=1.0 if is_done else min(fraction, 1 - 1e-9), arrays=arrays, scalars=scalars, live=live
    )


def _shares(plan: EnsemblePlan, scalars: Scalars) -> list[tuple[float, float, int]]:
    """Path-steps of each run, done and in all, and the pieces that are left."""
    pilot = _pilot_in(plan, scalars)
    runs = [(plan, scalars)] if pilot is None else [(plan, scalars), (pilot, scalars["pilot"])]
    return [_share(run, state) for run, state in runs]


def _share(plan: EnsemblePlan, scalars: Scalars) -> tuple[float, float, int]:
    """Path-steps of one run, or of a part of it, done and in all, and the pieces that are left."""
    schedule = schedule_of(plan)
    first, end = units_of(schedule, scalars["part"])
    per_unit = plan.path_steps / schedule.n_units
    unit = scalars["unit"]
    return per_unit * (unit - first), per_unit * (end - first), end - unit


def _merge(arrays: Arrays, scalars: Scalars, outcomes: Iterable[Outcome]) -> None:
    """Merge what pieces of work add, in their order."""
    for outcome in outcomes:
        arrays["counts"] += outcome.counts
        arrays["passage_counts"] += outcome.passage_counts
        arrays["extent"] = wider(arrays["extent"], outcome.extent)
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
        for name in (*COUNTED, "total"):
            scalars[name] += getattr(outcome, name)
        scalars["lost"] = (scalars["lost"] + outcome.lost)[:MAX_LOST_KEPT]


def _merge_into(arrays: Arrays, name: str, where: tuple[slice, ...], more: Means) -> None:
    held = means_in(arrays, name)
    merged = merge_means(Means(held.count[where], held.mean[where], held.squares[where]), more)
    for stored, values in stored_means(name, merged).items():
        arrays[stored][where] = values
