"""The object of this package: a one-dimensional diffusion, given by expressions in x."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from equipoise_solver.diffusion.derivative import derivative, folded, operation
from equipoise_solver.diffusion.inspection import check_inside
from equipoise_solver.diffusion.near_end import Array, Near, evaluate_near
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.expressions import Node, parse

Interpretation = Literal["ito", "stratonovich"]


@dataclass(frozen=True)
class Diffusion:
    """dx = drift(x) dt + noise(x) dW, Ito, on the open interval (low, high).

    Attributes:
        low: the lower end, [state]; may be -inf.
        high: the upper end, [state]; may be inf.
        drift_tree: the Ito drift, [state/time].
        noise_tree: the amplitude of the noise, [state/time**0.5].
        parameters: values of the names in both.
    """

    low: float
    high: float
    drift_tree: Node
    noise_tree: Node
    parameters: Mapping[str, float] = field(default_factory=dict)

    def drift(self, x: Array) -> Array:
        """Ito drift, any shape, [state/time]."""
        return self.tree_near(self.drift_tree, math.nan, np.asarray(x, dtype=np.float64)).total

    def noise(self, x: Array) -> Array:
        """Amplitude of the noise, any shape, [state/time**0.5]."""
        return self.tree_near(self.noise_tree, math.nan, np.asarray(x, dtype=np.float64)).total

    def variance(self, x: Array) -> Array:
        """noise(x)**2, any shape, [state**2/time]."""
        noise = self.noise(x)
        result: Array = noise * noise
        return result

    def tree_near(self, tree: Node, limit: float, rest: Array) -> Near:
        """An expression at x = limit + rest, or at x = rest if the limit is nan, with its error."""
        x = Near(limit, rest, np.zeros_like(rest))
        return evaluate_near(self._folded.get(id(tree), tree), self.parameters, x)

    @cached_property
    def _folded(self) -> dict[int, Node]:
        """Drift and noise with all that is constant in them computed once."""
        return {id(tree): folded(tree, self.parameters) for tree in (self.drift_tree, self.noise_tree)}

    def near(self, limit: float, rest: Array) -> tuple[Array, Array]:
        """Drift and noise at x = limit + rest, as precise as rest is, however small."""
        rest = np.asarray(rest, dtype=np.float64)
        drift = self.tree_near(self.drift_tree, limit, rest)
        return drift.total, self.tree_near(self.noise_tree, limit, rest).total


def from_expressions(
    drift: str,
    noise: str,
    *,
    parameters: Mapping[str, float] | None = None,
    interval: tuple[float, float] = (-math.inf, math.inf),
    interpretation: Interpretation = "ito",
) -> Diffusion:
    """The diffusion dx = drift dt + noise dW.

    Args:
        drift: expression in x and the parameters, [state/time].
        noise: expression in x and the parameters, [state/time**0.5].
        parameters: values of the names.
        interval: the open interval on which it lives, [state].
        interpretation: of the stochastic integral; Stratonovich adds noise*noise'/2 to the Ito drift.

    Raises:
        InvalidModelError: no such expressions, an empty interval, or noise or drift without a value inside.
    """
    values = _checked_parameters(parameters or {})
    low, high = _checked_interval(interval)
    names = tuple(values)
    drift_tree = parse(drift, parameters=names, field="drift")
    noise_tree = parse(noise, parameters=names, field="noise")
    if interpretation == "stratonovich":
        drift_tree = _ito_drift(drift_tree, noise_tree)
    elif interpretation != "ito":
        raise InvalidModelError("interpretation", given=interpretation, allowed="'ito' or 'stratonovich'")
    diffusion = Diffusion(low, high, drift_tree, noise_tree, values)
    check_inside(diffusion)
    return diffusion


def _ito_drift(drift: Node, noise: Node) -> Node:
    correction = operation("*", operation("*", Node("number", value=0.5), noise), derivative(noise))
    return operation("+", drift, correction)


def _checked_parameters(parameters: Mapping[str, float]) -> dict[str, float]:
    for name, value in parameters.items():
        if not math.isfinite(value):
            raise InvalidModelError(f"params.{name}", given=str(value), allowed="a finite number")
    return {name: float(value) for name, value in parameters.items()}


def _checked_interval(interval: tuple[float, float]) -> tuple[float, float]:
    low, high = float(interval[0]), float(interval[1])
    if not low < high or low == math.inf or high == -math.inf:
        raise InvalidModelError(
            "interval", given=[str(low), str(high)], allowed="a lower end below the upper end"
        )
    if high - low <= 64 * math.ulp(max(abs(low), abs(high))) and math.isfinite(high - low):
        raise InvalidModelError(
            "interval",
            given=[low, high],
            allowed="ends that 64-bit numbers tell apart",
            remedy="Shift x so that the interval lies near 0.",
        )
    return low, high
