"""The networks: what maps an input vector to an output vector. W of layer i has the shape (out, in)."""

from abc import ABC, abstractmethod
from itertools import pairwise
from math import prod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from equipoise_solver.specs.base import AtLeast, Count, Part, refusal

MAX_LAYERS = 32
MAX_PARAMETERS = 1_000_000

LossName = Literal["squared_error", "logistic", "cross_entropy"]
ActivationName = Literal[
    "linear", "relu", "leaky_relu", "relu2", "tanh", "sigmoid", "softplus", "gelu", "silu", "elu", "sin"
]
Width = Annotated[Count, Field(ge=1, le=MAX_PARAMETERS)]
Widths = Annotated[tuple[Width, ...], AtLeast(2), Field(max_length=MAX_LAYERS + 1)]
Shape = tuple[int, ...]


class NetworkPart(Part, ABC):
    """Base of the networks: the shapes of their parameters, and the loss.

    Losses are averages over the samples, without a factor 1/2.
    """

    loss: LossName = "squared_error"
    """"squared_error", "logistic" (labels 0, 1) or "cross_entropy" (label: number of the class)."""

    @property
    @abstractmethod
    def n_inputs(self) -> int:
        """Numbers in an input."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Numbers in an output."""

    @property
    @abstractmethod
    def shapes(self) -> dict[str, Shape]:
        """Names and shapes of the parameters, in order."""

    @property
    def n_parameters(self) -> int:
        """Numbers in all parameters together."""
        return sum(prod(shape) for shape in self.shapes.values())

    @property
    def n_labels(self) -> int:
        """Numbers in a label: one for each output, or the number of a class."""
        return 1 if self.loss == "cross_entropy" else self.n_outputs

    @model_validator(mode="after")
    def _has_outputs_for_its_loss(self) -> Self:
        if self.loss == "cross_entropy" and self.n_outputs < 2:
            raise refusal(
                "loss",
                given="cross_entropy",
                allowed="at least two outputs with it, one for each class",
                remedy="Take 'logistic' for two classes and one output.",
            )
        return self


def _layers(widths: tuple[int, ...], *, bias: bool = False) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for layer, (n_in, n_out) in enumerate(pairwise(widths), start=1):
        shapes[f"W{layer}"] = (n_out, n_in)
        if bias:
            shapes[f"b{layer}"] = (n_out,)
    return shapes


class Layered(NetworkPart):
    """Base of the networks made of layers."""

    widths: Widths
    """Numbers in the input, in each hidden layer, and in the output."""

    @property
    def n_inputs(self) -> int:
        """Numbers in an input."""
        return self.widths[0]

    @property
    def n_outputs(self) -> int:
        """Numbers in an output."""
        return self.widths[-1]

    @property
    def shapes(self) -> dict[str, Shape]:
        """Names and shapes of the parameters, in order."""
        return _layers(self.widths)


class LinearNetwork(Layered):
    """Deep linear network f(x) = W_L ... W_1 x; parameters W1, ..., WL."""

    kind: Literal["linear"] = "linear"


class Mlp(Layered):
    """Layers with an activation after all but the last; parameters W1, b1, ..., WL, bL."""

    kind: Literal["mlp"] = "mlp"
    activation: ActivationName = "relu"
    """What follows every layer but the last."""
    bias: bool = Field(default=True, strict=True)
    """Whether layers add a vector."""

    @property
    def shapes(self) -> dict[str, Shape]:
        """Names and shapes of the parameters, in order."""
        return _layers(self.widths, bias=self.bias)


class MatrixFactorization(Layered):
    """A matrix as a product, f(x) = W2 W1 x; parameters W1 (rank x in), W2 (out x rank)."""

    kind: Literal["matrix_factorization"] = "matrix_factorization"
    widths: tuple[Width, Width, Width]
    """Numbers in the input, rank, numbers in the output."""


class Attention(NetworkPart):
    """Softmax self-attention; parameters WQ1, WK1, WV1 (head_dim x dim), WO1 (dim x head_dim), WQ2, ...

    The output of token i is the sum over heads of WO WV times the tokens x_j averaged with the weights
    softmax_j((WQ x_i) . (WK x_j) / sqrt(head_dim)).
    """

    kind: Literal["attention"] = "attention"
    tokens: Annotated[Count, Field(ge=1, le=1024)]
    """Tokens in an input; x and y hold their vectors one after another."""
    dim: Annotated[Count, Field(ge=1, le=4096)]
    """Numbers in a token."""
    heads: Annotated[Count, Field(ge=1, le=64)] = 1
    """Heads side by side."""
    head_dim: Annotated[Count, Field(ge=1, le=4096)]
    """Numbers in a query, a key and a value."""

    @property
    def n_inputs(self) -> int:
        """Numbers in an input."""
        return self.tokens * self.dim

    @property
    def n_outputs(self) -> int:
        """Numbers in an output."""
        return self.tokens * self.dim

    @property
    def shapes(self) -> dict[str, Shape]:
        """Names and shapes of the parameters, in order."""
        inner, outer = (self.head_dim, self.dim), (self.dim, self.head_dim)
        return {
            f"W{letter}{head}": outer if letter == "O" else inner
            for head in range(1, self.heads + 1)
            for letter in "QKVO"
        }


class NormalizedMlp(Layered):
    """Layers without bias whose weights are divided by their norms, so that their scales do not matter.

    In the manner of the two scale-invariant networks of arXiv 2402.07193.
    """

    kind: Literal["normalized_mlp"] = "normalized_mlp"
    activation: ActivationName = "tanh"
    """What follows every layer but the last."""
    normalization: Literal["layer", "network"] = "layer"
    """"layer": each by its own Frobenius norm; "network": all by the norm of all parameters together."""


class DiagonalNetwork(NetworkPart):
    """Diagonal network on vectors, f(x) = sum_i x_i prod_{k=0..depth} u_i^(k); parameters U0, ..., UD."""

    kind: Literal["diagonal"] = "diagonal"
    depth: Annotated[Count, Field(ge=0, le=MAX_LAYERS - 1)] = 1
    """D: 0 is linear regression, 1 two layers."""
    width: Width = 1
    """d: numbers in an input."""

    @property
    def n_inputs(self) -> int:
        """Numbers in an input."""
        return self.width

    @property
    def n_outputs(self) -> int:
        """Numbers in an output."""
        return 1

    @property
    def shapes(self) -> dict[str, Shape]:
        """Names and shapes of the parameters, in order."""
        return {f"U{layer}": (self.width,) for layer in range(self.depth + 1)}


Network = LinearNetwork | Mlp | MatrixFactorization | Attention | NormalizedMlp | DiagonalNetwork
NetworkModel = Annotated[Network, Field(discriminator="kind")]


def check_network(model: Network, *, limit: int = MAX_PARAMETERS, remedy: str = "Make it narrower.") -> None:
    """Refuse a network of more parameters than are computed with.

    Raises:
        PydanticCustomError: it has more than `limit`.
    """
    if model.n_parameters > limit:
        given = f"a network of {model.n_parameters} parameters"
        raise refusal("model", given=given, allowed=f"at most {limit} parameters", remedy=remedy)


NETWORK_KINDS = frozenset({"linear", "mlp", "matrix_factorization", "attention", "normalized_mlp"})
"""Kinds of `model` that only networks have; "diagonal" is a network where data are vectors."""
