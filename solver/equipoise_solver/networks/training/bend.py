"""Trace of the Hessian of networks without a closed form for it: many directions in one call.

Where a network is observed over and over, the cost of each call counts: the second derivatives along several
directions are taken at once.
"""

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, vmap

from equipoise_solver.networks.data import Pairs
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import flatten, unflatten
from equipoise_solver.networks.per_sample import sample_losses
from equipoise_solver.networks.streams import PROBES, stream

MAX_NUMBERS = 2**22
"""Numbers that the samples of all directions of a call may take, per unit of the network."""


def trace_along(network: Network, theta: Tensor, pairs: Pairs, directions: Tensor) -> Tensor:
    """v' H v of the Hessian H of the mean loss, for each direction, shape (directions,).

    Args:
        network: the model and its loss.
        theta: flat parameters, shape (p,).
        pairs: samples.
        directions: shape (directions, p).
    """

    def loss(vector: Tensor) -> Tensor:
        return sample_losses(network, unflatten(vector, network.blocks), pairs.x, pairs.y).mean()

    slope = cast(Callable[[Tensor], Tensor], grad(loss))

    def along(direction: Tensor) -> Tensor:
        bent = cast(Tensor, grad(lambda vector: (slope(vector) * direction).sum())(theta))
        return (bent * direction).sum()

    size = max(1, MAX_NUMBERS // pairs.n)
    each = cast(Callable[..., Tensor], vmap(along, chunk_size=size))
    return each(directions)


def trace_of(
    network: Network, parameters: dict[str, Tensor], pairs: Pairs, *, n_probes: int | None, seed: int
) -> float:
    """Trace of the Hessian of the mean loss: exact, or Hutchinson's estimate with n_probes signs.

    Args:
        network: the model and its loss.
        parameters: by block.
        pairs: samples.
        n_probes: random vectors, None for the exact trace.
        seed: of the random vectors, the same at every call.
    """
    theta = flatten(parameters, network.blocks)
    p = theta.shape[0]
    if n_probes is None:
        return float(trace_along(network, theta, pairs, torch.eye(p, dtype=theta.dtype)).sum())
    signs = 2.0 * stream(seed, purpose=PROBES).integers(0, 2, (n_probes, p)) - 1
    directions = torch.from_numpy(signs.astype(np.float64))
    return float(trace_along(network, theta, pairs, directions).mean())
