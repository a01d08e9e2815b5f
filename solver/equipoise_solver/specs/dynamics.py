"""The dynamics: how the parameters move."""

from typing import Annotated, Literal

from pydantic import Field

from equipoise_solver.specs.base import Count, NonNegative, Part, Real

LearningRate = Annotated[Real, Field(gt=0, le=1e6)]
Temperature = NonNegative


class SGD(Part):
    """theta <- theta - learning_rate * mean over a minibatch of grad l, with optional heavy-ball momentum.

    With momentum mu: m <- mu m + gradient, then theta <- theta - eta m. A schedule of networks changes the
    eta of a step, and leaves the m that earlier steps have gathered as it is, as torch.optim does.
    """

    kind: Literal["sgd"] = "sgd"
    learning_rate: LearningRate
    """eta; the temperature of the matching SDE is learning_rate / batch_size."""
    batch_size: Annotated[Count, Field(ge=1, le=10**9)] = 1
    """S: samples per minibatch."""
    weight_decay: NonNegative = 0.0
    """gamma: adds gamma * |theta|^2 to the loss."""
    momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    """mu of m <- mu m + gradient, theta <- theta - eta m with the eta of the step; 0 is plain SGD."""
    sampling: Literal["iid", "epoch"] = "iid"
    """"iid" draws with replacement, "epoch" goes through a shuffled data set."""
    label_noise: NonNegative = 0.0
    """Standard deviation of fresh normal noise on every label that a step uses."""


class SGF(Part):
    """Stochastic gradient flow, the SDE limit of SGD: d theta = -grad L dt + sqrt(T C(theta)) dW (Ito)."""

    kind: Literal["sgf"] = "sgf"
    temperature: Temperature
    """T = learning_rate / batch_size."""
    weight_decay: NonNegative = 0.0
    """gamma: adds gamma * |theta|^2 to the loss."""
    step_size: Annotated[Real, Field(gt=0, le=1e6)] | None = None
    """Largest step in SDE time; null lets the scheme choose from the problem's own rates.

    For networks: the smaller of 1/200 of the duration and 0.1 over the largest curvature of the loss.
    """
    scheme: Literal["auto", "splitting", "taylor", "log_euler", "tamed_euler", "euler"] = "auto"
    """Numerical scheme; "auto" takes the fastest that loses no path; "euler" and "tamed_euler" lose some.

    Networks have "euler" alone, which is their "auto".
    """


class GD(Part):
    """Full-batch gradient descent."""

    kind: Literal["gd"] = "gd"
    learning_rate: LearningRate
    """eta."""
    weight_decay: NonNegative = 0.0
    """gamma: adds gamma * |theta|^2 to the loss."""
    momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    """mu of m <- mu m + gradient, theta <- theta - eta m with the eta of the step; 0 is plain descent."""
    label_noise: NonNegative = 0.0
    """Standard deviation of fresh normal noise on every label at every step; needs a finite data set."""


class Langevin(Part):
    """Langevin dynamics with noise on every parameter: d theta = -(grad L + 2 gamma theta) dt + sqrt(2 T) dW.

    Its stationary law is that of Gibbs, exp(-(L + gamma |theta|^2)/T). The simulation of a model of
    coordinates keeps it at every step size. Networks take Euler-Maruyama steps, whose law is off by terms of
    order step_size: the variance along a curvature h is T/(h (1 - step_size h/2)) instead of T/h.
    Without weight decay two or more layers have none: their parameters spread without end.
    """

    kind: Literal["langevin"] = "langevin"
    temperature: Temperature
    """T: strength of the noise, the same on every parameter."""
    weight_decay: NonNegative = 0.0
    """gamma: adds gamma * |theta|^2 to the loss."""
    step_size: Annotated[Real, Field(gt=0, le=1e6)] | None = None
    """Largest step in time; null takes it from the curvature of the loss.

    For networks: the smaller of 1/200 of the duration and 0.1 over the largest curvature.
    """


LawDynamics = Annotated[SGD | SGF | GD, Field(discriminator="kind")]
Dynamics = Annotated[SGD | SGF | GD | Langevin, Field(discriminator="kind")]
