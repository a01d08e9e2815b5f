"""The dynamics: how the parameters move."""

from typing import Annotated, Literal

from pydantic import Field

from equipoise_solver.specs.base import Count, NonNegative, Part, Real

LearningRate = Annotated[Real, Field(gt=0, le=1e6)]
Temperature = NonNegative


class SGD(Part):
    """theta <- theta - learning_rate * mean over a minibatch of grad l, with optional heavy-ball momentum."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: LearningRate
    """eta; the temperature of the matching SDE is learning_rate / batch_size."""
    batch_size: Annotated[Count, Field(ge=1, le=10**9)] = 1
    """S: samples per minibatch."""
    weight_decay: NonNegative = 0.0
    """gamma: adds gamma * |theta|^2 to the loss."""
    momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    """Heavy-ball momentum; 0 is plain SGD."""
    sampling: Literal["iid", "epoch"] = "iid"
    """"iid" draws with replacement, "epoch" goes through a shuffled data set."""


class SGF(Part):
    """Stochastic gradient flow, the SDE limit of SGD: d theta = -grad L dt + sqrt(T C(theta)) dW (Ito)."""

    kind: Literal["sgf"] = "sgf"
    temperature: Temperature
    """T = learning_rate / batch_size."""
    weight_decay: NonNegative = 0.0
    """gamma: adds gamma * |theta|^2 to the loss."""
    step_size: Annotated[Real, Field(gt=0, le=1e6)] | None = None
    """Largest step in SDE time; null lets the scheme choose from the problem's own rates."""
    scheme: Literal["auto", "splitting", "taylor", "log_euler", "tamed_euler", "euler"] = "auto"
    """Numerical scheme; "auto" takes the fastest that loses no path. Plain "euler" loses some."""


class GD(Part):
    """Full-batch gradient descent."""

    kind: Literal["gd"] = "gd"
    learning_rate: LearningRate
    """eta."""
    weight_decay: NonNegative = 0.0
    """gamma: adds gamma * |theta|^2 to the loss."""
    momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    """Heavy-ball momentum; 0 is plain gradient descent."""


Dynamics = Annotated[SGD | SGF | GD, Field(discriminator="kind")]
