"""Expressions that users write, read without ever running them: numbers, names, arithmetic, a few functions.

    sum     = term { ("+" | "-") term }
    term    = factor { ("*" | "/") factor }
    factor  = ("+" | "-") factor | power
    power   = atom [ ("**" | "^") factor ]
    atom    = number | name | function "(" sum { "," sum } ")" | "(" sum ")"

As in Python -x**2 is -(x**2) and x**y**z is x**(y**z). Only ASCII; length and depth are bounded.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.errors import InvalidModelError

MAX_LENGTH, MAX_DEPTH = 1000, 100
FUNCTIONS: dict[str, int] = {
    "exp": 1,
    "log": 1,
    "sqrt": 1,
    "sin": 1,
    "cos": 1,
    "tanh": 1,
    "abs": 1,
    "sign": 1,
    "min": 2,
    "max": 2,
}
"""Names of functions, and how many arguments each takes; min and max take that many or more."""
VARIABLE = "x"
OPERATORS = ("+", "-", "*", "/", "**")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<sign>\*\*|[-+*/^(),]))",
    re.ASCII,
)
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
NUMPY: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
    "min": np.minimum,
    "max": np.maximum,
    "negative": np.negative,
    **{name: getattr(np, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "abs", "sign")},
}
"""What each operation and function means for arrays."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Attributes:
        kind: "number", "name", an operator of OPERATORS, "negative", or the name of a function.
        value: of a number.
        name: of a name.
        parts: operands.
        depth: levels of it.
    """

    kind: str
    value: float = 0.0
    name: str = ""
    parts: tuple["Node", ...] = ()
    depth: int = 1

    def names(self) -> frozenset[str]:
        """Names that occur in it."""
        own = {self.name} if self.kind == "name" else set()
        return frozenset(own.union(*(part.names() for part in self.parts)))

    def evaluate(self, values: Mapping[str, Array | float]) -> Array:
        """Its value where the names have these values; NaN or infinite where it has none."""
        arrays = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
        with np.errstate(all="ignore"):
            return np.asarray(self.evaluate_with(NUMPY, arrays, number=np.float64), dtype=np.float64)

    def evaluate_with(
        self,
        operations: Mapping[str, Callable[..., Any]],
        values: Mapping[str, Any],
        *,
        number: Callable[[float], Any] = float,
    ) -> Any:
        """Its value in any arithmetic: mpmath, intervals, dual numbers.

        Args:
            operations: meaning of the operators of OPERATORS, "negative" and the FUNCTIONS, as in NUMPY;
                min and max are given two numbers at a time.
            values: of the names that occur in it.
            number: makes a number of that arithmetic out of one that is written in the expression.
        """
        if self.kind == "number":
            return number(self.value)
        if self.kind == "name":
            return values[self.name]
        parts = [part.evaluate_with(operations, values, number=number) for part in self.parts]
        operation = operations[self.kind]
        return reduce(operation, parts) if self.kind in ("min", "max") else operation(*parts)


def parse(text: str, *, parameters: tuple[str, ...] = (), field: str = "expression") -> Node:
    """The tree of an expression in x and named parameters.

    Args:
        text: the expression.
        parameters: names that may occur beside x.
        field: path of the field that holds it, for errors.

    Raises:
        InvalidModelError: it is no such expression; the remedy names the character.
    """
    check_names(parameters)
    if not text.isascii() or len(text) > MAX_LENGTH:
        raise InvalidModelError(field, given=text[:80], allowed=f"at most {MAX_LENGTH} ASCII characters")
    reader = _Reader(text, parameters, field)
    tree = reader.sum()
    if reader.kind:
        reader.refuse("an operator, or the end")
    return tree


def check_names(parameters: tuple[str, ...]) -> None:
    """Refuse names of parameters that an expression could not tell from something else.

    Raises:
        InvalidModelError: a name is refused.
    """
    for name in parameters:
        if not _NAME.fullmatch(name) or len(name) > 40 or name in FUNCTIONS or name == VARIABLE:
            raise InvalidModelError(
                "params",
                given=name[:80],
                allowed="names of at most 40 letters, digits and underscores, a letter first",
                remedy=f"Taken: {VARIABLE}, {', '.join(FUNCTIONS)}.",
            )


class _Reader:
    """One token ahead of the text."""

    def __init__(self, text: str, parameters: tuple[str, ...], field: str) -> None:
        self._text, self._names, self._field = text.rstrip(), (VARIABLE, *parameters), field
        self._end = self._open = 0
        self._advance()

    def _advance(self) -> None:
        """Read the next token: its kind ("" at the end), its text and its place."""
        found = _TOKEN.match(self._text, self._end)
        gap = len(self._text[self._end :]) - len(self._text[self._end :].lstrip())
        self.place = self._end + gap
        if found is None:
            self.kind = self.token = ""
            if self._end < len(self._text):
                self.refuse("a number, a name, an operator or a parenthesis")
            return
        self.kind, self.token = str(found.lastgroup), str(found[str(found.lastgroup)])
        self._end = found.end()

    def refuse(self, wanted: str) -> None:
        """Refuse what stands here."""
        found = self._text[self.place : self.place + 20]
        here = f"{found!r} stands there" if found else "it ends there"
        raise InvalidModelError(
            self._field,
            given=self._text[:80],
            allowed=f"{wanted} at character {self.place + 1}; {here}",
            remedy=f"Names: {', '.join(self._names)}. Functions: {', '.join(FUNCTIONS)}.",
        )

    def _node(self, kind: str, *parts: Node) -> Node:
        depth = 1 + max(part.depth for part in parts)
        if depth > MAX_DEPTH:
            self.refuse(f"at most {MAX_DEPTH} levels of operations")
        return Node(kind, parts=parts, depth=depth)

    def _take(self, sign: str) -> None:
        if self.token != sign:
            self.refuse(f"{sign!r}")
        self._advance()

    def sum(self) -> Node:
        """A sum of terms."""
        left = self._term()
        while self.token in ("+", "-"):
            sign = self.token
            self._advance()
            left = self._node(sign, left, self._term())
        return left

    def _term(self) -> Node:
        left = self._factor()
        while self.token in ("*", "/"):
            sign = self.token
            self._advance()
            left = self._node(sign, left, self._factor())
        return left

    def _factor(self) -> Node:
        self._open += 1
        if self._open > MAX_DEPTH:
            self.refuse(f"at most {MAX_DEPTH} levels of operations")
        if self.token in ("+", "-"):
            sign = self.token
            self._advance()
            inner = self._factor()
            node = inner if sign == "+" else self._node("negative", inner)
        else:
            node = self._atom()
            if self.token in ("**", "^"):
                self._advance()
                node = self._node("**", node, self._factor())
        self._open -= 1
        return node

    def _atom(self) -> Node:
        kind, token = self.kind, self.token
        if kind == "number":
            return self._number(token)
        if kind == "name" and token in FUNCTIONS:
            return self._call(token)
        if kind == "name" and token in self._names:
            self._advance()
            return Node("name", name=token)
        if token == "(":
            self._advance()
            inner = self.sum()
            self._take(")")
            return inner
        self.refuse("a known name" if kind == "name" else "a number, a name or '('")
        raise AssertionError

    def _number(self, token: str) -> Node:
        value = float(token)
        if not math.isfinite(value):
            self.refuse("a number below 1.8e308")
        self._advance()
        return Node("number", value=value)

    def _call(self, name: str) -> Node:
        self._advance()
        self._take("(")
        parts = [self.sum()]
        while self.token == ",":
            self._advance()
            parts.append(self.sum())
        n = FUNCTIONS[name]
        if len(parts) != n and not (n > 1 and len(parts) > n):
            self.refuse(f"{n} argument{'s' * (n > 1)} of {name}")
        self._take(")")
        return self._node(name, *parts)
