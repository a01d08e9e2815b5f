"""Multilayer perceptrons whose predictions do not depend on the norm of their weights."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.activations import activation_of
from equipoise_solver.networks.architectures.chain import (
    Layers,
    chain_blocks,
    chain_layers,
    chain_predict,
)
from equipoise_solver.networks.architectures.widths import check_widths
from equipoise_solver.networks.families import Action, Family
from equipoise_solver.networks.losses import check_loss
from equipoise_solver.networks.parameters import Block, Parameters


@dataclass(frozen=True)
class NormalizedMlp:
    """A multilayer perceptron without biases, evaluated at weights divided by their norm.

    "layer" (net A) divides each weight matrix by its own Frobenius norm: one scale symmetry per layer.
    "network" (net B) divides all weights by the norm of all parameters: one scale symmetry in all.
    The two are this solver's own, after the two scale-invariant networks of arXiv 2402.07193.

    Attributes:
        widths: (in, hidden ..., out), at least two.
        activation: name in `activations.ACTIVATIONS`, after all layers but the last.
        normalization: "layer" or "network".
        loss: name in `losses.LOSSES`.
    """

    widths: tuple[int, ...]
    activation: str = "tanh"
    normalization: Literal["layer", "network"] = "layer"
    loss: str = "squared_error"

    def __post_init__(self) -> None:
        check_widths(self.widths, n_min=2)
        activation_of(self.activation)
        if self.normalization not in ("layer", "network"):
            raise InvalidModelError(
                "model.normalization", given=self.normalization, allowed='"layer" or "network"'
            )
        check_loss(self.loss, self.n_outputs)

    @property
    def _layers(self) -> Layers:
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
        squares = {block.name: (parameters[block.name] ** 2).sum() for block in self.blocks}
        if self.normalization == "network":
            total = torch.stack(list(squares.values())).sum()
            squares = dict.fromkeys(squares, total)
        unit = {name: parameters[name] / torch.sqrt(square) for name, square in squares.items()}
        return chain_predict(unit, x, layers=self._layers, activation=self.activation)

    def check_domain(self, parameters: Parameters) -> None:
        """Refuse weights of norm 0, which have no direction.

        Raises:
            InvalidModelError: field "parameters.W1" of a layer, or "parameters".
        """
        is_zero = {name: not bool(value.any()) for name, value in parameters.items()}
        if self.normalization == "network" and all(is_zero.values()):
            raise InvalidModelError("parameters", given="all zero", allowed="a norm above 0")
        if self.normalization == "layer" and any(is_zero.values()):
            name = next(name for name, zero in is_zero.items() if zero)
            raise InvalidModelError(f"parameters.{name}", given="all zero", allowed="a norm above 0")

    def families(self) -> tuple[Family, ...]:
        """The scale of each layer, or of all parameters."""
        actions = [Action(block.name, "left", 1.0) for block in self.blocks]
        if self.normalization == "network":
            return (Family("scale", "all layers", 1, "scalar", tuple(actions)),)
        return tuple(
            Family("scale", f"layer {i}", 1, "scalar", (action,)) for i, action in enumerate(actions, start=1)
        )
