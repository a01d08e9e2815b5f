"""Expressions that users write, read without ever running them: numbers, names, arithmetic, a few functions.

    sum         = term { ("+" | "-") term }
    term        = factor { ("*" | "/") factor }
    factor      = ("+" | "-") factor | power
    power       = atom [ ("**" | "^") factor ]
    atom        = number | name | function "(" sum { "," sum } ")" | "(" sum ")"
                | "where" "(" comparison "," sum "," sum ")"
    comparison  = sum ("<" | "<=" | ">" | ">=" | "==" | "!=") sum

As in Python -x**2 is -(x**2) and x**y**z is x**(y**z). A comparison stands in a where alone and is no number:
it has no chains and no "and"; nested wheres say both. It is false, and != true, where a side has no value.
Only ASCII; length and depth are bounded.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType
from typing import Any, NoReturn

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
    "atan": 1,
    "abs": 1,
    "sign": 1,
    "min": 2,
    "max": 2,
    "where": 3,
}
"""Names of functions, and how many arguments each takes; min and max take that many or more."""
VARIABLE = "x"
OPERATORS = ("+", "-", "*", "/", "**")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_SIGNS = {"+": "positive", "-": "negative"}
_RIGHTWARD = 4
_STRENGTH = {
    "+": 1,
    "-": 1,
    "*": 2,
    "/": 2,
    **dict.fromkeys(_SIGNS.values(), 3),
    "**": _RIGHTWARD,
    "^": _RIGHTWARD,
}
"""How strongly an operator binds; powers are taken from the right, everything else from the left."""
_BLANKS = " \t\n\r\f\v"
_SPACE = re.compile(f"[{_BLANKS}]*")
_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\*\*|[<>=!]=|[-+*/^(),<>])",
    re.ASCII,
)
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
NUMPY: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "+": np.add,
        "-": np.subtract,
        "*": np.multiply,
        "/": np.divide,
        "**": np.power,
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
        "==": np.equal,
        "!=": np.not_equal,
        "min": np.minimum,
        "max": np.maximum,
        "negative": np.negative,
        "atan": np.arctan,
        "where": np.where,
        **{name: getattr(np, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "abs", "sign")},
    }
)
"""What each operation and function means for arrays."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Attributes:
        kind: "number", "name", one of OPERATORS or COMPARISONS, "negative", or the name of a function.
        value: of a number.
        name: of a name.
        parts: operands.
        depth: levels of it.
        place: character of the text, counted from 1, at which its number, name, function or operator stands.
    """

    kind: str
    value: float = 0.0
    name: str = ""
    parts: tuple["Node", ...] = ()
    depth: int = 1
    place: int = field(default=1, compare=False)

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
            operations: meaning of OPERATORS, COMPARISONS, "negative" and the FUNCTIONS, as in NUMPY; min and
                max are given two numbers at a time, where what the comparison returned and both values.
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

    def culprit(self, values: Mapping[str, float]) -> "Node | None":
        """The innermost part that leaves the finite numbers there; None if the whole does not."""
        if np.isfinite(self.evaluate(values)):
            return None
        parts = self.parts
        if self.kind == "where":
            parts = (parts[1] if parts[0].evaluate(values) else parts[2],)
        found = (part.culprit(values) for part in parts)
        return next((part for part in found if part is not None), self)


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
    foreign = next(
        (i for i, character in enumerate(text[:MAX_LENGTH]) if not character.isascii()), MAX_LENGTH
    )
    if len(text) > foreign:
        raise InvalidModelError(
            field,
            given=text[:80],
            allowed=f"at most {MAX_LENGTH} ASCII characters; character {foreign + 1} is one too many",
        )
    reader = _Reader(text, parameters, field)
    tree = reader.expression()
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
        self._text, self._names, self._field = text.rstrip(_BLANKS), (VARIABLE, *parameters), field
        self._end = self._open = 0
        self._advance()

    def _advance(self) -> None:
        """Read the next token: kind ("" at the end), text, strength as an operator, first character."""
        space = _SPACE.match(self._text, self._end)
        self._end = space.end() if space else self._end
        self.place = self._end + 1
        found = _TOKEN.match(self._text, self._end)
        self.kind, self.token = (str(found.lastgroup), found[0]) if found else ("", "")
        self.strength = _STRENGTH[self.token] if self.token in (*OPERATORS, "^") else 0
        if found:
            self._end = found.end()
        elif self._end < len(self._text):
            self.refuse("a number, a name, an operator or a parenthesis")

    def refuse(self, wanted: str) -> NoReturn:
        """Refuse what stands here."""
        found = self._text[self.place - 1 : self.place + 19].strip()
        here = f"{found!r} stands there" if found else "it ends there"
        if self.token in COMPARISONS:
            here += ". A comparison is the first argument of where, one in each: where(x < 1, a, b)"
        raise InvalidModelError(
            self._field,
            given=self._text[:80],
            allowed=f"{wanted} at character {self.place}; {here}",
            remedy=f"Names: {', '.join(self._names)}. Functions: {', '.join(FUNCTIONS)}.",
        )

    def _node(self, kind: str, place: int, *parts: Node) -> Node:
        depth = 1 + max(part.depth for part in parts)
        if depth > MAX_DEPTH:
            self.refuse(f"at most {MAX_DEPTH} levels of operations")
        return Node(kind, parts=parts, depth=depth, place=place)

    def _taken(self, *signs: str) -> tuple[str, int]:
        """The sign that stands here, one of those, and its place."""
        token, place = self.token, self.place
        if token not in signs:
            self.refuse(" or ".join(repr(sign) for sign in signs))
        self._advance()
        return token, place

    def expression(self) -> Node:
        """A whole sum, by operators that wait for their right side: only brackets cost stack."""
        self._open += 1
        if self._open > MAX_DEPTH:
            self.refuse(f"at most {MAX_DEPTH} levels of operations")
        values: list[Node] = []
        waiting: list[tuple[str, int]] = []
        while not values or self.strength:
            if values:
                waiting.append((self.token.replace("^", "**"), self.place))
                self._advance()
            while self.token in ("+", "-"):
                waiting.append((_SIGNS[self.token], self.place))
                self._advance()
            values.append(self._operand())
            least = self.strength + (self.strength == _RIGHTWARD)
            while waiting and _STRENGTH[waiting[-1][0]] >= least:
                self._apply(*waiting.pop(), values)
        self._open -= 1
        return values.pop()

    def _apply(self, kind: str, place: int, values: list[Node]) -> None:
        """Replace the last values by what the operator makes of them."""
        if kind != "positive":
            n = 1 if kind == "negative" else 2
            values[-n:] = [self._node(kind, place, *values[-n:])]

    def _operand(self) -> Node:
        kind, token, place = self.kind, self.token, self.place
        if kind == "number":
            return self._number()
        if kind == "name" and token in FUNCTIONS:
            return self._call()
        if kind == "name" and token in self._names:
            self._advance()
            return Node("name", name=token, place=place)
        if token == "(":  # nosec B105 # a bracket
            self._advance()
            inner = self.expression()
            self._taken(")")
            return inner
        self.refuse("a known name" if kind == "name" else "a number, a name or '('")

    def _number(self) -> Node:
        value = float(self.token)
        if not math.isfinite(value):
            self.refuse("a number below 1.8e308")
        place = self.place
        self._advance()
        return Node("number", value=value, place=place)

    def _call(self) -> Node:
        name, place = self.token, self.place
        self._advance()
        self._taken("(")
        parts = [self._comparison() if name == "where" else self.expression()]
        while self.token == ",":  # nosec B105 # a comma
            self._advance()
            parts.append(self.expression())
        n = FUNCTIONS[name]
        if len(parts) < n or (len(parts) > n and name not in ("min", "max")):
            self.refuse(f"{n} argument{'s' * (n > 1)} of {name}")
        self._taken(")")
        return self._node(name, place, *parts)

    def _comparison(self) -> Node:
        left = self.expression()
        sign, place = self._taken(*COMPARISONS)
        return self._node(sign, place, left, self.expression())
