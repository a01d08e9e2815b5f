"""Schedules: what multiplies the learning rate, or the temperature, over time."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from equipoise_solver.specs.base import Part, Real

Length = Annotated[Real, Field(gt=0, le=1e12)]
Factor = Annotated[Real, Field(ge=0, le=1)]


class WarmUpSchedule(Part):
    """A factor that rises in a straight line to 1, and stays there."""

    kind: Literal["warmup"] = "warmup"
    duration: Length
    """When it is 1: updates (sgd, gd) or time."""
    start: Factor = 0.0
    """The factor at the start."""


class StepSchedule(Part):
    """A factor that is multiplied by `decay` after every further `every`."""

    kind: Literal["step"] = "step"
    every: Length
    """Updates (sgd, gd) or time between two steps."""
    decay: Factor
    """What it is multiplied by."""


class ExponentialSchedule(Part):
    """A factor that falls by e per `duration`, without end."""

    kind: Literal["exponential"] = "exponential"
    duration: Length
    """Updates (sgd, gd) or time."""


class CosineSchedule(Part):
    """A factor that falls from 1 to `end` along half a cosine, and stays there."""

    kind: Literal["cosine"] = "cosine"
    duration: Length
    """When it has fallen: updates (sgd, gd) or time."""
    end: Factor = 0.0
    """The factor from then on."""


def _listed(value: Any) -> Any:
    """A schedule as the list of it."""
    return (value,) if isinstance(value, Mapping | Part) else value


Schedule = Annotated[
    WarmUpSchedule | StepSchedule | ExponentialSchedule | CosineSchedule, Field(discriminator="kind")
]
Schedules = Annotated[tuple[Schedule, ...], BeforeValidator(_listed), Field(max_length=8)]
"""One schedule or several, whose factors are multiplied; none is the factor 1."""
