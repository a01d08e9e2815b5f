"""Any one-dimensional diffusion: drift and noise as expressions in x and named parameters.

`model_of` writes `coefficients(v, p)` out of two expressions as a module of its own, which `schemes.explicit`
inlines as it does the models of this folder. Text of users reaches the compiler only as the numbers, the
operations and the functions of its tree (`expressions.parse`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from equipoise_solver.ensembles.generated import module_of
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.expressions import COMPARISONS, VARIABLE, Node, parse

LARGEST_POWER = 64
"""Largest whole exponent that is multiplied out."""
_HEAD = """
import math

import numpy as np

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import like
from equipoise_solver.ensembles.elementary import exponential
from equipoise_solver.ensembles.tangent import hyperbolic_tangent


@inlined
def coefficients(v, p):
"""
_CALLS = {
    "exp": "like(v, exponential(np.float64({0})))",
    "tanh": "like(v, hyperbolic_tangent(np.float64({0}))) if {0} == {0} else {0}",
    "log": "math.log({0})",
    "sqrt": "math.sqrt({0})",
    "sin": "math.sin({0})",
    "cos": "math.cos({0})",
    "atan": "math.atan({0})",
    "abs": "abs({0})",
    "sign": "like(v, np.float64({0} > like(v, 0.0)) - np.float64({0} < like(v, 0.0))) if {0} == {0} else {0}",
    "negative": "-{0}",
    "+": "{0} + {1}",
    "-": "{0} - {1}",
    "*": "{0} * {1}",
    "/": "{0} / {1}",
    "**": "like(v, {0} ** {1})",
    "min": "{0} if {0} < {1} or {0} != {0} else {1}",
    "max": "{0} if {0} > {1} or {0} != {0} else {1}",
    "where": "like(v, {1}) if {0} else like(v, {2})",
    **{sign: f"{{0}} {sign} {{1}}" for sign in COMPARISONS},
}
"""Each operation on what holds its operands. NaN stays NaN: the functions of our own would lose it."""
_PARTS = tuple(
    f"equipoise_solver.ensembles.{name}"
    for name in ("compiled", "device", "elementary", "elementary_tables", "tangent")
)


@dataclass(frozen=True)
class ExpressionModel:
    """A diffusion dx = drift dt + noise dW that `schemes.explicit` can move by.

    Attributes:
        module: name of the module with `coefficients`.
        numbers: values of the parameters, in the order of p; one that is not used where there are none.
        drift: its tree.
        noise: its tree.
    """

    module: str
    numbers: tuple[float, ...]
    drift: Node
    noise: Node


def model_of(drift: str, noise: str, *, parameters: Mapping[str, float] | None = None) -> ExpressionModel:
    """The model of two expressions.

    Args:
        drift: of x, [state/time].
        noise: amplitude of the Brownian motion, [state/time**0.5].
        parameters: values of the names that occur beside x.

    Raises:
        InvalidModelError: an expression or a parameter is refused.
    """
    given = dict(parameters or {})
    names = tuple(sorted(given))
    for name in names:
        if not math.isfinite(given[name]):
            raise InvalidModelError(f"params.{name}", given=str(given[name]), allowed="a finite number")
    trees = [
        parse(text, parameters=names, field=field) for text, field in ((drift, "drift"), (noise, "noise"))
    ]
    text = _Writer(names).module(*trees)
    numbers = tuple(float(given[name]) for name in names) or (0.0,)
    return ExpressionModel(module_of(text, _PARTS).__name__, numbers, *trees)


class _Writer:
    """Python of a tree: one line per operation, each in the float type of v."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._places = {name: f"p[{i}]" for i, name in enumerate(names)}
        self._lines: list[str] = []

    def module(self, drift: Node, noise: Node) -> str:
        """Text of the module."""
        results = [self._kept(f"like(v, {self._name(tree)})") for tree in (drift, noise)]
        lines = [*self._lines, f"return {results[0]}, {results[1]}"]
        return _HEAD + "".join(f"    {line}\n" for line in lines)

    def _kept(self, operation: str) -> str:
        name = f"t{len(self._lines)}"
        self._lines.append(f"{name} = {operation}")
        return name

    def _name(self, node: Node) -> str:
        """Name of what holds the value of a node."""
        if node.kind == "number":
            return self._kept(f"like(v, {node.value!r})")
        if node.kind == "name":
            return "v" if node.name == VARIABLE else self._places[node.name]
        if node.kind == "**" and _whole(node.parts[1]) is not None:
            return self._power(self._name(node.parts[0]), _whole(node.parts[1]) or 0)
        names = [self._name(part) for part in node.parts]
        if node.kind not in ("min", "max"):
            return self._kept(_CALLS[node.kind].format(*names))
        return reduce(lambda left, right: self._kept(_CALLS[node.kind].format(left, right)), names)

    def _power(self, base: str, exponent: int) -> str:
        """A whole power by squares and products."""
        result, left = "", abs(exponent)
        while left:
            if left % 2:
                result = self._kept(f"{result} * {base}") if result else base
            left //= 2
            if left:
                base = self._kept(f"{base} * {base}")
        if not result:
            return self._kept("like(v, 1.0)")
        return self._kept(f"like(v, 1.0) / {result}") if exponent < 0 else result


def _whole(node: Node) -> int | None:
    """The whole number, of bounded size, that a node is; None otherwise."""
    sign = -1 if node.kind == "negative" else 1
    inner = node.parts[0] if node.kind == "negative" else node
    if inner.kind != "number" or inner.value != int(inner.value) or inner.value > LARGEST_POWER:
        return None
    return sign * int(inner.value)
