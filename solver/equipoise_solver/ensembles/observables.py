"""What is followed over time: functions of what a scheme shows of a path. To add one: a line in each place.

What is shown is v, |theta|^2 and the imbalance (the largest minus the smallest squared norm of a layer), in
rows of LANES numbers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from equipoise_solver.ensembles.accumulators.means import Means
from equipoise_solver.ensembles.compiled import F8, I8, LANES, array_of, compiled, inlined
from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.theory.moments import DataMoments

ACROSS = 16
"""Partial sums that run side by side: in a fixed order, and as many as fill a vector."""
VALUE, LOSS, EXCESS_LOSS, IMBALANCE, NOISE, SIGN, NORM, AUTOCORRELATION = range(8)
OBSERVABLES: dict[str, int] = {
    "value": VALUE,
    "loss": LOSS,
    "excess_loss": EXCESS_LOSS,
    "imbalance": IMBALANCE,
    "noise": NOISE,
    "sign": SIGN,
    "norm": NORM,
    "autocorrelation": AUTOCORRELATION,
}
"""Names and the codes that kernels know: v; the training loss E (v x - y)^2 without weight decay, which needs
E[y^2]; the same above its least value, b1 (v - b2/b1)^2; the largest minus the smallest squared norm of a
layer; g(v), a quarter of the variance of the per-sample gradient of v; the sign of v; |theta|^2; the
correlation of v with its value at the end of burn-in, for which kernels average the product."""

OF_LAYERS = frozenset({"imbalance", "norm"})
"""Those that need more of a state than v."""


@dataclass(frozen=True)
class Scene:
    """What observables may use beside the state: the data's moments, and E[y^2] where it is known."""

    moments: DataMoments
    target_power: float | None

    @property
    def numbers(self) -> NDArray[np.float64]:
        """b1, b2/b1, the least loss, and g(v) as a1 (v - root)^2 + floor, shape (6,)."""
        m = self.moments
        least = (self.target_power or 0.0) - m.beta2 * m.minimum
        return np.array([m.beta1, m.minimum, least, m.alpha1, m.root, m.floor], dtype=np.float64)


@inlined
def observe(code: Any, v: Any, norm: Any, imbalance: Any, anchor: Any, scene: Any) -> Any:
    """The observable of that code."""
    if code == VALUE:
        return v
    if code == NORM:
        return norm
    if code == IMBALANCE:
        return imbalance
    if code == NOISE:
        return scene[3] * (v - scene[4]) * (v - scene[4]) + scene[5]
    if code == AUTOCORRELATION:
        return (v - scene[1]) * (anchor - scene[1])
    if code == SIGN:
        return 1.0 if v > 0.0 else (-1.0 if v < 0.0 else v)
    excess = scene[0] * (v - scene[1]) * (v - scene[1])
    return excess + scene[2] if code == LOSS else excess


@inlined
def _observe_all(code: Any, shown: Any, anchor: Any, scene: Any, values: Any) -> None:
    """The observable of that code of each lane."""
    for j in range(LANES):
        values[j] = observe(code, shown[0, j], shown[1, j], shown[2, j], anchor[j], scene)


@inlined
def _observe_lanes(code: Any, shown: Any, anchor: Any, scene: Any, values: Any) -> None:
    """The observable of each lane: a loop for each code, which is known in it, so that it fills vectors."""
    if code == VALUE:
        _observe_all(VALUE, shown, anchor, scene, values)
    elif code == LOSS:
        _observe_all(LOSS, shown, anchor, scene, values)
    elif code == EXCESS_LOSS:
        _observe_all(EXCESS_LOSS, shown, anchor, scene, values)
    elif code == IMBALANCE:
        _observe_all(IMBALANCE, shown, anchor, scene, values)
    elif code == NOISE:
        _observe_all(NOISE, shown, anchor, scene, values)
    elif code == SIGN:
        _observe_all(SIGN, shown, anchor, scene, values)
    elif code == NORM:
        _observe_all(NORM, shown, anchor, scene, values)
    else:
        _observe_all(AUTOCORRELATION, shown, anchor, scene, values)


@inlined
def _sum_across(values: Any, centre: Any, is_square: Any, parts: Any) -> Any:
    """Sum of values - centre, or of their squares, in ACROSS partial sums."""
    for i in range(ACROSS):
        parts[i] = 0.0
    for j in range(0, LANES, ACROSS):
        for i in range(ACROSS):
            off = values[j + i] - centre
            parts[i] += off * off if is_square else off
    total = 0.0
    for i in range(ACROSS):
        total += parts[i]
    return total


@inlined
def _fill_gaps(values: Any, filling: Any) -> Any:
    """Put a number in place of those that are not finite; how many are."""
    n = 0.0
    for j in range(LANES):
        is_there = abs(values[j]) < np.inf
        n += 1.0 if is_there else 0.0
        values[j] = values[j] if is_there else filling
    return n


@inlined
def record(
    shown: Any,
    anchor: Any,
    codes: Any,
    scene: Any,
    values: Any,
    count: Any,
    mean: Any,
    squares: Any,
    b: Any,
    place: Any,
) -> None:
    """Means over the lanes of a block, at [b, observable, place]; shown has rows v, norm, imbalance.

    Lanes that are not finite are left out; `values` (LANES,) is overwritten; anchor (LANES,): v at the end of
    burn-in, NaN before it.
    """
    parts = np.empty(ACROSS)
    for k in range(codes.shape[0]):
        _observe_lanes(codes[k], shown, anchor, scene, values)
        n = np.float64(LANES)
        total = _sum_across(values, 0.0, False, parts)
        is_whole = abs(total) < np.inf
        if not is_whole:
            n = _fill_gaps(values, 0.0)
            total = _sum_across(values, 0.0, False, parts)
        centre = total / n if n > 0.0 else 0.0
        if not is_whole:
            _observe_lanes(codes[k], shown, anchor, scene, values)
            _fill_gaps(values, centre)
        count[b, k, place] = n
        mean[b, k, place] = centre
        squares[b, k, place] = _sum_across(values, centre, True, parts)


def _record_samples(
    shown: Any, anchors: Any, anchor_place: Any, codes: Any, scene: Any, count: Any, mean: Any, squares: Any
) -> None:
    row = np.empty((3, LANES))
    values = np.empty(LANES)
    for b in range(count.shape[0]):
        for place in range(shown.shape[1]):
            for i in range(3):
                for j in range(LANES):
                    row[i, j] = shown[i, place, b * LANES + j]
            if place == anchor_place:
                for j in range(LANES):
                    anchors[b, j] = row[0, j]
            record(row, anchors[b], codes, scene, values, count, mean, squares, b, place)


def codes_of(names: tuple[str, ...]) -> NDArray[np.int64]:
    """Codes of observables, shape (n,)."""
    return np.array([OBSERVABLES[name] for name in names], dtype=np.int64)


def record_samples(
    shown: NDArray[np.float64],
    names: tuple[str, ...],
    scene: Scene,
    *,
    anchors: NDArray[np.float64],
    anchor_place: int,
) -> Means:
    """Observables of samples, averaged over blocks.

    Args:
        shown: v, |theta|^2 and imbalance, shape (3, samples, paths), paths a multiple of LANES; NaN where a
            path is lost.
        names: of observables.
        scene: the data.
        anchors: v at the end of burn-in, shape (blocks, LANES), changed.
        anchor_place: sample that is the end of burn-in, -1 if none is.

    Returns:
        means of shape (blocks, observables, samples).
    """
    held = Means.empty((shown.shape[2] // LANES, len(names), shown.shape[1]))
    signature = types.void(
        array_of(F8, 3),
        array_of(F8, 2),
        I8,
        array_of(I8, 1),
        array_of(F8, 1),
        array_of(F8, 3),
        array_of(F8, 3),
        array_of(F8, 3),
    )
    compiled(_record_samples, signature)(
        np.ascontiguousarray(shown),
        anchors,
        anchor_place,
        codes_of(names),
        scene.numbers,
        held.count,
        held.mean,
        held.squares,
    )
    return held


def check_observables(names: tuple[str, ...], scene: Scene) -> None:
    """Refuse unknown observables, and the loss where E[y^2] is not known.

    Raises:
        InvalidModelError: a name is unknown.
        UnsupportedCombinationError: "loss" is asked of data known by moments alone.
    """
    for name in names:
        if name not in OBSERVABLES:
            raise InvalidModelError("observables", given=name, allowed=f"one of {sorted(OBSERVABLES)}")
    if "loss" in names and scene.target_power is None:
        raise UnsupportedCombinationError(
            "observables",
            given="loss",
            allowed="observables that moments determine",
            remedy='Moments leave E[y^2] open: ask for "excess_loss".',
        )
