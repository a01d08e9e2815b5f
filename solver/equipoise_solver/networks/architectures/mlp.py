"""Multilayer perceptrons."""

from dataclasses import dataclass

from torch import Tensor

from equipoise_solver.networks.activations import activation_of
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
class Mlp:
    """Dense layers with an activation after all but the last.

    Attributes:
        widths: (in, hidden ..., out), at least two.
        activation: name in `activations.ACTIVATIONS`.
        bias: whether layers have a bias b_i, shape (out,).
        loss: name in `losses.LOSSES`.
    """

    widths: tuple[int, ...]
    activation: str = "relu"
    bias: bool = True
    loss: str = "squared_error"

    def __post_init__(self) -> None:
        check_widths(self.widths, n_min=2)
        activation_of(self.activation)
        check_loss(self.loss, self.n_outputs)

    @property
    def dense_layers(self) -> Layers:
        """Names of (weight, bias) per layer."""
        return chain_layers(len(self.widths) - 1, bias=self.bias)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """W1, b1, W2, ..., each weight (out, in)."""
        return chain_blocks(self.widths, bias=self.bias)

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
        """Rescaling of each hidden neuron, if the activation is homogeneous."""
        return chain_families(self.widths, layers=self.dense_layers, activation=self.activation)
