"""The task `sweep`: one spec at every point of a grid over some of its fields, as phase diagrams need it."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from equipoise_solver.specs.base import AtLeast, Bounded, Count, Part, refusal
from equipoise_solver.specs.diffusion import Diffusion
from equipoise_solver.specs.equilibrium import Equilibrium
from equipoise_solver.specs.symmetry_search import Symmetries
from equipoise_solver.specs.tasks import AnySimulate, Compare, Stationary

MAX_POINTS = 20_000
MAX_AXES = 4
# So many fields are named in a refusal.
_SHOWN = 12

SweptSpec = Annotated[
    Stationary | AnySimulate | Compare | Diffusion | Equilibrium | Symmetries, Field(discriminator="task")
]
"""What a sweep may be over: every task but sweeps."""


class Range(Part):
    """Evenly spaced values of a field, or evenly spaced logarithms."""

    start: Bounded
    """The first value."""
    stop: Bounded
    """The last value."""
    num: Annotated[Count, Field(ge=1, le=MAX_POINTS)]
    """How many values."""
    scale: Literal["linear", "log"] = "linear"
    """What is evenly spaced: the values, or their logarithms."""

    @model_validator(mode="after")
    def _has_logarithms(self) -> Self:
        if self.scale == "log" and not (self.start > 0 and self.stop > 0):
            name = "start" if self.start <= 0 else "stop"
            raise refusal(name, given=getattr(self, name), allowed="a number > 0 with scale 'log'")
        return self

    @property
    def values(self) -> tuple[float, ...]:
        """The values, the ends among them."""
        if self.num == 1:
            return (self.start,)
        space = np.geomspace if self.scale == "log" else np.linspace
        return tuple(space(self.start, self.stop, self.num).tolist())


def _kind_of_axis(value: Any) -> str:
    return "(range)" if isinstance(value, Mapping | Range) else "(values)"


_Values = Annotated[tuple[Bounded, ...], Field(max_length=MAX_POINTS), AtLeast(1)]
Axis = Annotated[
    Annotated[_Values, Tag("(values)")] | Annotated[Range, Tag("(range)")], Discriminator(_kind_of_axis)
]
FieldName = Annotated[str, Field(min_length=1, max_length=200)]


class Sweep(Part):
    """One spec, solved at every point of a grid over some of its fields."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "sweep",
                    "base": {
                        "task": "stationary",
                        "model": {"kind": "diagonal", "depth": 1, "width": 1},
                        "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
                        "temperature": 0.05,
                    },
                    "axes": {"temperature": {"start": 0.01, "stop": 1.0, "num": 12, "scale": "log"}},
                    "outputs": ["phase", "mean"],
                }
            ]
        }
    )

    task: Literal["sweep"] = "sweep"
    base: SweptSpec
    """What is solved at each point, with the fields of the axes replaced."""
    axes: Annotated[dict[FieldName, Axis], Field(min_length=1, max_length=MAX_AXES)]
    """Values of fields of `base`, by dotted path such as data.noise_std; in the order of their names."""
    outputs: Annotated[tuple[FieldName, ...], Field(min_length=1, max_length=64)] | None = None
    """Dotted paths of numbers, words or flags in the solutions; null takes all at their top level."""

    @field_validator("axes")
    @classmethod
    def _in_order(cls, axes: dict[str, Any]) -> dict[str, Any]:
        # Objects of JSON have no order, and equal specs have equal answers.
        return dict(sorted(axes.items()))

    @model_validator(mode="after")
    def _outputs_are_different(self) -> Self:
        outputs = self.outputs or ()
        if len(set(outputs)) < len(outputs):
            repeated = next(name for name in outputs if outputs.count(name) > 1)
            raise refusal("outputs", given=repeated, allowed="each path once")
        return self

    @model_validator(mode="after")
    def _axes_are_fields(self) -> Self:
        content = self.base.model_dump(mode="json")
        for name in self.axes:
            if name not in (known := tuple(_numbers(content))):
                raise refusal(
                    f"axes.{name}",
                    given=name,
                    allowed=f"a number of base: {', '.join(known[:_SHOWN])}{', ...' * (len(known) > _SHOWN)}",
                )
        if self.n_points > MAX_POINTS:
            raise refusal(
                "axes",
                given=f"{' x '.join(map(str, self.shape))} points",
                allowed=f"at most {MAX_POINTS} points",
                remedy="Ask for fewer values, or for several sweeps.",
            )
        return self

    @property
    def values(self) -> dict[str, tuple[float, ...]]:
        """Values along each axis."""
        return {name: axis.values if isinstance(axis, Range) else axis for name, axis in self.axes.items()}

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each axis."""
        return tuple(axis.num if isinstance(axis, Range) else len(axis) for axis in self.axes.values())

    @property
    def n_points(self) -> int:
        """Number of points of the grid."""
        return math.prod(self.shape)

    def points(self) -> list[dict[str, float]]:
        """Values of the swept fields at each point, the last axis varying first."""
        values = self.values
        return [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]

    def content_at(self, point: Mapping[str, float]) -> dict[str, Any]:
        """The spec at a point as JSON content, not yet validated."""
        content: dict[str, Any] = self.base.model_dump(mode="json")
        for path, value in point.items():
            *parents, last = path.split(".")
            node = content
            for name in parents:
                node = node[name]
            # A count stays one.
            is_count = isinstance(node[last], int) and value == math.floor(value)
            node[last] = int(value) if is_count else value
        return content


def _numbers(content: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted paths of the fields that hold a number, or none."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}.")
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            yield f"{prefix}{name}"
