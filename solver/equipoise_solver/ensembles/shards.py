"""Shards of an ensemble: which of them make a part, and how what they found merges.

Each shard starts from empty statistics. Then neighbours merge in a tree that is the same for every run: a
span of 2^k shards, from a multiple of 2^k on, merges from its two halves alone. Any neighbouring shards are a
few such spans, at most two of each size, so whoever computes which shards, the same numbers merge in the same
order, and few are held at a time.

References:
    Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances (1979).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.accumulators import Means, merge_means
from equipoise_solver.ensembles.schedule import Schedule

MERGED = ("records", "paths", "passages")
"""Names of the means that merge in floating point, so that their order matters."""
COUNTED = ("path_steps", "n_lost", "n_absorbed")
"""Names of the numbers that add exactly."""
BOUNDS, TOTALS, SPAN = "span_bounds", "span_totals", "span_"
"""Arrays that hold spans: first shard and the one after the last, sums, and the prefix of the means."""
Arrays = dict[str, NDArray[Any]]
Part = Sequence[int] | None
"""Number of a part and of how many; None for the whole."""


@dataclass(frozen=True, eq=False)
class Span:
    """What neighbouring shards have found together.

    Attributes:
        first: first shard.
        stop: the one after the last.
        total: sum of v - origin over the samples of paths that are not lost.
        means: those named in MERGED.
    """

    first: int
    stop: int
    total: float
    means: Mapping[str, Means]


def wider(
    extent: Sequence[float] | NDArray[np.float64], other: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Least and largest sample of both."""
    return np.array([min(extent[0], other[0]), max(extent[1], other[1])])


def shards_of(schedule: Schedule, part: Part) -> tuple[int, int]:
    """First shard of a part and the one after the last: each part has as many, or one more or less."""
    if part is None:
        return 0, schedule.n_shards
    number, of = part
    return schedule.n_shards * number // of, schedule.n_shards * (number + 1) // of


def units_of(schedule: Schedule, part: Part) -> tuple[int, int]:
    """First piece of work of a part and the one after the last."""
    first, stop = shards_of(schedule, part)
    return schedule.first_unit(first), schedule.first_unit(stop)


def stored_means(name: str, means: Means) -> Arrays:
    """Means as arrays of a checkpoint."""
    return {f"{name}_count": means.count, f"{name}_mean": means.mean, f"{name}_squares": means.squares}


def means_in(arrays: Mapping[str, NDArray[Any]], name: str) -> Means:
    """Means from the arrays of a checkpoint."""
    return Means(*(arrays[f"{name}_{part}"] for part in ("count", "mean", "squares")))


def spans_in(arrays: Mapping[str, NDArray[Any]]) -> list[Span]:
    """Spans from the arrays of a checkpoint, in the order of their shards."""
    if BOUNDS not in arrays:
        return []
    stacks = {name: means_in(arrays, SPAN + name) for name in MERGED}
    return [
        Span(
            first=int(first),
            stop=int(stop),
            total=float(arrays[TOTALS][i]),
            means={
                name: Means(stack.count[i], stack.mean[i], stack.squares[i]) for name, stack in stacks.items()
            },
        )
        for i, (first, stop) in enumerate(arrays[BOUNDS])
    ]


def stored_spans(spans: Sequence[Span]) -> Arrays:
    """Spans, at least one, as arrays of a checkpoint, one after another along the first axis."""
    arrays: Arrays = {
        BOUNDS: np.array([(span.first, span.stop) for span in spans], dtype=np.int64),
        TOTALS: np.array([span.total for span in spans]),
    }
    for name in MERGED:
        means = [span.means[name] for span in spans]
        stack = Means(*(np.stack([getattr(m, part) for m in means]) for part in ("count", "mean", "squares")))
        arrays |= stored_means(SPAN + name, stack)
    return arrays


def settled(spans: Sequence[Span]) -> list[Span]:
    """Neighbouring spans, in order, with all halves merged that are there."""
    held: list[Span] = []
    for span in spans:
        held.append(span)
        while len(held) > 1 and _are_halves(*held[-2:]):
            right, left = held.pop(), held.pop()
            held.append(_merged(left, right))
    return held


def _are_halves(left: Span, right: Span) -> bool:
    size = left.stop - left.first
    return left.stop == right.first and right.stop - right.first == size and left.first % (2 * size) == 0


def _merged(left: Span, right: Span) -> Span:
    means = {name: merge_means(left.means[name], right.means[name]) for name in MERGED}
    return Span(left.first, right.stop, left.total + right.total, means)


def close_shard(arrays: Arrays, scalars: dict[str, Any], shard: int) -> None:
    """Make a span of the running statistics, all of one shard, and start them from empty again."""
    own = Span(shard, shard + 1, scalars["total"], {name: means_in(arrays, name) for name in MERGED})
    arrays |= stored_spans(settled([*spans_in(arrays), own]))
    for name in MERGED:
        arrays |= stored_means(name, Means.empty(own.means[name].count.shape))
    scalars["total"] = 0.0


def fold_spans(arrays: Arrays, scalars: dict[str, Any]) -> None:
    """Put the spans of all shards, merged from left to right, in place of the running statistics."""
    spans = spans_in(arrays)
    whole = spans[0]
    for span in spans[1:]:
        whole = _merged(whole, span)
    for name in [name for name in arrays if name.startswith(SPAN)]:
        del arrays[name]
    for name in MERGED:
        arrays |= stored_means(name, whole.means[name])
    scalars["total"] = whole.total
