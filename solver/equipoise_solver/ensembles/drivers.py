"""The loops over blocks and steps, which call noise sources and schemes through function pointers.

A driver takes a run of blocks from one common sample time to another. Between two sample times the lanes of
an SDE scheme go at their own pace; at a sample time the second half of a pair of increments is left unused,
so what a path draws depends on the sample times alone. A step of size 0, or NaN, before the sample time is a
divergence: large values of v are not, since the law's own excursions reach v = V with a chance of about
V**-0.5 per relaxation time (D = 1) and last a time of V**-2.
"""

import math
from functools import cache
from typing import Any

import numpy as np
from numba import types

from equipoise_solver.ensembles.accumulators.samples import HELD, add_samples
from equipoise_solver.ensembles.compiled import (
    F8,
    I8,
    LANES,
    U4,
    U8,
    array_of,
    compiled,
    features_signature,
    flow_signature,
    inlined,
    noise_signature,
    pointer_to,
    show_signature,
    state_scalar,
    step_signature,
)
from equipoise_solver.ensembles.observables import record
from equipoise_solver.ensembles.streams import PASSAGES, start_stream

RUNNING, LOST, ABSORBED = 0, 1, 2
"""Status of a path: on its way; diverged, its state is where it was found; absorbed at v = 0."""
LARGEST_EXCESS = 11.0
"""Distances from a level whose product is as many variances of a step are passed with a chance of 3e-10."""
TO_UNIT = 2.0**-32
ABOVE, BELOW = -1, -2
"""Side of a level on which a path has stayed so far."""


@inlined
def _show(features: Any, state: Any, lane: Any, numbers: Any, out: Any, bound: Any) -> Any:
    """Features of a lane into `out`, and its new status."""
    absorbed = features(state, lane, numbers, out)
    if not (abs(out[0]) < bound and out[1] < np.inf):
        return LOST
    return ABSORBED if absorbed == 1 else RUNNING


@inlined
def _put(shown: Any, sample: Any, place: Any, status: Any, out: Any) -> None:
    """One sample of one path: its features, zeros once it is absorbed, NaN once it is lost."""
    for i in range(3):
        value = out[i]
        if status == LOST:
            value = np.nan
        if status == ABSORBED:
            value = 0.0
        shown[i, sample, place] = value


def show_blocks(
    features: Any, state: Any, status: Any, lanes: Any, numbers: Any, bound: Any, shown: Any
) -> None:
    """Features of every path now, into shown[:, 0, :]; shape (3, 1, blocks * LANES)."""
    out = np.zeros(3)
    for b in range(state.shape[0]):
        for j in range(lanes[b]):
            if status[b, j] == RUNNING:
                status[b, j] = _show(features, state[b], j, numbers, out, bound)
            _put(shown, 0, b * LANES + j, status[b, j], out)


def run_flow(
    draw: Any,
    step: Any,
    features: Any,
    state: Any,
    words: Any,
    status: Any,
    taken: Any,
    lanes: Any,
    interval: Any,
    key: Any,
    first_path: Any,
    noise_numbers: Any,
    table: Any,
    numbers: Any,
    work: Any,
    bound: Any,
    shown: Any,
) -> None:
    """Take blocks of an SDE scheme through shown.shape[1] sample times, `interval` apart.

    Args (of a block b, lane j): state (b, n_state, j), words (b, 4, j), status (b, j), taken (b, j), lanes
    (b,).
    """
    n_samples = shown.shape[1]
    noise = np.zeros((2, LANES))
    left = np.zeros(LANES)
    size = np.zeros(LANES)
    active = np.zeros(LANES, dtype=np.uint8)
    done = np.zeros(LANES, dtype=np.int64)
    out = np.zeros(3)
    nothing = np.zeros((1, 1), dtype=np.int32)
    for b in range(state.shape[0]):
        n = lanes[b]
        n_active = np.int64(0)
        for j in range(n):
            on = status[b, j] == RUNNING
            left[j] = interval if on else 0.0
            active[j] = np.uint8(on)
            done[j] = 0 if on else n_samples
            n_active += np.int64(on)
            if not on:
                for i in range(n_samples):
                    _put(shown, i, b * LANES + j, status[b, j], out)
        while n_active > 0:
            draw(words[b], active, noise, n, 0, 0, key, first_path, noise_numbers, table, nothing)
            for half in range(2):
                step(state[b], noise, half, left, size, n, numbers, work)
                for j in range(n):
                    taken[b, j] += np.int64(size[j] > 0.0)
            for j in range(n):
                if active[j] == 0:
                    continue
                if left[j] == 0.0:
                    status[b, j] = _show(features, state[b], j, numbers, out, bound)
                    _put(shown, done[j], b * LANES + j, status[b, j], out)
                    done[j] += 1
                    left[j] = interval
                elif not (size[j] > 0.0 and left[j] > 0.0):
                    status[b, j] = LOST
                if status[b, j] != RUNNING or done[j] == n_samples:
                    for i in range(done[j], n_samples):
                        _put(shown, i, b * LANES + j, status[b, j], out)
                    left[j] = 0.0
                    active[j] = np.uint8(0)
                    n_active -= 1


@inlined
def _mark(shown: Any, status: Any, taken: Any, steps: Any, n_lanes: Any, bound: Any) -> None:
    """Find what paths of a block have become, and show zeros or NaN for those that are absorbed or lost.

    `steps`: those taken by paths that end now, or -1 where paths count their own.
    """
    for j in range(LANES):
        if status[j] == RUNNING:
            if not abs(shown[0, j]) < bound:
                status[j] = LOST
            elif shown[3, j] > 0.0:
                status[j] = ABSORBED
            if status[j] != RUNNING and steps >= 0:
                taken[j] = steps
        if status[j] != RUNNING or j >= n_lanes:
            gone = np.nan if status[j] == LOST or j >= n_lanes else 0.0
            for i in range(3):
                shown[i, j] = gone


@inlined
def _take_sides(v: Any, passed: Any, level: Any, tolerance: Any) -> None:
    """On which side of the level each lane starts; within rounding it starts there."""
    for j in range(LANES):
        off = v[j] - level
        passed[j] = 0 if abs(off) <= tolerance * abs(level) else (ABOVE if off > 0.0 else BELOW)


@inlined
def _watch(
    before: Any, v: Any, status: Any, passed: Any, level: Any, variance: Any, key: Any, first: Any, steps: Any
) -> None:
    """Note the steps after which lanes have passed the level, by their v before and after the last step.

    Between two values on one side, at a and b from the level, a Brownian bridge passes it with the chance
    exp(-2 a b/variance); its uniform number belongs to the path and the step.
    """
    for j in range(LANES):
        if passed[j] >= 0 or status[j] != RUNNING:
            continue
        start, end = before[j] - level, v[j] - level
        crossed = end <= 0.0 if passed[j] == ABOVE else end >= 0.0
        if not crossed and variance > 0.0 and start * end < LARGEST_EXCESS * variance:
            word, _, _, _ = start_stream(key, first + np.uint64(j), PASSAGES, steps)
            crossed = (np.float64(word) + 0.5) * TO_UNIT < math.exp(-2.0 * start * end / variance)
        if crossed:
            passed[j] = steps


def run_steps(
    draw: Any,
    step: Any,
    single: Any,
    value: Any,
    extra: Any,
    state: Any,
    words: Any,
    status: Any,
    taken: Any,
    lanes: Any,
    times: Any,
    kept: Any,
    places: Any,
    group: Any,
    counts_itself: Any,
    key: Any,
    first_path: Any,
    noise_numbers: Any,
    table: Any,
    shuffles: Any,
    noise: Any,
    numbers: Any,
    work: Any,
    bound: Any,
    origin: Any,
    sums: Any,
    edges: Any,
    first_key: Any,
    ranges: Any,
    inner: Any,
    counts: Any,
    codes: Any,
    scene: Any,
    count: Any,
    mean: Any,
    squares: Any,
    anchors: Any,
    anchor_place: Any,
    snapshots: Any,
    watched: Any,
    level: Any,
    tolerance: Any,
    variance: Any,
    passed: Any,
) -> None:
    """Take blocks of a scheme with a fixed clock through the steps times[0] .. times[-1].

    Samples are at times[1:], and at times[0] too where that is a record.

    Args (of a block b, lane j): state (b, n_state, j), words (b, 4, j), status (b, j), taken (b, j), lanes
    (b,), sums (b, N_SUMS, j); kept (2,): samples kept[0] <= i < kept[1] are accumulated; places (samples,):
    place of a sample's record in count, mean and squares (b, observable, place), or -1; group: steps per call
    of `draw`; counts_itself: whether `step` counts steps taken; anchors (b, j): v at the record in place
    anchor_place; snapshots (paths, place): v of the first paths of the first block; passed (b, j): steps
    after which v passed `level`, or ABOVE or BELOW it so far, followed step by step if `watched`.
    """
    active = np.ones(LANES, dtype=np.uint8)
    shown = np.empty((4, LANES))
    values = np.empty(LANES)
    held = np.empty((HELD, LANES))
    keys = np.empty(LANES, dtype=np.int64)
    since = np.empty(LANES, dtype=np.int32)
    before = np.empty(LANES)
    for b in range(state.shape[0]):
        first = first_path + np.uint64(b * LANES)
        block, stream, block_sums = state[b], words[b], sums[b]
        is_thinned = lanes[b] < LANES
        for j in range(LANES):
            is_thinned |= status[b, j] != RUNNING
            since[j] = 0
        n_held = np.int64(0)
        for i in range(times.shape[0]):
            start = times[i - 1] if i > 0 else times[0]
            whole = (times[i] - start) // group
            for q in range(whole if watched == 0 else 0):
                at = start + q * group
                fresh = np.int64(at == times[0])
                draw(stream, active, noise, LANES, at, fresh, key, first, noise_numbers, table, shuffles)
                step(block, noise, 0, since, numbers, work)
            at = start if watched else start + whole * group
            while at < times[i]:
                fresh = np.int64(at == times[0])
                draw(stream, active, noise, LANES, at, fresh, key, first, noise_numbers, table, shuffles)
                for row in range(min(group, times[i] - at)):
                    single(block, noise, row, since, numbers, work)
                    if watched:
                        value(block, numbers, shown)
                        _watch(
                            before, shown[0], status[b], passed[b], level, variance, key, first, at + row + 1
                        )
                        for j in range(LANES):
                            before[j] = shown[0, j]
                at += group
            if i == 0 and watched:
                value(block, numbers, shown)
                for j in range(LANES):
                    before[j] = shown[0, j]
            if i == 0 and places[0] < 0:
                continue
            value(block, numbers, shown)
            if places[i] >= 0:
                extra(block, numbers, shown)  # nosec B610 # no SQL
            n_ended = np.int64(0)
            for j in range(LANES):
                n_ended += np.int64(not (abs(shown[0, j]) < bound and shown[3, j] == 0.0))
            is_thinned |= n_ended > 0
            if is_thinned:
                steps = np.int64(-1) if counts_itself else times[i]
                _mark(shown, status[b], taken[b], steps, lanes[b], bound)
            if watched and times[i] == 0:
                _take_sides(shown[0], passed[b], level, tolerance)
            if kept[0] <= i < kept[1]:
                for j in range(LANES):
                    held[n_held, j] = shown[0, j]
                n_held += 1
                if n_held == HELD:
                    add_samples(
                        held, n_held, origin, block_sums, edges, first_key, ranges, inner, counts, keys
                    )
                    n_held = np.int64(0)
            if places[i] >= 0:
                place = places[i]
                if place == anchor_place:
                    for j in range(LANES):
                        anchors[b, j] = shown[0, j]
                if b == 0:
                    for j in range(snapshots.shape[0]):
                        snapshots[j, place] = shown[0, j]
                record(shown, anchors[b], codes, scene, values, count, mean, squares, b, place)
        add_samples(held, n_held, origin, block_sums, edges, first_key, ranges, inner, counts, keys)
        if counts_itself:
            for j in range(LANES):
                taken[b, j] += since[j]
        else:
            for j in range(LANES):
                taken[b, j] = times[times.shape[0] - 1] if status[b, j] == RUNNING else taken[b, j]


@cache
def show_kernel(precision: str) -> Any:
    """`show_blocks`, compiled."""
    signature = types.void(
        pointer_to(features_signature(precision)),
        array_of(state_scalar(precision), 3),
        array_of(types.uint8, 2),
        array_of(I8, 1),
        array_of(F8, 1),
        F8,
        array_of(F8, 3),
    )
    return compiled(show_blocks, signature)


@cache
def flow_kernel(precision: str) -> Any:
    """`run_flow`, compiled."""
    signature = types.void(
        pointer_to(noise_signature()),
        pointer_to(flow_signature(precision)),
        pointer_to(features_signature(precision)),
        array_of(state_scalar(precision), 3),
        array_of(U4, 3),
        array_of(types.uint8, 2),
        array_of(I8, 2),
        array_of(I8, 1),
        F8,
        array_of(U4, 1),
        U8,
        array_of(F8, 1),
        array_of(F8, 2),
        array_of(F8, 1),
        array_of(F8, 2),
        F8,
        array_of(F8, 3),
    )
    return compiled(run_flow, signature)


@cache
def steps_kernel(precision: str, noise: str) -> Any:
    """`run_steps`, compiled."""
    signature = types.void(
        pointer_to(noise_signature(noise)),
        pointer_to(step_signature(precision, noise)),
        pointer_to(step_signature(precision, noise)),
        pointer_to(show_signature(precision)),
        pointer_to(show_signature(precision)),
        array_of(state_scalar(precision), 3),
        array_of(U4, 3),
        array_of(types.uint8, 2),
        array_of(I8, 2),
        array_of(I8, 1),
        array_of(I8, 1),
        array_of(I8, 1),
        array_of(I8, 1),
        I8,
        I8,
        array_of(U4, 1),
        U8,
        array_of(F8, 1),
        array_of(F8, 2),
        array_of(types.int32, 2),
        array_of(state_scalar(noise), 2),
        array_of(F8, 1),
        array_of(F8, 2),
        F8,
        F8,
        array_of(F8, 3),
        array_of(F8, 1),
        I8,
        array_of(types.int32, 2),
        array_of(F8, 1),
        array_of(I8, 1),
        array_of(I8, 1),
        array_of(F8, 1),
        array_of(F8, 3),
        array_of(F8, 3),
        array_of(F8, 3),
        array_of(F8, 2),
        I8,
        array_of(F8, 2),
        I8,
        F8,
        F8,
        F8,
        array_of(I8, 2),
    )
    return compiled(run_steps, signature)
