"""One layer of self-attention, without masks, biases or a residual."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise_solver.networks.architectures.widths import check_size
from equipoise_solver.networks.families import Action, Family
from equipoise_solver.networks.losses import check_loss
from equipoise_solver.networks.parameters import Block, Parameters


@dataclass(frozen=True)
class Attention:
    """For tokens x, shape (tokens, dim), the sum over heads of softmax(x Q' K x'/sqrt(head_dim)) x V' O'.

    Inputs and outputs are the tokens one after another, as one vector of tokens*dim numbers.

    Attributes:
        tokens: number of tokens.
        dim: numbers per token.
        heads: number of heads; head h has the blocks WQh, WKh, WVh (head_dim, dim) and WOh (dim, head_dim).
        head_dim: inner width of a head.
        loss: name in `losses.LOSSES`.
    """

    tokens: int
    dim: int
    heads: int
    head_dim: int
    loss: str = "squared_error"

    def __post_init__(self) -> None:
        for field in ("tokens", "dim", "heads", "head_dim"):
            check_size(f"model.{field}", getattr(self, field))
        check_loss(self.loss, self.n_outputs)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """WQ1, WK1, WV1, WO1, WQ2, ..."""
        inner, outer = (self.head_dim, self.dim), (self.dim, self.head_dim)
        return tuple(
            Block(f"W{kind}{head}", outer if kind == "O" else inner)
            for head in range(1, self.heads + 1)
            for kind in "QKVO"
        )

    @property
    def n_inputs(self) -> int:
        """Width of x."""
        return self.tokens * self.dim

    @property
    def n_outputs(self) -> int:
        """Width of the prediction."""
        return self.tokens * self.dim

    def predict(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Predictions, shape (..., tokens*dim), of inputs, shape (..., tokens*dim)."""
        tokens = x.reshape(*x.shape[:-1], self.tokens, self.dim)
        output = torch.zeros_like(tokens)
        for head in range(1, self.heads + 1):
            query = tokens @ parameters[f"WQ{head}"].T
            key = tokens @ parameters[f"WK{head}"].T
            value = tokens @ parameters[f"WV{head}"].T
            weights = torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(self.head_dim), dim=-1)
            output = output + weights @ value @ parameters[f"WO{head}"].T
        return output.reshape(x.shape)

    def families(self) -> tuple[Family, ...]:
        """Per head, the double rotations Q -> M Q, K -> M^-1 K and V -> M V, O -> O M^-1."""
        families = []
        for head in range(1, self.heads + 1):
            query_key = (Action(f"WQ{head}", "left", 1.0), Action(f"WK{head}", "left", -1.0))
            value_output = (Action(f"WV{head}", "left", 1.0), Action(f"WO{head}", "right", -1.0))
            for name, actions in (("query-key", query_key), ("value-output", value_output)):
                families.append(
                    Family("double_rotation", f"head {head} {name}", self.head_dim, "full", actions)
                )
        return tuple(families)
