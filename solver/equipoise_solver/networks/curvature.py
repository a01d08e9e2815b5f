"""Trace of the Hessian of the mean loss in chains of dense layers, exactly and without automatic Hessians.

With z_i = W_i h_{i-1} + b_i, h_i = f(z_i), the parameters of layer i enter a sample's loss through z_i,
linearly, so its part of the trace is (|h_{i-1}|^2 + 1 for a bias) Tr H_i with H_i = d2l/dz_i2, and
H_i = D W' H_{i+1} W D + diag(f''(z_i) (W' delta_{i+1})), W = W_{i+1}, D = diag(f'(z_i)), delta = dl/dz.
The part of H_i that comes from l'' is kept as a root, as many rows as the network has outputs; what comes
from f'' starts as a diagonal and is formed as a matrix only where two more layers follow below.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from equipoise_solver.networks.activations import ACTIVATIONS
from equipoise_solver.networks.data import Pairs
from equipoise_solver.networks.dense import Factors, dense_factors
from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.memory import chunks
from equipoise_solver.networks.network import DenseNetwork
from equipoise_solver.networks.parameters import Parameters

MAX_BYTES = 64 * 2**20
"""Memory that a chunk of samples may take."""


@dataclass(frozen=True)
class _Curvature:
    """H = R' R + diag(d) + F at the outputs of one layer, sample by sample.

    Attributes:
        root: R, shape (n, outputs of the network, units).
        diagonal: d, shape (n, units); None where activations above are piecewise linear.
        full: F, shape (n, units, units); None if 0.
    """

    root: Tensor
    diagonal: Tensor | None
    full: Tensor | None


def dense_hessian_trace(network: DenseNetwork, parameters: Parameters, pairs: Pairs) -> float:
    """Tr of the Hessian of the mean loss, without weight decay.

    Args:
        network: a chain of dense layers.
        parameters: by block.
        pairs: samples, taken in chunks.
    """
    total = 0.0
    for x, y in chunks(pairs, bytes_per_sample=_bytes_per_sample(network), max_bytes=MAX_BYTES):
        total += _sum_of_traces(network, parameters, x=x, y=y)
    return total / pairs.n


def dense_trace_operations(network: DenseNetwork, n: int) -> float:
    """About how many multiplications the trace takes for n samples."""
    widths = _widths(network)
    neighbours = list(pairwise(widths[1:]))
    operations = float(sum(network.n_outputs * a * b for a, b in neighbours))
    if _is_curved(network):
        operations += sum(a * b * (a + b) for a, b in neighbours[1:-1])
    return n * (operations + sum(a * b for a, b in pairwise(widths)))


def _sum_of_traces(network: DenseNetwork, parameters: Parameters, *, x: Tensor, y: Tensor) -> float:
    """Sum over samples of the trace of each sample's Hessian."""
    factors = dense_factors(network, parameters, x, y)
    outputs = [layer.output(parameters) for layer in factors]
    root = LOSSES[network.loss].curvature_root(outputs[-1]).mT
    curvature = _Curvature(root, None, None)
    total = _weighted(factors[-1], (root**2).sum((1, 2)))
    for i in range(len(factors) - 2, -1, -1):
        weight, delta = parameters[factors[i + 1].weight].detach(), factors[i + 1].delta
        slope, bend = _derivatives(network.activation, outputs[i])
        diagonal = None if bend is None else bend * (delta @ weight)
        traces = _trace_below(curvature, weight, slope)
        total += _weighted(factors[i], traces if diagonal is None else traces + diagonal.sum(1))
        if i > 0:
            below = _full_below(curvature, weight, slope)
            curvature = _Curvature(curvature.root @ weight * slope[:, None, :], diagonal, below)
    return total


def _weighted(layer: Factors, traces: Tensor) -> float:
    """Part of one layer: the sum over samples of (|h|^2 + 1 for a bias) Tr H."""
    squares = (layer.h**2).sum(1) + (0.0 if layer.bias is None else 1.0)
    return float(squares @ traces)


def _trace_below(above: _Curvature, weight: Tensor, slope: Tensor) -> Tensor:
    """Tr(D W' H W D) of each sample, shape (n,)."""
    squares = ((above.root @ weight) ** 2).sum(1)
    if above.diagonal is not None:
        squares = squares + above.diagonal @ weight**2
    if above.full is not None:
        squares = squares + ((above.full @ weight) * weight).sum(1)
    return (squares * slope**2).sum(1)


def _full_below(above: _Curvature, weight: Tensor, slope: Tensor) -> Tensor | None:
    """D W' (diag(d) + F) W D, shape (n, units, units); None if 0."""
    if above.diagonal is None:
        return None
    inner = above.diagonal[:, :, None] * weight
    if above.full is not None:
        inner = inner + above.full @ weight
    return slope[:, :, None] * (weight.T @ inner) * slope[:, None, :]


def _derivatives(activation: str, z: Tensor) -> tuple[Tensor, Tensor | None]:
    """f'(z) and f''(z); None for the second if f is piecewise linear."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        values = ACTIVATIONS[activation].function(z)
        if ACTIVATIONS[activation].degree == 1:
            return torch.autograd.grad(values.sum(), z)[0], None
        (slope,) = torch.autograd.grad(values.sum(), z, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), z)
    return slope.detach(), bend


def _widths(network: DenseNetwork) -> list[int]:
    shapes = {block.name: block.shape for block in network.blocks}
    return [network.n_inputs, *(shapes[weight][0] for weight, _ in network.dense_layers)]


def _is_curved(network: DenseNetwork) -> bool:
    return ACTIVATIONS[network.activation].degree != 1


def _bytes_per_sample(network: DenseNetwork) -> int:
    widths = _widths(network)
    widest = max(widths)
    forms_matrices = _is_curved(network) and len(widths) > 4
    return 8 * (4 * network.n_outputs * widest + 8 * sum(widths) + (4 * widest**2 if forms_matrices else 0))
