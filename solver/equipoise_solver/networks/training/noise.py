"""Noise of the gradients of several networks at once: Tr Sigma of each block."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.func import vmap

from equipoise_solver.networks.activations import ACTIVATIONS
from equipoise_solver.networks.data import Pairs, check_data
from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.memory import chunks
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.parameters import Parameters, n_parameters
from equipoise_solver.networks.per_sample import per_sample_gradients
from equipoise_solver.networks.training.predictions import MAX_BYTES

Sums = dict[str, tuple[Tensor, Tensor]]
"""By block: sum over samples of g, shape (networks, *block shape), and of |g|^2, shape (networks,)."""


def noise_traces(
    network: Network, parameters: Parameters, pairs: Pairs, *, sample_bytes: int
) -> dict[str, Tensor]:
    """Tr Sigma of each block, the variance of the samples' gradients summed over entries, shape (networks,).

    Args:
        network: the model and its loss.
        parameters: by block, with a leading axis of networks.
        pairs: samples, taken in chunks.
        sample_bytes: memory that the forward pass of one sample keeps in one network.

    Returns:
        by block; infinite or NaN where gradients overflow.

    Raises:
        InvalidModelError: field "data", fewer than two samples.
    """
    check_data(network, pairs, n_min=2)
    n_networks = next(iter(parameters.values())).shape[0]
    is_dense = isinstance(network, DenseNetwork)
    numbers = 4 * sum(sum(b.shape) for b in network.blocks) if is_dense else 8 * n_parameters(network)
    each = n_networks * (8 * numbers + 2 * sample_bytes)
    total: Sums = {}
    for x, y in chunks(pairs, bytes_per_sample=each, max_bytes=MAX_BYTES):
        part = (
            _dense_sums(network, parameters, x, y)
            if isinstance(network, DenseNetwork)
            else _sums(network, parameters, x, y)
        )
        total = {name: _added(total.get(name), sums) for name, sums in part.items()}
    return {name: _trace(*total[name], n=pairs.n) for name in parameters}


def _added(held: tuple[Tensor, Tensor] | None, more: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return more if held is None else (held[0] + more[0], held[1] + more[1])


def _trace(total: Tensor, power: Tensor, *, n: int) -> Tensor:
    return (power / n - ((total / n) ** 2).flatten(start_dim=1).sum(1)).clamp(min=0.0)


def _sums(network: Network, parameters: Parameters, x: Tensor, y: Tensor) -> Sums:
    def sums(values: Parameters) -> Sums:
        gradients = per_sample_gradients(network, values, x, y)
        return {name: (g.sum(0), (g**2).sum()) for name, g in gradients.items()}

    return cast(Callable[[Parameters], Sums], vmap(sums))(parameters)


def _dense_sums(network: DenseNetwork, parameters: Parameters, x: Tensor, y: Tensor) -> Sums:
    """From the factors of the gradients delta h' of each layer: their squares are |delta|^2 |h|^2."""
    function = ACTIVATIONS[network.activation].function
    n_networks = next(iter(parameters.values())).shape[0]
    h = z = x.expand(n_networks, *x.shape)
    inputs, shifts = [], []
    with torch.enable_grad():
        for i, (weight, bias) in enumerate(network.dense_layers):
            h = function(z) if i else z
            inputs.append(h.detach())
            z = torch.bmm(h, parameters[weight].mT)
            z = z if bias is None else z + parameters[bias].unsqueeze(-2)
            shifts.append(torch.zeros_like(z, requires_grad=True))
            z = z + shifts[-1]
        labels = y.expand(n_networks, *y.shape)
        deltas = torch.autograd.grad(LOSSES[network.loss].function(z, labels).sum(), shifts)
    sums: Sums = {}
    for (weight, bias), delta, below in zip(network.dense_layers, deltas, inputs, strict=True):
        size = (delta**2).sum(-1)
        sums[weight] = (delta.mT @ below, (size * (below**2).sum(-1)).sum(-1))
        if bias is not None:
            sums[bias] = (delta.sum(-2), size.sum(-1))
    return sums
