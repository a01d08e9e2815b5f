"""Refusals of drift and noise that make no diffusion of the interval: zeros of the noise, poles, gaps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.coordinates import Coordinate
from equipoise_solver.diffusion.exact import Precise
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.sampling import anchored, sampling, zoom
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.expressions import VARIABLE, Node

if TYPE_CHECKING:
    from equipoise_solver.diffusion.problem import Diffusion

Flags = NDArray[np.bool_]
_SURE = 40.0  # |y| up to which numbers neither overflow nor underflow for reasons of size alone.
_LEAST = 1e-290  # Below 2e-308 numbers lose digits.
_NOTHING = 1e-12
_THIRDS = 120  # (2/3)**90 = 1e-16
_DIP = 0.1
_NEXT = 1e-3
_POINTS = 129
_ROUNDS = 9  # 64**9 = 2e16: from the sampling down to neighbouring numbers.
_MIDDLE = 5  # The round at which points are about 1e-11 apart.
_MOST_DIPS = 50


def check_inside(diffusion: Diffusion) -> None:
    """Refuse a drift or noise that has no value inside, or a noise that vanishes there.

    Raises:
        InvalidModelError: naming the place.
    """
    coordinate = Coordinate(diffusion.low, diffusion.high)
    for field, tree in (("noise", diffusion.noise_tree), ("drift", diffusion.drift_tree)):
        _check_values(diffusion, coordinate, field, tree)
        _check_poles(diffusion, coordinate, field, tree)
    _check_zeros(diffusion, coordinate)


def _size(tree: Node, diffusion: Diffusion, coordinate: Coordinate) -> Callable[[Array], Array]:
    """log of the size of an expression, and -inf where it is not told from 0, as a function of y."""

    def log_size(y: Array) -> Array:
        value, error = anchored(tree, diffusion, coordinate, y, mend=True)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.where(np.abs(value) <= 4.0 * error, 0.0, np.abs(value))))

    return log_size


def _inverse_size(tree: Node, diffusion: Diffusion, coordinate: Coordinate) -> Callable[[Array], Array]:
    """-log of the size of an expression as a function of y."""

    def log_size(y: Array) -> Array:
        value, _ = anchored(tree, diffusion, coordinate, y)
        with np.errstate(divide="ignore"):
            return np.asarray(-np.log(np.abs(value)))

    return log_size


def _sampled(
    diffusion: Diffusion, coordinate: Coordinate, tree: Node, *, mend: bool = False
) -> tuple[Array, Array]:
    """The y of the sampling near enough at which an expression neither overflows nor underflows, and it."""
    y = sampling()
    y = y[np.abs(y) <= _SURE]
    value, _ = anchored(tree, diffusion, coordinate, y, mend=mend)
    good = np.isfinite(value) & (np.abs(value) > _LEAST)
    return y[good], value[good]


def _check_values(diffusion: Diffusion, coordinate: Coordinate, field: str, tree: Node) -> None:
    y = sampling()
    y = y[np.abs(y) <= _SURE]
    value, _ = anchored(tree, diffusion, coordinate, y)
    wrong = y[~np.isfinite(value)]
    if wrong.size == 0 or _precise(diffusion, coordinate, tree, _central(wrong)) is not None:
        return
    x = float(coordinate.value(np.array(_central(wrong))))
    x = _rounded(diffusion, x, lambda x: ~np.isfinite(diffusion.tree_near(tree, math.nan, x).total))
    part = tree.culprit({**diffusion.parameters, VARIABLE: x})
    place = f" (character {part.place} of the expression)" if part is not None else ""
    raise InvalidModelError(
        field,
        given=f"no finite number at x = {_text(x)}{place}",
        allowed="an expression with a value everywhere inside the interval",
        remedy="Narrow the interval, or mend the expression.",
    )


def _central(y: Array) -> float:
    return float(y[int(np.argmin(np.abs(y)))])


def _precise(diffusion: Diffusion, coordinate: Coordinate, tree: Node, y: float) -> Any | None:
    """The value where numbers may overflow or underflow; None if there is none."""
    [(point, _, rest)] = coordinate.anchored(np.array([y]))
    precise = Precise(diffusion.parameters, decades=20)
    return precise.value(tree, point, precise.number(float(rest[0])))


def _rounded(diffusion: Diffusion, x: float, badness: Callable[[Array], Array]) -> float:
    """x with the fewest digits at which the expression is no better than at x itself."""
    x = _worst(diffusion, x, badness)
    found = badness(np.array([x]))[0]
    plain = [0.0] if abs(x) < _NOTHING else []
    for shorter in [*plain, *(float(f"{x:.{digits}g}") for digits in range(1, 17))]:
        if diffusion.low < shorter < diffusion.high and badness(np.array([shorter]))[0] >= found:
            return shorter
    return x


def _worst(diffusion: Diffusion, x: float, badness: Callable[[Array], Array]) -> float:
    """The place next to x where badness is largest, by nested intervals."""
    reach = _NEXT * max(abs(x), _NEXT)
    left, right = max(diffusion.low, x - reach), min(diffusion.high, x + reach)
    for _ in range(_THIRDS):
        points = np.array([left, (2.0 * left + right) / 3.0, x, (left + 2.0 * right) / 3.0, right])
        bad = badness(points)
        if bad[1] == bad[3]:
            break
        left, right = (left, points[3]) if bad[1] > bad[3] else (points[1], right)
        middle = 0.5 * (left + right)
        x = middle if badness(np.array([middle]))[0] >= bad[2] else x
    return float(x)


def _text(x: float) -> str:
    """A number with all its digits, 0 as 0."""
    return repr(x).removesuffix(".0")


def _smallness(diffusion: Diffusion, tree: Node) -> Callable[[Array], Array]:
    """-|expression| as a function of x."""

    def smallness(x: Array) -> Array:
        return np.asarray(-np.abs(diffusion.tree_near(tree, math.nan, x).total))

    return smallness


def _check_poles(diffusion: Diffusion, coordinate: Coordinate, field: str, tree: Node) -> None:
    y, value = _sampled(diffusion, coordinate, tree)
    turns = _turns(diffusion, coordinate, tree, y, value)
    pole = _first_zero(_inverse_size(tree, diffusion, coordinate), y, turns)
    if pole is None:
        return
    smallness = _smallness(diffusion, tree)
    x = _rounded(diffusion, float(coordinate.value(np.array(pole))), lambda x: -smallness(x))
    raise InvalidModelError(
        field,
        given=f"infinite at x = {_text(x)}",
        allowed="an expression that divides by zero nowhere inside the interval",
        remedy=_split(diffusion, x),
    )


def _check_zeros(diffusion: Diffusion, coordinate: Coordinate) -> None:
    tree = diffusion.noise_tree
    zero = _plain_zero(diffusion, coordinate, tree)
    if zero is None:
        y, value = _sampled(diffusion, coordinate, tree, mend=True)
        turns = _turns(diffusion, coordinate, tree, y, value)
        zero = _first_zero(_size(tree, diffusion, coordinate), y, turns)
    if zero is None:
        return
    x = _rounded(diffusion, float(coordinate.value(np.array(zero))), _smallness(diffusion, tree))
    raise InvalidModelError(
        "noise",
        given=f"0 at x = {_text(x)}",
        allowed="noise that vanishes nowhere inside the interval",
        remedy=_split(diffusion, x),
    )


def _plain_zero(diffusion: Diffusion, coordinate: Coordinate, tree: Node) -> float | None:
    """The most central y of the sampling at which an expression is 0, and not only for lack of digits."""
    y = sampling()
    y = y[np.abs(y) <= _SURE]
    value, _ = anchored(tree, diffusion, coordinate, y, mend=True)
    zeros = y[value == 0]
    if zeros.size == 0 or _precise(diffusion, coordinate, tree, _central(zeros)):
        return None
    return _central(zeros)


def _split(diffusion: Diffusion, x: float) -> str:
    low, high = diffusion.low, diffusion.high
    return f"The interval splits there: take ({_text(low)}, {_text(x)}) or ({_text(x)}, {_text(high)})."


def _turns(diffusion: Diffusion, coordinate: Coordinate, tree: Node, y: Array, value: Array) -> Array:
    """y at which an expression changes sign."""
    turns = np.flatnonzero(np.sign(value[1:]) * np.sign(value[:-1]) < 0)[:_MOST_DIPS]
    return zoom(lambda t: anchored(tree, diffusion, coordinate, t)[0], y[turns], y[turns + 1])


def _first_zero(log_size: Callable[[Array], Array], y: Array, turns: Array) -> float | None:
    """The most central zero of exp(log_size): next to a turn, or at the bottom of a dip of the sampling."""
    log = log_size(y)
    with np.errstate(invalid="ignore"):
        rise = np.maximum(log[:-2], log[2:]) - log[1:-1]
    dips = np.flatnonzero((log[1:-1] <= log[:-2]) & (log[1:-1] <= log[2:]) & (rise > _DIP))[:_MOST_DIPS]
    left = np.concatenate([y[dips], turns - _NEXT])
    right = np.concatenate([y[dips + 2], turns + _NEXT])
    if left.size == 0:
        return None
    bottom, falls = _bottom(log_size, left, right)
    return _central(bottom[falls]) if np.any(falls) else None


def _bottom(log_size: Callable[[Array], Array], left: Array, right: Array) -> tuple[Array, Flags]:
    """Where functions are smallest, and whether they go on falling down to the last digits."""
    middle = lowest = np.zeros_like(left)
    rows = np.arange(left.size)
    for k in range(_ROUNDS):
        points = np.linspace(left, right, _POINTS, axis=1)
        log = log_size(points)
        best = np.argmin(log, axis=1)
        lowest = log[rows, best]
        if k == _MIDDLE:
            middle = lowest
        left, right = points[rows, np.maximum(best - 1, 0)], points[rows, np.minimum(best + 1, _POINTS - 1)]
    falls: Flags = np.isneginf(lowest) | (lowest < middle - math.log(10.0))
    return 0.5 * (left + right), falls
