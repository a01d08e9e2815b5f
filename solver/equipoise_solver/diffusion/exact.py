"""Expressions next to an end in as many digits as it takes: slow, for where 64-bit numbers do not do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import mpmath

from equipoise_solver.diffusion.near_end import snapped
from equipoise_solver.expressions import VARIABLE, Node

# Arguments of functions stay below 10**_MOST: exponentials of larger ones need more digits than memory has.
_MOST = 400
_MOST_BITS = int(3.33 * _MOST)
_SPARE_DIGITS = 40


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
        """The value at limit + rest; None where it has none, or one beyond reach."""
        try:
            found_limit, found_rest = self._evaluate(tree, limit, rest, {})
        except (ArithmeticError, ValueError, TypeError):
            return None
        total = found_limit + found_rest
        real = self._context.isfinite(total) and not isinstance(total, self._context.mpc)
        return total if real else None

    def _evaluate(self, tree: Node, limit: float, rest: Any, known: dict[int, Any]) -> tuple[Any, Any]:
        if id(tree) not in known:
            known[id(tree)] = self._fresh(tree, limit, rest, known)
        found: tuple[Any, Any] = known[id(tree)]
        return found

    def _fresh(self, tree: Node, limit: float, rest: Any, known: dict[int, Any]) -> tuple[Any, Any]:
        number = self._context.mpf
        if tree.kind == "number":
            return number(tree.value), number(0)
        if tree.kind == "name" and tree.name == VARIABLE:
            return number(limit), rest
        if tree.kind == "name":
            return number(self._parameters[tree.name]), number(0)
        parts = [self._evaluate(part, limit, rest, known) for part in tree.parts]
        if tree.kind in ("min", "max"):
            pick = min if tree.kind == "min" else max
            return pick(parts, key=lambda part: part[0] + part[1])
        if tree.kind == "where":
            return parts[1] if sum(parts[0]) else parts[2]
        value = self._apply(tree.kind, [part[0] + part[1] for part in parts])
        at_limit = self._limit(tree.kind, [part[0] for part in parts])
        if tree.kind in ("+", "-"):
            second = parts[1][1] if tree.kind == "+" else -parts[1][1]
            return at_limit, parts[0][1] + second
        if tree.kind == "*":
            (a, r), (b, s) = parts
            return at_limit, a * s + b * r + r * s
        return at_limit, value - at_limit

    def _limit(self, kind: str, limits: list[Any]) -> Any:
        """The value at the end itself, 0 where there is none."""
        try:
            value = self._apply(kind, limits)
        except (ArithmeticError, ValueError, TypeError):
            return self._context.mpf(0)
        if not self._context.isfinite(value) or isinstance(value, self._context.mpc):
            return self._context.mpf(0)
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
                if self._context.mag(first) > _MOST_BITS:
                    raise OverflowError
                return getattr(self._context, kind)(first)

    def _power(self, base: Any, exponent: Any) -> Any:
        if base and base != 1 and exponent:
            size = self._context.mag(self._context.log(abs(base))) + self._context.mag(exponent)
            if size > _MOST_BITS:
                raise OverflowError
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
