"""Samples in chunks whose working memory is bounded."""

from collections.abc import Iterator

import torch
from torch import Tensor

from equipoise_solver.networks.data import Pairs
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.networks.per_sample import sample_losses


def chunks(pairs: Pairs, *, bytes_per_sample: int, max_bytes: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Consecutive (x, y) of as many samples as fit into max_bytes, at least one."""
    size = max(1, max_bytes // bytes_per_sample)
    for start in range(0, pairs.n, size):
        yield pairs.x[start : start + size], pairs.y[start : start + size]


def kept_bytes(network: Network, parameters: Parameters, pairs: Pairs) -> int:
    """Bytes that the forward pass of one more sample keeps for the backward pass, at least 8 per input.

    Measured: what two samples keep less what one keeps, so that weights do not count.
    """
    x, y = pairs.x[:1], pairs.y[:1]
    one = _saved_bytes(network, parameters, x=x, y=y)
    two = _saved_bytes(network, parameters, x=x.repeat(2, 1), y=y.repeat(2, 1))
    return max(two - one, 8 * network.n_inputs)


def _saved_bytes(network: Network, parameters: Parameters, *, x: Tensor, y: Tensor) -> int:
    saved = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal saved
        saved += tensor.numel() * tensor.element_size()
        return tensor

    def unchanged(tensor: Tensor) -> Tensor:
        return tensor

    leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, unchanged):
        sample_losses(network, leaves, x, y)
    return saved
