"""Temperatures that change in time, as by a warm-up of the learning rate."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from equipoise_solver.errors import InvalidModelError

Piece = tuple[float, float, float, float]
"""(start, end, T at the start, T at the end) of a straight piece."""


@dataclass(frozen=True)
class TemperatureSchedule:
    """T(t), straight between given points; it keeps its first value before them and its last one after.

    Attributes:
        times: t of the points, not falling, the first >= 0; a time given twice is a jump, [time].
        temperatures: T there, >= 0.
    """

    times: tuple[float, ...]
    temperatures: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = (*self.times, *self.temperatures)
        if (
            len(self.times) != len(self.temperatures)
            or not self.times
            or not all(map(math.isfinite, numbers))
        ):
            raise InvalidModelError(
                "schedule",
                given=f"{len(self.times)} times and {len(self.temperatures)} temperatures",
                allowed="as many finite temperatures as times, at least one",
            )
        if any(b < a for a, b in pairwise(self.times)) or self.times[0] < 0.0:
            raise InvalidModelError("schedule.times", given=list(self.times), allowed="rising times >= 0")
        if min(self.temperatures) < 0.0:
            raise InvalidModelError("schedule.temperatures", given=min(self.temperatures), allowed=">= 0")

    @property
    def last(self) -> float:
        """The temperature that stays."""
        return self.temperatures[-1]

    def at(self, time: float) -> float:
        """T(t)."""
        return float(np.interp(time, self.times, self.temperatures))

    @staticmethod
    def within(piece: Piece, time: float) -> float:
        """T(t) on a piece, from its side of a jump."""
        return float(np.interp(time, piece[:2], piece[2:]))

    def pieces(self, duration: float) -> list[Piece]:
        """Straight pieces from 0 to the duration."""
        inside = [(t, v) for t, v in zip(self.times, self.temperatures, strict=True) if t < duration]
        points = [(0.0, self.temperatures[0]), *inside, (duration, self.at(duration))]
        return [
            (start, end, first, second) for (start, first), (end, second) in pairwise(points) if end > start
        ]


def warm_up(temperature: float, duration: float) -> TemperatureSchedule:
    """From 0 to the temperature, straight, within the duration."""
    return TemperatureSchedule((0.0, duration), (0.0, temperature))


def schedule_of(temperature: float | TemperatureSchedule) -> TemperatureSchedule:
    """A schedule, from a constant too."""
    if isinstance(temperature, TemperatureSchedule):
        return temperature
    return TemperatureSchedule((0.0,), (temperature,))
