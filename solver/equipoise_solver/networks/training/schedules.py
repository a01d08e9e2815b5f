"""Schedules: factors on the learning rate, or on the temperature of an SDE, along a run.

A factor is a function of the run's clock: updates made so far (Sgd, Gd) or time (Sgf, Langevin). A plan may
name several; their factors are multiplied.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.problem import require
from equipoise_solver.errors import InvalidModelError

_SLACK = 1e-9
"""Clocks of an SDE are multiples of its step, off by rounding: a jump at c counts from c (1 - 1e-9) on."""


class Schedule(Protocol):
    """A factor >= 0 as a function of the clock."""

    def factor(self, clock: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factors at the given clocks, shape (n,)."""
        ...


@dataclass(frozen=True)
class WarmUp:
    """Rises linearly from `start` to 1 within `duration`, and stays there."""

    duration: float
    start: float = 0.0

    def __post_init__(self) -> None:
        require("dynamics.schedule.duration", self.duration, low=0, strict=True)
        require("dynamics.schedule.start", self.start, low=0)

    def factor(self, clock: NDArray[np.float64]) -> NDArray[np.float64]:
        """start + (1 - start) min(1, clock/duration)."""
        return self.start + (1 - self.start) * np.minimum(1.0, clock / self.duration)


@dataclass(frozen=True)
class StepDecay:
    """Is multiplied by `decay` after every further `every`."""

    every: float
    decay: float

    def __post_init__(self) -> None:
        require("dynamics.schedule.every", self.every, low=0, strict=True)
        require("dynamics.schedule.decay", self.decay, low=0)

    def factor(self, clock: NDArray[np.float64]) -> NDArray[np.float64]:
        """decay ** floor(clock/every)."""
        return np.asarray(self.decay ** np.floor(clock / self.every * (1 + _SLACK)), dtype=np.float64)


@dataclass(frozen=True)
class ExponentialDecay:
    """Falls by a factor e per `duration`, without end."""

    duration: float

    def __post_init__(self) -> None:
        require("dynamics.schedule.duration", self.duration, low=0, strict=True)

    def factor(self, clock: NDArray[np.float64]) -> NDArray[np.float64]:
        """exp(-clock/duration)."""
        return np.exp(-clock / self.duration)


@dataclass(frozen=True)
class CosineDecay:
    """Falls from 1 to `end` within `duration` along half a cosine, and stays there."""

    duration: float
    end: float = 0.0

    def __post_init__(self) -> None:
        require("dynamics.schedule.duration", self.duration, low=0, strict=True)
        require("dynamics.schedule.end", self.end, low=0)

    def factor(self, clock: NDArray[np.float64]) -> NDArray[np.float64]:
        """end + (1 - end) (1 + cos(pi min(1, clock/duration)))/2."""
        share = np.minimum(1.0, clock / self.duration)
        return self.end + (1 - self.end) * (1 + np.cos(np.pi * share)) / 2


def factors(schedules: tuple[Schedule, ...], clock: NDArray[np.float64]) -> NDArray[np.float64]:
    """Product of all factors at the given clocks, shape (n,); 1 without a schedule."""
    product = np.ones_like(clock)
    for schedule in schedules:
        product = product * schedule.factor(clock)
    return product


def check_schedules(schedules: tuple[Schedule, ...], *, n_steps: int, clock_step: float) -> None:
    """Refuse schedules that are 0 at every step that is looked at.

    Raises:
        InvalidModelError: field "dynamics.schedule".
    """
    clock = np.unique(np.round(np.linspace(0, n_steps - 1, 1025))) * clock_step
    if not np.any(factors(schedules, clock) > 0):
        raise InvalidModelError(
            "dynamics.schedule", given=[str(each) for each in schedules], allowed="a factor above 0 somewhere"
        )
