"""Deep linear networks f(x) = W_L ... W_1 x."""

from dataclasses import dataclass

from torch import Tensor

from equipoise_solver.networks.architectures.chain import (
    Layers,
    chain_blocks,
    chain_families,
    chain_layers,
    chain_predict,
)
from equipoise_solver.networks.architectures.widths import check_widths
from equipoise_solver.networks.families import Family
from equipoise_solver.networks.losses import check_loss
from equipoise_solver.networks.parameters import Block, Parameters


@dataclass(frozen=True)
class LinearNetwork:
    """f(x) = W_L ... W_1 x, without biases.

    Attributes:
        widths: (in, hidden ..., out), at least two.
        loss: name in `losses.LOSSES`.
    """

    widths: tuple[int, ...]
    loss: str = "squared_error"

    def __post_init__(self) -> None:
        check_widths(self.widths, n_min=2)
        check_loss(self.loss, self.n_outputs)

    @property
    def activation(self) -> str:
        """Name of the activation between layers: none."""
        return "linear"

    @property
    def dense_layers(self) -> Layers:
        """Names of (weight, None) per layer."""
        return chain_layers(len(self.widths) - 1, bias=False)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """W1, W2, ..., each (out, in)."""
        return chain_blocks(self.widths, bias=False)

    @property
    def n_inputs(self) -> int:
        """Width of x."""
        return self.widths[0]

    @property
    def n_outputs(self) -> int:
        """Width of the prediction."""
        return self.widths[-1]

    def predict(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Predictions, shape (..., out), of inputs, shape (..., in)."""
        return chain_predict(parameters, x, layers=self.dense_layers, activation=self.activation)

    def families(self) -> tuple[Family, ...]:
        """One double rotation per pair of adjacent layers."""
        return chain_families(self.widths, layers=self.dense_layers, activation=self.activation)
