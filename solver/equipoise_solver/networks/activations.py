"""Activation functions by name, with their degree of homogeneity."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from equipoise_solver.errors import InvalidModelError


@dataclass(frozen=True)
class Activation:
    """A scalar function applied to each unit.

    Attributes:
        function: elementwise, (...,) -> (...,).
        degree: a with f(c z) = c^a f(z) for all c > 0; None if there is none.
    """

    function: Callable[[Tensor], Tensor]
    degree: int | None


def _linear(z: Tensor) -> Tensor:
    return z


def _leaky_relu(z: Tensor) -> Tensor:
    return functional.leaky_relu(z, 0.01)


def _relu_squared(z: Tensor) -> Tensor:
    return torch.relu(z) ** 2


ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(_linear, 1),
    "relu": Activation(torch.relu, 1),
    "leaky_relu": Activation(_leaky_relu, 1),
    "relu2": Activation(_relu_squared, 2),
    "tanh": Activation(torch.tanh, None),
    "sigmoid": Activation(torch.sigmoid, None),
    "softplus": Activation(functional.softplus, None),
    "gelu": Activation(functional.gelu, None),
    "silu": Activation(functional.silu, None),
    "elu": Activation(functional.elu, None),
    "sin": Activation(torch.sin, None),
}
"""Slope of "leaky_relu" below 0: 0.01; "relu2" is max(z, 0)^2; "gelu" is z Phi(z), not its approximation."""


def activation_of(name: str) -> Activation:
    """Activation by name.

    Raises:
        InvalidModelError: field "model.activation", no such name.
    """
    if name not in ACTIVATIONS:
        raise InvalidModelError("model.activation", given=name, allowed=f"one of {sorted(ACTIVATIONS)}")
    return ACTIVATIONS[name]
