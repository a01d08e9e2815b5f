"""Loss and gradient of a network on samples: of each, and on average."""

from collections.abc import Callable
from typing import cast

from torch import Tensor
from torch.func import grad, vmap

from equipoise_solver.networks.data import Pairs
from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Parameters


def sample_losses(network: Network, parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
    """Loss of each sample, without weight decay.

    Args:
        network: the model and its loss.
        parameters: by block.
        x: inputs, shape (..., in).
        y: labels, shape (..., label width).

    Returns:
        shape (...,).
    """
    return LOSSES[network.loss].function(network.predict(parameters, x), y)


def squared_norm(parameters: Parameters) -> Tensor:
    """|theta|^2, scalar."""
    total = sum((value**2).sum() for value in parameters.values())
    return cast(Tensor, total)


def loss_of(network: Network, parameters: Parameters, pairs: Pairs, *, weight_decay: float = 0.0) -> Tensor:
    """Mean loss of the samples plus weight_decay |theta|^2, scalar."""
    loss = sample_losses(network, parameters, pairs.x, pairs.y).mean()
    return loss + weight_decay * squared_norm(parameters) if weight_decay else loss


def mean_gradient(
    network: Network, parameters: Parameters, pairs: Pairs, *, weight_decay: float = 0.0
) -> Parameters:
    """Gradient of `loss_of` with respect to the parameters, by block; all samples in one pass."""

    def loss(values: Parameters) -> Tensor:
        return loss_of(network, values, pairs, weight_decay=weight_decay)

    return cast(Parameters, grad(loss)(parameters))


def per_sample_gradients(network: Network, parameters: Parameters, x: Tensor, y: Tensor) -> Parameters:
    """Gradient of each sample's loss, without weight decay.

    Takes n p numbers of memory: `statistics.py` sums them up in chunks.

    Args:
        network: the model and its loss.
        parameters: by block.
        x: inputs, shape (n, in).
        y: labels, shape (n, label width).

    Returns:
        by block, shape (n, *block shape).
    """

    def loss(values: Parameters, one_x: Tensor, one_y: Tensor) -> Tensor:
        return sample_losses(network, values, one_x, one_y)

    gradients = cast(Callable[..., Parameters], vmap(grad(loss), in_dims=(None, 0, 0)))
    return gradients(parameters, x, y)
