"""What a thread of the card does with its path, and how blocks of paths are averaged.

Everything that takes the bits of a number is done by the functions that the CPU's kernels are made of; what
is here adds, compares, loads and stores. Simulated, these functions are plain Python, and what the compiled
ones return are Python numbers: `real` and `uint32` give them their types back.
"""

import math
from typing import Any

import numpy as np
from numba import cuda as _untyped_cuda
from numba import float64, int32

from equipoise_solver.ensembles.accumulators.samples import LARGEST, LEAST, LOG, LOG_FLOOR
from equipoise_solver.ensembles.compiled import LANES, inlined
from equipoise_solver.ensembles.drivers import ABSORBED, LOST, RUNNING
from equipoise_solver.ensembles.elementary import fused_logarithm
from equipoise_solver.ensembles.observables import observe

cuda: Any = _untyped_cuda
THREADS = 128
"""Paths of a block of threads; divides LANES."""


@inlined
def logarithm_of_size(v: Any) -> Any:
    """ln |v|, of LOG_FLOOR below it."""
    size = abs(v)
    return fused_logarithm(LOG_FLOOR if size < LOG_FLOOR else size)


@cuda.jit(device=True)
def bin_of(x: Any, edges: Any, n_edges: Any) -> Any:
    """Number of edges at or below x; the same as that of `accumulators.samples`, by bisection alone."""
    low, high = 0, n_edges
    while low < high:
        middle = (low + high) >> 1
        if x >= edges[middle]:
            low = middle + 1
        else:
            high = middle
    return low


def following(advance: Any, value: Any, extra: Any, real: Any) -> Any:
    """The device function that moves the thread's path, made of the functions of a noise source and a scheme.

    It takes the path through the steps times[0] .. times[-1], as `drivers.run_steps` does a lane.

    Args (of a path in block b, lane j): state (b, n_state, j), words (b, 4, j), status, taken and anchors
    (b, j), sums (b, N_SUMS, j); places (samples,): place of a sample's record, or -1; shown
    (3, places - first_place, paths): v, |theta|^2 and imbalance at records; in_shared: whether edges and
    counts fit into the memory that a block of threads shares.
    """

    @cuda.jit(device=True)
    def follow(
        state: Any,
        words: Any,
        status: Any,
        taken: Any,
        sums: Any,
        anchors: Any,
        n_paths: Any,
        times: Any,
        places: Any,
        first_kept: Any,
        end_kept: Any,
        counts_itself: Any,
        p: Any,
        numbers: Any,
        bound: Any,
        origin: Any,
        anchor_place: Any,
        edges: Any,
        counts: Any,
        in_shared: Any,
        shown: Any,
        first_place: Any,
        snapshots: Any,
        n_snapshots: Any,
    ) -> None:
        shared_edges = cuda.shared.array(0, float64)
        shared_counts = cuda.shared.array(0, int32)
        n_edges = edges.shape[0]
        if in_shared:
            for i in range(cuda.threadIdx.x, n_edges, cuda.blockDim.x):
                shared_edges[i] = edges[i]
            for i in range(cuda.threadIdx.x, n_edges + 1, cuda.blockDim.x):
                shared_counts[2 * n_edges + i] = 0
        cuda.syncthreads()
        path = cuda.grid(1)
        if path < n_paths:
            b, j = path // LANES, path % LANES
            last = state.shape[1] - 1
            x, y = state[b, 0, j], state[b, last, j]
            w0, w1, w2, w3 = words[b, 0, j], words[b, 1, j], words[b, 2, j], words[b, 3, j]
            now, made = status[b, j], taken[b, j]
            s0, s1, s2, s3 = sums[b, 0, j], sums[b, 1, j], sums[b, 2, j], sums[b, 3, j]
            s4, least, largest = sums[b, LOG, j], sums[b, LEAST, j], sums[b, LARGEST, j]
            for i in range(times.shape[0]):
                start = times[i - 1] if i > 0 else times[0]
                n = times[i] - start
                if n > 0:
                    x, y, w0, w1, w2, w3, more = advance(x, y, w0, w1, w2, w3, n, p)
                    x, y = real(x), real(y)
                    w0, w1, w2, w3 = np.uint32(w0), np.uint32(w1), np.uint32(w2), np.uint32(w3)
                    if counts_itself:
                        made += more
                if i == 0 and places[0] < 0:
                    continue
                v, is_absorbed = value(x, y, numbers)
                if now == RUNNING:
                    if not counts_itself:
                        made += n
                    if not abs(v) < bound:
                        now = LOST
                    elif is_absorbed:
                        now = ABSORBED
                gone = math.nan if now == LOST else 0.0
                if now != RUNNING:
                    v = gone
                if first_kept <= i < end_kept:
                    off = v - origin
                    square = off * off
                    s0 += off
                    s1 += square
                    s2 += off * square
                    s3 += square * square
                    s4 += logarithm_of_size(v)
                    least = v if v < least else least
                    largest = v if v > largest else largest
                    if v == v:
                        if in_shared:
                            cuda.atomic.add(shared_counts, 2 * n_edges + bin_of(v, shared_edges, n_edges), 1)
                        else:
                            cuda.atomic.add(counts, bin_of(v, edges, n_edges), 1)
                if places[i] >= 0:
                    place = places[i]
                    norm, imbalance = extra(x, y, v, numbers)  # nosec B610 # no SQL
                    shown[0, place - first_place, path] = v
                    shown[1, place - first_place, path] = norm if now == RUNNING else gone
                    shown[2, place - first_place, path] = imbalance if now == RUNNING else gone
                    if place == anchor_place:
                        anchors[b, j] = v
                    if path < n_snapshots:
                        snapshots[path, place] = v
            state[b, 0, j] = x
            if last > 0:
                state[b, last, j] = y
            words[b, 0, j] = w0
            words[b, 1, j] = w1
            words[b, 2, j] = w2
            words[b, 3, j] = w3
            status[b, j] = now
            taken[b, j] = made
            sums[b, 0, j] = s0
            sums[b, 1, j] = s1
            sums[b, 2, j] = s2
            sums[b, 3, j] = s3
            sums[b, LOG, j] = s4
            sums[b, LEAST, j] = least
            sums[b, LARGEST, j] = largest
        cuda.syncthreads()
        if in_shared:
            for i in range(cuda.threadIdx.x, n_edges + 1, cuda.blockDim.x):
                found = shared_counts[2 * n_edges + i]
                if found > 0:
                    cuda.atomic.add(counts, i, found)

    return follow


@cuda.jit
def record(
    shown: Any,
    n_paths: Any,
    anchors: Any,
    anchor_place: Any,
    first_place: Any,
    codes: Any,
    scene: Any,
    count: Any,
    mean: Any,
    squares: Any,
) -> None:
    """Means over the lanes of a block, one thread for each block, observable and place.

    As `observables.record` adds them, lane by lane; shown (3, places, paths), count, mean and squares
    (blocks, observables, places).
    """
    n_places = count.shape[2]
    index = cuda.grid(1)
    place = index % n_places
    k = (index // n_places) % codes.shape[0]
    b = index // (n_places * codes.shape[0])
    if b < count.shape[0]:
        first = b * LANES
        stop = min(n_paths, first + LANES)
        is_after = first_place + place >= anchor_place
        n, total = 0.0, 0.0
        for path in range(first, stop):
            anchor = anchors[b, path - first] if is_after else math.nan
            v, norm, imbalance = shown[0, place, path], shown[1, place, path], shown[2, place, path]
            found = observe(codes[k], v, norm, imbalance, anchor, scene)
            if abs(found) < math.inf:
                n += 1.0
                total += found
        centre = total / n if n > 0.0 else 0.0
        spread = 0.0
        for path in range(first, stop):
            anchor = anchors[b, path - first] if is_after else math.nan
            v, norm, imbalance = shown[0, place, path], shown[1, place, path], shown[2, place, path]
            found = observe(codes[k], v, norm, imbalance, anchor, scene)
            if abs(found) < math.inf:
                spread += (found - centre) * (found - centre)
        count[b, k, place] = n
        mean[b, k, place] = centre
        squares[b, k, place] = spread
