"""Gradients of samples in chains of dense layers, as products: dl/dW = delta h', dl/db = delta.

One backward pass over all samples gives every delta and h: n (in + out) numbers per layer in place of
n in out for the gradients themselves.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from equipoise_solver.networks.activations import ACTIVATIONS
from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.network import DenseNetwork
from equipoise_solver.networks.parameters import Parameters


@dataclass(frozen=True)
class Factors:
    """Factors of the gradients of one layer's weight and bias, sample by sample.

    Attributes:
        weight: name of the weight, whose gradient is delta h'.
        bias: name of the bias, whose gradient is delta; None for a layer without.
        delta: gradient of the loss with respect to the layer's output, shape (n, out).
        h: the layer's input, shape (n, in).
    """

    weight: str
    bias: str | None
    delta: Tensor
    h: Tensor

    def output(self, parameters: Parameters) -> Tensor:
        """The layer's output z = W h + b, shape (n, out), without a graph."""
        bias = None if self.bias is None else parameters[self.bias].detach()
        return functional.linear(self.h, parameters[self.weight].detach(), bias)


def dense_factors(network: DenseNetwork, parameters: Parameters, x: Tensor, y: Tensor) -> tuple[Factors, ...]:
    """Factors of each layer's gradients, from the first layer to the last.

    Args:
        network: a chain of dense layers.
        parameters: by block.
        x: inputs, shape (n, in).
        y: labels, shape (n, label width).
    """
    function = ACTIVATIONS[network.activation].function
    fixed = {name: value.detach() for name, value in parameters.items()}
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    with torch.enable_grad():
        for i, (weight, bias) in enumerate(network.dense_layers):
            h = function(outputs[-1]) if i else x.detach()
            z = functional.linear(h, fixed[weight], None if bias is None else fixed[bias])
            inputs.append(h.detach())
            outputs.append(z if i else z.requires_grad_())
        losses = LOSSES[network.loss].function(outputs[-1], y)
        deltas = torch.autograd.grad(losses.sum(), outputs)
    return tuple(
        Factors(weight, bias, delta, h)
        for (weight, bias), delta, h in zip(network.dense_layers, deltas, inputs, strict=True)
    )
