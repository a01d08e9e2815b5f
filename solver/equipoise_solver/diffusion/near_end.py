"""Numbers near an end of an interval, as its value at the end plus a rest that keeps its own digits.

With x = 1 - 1e-40 plain numbers lose 1 - x; here x is (limit 1, rest -1e-40), and 1 - x is (limit 0,
rest 1e-40). Every number carries an estimate of the rounding error of its rest, so that the few places
where digits cancel all the same are known, and can be computed again with more digits (file exact).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.expressions import VARIABLE, Node

Array = NDArray[np.float64]
EPSILON = 2.0**-53
# Limits that cancel to the last digits are 0: users write the end where noise vanishes as a rounded number.
_SNAP = 2.0**-49


@dataclass(frozen=True, slots=True)
class Near:
    """limit + rest, with the absolute error of rest; rest and error are arrays of one shape."""

    limit: float
    rest: Array
    error: Array

    @property
    def total(self) -> Array:
        """The number itself."""
        result: Array = self.limit + self.rest
        return result

    @property
    def total_error(self) -> Array:
        """Absolute error of the number itself."""
        result: Array = self.error + EPSILON * (abs(self.limit) + np.abs(self.total))
        return result

    @property
    def safe_error(self) -> Array:
        """Absolute error of the number itself: of rest alone where the limit is 0, as it then is exact."""
        return self.error if self.limit == 0 else self.total_error


def snapped(limit: float, size: float) -> float:
    """The limit, or 0 where it is what rounding leaves of numbers of that size."""
    return 0.0 if abs(limit) < _SNAP * size else limit


def evaluate_near(tree: Node, values: Mapping[str, float], x: Near) -> Near:
    """The value of an expression near an end.

    Args:
        tree: the expression; parts that occur again are computed once.
        values: of the parameters.
        x: the variable. With the limit nan rest is x itself, and nothing is taken apart: far from all
            ends what a number is there says nothing.
    """
    apart = not math.isnan(x.limit)
    x = x if apart else Near(0.0, x.rest, x.error)
    zero = np.zeros_like(x.rest)

    def constant(value: float) -> Near:
        return Near(float(value), zero, zero) if apart else Near(0.0, zero + value, zero)

    known: dict[int, Near] = {}

    def evaluate(part: Node) -> Near:
        if id(part) not in known:
            known[id(part)] = fresh(part)
        return known[id(part)]

    def fresh(part: Node) -> Near:
        if part.kind == "number":
            return constant(part.value)
        if part.kind == "name":
            return x if part.name == VARIABLE else constant(values[part.name])
        return _applied(part.kind, [evaluate(operand) for operand in part.parts])

    with np.errstate(all="ignore"):
        return evaluate(tree)


def _applied(kind: str, parts: list[Near]) -> Near:
    if kind in _UNARY:
        return _UNARY[kind](parts[0])
    if kind == "where":
        return _where(*parts)
    result = parts[0]
    for part in parts[1:]:
        result = _BINARY[kind](result, part)
    return result


def _add(a: Near, b: Near) -> Near:
    limit = snapped(a.limit + b.limit, max(abs(a.limit), abs(b.limit)))
    rest = a.rest + b.rest
    return Near(limit, rest, a.error + b.error + EPSILON * np.abs(rest))


def _negative(a: Near) -> Near:
    return Near(-a.limit, -a.rest, a.error)


def _subtract(a: Near, b: Near) -> Near:
    return _add(a, _negative(b))


def _multiply(a: Near, b: Near) -> Near:
    limit = a.limit * b.limit
    if not np.isfinite(limit):
        return _direct(np.multiply(a.total, b.total), _relative(a) + _relative(b))
    terms = (a.limit * b.rest, b.limit * a.rest, a.rest * b.rest)
    size = np.abs(terms[0]) + np.abs(terms[1]) + np.abs(terms[2])
    rounding = EPSILON * np.where(size == np.abs(terms[2]), 1.0, 3.0) * size
    error = np.abs(a.total) * b.error + np.abs(b.total) * a.error + rounding
    return Near(limit, terms[0] + terms[1] + terms[2], error)


def _divide(a: Near, b: Near) -> Near:
    if b.limit == 0 or not np.isfinite(a.limit / b.limit):
        return _direct(np.divide(a.total, b.total), _relative(a) + _relative(b))
    limit, below = a.limit / b.limit, np.abs(b.total)
    rest = (a.rest - limit * b.rest) / b.total
    lost = a.error + abs(limit) * b.error + EPSILON * (np.abs(a.rest) + np.abs(limit * b.rest))
    return Near(limit, rest, lost / below + np.abs(rest) * (b.total_error / below + EPSILON))


def _relative(a: Near) -> Array:
    """The relative error of a, with the rounding of one operation; 0 where a is 0 exactly."""
    size = np.abs(a.total)
    own = a.error if a.limit == 0 else a.total_error
    return EPSILON + np.where(own == 0, 0.0, own / size)


def _direct(value: Array, relative_error: Array) -> Near:
    """A number without a limit, or whose limit is not finite."""
    return Near(0.0, value, np.abs(value) * relative_error)


def _power(a: Near, b: Near) -> Near:
    powers = b.total
    if powers.size == 0 or np.any(b.error) or np.any(powers != powers.flat[0]):
        return _exp(_multiply(b, _log(a)))
    p = float(powers.flat[0])
    total = np.asarray(np.power(a.total, p))
    with np.errstate(all="ignore"):
        limit = float(np.power(np.float64(a.limit), p))
    if (a.limit == 0 and p <= 0) or not np.isfinite(limit):
        return _direct(total, abs(p) * _relative(a) + EPSILON)
    ratio = a.rest / a.limit if a.limit else np.full_like(a.rest, np.inf)
    close = np.abs(ratio) < 0.5
    near = limit * np.expm1(p * np.log1p(np.where(close, ratio, 0.0)))
    rest = np.where(close, near, total - limit)
    spread = np.where(close, 0.0, abs(limit) + np.abs(total)) if limit else 0.0
    inherited = np.where(a.error == 0, 0.0, np.abs(p * total / a.total) * a.error)
    return Near(limit, rest, inherited + EPSILON * (spread + (2.0 + abs(p)) * np.abs(rest)))


def _exp(a: Near) -> Near:
    limit, total = float(np.exp(a.limit)), np.exp(a.total)
    if not np.isfinite(limit) or not np.all(np.abs(a.rest) <= 1.0):
        return _direct(total, a.error + EPSILON * (1.0 + np.abs(a.total)))
    rest = limit * np.expm1(a.rest)
    return Near(limit, rest, total * a.error + EPSILON * (2.0 + np.abs(a.rest)) * np.abs(rest))


def _log(a: Near) -> Near:
    if a.limit > 0:
        rest, limit = np.log1p(a.rest / a.limit), float(np.log(a.limit))
    else:
        rest, limit = np.log(a.total), 0.0
    return Near(limit, rest, a.error / np.abs(a.total) + 2.0 * EPSILON * np.abs(rest))


def _sqrt(a: Near) -> Near:
    root = np.sqrt(a.total)
    if a.limit > 0:
        limit = float(np.sqrt(a.limit))
        rest = a.rest / (root + limit)
    else:
        limit, rest = 0.0, root
    inherited = np.where(a.error == 0, 0.0, a.error / (2.0 * root))
    return Near(limit, rest, inherited + 2.0 * EPSILON * np.abs(rest))


def _smooth(limit: float, rest: Array, inherited: Array) -> Near:
    return Near(limit, rest, inherited + 4.0 * EPSILON * np.abs(rest))


def _sin(a: Near) -> Near:
    half = 0.5 * a.rest
    return _smooth(float(np.sin(a.limit)), 2.0 * np.sin(half) * np.cos(a.limit + half), a.error)


def _cos(a: Near) -> Near:
    half = 0.5 * a.rest
    inherited = a.error * np.minimum(1.0, np.abs(np.sin(a.total)) + a.error)
    return _smooth(float(np.cos(a.limit)), -2.0 * np.sin(half) * np.sin(a.limit + half), inherited)


def _tanh(a: Near) -> Near:
    limit, total = float(np.tanh(a.limit)), np.tanh(a.total)
    inherited = a.error * np.minimum(1.0, 1.0 - total * total + 2.0 * EPSILON)
    return _smooth(limit, np.tanh(a.rest) * (1.0 - limit * total), inherited)


def _atan(a: Near) -> Near:
    rest = np.arctan2(a.rest, 1.0 + a.limit * a.total)
    return _smooth(float(np.arctan(a.limit)), rest, a.error / (1.0 + a.total * a.total))


def _chosen(first: NDArray[np.bool_], a: Near, b: Near, limit: float) -> Near:
    """a where first, else b, about a limit; a choice loses no digits."""
    rest = np.where(first, (a.limit - limit) + a.rest, (b.limit - limit) + b.rest)
    shift = np.where(first, a.limit, b.limit)
    error = np.where(first, a.error, b.error) + EPSILON * np.abs(shift - limit)
    return Near(limit, rest, error)


def _abs(a: Near) -> Near:
    return _chosen(a.total >= 0, a, _negative(a), abs(a.limit))


def _sign(a: Near) -> Near:
    limit = float(np.sign(a.limit))
    return Near(limit, np.sign(a.total) - limit, np.zeros_like(a.rest))


def _min(a: Near, b: Near) -> Near:
    return _chosen(_subtract(a, b).total <= 0, a, b, min(a.limit, b.limit))


def _max(a: Near, b: Near) -> Near:
    return _chosen(_subtract(a, b).total >= 0, a, b, max(a.limit, b.limit))


def _where(condition: Near, a: Near, b: Near) -> Near:
    first = condition.total != 0
    if first.size == 0:
        return a
    at_end = bool(first.flat[int(np.argmin(np.abs(a.rest) + np.abs(b.rest)))])
    return _chosen(first, a, b, a.limit if at_end else b.limit)


def _comparison(holds: Callable[[Array, float], NDArray[np.bool_]]) -> Callable[[Near, Near], Near]:
    def compare(a: Near, b: Near) -> Near:
        true = np.asarray(holds(_subtract(a, b).total, 0.0), dtype=np.float64)
        return Near(0.0, true, np.zeros_like(true))

    return compare


_UNARY: dict[str, Callable[[Near], Near]] = {
    "negative": _negative,
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "sin": _sin,
    "cos": _cos,
    "tanh": _tanh,
    "atan": _atan,
    "abs": _abs,
    "sign": _sign,
}
_BINARY: dict[str, Callable[[Near, Near], Near]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "**": _power,
    "min": _min,
    "max": _max,
    "<": _comparison(np.less),
    "<=": _comparison(np.less_equal),
    ">": _comparison(np.greater),
    ">=": _comparison(np.greater_equal),
    "==": _comparison(np.equal),
    "!=": _comparison(np.not_equal),
}
