"""Chains of dense layers: blocks, forward pass and symmetries that several networks share."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from equipoise_solver.networks.activations import ACTIVATIONS
from equipoise_solver.networks.families import Action, Family
from equipoise_solver.networks.parameters import Block, Parameters

Layers = tuple[tuple[str, str | None], ...]
"""Names of (weight, bias) from the first to the last layer."""


def chain_layers(n_layers: int, *, bias: bool) -> Layers:
    """Names W1, b1, W2, ... of so many layers."""
    return tuple((f"W{i}", f"b{i}" if bias else None) for i in range(1, n_layers + 1))


def chain_blocks(widths: Sequence[int], *, bias: bool) -> tuple[Block, ...]:
    """Blocks of a chain, weight (out, in) before bias (out,), layer by layer."""
    blocks: list[Block] = []
    for (weight, offset), n_in, n_out in zip(
        chain_layers(len(widths) - 1, bias=bias), widths[:-1], widths[1:], strict=True
    ):
        blocks.append(Block(weight, (n_out, n_in)))
        if offset is not None:
            blocks.append(Block(offset, (n_out,)))
    return tuple(blocks)


def chain_predict(parameters: Parameters, x: Tensor, *, layers: Layers, activation: str) -> Tensor:
    """Predictions of a chain, shape (..., out); the activation follows all layers but the last."""
    function = ACTIVATIONS[activation].function
    h = x
    for i, (weight, bias) in enumerate(layers):
        h = functional.linear(function(h) if i else h, parameters[weight], parameters[bias] if bias else None)
    return h


def chain_families(widths: Sequence[int], *, layers: Layers, activation: str) -> tuple[Family, ...]:
    """Symmetries of a chain.

    W_i -> M W_i, b_i -> M b_i, W_{i+1} -> W_{i+1} M^-1 leaves predictions as they are for every M if there
    is no activation, and for positive diagonal M if it is homogeneous (W_{i+1} -> W_{i+1} M^-a for degree a).
    """
    degree = ACTIVATIONS[activation].degree
    if degree is None:
        return ()
    families = []
    for i in range(1, len(layers)):
        (weight, bias), after = layers[i - 1], layers[i][0]
        actions = [Action(weight, "left", 1.0)]
        if bias is not None:
            actions.append(Action(bias, "left", 1.0))
        actions.append(Action(after, "right", -float(degree)))
        if activation == "linear":
            family = Family("double_rotation", f"layers {i}-{i + 1}", widths[i], "full", tuple(actions))
        else:
            family = Family("rescaling", f"neurons of layer {i}", widths[i], "diagonal", tuple(actions))
        families.append(family)
    return tuple(families)
