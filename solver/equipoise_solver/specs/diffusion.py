"""The task `diffusion`: any one-dimensional SDE, and what can be asked of it."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from equipoise_solver.specs.base import Count, Part, Real, refusal

MAX_EXPRESSION = 1000
MAX_PARAMS = 32
LARGEST_LEVEL = 1e100

Expression = Annotated[str, Field(min_length=1, max_length=MAX_EXPRESSION)]
Level = Annotated[Real, Field(ge=-LARGEST_LEVEL, le=LARGEST_LEVEL)]
Time = Annotated[Real, Field(gt=0, le=1e100)]
EndBehaviour = Literal["reflecting", "absorbing"]


def _listed(value: Any) -> Any:
    """A number as the list of it."""
    return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else value


Starts = Annotated[tuple[Level, ...], BeforeValidator(_listed), Field(min_length=1, max_length=100)]
Times = Annotated[tuple[Time, ...], BeforeValidator(_listed), Field(min_length=1, max_length=100)]


class LongRun(Part):
    """The law in the long run, and where its density is returned."""

    start: Level | None = None
    """Where paths start, which decides where two ends keep what tends there; ignored elsewhere."""
    n_points: Annotated[Count, Field(ge=16, le=10_001)] = 513
    """Number of points, placed where the law has its mass and its tails; ignored if `x` is given."""
    x: Annotated[tuple[Level, ...], Field(min_length=1, max_length=10_001)] | None = None
    """Explicit values of x."""


class Levels(Part):
    """Starts, and the levels between which they lie; the base of `hitting` and `passage_time`."""

    start: Starts
    """Where paths start: a number, or a list of them."""
    low: Level | None = None
    """Lower level, below every start; null is the lower end of the interval."""
    high: Level | None = None
    """Upper level, above every start; null is the upper end of the interval."""

    @model_validator(mode="after")
    def _starts_lie_between(self) -> Self:
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        for x in self.start:
            if not low < x < high:
                allowed = f"values between low={self.low} and high={self.high}"
                raise refusal("start", given=x, allowed=allowed)
        return self


class Hitting(Levels):
    """Which of two levels is reached first: the splitting probability."""


class PassageTime(Levels):
    """When a path first leaves (low, high): mean and variance of the time, and its distribution."""

    times: Times | None = None
    """Times at which the distribution is returned; null chooses them."""


class Escape(Part):
    """The mean time out of a well over the next saddle, beside Kramers' formula."""

    well: Level
    """A value of x near the bottom of the well."""
    direction: Literal["low", "high"]
    """To which side."""
    target: Level | None = None
    """Where the clock stops; null is the next well, or the end, or where hardly any path comes back."""


class QuasiStationary(Part):
    """The law of paths that have survived for long where an end or a level kills, and their escape rate."""

    low: Level | None = None
    """Lower level that kills; null for none."""
    high: Level | None = None
    """Upper level that kills; null for none."""


class Spectrum(Part):
    """The slowest relaxation rates."""

    n: Annotated[Count, Field(ge=1, le=32)] = 6
    """Number of rates, the slowest first."""


class Evolve(Part):
    """The law at given times, from a point or from a density."""

    start: Level | None = None
    """Where all paths start at time 0."""
    density: Expression | None = None
    """Instead of `start`: the density at time 0, up to a factor, an expression in x and `params`."""
    times: Times
    """Times at which the law is returned, increasing."""
    low: Level | None = None
    """Lower level that absorbs; null for none."""
    high: Level | None = None
    """Upper level that absorbs; null for none."""
    n_cells: Annotated[Count, Field(ge=100, le=4000)] = 2000
    """Cells of the grid; errors fall as 1/n_cells^2. The law is returned at 400 of them at most."""

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if (self.start is None) == (self.density is None):
            given = None if self.start is None else "start and density"
            raise refusal("start", given=given, allowed="either start, a number, or density, an expression")
        if any(late <= early for early, late in zip(self.times[:-1], self.times[1:], strict=True)):
            raise refusal("times", given=list(self.times[:10]), allowed="increasing times")
        return self


class Diffusion(Part):
    """Any one-dimensional diffusion dx = drift(x) dt + noise(x) dW on an interval."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "diffusion",
                    "drift": "x - x^3",
                    "noise": "sqrt(2*T)",
                    "params": {"T": 0.2},
                    "hitting": {"start": 0.3, "low": -1.0, "high": 1.0},
                    "spectrum": {"n": 4},
                }
            ]
        }
    )

    task: Literal["diffusion"] = "diffusion"
    drift: Expression
    """Drift, an expression in x and the names of `params`."""
    noise: Expression
    """Amplitude of the noise, an expression in x and the names of `params`; it may vanish at ends alone."""
    params: Annotated[dict[str, Real], Field(max_length=MAX_PARAMS)] = Field(default_factory=dict)
    """Values of the names that occur beside x."""
    interval: tuple[Level | None, Level | None] = (None, None)
    """The open interval on which x lives; null is infinity."""
    interpretation: Literal["ito", "stratonovich"] = "ito"
    """Of the stochastic integral."""
    end_behaviour: tuple[EndBehaviour, EndBehaviour] = ("reflecting", "reflecting")
    """What paths do at the lower and at the upper end, if it is regular; others leave no choice."""
    stationary: LongRun | None = LongRun()
    """The law in the long run: a density, atoms at ends, or none; null leaves it out."""
    hitting: Hitting | None = None
    """Which of two levels is reached first."""
    passage_time: PassageTime | None = None
    """When a path first leaves an interval."""
    escape: Escape | None = None
    """The mean time out of a well, exact and by Kramers' formula."""
    quasi_stationary: QuasiStationary | None = None
    """The law of paths that survive, and the rate at which they get lost."""
    spectrum: Spectrum | None = None
    """Relaxation rates."""
    evolve: Evolve | None = None
    """The law at given times."""

    @model_validator(mode="after")
    def _interval_is_one(self) -> Self:
        low, high = self.interval
        if low is not None and high is not None and low >= high:
            raise refusal("interval", given=[low, high], allowed="a lower end below the upper end")
        return self
