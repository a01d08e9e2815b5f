"""How the parameters of networks move: plain frozen dataclasses.

With momentum mu and weight decay gamma, an update is m <- mu m + g + 2 gamma theta, theta <- theta - eta m.
Schedules multiply the learning rate, or the temperature of an SDE.
"""

from dataclasses import dataclass
from typing import Literal

from equipoise_solver.ensembles.problem import require, require_momentum
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.training.schedules import Schedule


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent.

    Attributes:
        learning_rate: eta > 0.
        batch_size: S >= 1, samples per update.
        weight_decay: gamma >= 0, adds gamma |theta|^2 to the loss.
        momentum: mu, 0 <= mu < 1.
        sampling: "iid" draws each sample of a batch with replacement, or afresh from a Gaussian teacher;
            "epoch" goes through the samples in an order that is shuffled anew each time. The last batch of
            an epoch holds what is left and is averaged over its own size.
        label_noise: standard deviation of fresh normal noise on every label that an update uses.
        schedule: factors on the learning rate, as functions of the number of updates.
    """

    learning_rate: float
    batch_size: int = 1
    weight_decay: float = 0.0
    momentum: float = 0.0
    sampling: Literal["iid", "epoch"] = "iid"
    label_noise: float = 0.0
    schedule: tuple[Schedule, ...] = ()

    def __post_init__(self) -> None:
        require("dynamics.learning_rate", self.learning_rate, low=0, strict=True)
        require_count("dynamics.batch_size", self.batch_size)
        require("dynamics.weight_decay", self.weight_decay, low=0)
        require_momentum(self.momentum)
        require("dynamics.label_noise", self.label_noise, low=0)
        if self.sampling not in ("iid", "epoch"):
            raise InvalidModelError("dynamics.sampling", given=self.sampling, allowed='"iid" or "epoch"')


@dataclass(frozen=True)
class Gd:
    """Gradient descent on all samples, with the same update rule as `Sgd`."""

    learning_rate: float
    weight_decay: float = 0.0
    momentum: float = 0.0
    label_noise: float = 0.0
    schedule: tuple[Schedule, ...] = ()

    def __post_init__(self) -> None:
        require("dynamics.learning_rate", self.learning_rate, low=0, strict=True)
        require("dynamics.weight_decay", self.weight_decay, low=0)
        require_momentum(self.momentum)
        require("dynamics.label_noise", self.label_noise, low=0)


@dataclass(frozen=True)
class Sgf:
    """Stochastic gradient flow d theta = -(grad L + 2 gamma theta) dt + sqrt(T Sigma) dW, by Euler's step.

    The noise of a step h is sqrt(T h/n) sum_i (g_i - mean g) xi_i with xi_i ~ N(0, 1): its covariance is
    T h Sigma exactly, with Sigma that of the n samples (divided by n).

    Attributes:
        temperature: T >= 0.
        step_size: largest step, [time], > 0.
        weight_decay: gamma >= 0.
        schedule: factors on the temperature, as functions of time.
    """

    temperature: float
    step_size: float
    weight_decay: float = 0.0
    schedule: tuple[Schedule, ...] = ()

    def __post_init__(self) -> None:
        _check_flow(self.temperature, self.step_size, self.weight_decay)


@dataclass(frozen=True)
class Langevin:
    """d theta = -(grad L + 2 gamma theta) dt + sqrt(2 T) dW, noise on every parameter, by Euler's step.

    Attributes: as `Sgf`.
    """

    temperature: float
    step_size: float
    weight_decay: float = 0.0
    schedule: tuple[Schedule, ...] = ()

    def __post_init__(self) -> None:
        _check_flow(self.temperature, self.step_size, self.weight_decay)


Dynamics = Sgd | Gd | Sgf | Langevin


def require_count(field: str, given: int, *, low: int = 1) -> None:
    """Refuse what is no whole number of at least `low`.

    Raises:
        InvalidModelError: naming the field.
    """
    if isinstance(given, bool) or not isinstance(given, int) or given < low:
        raise InvalidModelError(field, given=given, allowed=f"a whole number of at least {low}")


def _check_flow(temperature: float, step_size: float, weight_decay: float) -> None:
    require("dynamics.temperature", temperature, low=0)
    require("dynamics.step_size", step_size, low=0, strict=True)
    require("dynamics.weight_decay", weight_decay, low=0)
