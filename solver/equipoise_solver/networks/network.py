"""What every network is: pure functions of its parameters."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from equipoise_solver.networks.families import Family
from equipoise_solver.networks.parameters import Block, Parameters


@runtime_checkable
class Network(Protocol):
    """A model f(theta, x) with a loss of one sample; immutable, without parameters of its own."""

    @property
    def loss(self) -> str:
        """Name in `losses.LOSSES`."""
        ...

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Names and shapes of the parameters."""
        ...

    @property
    def n_inputs(self) -> int:
        """Width of x."""
        ...

    @property
    def n_outputs(self) -> int:
        """Width of the prediction."""
        ...

    def predict(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Predictions, differentiable, without control flow that depends on values.

        Args:
            parameters: by block; under `torch.func.vmap` one network of many.
            x: inputs, shape (..., n_inputs).

        Returns:
            shape (..., n_outputs).
        """
        ...

    def families(self) -> tuple[Family, ...]:
        """Symmetries of every sample's loss that follow from the layers."""
        ...


@runtime_checkable
class DenseNetwork(Network, Protocol):
    """A chain of dense layers z_i = W_i h_{i-1} + b_i, h_i = activation(z_i), prediction z_L.

    The gradient of a sample's loss with respect to W_i is then delta_i h_{i-1}', of rank one, which
    `dense.py` makes use of.
    """

    @property
    def dense_layers(self) -> tuple[tuple[str, str | None], ...]:
        """Names of (weight, bias) from the first to the last layer; None for a layer without bias."""
        ...

    @property
    def activation(self) -> str:
        """Name in `activations.ACTIVATIONS`, applied after all layers but the last."""
        ...
