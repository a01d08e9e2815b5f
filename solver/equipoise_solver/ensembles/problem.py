"""The parts of an ensemble's plan: data, dynamics and initial states, as plain frozen dataclasses."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory.moments import DataMoments

DEFAULT_RELATIVE_STEP = {"gaussian": 0.1, "three_point": 0.1, "two_point": 0.02}
"""Largest relative change per step for each kind of increment; bias: see `schemes`."""
SCHEMES = ("auto", "splitting", "taylor", "log_euler", "tamed_euler", "euler")
"""Schemes of the SDE that a plan may name."""


def require(field_name: str, given: float, *, low: float = -math.inf, strict: bool = False) -> None:
    """Refuse a number that is not finite, or below `low` (or equal to it, if strict).

    Raises:
        InvalidModelError: the number is refused.
    """
    if math.isfinite(given) and (given > low if strict else given >= low):
        return
    sign = ">" if strict else ">="
    allowed = "a finite number" if low == -math.inf else f"a finite number {sign} {low:g}"
    raise InvalidModelError(field_name, given=given, allowed=allowed)


@dataclass(frozen=True)
class GaussianPairs:
    """Data y = slope x + noise, x ~ N(0, input_std^2), noise ~ N(0, noise_std^2), drawn afresh."""

    slope: float
    noise_std: float
    input_std: float = 1.0

    @property
    def moments(self) -> DataMoments:
        """What the SDE sees of these data."""
        return DataMoments.from_gaussian(self.slope, self.noise_std, self.input_std)

    @property
    def target_power(self) -> float | None:
        """E[y^2]."""
        return float(self.slope**2 * self.input_std**2 + self.noise_std**2)


@dataclass(frozen=True, eq=False)
class SamplePairs:
    """An empirical data set: pairs (x_i, y_i), each of shape (n,)."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", np.ascontiguousarray(self.x, dtype=np.float64))
        object.__setattr__(self, "y", np.ascontiguousarray(self.y, dtype=np.float64))

    @property
    def moments(self) -> DataMoments:
        """What the SDE sees of these data."""
        return DataMoments.from_samples(self.x, self.y)

    @property
    def target_power(self) -> float | None:
        """E[y^2]."""
        return float(np.mean(self.y * self.y))


@dataclass(frozen=True)
class MomentsOnly:
    """Data known by their moments; enough for the SDE and for full-batch descent."""

    moments: DataMoments

    @property
    def target_power(self) -> float | None:
        """E[y^2], which these moments leave open."""
        return None


@dataclass(frozen=True)
class Sgd:
    """theta <- theta - learning_rate m, m <- momentum m + minibatch gradient + 2 weight_decay theta.

    Every label that a step uses has fresh N(0, label_noise^2) added.
    """

    learning_rate: float
    batch_size: int = 1
    weight_decay: float = 0.0
    momentum: float = 0.0
    sampling: Literal["iid", "epoch"] = "iid"
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        require("dynamics.learning_rate", self.learning_rate, low=0, strict=True)
        require("dynamics.batch_size", self.batch_size, low=1)
        require("dynamics.label_noise", self.label_noise, low=0)
        require("dynamics.weight_decay", self.weight_decay, low=0)
        require_momentum(self.momentum)


@dataclass(frozen=True)
class Gd:
    """Full-batch gradient descent, with the same update rule as `Sgd`."""

    learning_rate: float
    weight_decay: float = 0.0
    momentum: float = 0.0
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        require("dynamics.learning_rate", self.learning_rate, low=0, strict=True)
        require("dynamics.weight_decay", self.weight_decay, low=0)
        require("dynamics.label_noise", self.label_noise, low=0)
        require_momentum(self.momentum)


@dataclass(frozen=True)
class Sgf:
    """The SDE limit at temperature T.

    Attributes:
        temperature: T, >= 0.
        weight_decay: gamma, >= 0.
        noise: kind of increments.
        step_size: largest step, [time]; None leaves it to relative_step.
        relative_step: largest relative change per step (squared noise plus drift), which bounds the step
            everywhere, for adaptive schemes; None takes the default of the noise.
        scheme: name from `schemes.SCHEMES`; "auto" takes the fastest that loses no path.
    """

    temperature: float
    weight_decay: float = 0.0
    noise: Literal["gaussian", "three_point", "two_point"] = "gaussian"
    step_size: float | None = None
    relative_step: float | None = None
    scheme: str = "auto"

    def __post_init__(self) -> None:
        require("dynamics.temperature", self.temperature, low=0)
        require("dynamics.weight_decay", self.weight_decay, low=0)
        if self.noise not in DEFAULT_RELATIVE_STEP:
            raise InvalidModelError(
                "noise", given=self.noise, allowed=f"one of {sorted(DEFAULT_RELATIVE_STEP)}"
            )
        if self.scheme not in SCHEMES:
            raise InvalidModelError("dynamics.scheme", given=self.scheme, allowed=f"one of {list(SCHEMES)}")
        if self.step_size is not None:
            require("dynamics.step_size", self.step_size, low=0, strict=True)
        if self.relative_step is not None and not 0 < self.relative_step <= 1:
            raise InvalidModelError(
                "dynamics.relative_step", given=self.relative_step, allowed="a number in (0, 1]"
            )

    @property
    def tolerance(self) -> float:
        """The relative step in force."""
        return DEFAULT_RELATIVE_STEP[self.noise] if self.relative_step is None else self.relative_step


@dataclass(frozen=True)
class Langevin:
    """d theta = -(grad L + 2 weight_decay theta) dt + sqrt(2 T) dW, every parameter with its own noise.

    Attributes:
        temperature: T, >= 0.
        weight_decay: gamma, >= 0.
        step_size: largest step, [time]; None takes it from the curvature.
    """

    temperature: float
    weight_decay: float = 0.0
    step_size: float | None = None

    def __post_init__(self) -> None:
        require("dynamics.temperature", self.temperature, low=0)
        require("dynamics.weight_decay", self.weight_decay, low=0)
        if self.step_size is not None:
            require("dynamics.step_size", self.step_size, low=0, strict=True)


@dataclass(frozen=True)
class Balanced:
    """All |u_i^(k)| equal, v_i = value/width, the sign of value in layer 0; None is the least squares."""

    value: float | None = None

    def __post_init__(self) -> None:
        if self.value is not None:
            require("init.value", self.value)


@dataclass(frozen=True)
class Given:
    """The same parameters on every path: u[i][k], shape (width, depth + 1)."""

    u: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        for row in self.u:
            for value in row:
                require("init.u", value)


@dataclass(frozen=True)
class Normal:
    """Every parameter drawn from N(0, std^2), each path its own."""

    std: float = 1.0

    def __post_init__(self) -> None:
        require("init.std", self.std, low=0, strict=True)


Data = GaussianPairs | SamplePairs | MomentsOnly
Dynamics = Sgd | Gd | Sgf | Langevin
Init = Balanced | Given | Normal


def require_momentum(momentum: float) -> None:
    """Refuse a heavy-ball momentum outside [0, 1).

    Raises:
        InvalidModelError: it is refused.
    """
    if not 0 <= momentum < 1:
        raise InvalidModelError("dynamics.momentum", given=momentum, allowed="a number in [0, 1)")


__all__ = [
    "DEFAULT_RELATIVE_STEP",
    "SCHEMES",
    "Balanced",
    "Data",
    "Dynamics",
    "GaussianPairs",
    "Gd",
    "Given",
    "Init",
    "Langevin",
    "MomentsOnly",
    "Normal",
    "SamplePairs",
    "Sgd",
    "Sgf",
]
