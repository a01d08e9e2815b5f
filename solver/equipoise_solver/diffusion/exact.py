"""Expressions next to an end in as many digits as it takes: slow, for where 64-bit numbers do not do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mpmath

from equipoise_solver.diffusion.near_end import snapped
from equipoise_solver.expressions import VARIABLE, Node

# Arguments of functions stay below 10**_MOST: exponentials of larger ones need more digits than memory has.
_MOST = 400
_MOST_BITS = int(3.33 * _MOST)
_SPARE_DIGITS = 40


@dataclass(frozen=True, slots=True)
class _Number:
    """A number by its limit at the end (None without one), what is beyond it, and itself, each precise."""

    limit: Any
    rest: Any
    total: Any


class Precise:
    """Evaluates expressions at limit + rest with twice as many digits as the rest has zeros."""

    def __init__(self, parameters: Mapping[str, float], *, decades: int) -> None:
        self._context: Any = mpmath.MPContext()
        self._context.dps = 2 * decades + _SPARE_DIGITS
        self._parameters = parameters

    def power_of_ten(self, exponent: int) -> Any:
        """10**exponent in this arithmetic."""
        return self._context.mpf(10) ** exponent

    def number(self, value: float) -> Any:
        """A float in this arithmetic."""
        return self._context.mpf(value)

    def logarithm(self, value: Any) -> float:
        """log|value| as a float; -inf at 0."""
        return float(self._context.log(abs(value))) if value else -math.inf

    def value(self, tree: Node, limit: float, rest: Any) -> Any | None:
        """The value at limit + rest (at rest if the limit is nan); None if there is none within reach."""
        number = self._context.mpf
        x = _Number(None, rest, rest) if math.isnan(limit) else _Number(number(limit), rest, limit + rest)
        try:
            total = self._evaluate(tree, x, {}).total
        except (ArithmeticError, ValueError, TypeError):
            return None
        real = self._context.isfinite(total) and not isinstance(total, self._context.mpc)
        return total if real else None

    def _evaluate(self, tree: Node, x: _Number, known: dict[int, _Number]) -> _Number:
        if id(tree) not in known:
            known[id(tree)] = self._fresh(tree, x, known)
        return known[id(tree)]

    def _fresh(self, tree: Node, x: _Number, known: dict[int, _Number]) -> _Number:
        if tree.kind in ("number", "name"):
            if tree.name == VARIABLE:
                return x
            value = self._context.mpf(tree.value if tree.kind == "number" else self._parameters[tree.name])
            return _Number(value, self._context.mpf(0), value)
        parts = [self._evaluate(part, x, known) for part in tree.parts]
        if tree.kind in ("min", "max"):
            pick = min if tree.kind == "min" else max
            return pick(parts, key=lambda part: part.total)
        if tree.kind == "where":
            return parts[1] if parts[0].total else parts[2]
        total = self._apply(tree.kind, [part.total for part in parts])
        limit = self._limit(tree.kind, [part.limit for part in parts])
        if limit is None:
            return _Number(None, total, total)
        if tree.kind in ("+", "-"):
            rest = self._apply(tree.kind, [part.rest for part in parts])
            return _Number(limit, rest, total if limit else rest)
        if tree.kind == "*":
            (a, b) = parts
            return _Number(limit, a.limit * b.rest + b.limit * a.rest + a.rest * b.rest, total)
        return _Number(limit, total - limit, total)

    def _limit(self, kind: str, limits: list[Any]) -> Any | None:
        """The value at the end itself, None where there is none."""
        if any(limit is None for limit in limits):
            return None
        try:
            value = self._apply(kind, limits)
        except (ArithmeticError, ValueError, TypeError):
            return None
        if not self._context.isfinite(value) or isinstance(value, self._context.mpc):
            return None
        if kind in ("+", "-") and not snapped(float(value), float(max(map(abs, limits)))):
            return self._context.mpf(0)
        return value

    def _apply(self, kind: str, values: list[Any]) -> Any:
        first, second = values[0], values[-1]
        match kind:
            case "+":
                return first + second
            case "-":
                return first - second
            case "*":
                return first * second
            case "/":
                return first / second
            case "negative":
                return -first
            case "**":
                return self._power(first, second)
            case "abs":
                return abs(first)
            case "sign":
                return self._context.sign(first)
            case "<" | "<=" | ">" | ">=" | "==" | "!=":
                return self._context.mpf(_compared(kind, first, second))
            case _:
                if kind in ("exp", "sin", "cos") and self._context.mag(first) > _MOST_BITS:
                    raise OverflowError
                return getattr(self._context, kind)(first)

    def _power(self, base: Any, exponent: Any) -> Any:
        if base and base != 1 and exponent:
            size = self._context.mag(self._context.log(abs(base))) + self._context.mag(exponent)
            if size > _MOST_BITS:
                raise OverflowError
        elif base and exponent:
            return base
        elif exponent > 0:  # mpmath would write out an exponent of a billion digits.
            return self._context.mpf(0)
        return base**exponent


def _compared(kind: str, first: Any, second: Any) -> bool:
    match kind:
        case "<":
            return bool(first < second)
        case "<=":
            return bool(first <= second)
        case ">":
            return bool(first > second)
        case ">=":
            return bool(first >= second)
        case "==":
            return bool(first == second)
        case _:
            return bool(first != second)
