"""Diagonal linear networks f(x) = sum_i x_i prod_k u_i^(k), with vector input."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.architectures.widths import check_size
from equipoise_solver.networks.families import Action, Family
from equipoise_solver.networks.losses import check_loss
from equipoise_solver.networks.parameters import Block, Parameters


@dataclass(frozen=True)
class Diagonal:
    """depth + 1 layers of `width` factors each: f(x) = sum_i x_i prod_{k=0..depth} u_i^(k).

    Attributes:
        depth: D >= 0; 0 is linear regression.
        width: number of inputs. A scalar input is given as `width` equal columns.
        loss: name in `losses.LOSSES`; there is one output.
    """

    depth: int
    width: int
    loss: str = "squared_error"

    def __post_init__(self) -> None:
        check_size("model.width", self.width)
        if isinstance(self.depth, bool) or not isinstance(self.depth, int) or self.depth < 0:
            raise InvalidModelError("model.depth", given=self.depth, allowed="a whole number of at least 0")
        check_loss(self.loss, self.n_outputs)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """U0, ..., UD, each (width,)."""
        return tuple(Block(f"U{k}", (self.width,)) for k in range(self.depth + 1))

    @property
    def n_inputs(self) -> int:
        """Width of x."""
        return self.width

    @property
    def n_outputs(self) -> int:
        """Width of the prediction."""
        return 1

    def predict(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Predictions, shape (..., 1), of inputs, shape (..., width)."""
        factors = math.prod((parameters[block.name] for block in self.blocks[1:]), start=parameters["U0"])
        return torch.sum(x * factors, dim=-1, keepdim=True)

    def families(self) -> tuple[Family, ...]:
        """Per coordinate, a rescaling between each layer and the next."""
        return tuple(
            Family(
                "rescaling",
                f"coordinates of layers {k}-{k + 1}",
                self.width,
                "diagonal",
                (Action(f"U{k}", "left", 1.0), Action(f"U{k + 1}", "left", -1.0)),
            )
            for k in range(self.depth)
        )
