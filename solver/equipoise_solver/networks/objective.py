"""The mean loss over samples or over the population of a teacher, and its Hessian times vectors."""

from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor
from torch.func import grad

from equipoise_solver.networks.data import GaussianTeacher, Pairs, check_data
from equipoise_solver.networks.gaussian_linear import linear_layers, population_loss
from equipoise_solver.networks.memory import chunks, kept_bytes
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Parameters, check_overflow, flatten, unflatten
from equipoise_solver.networks.per_sample import sample_losses, squared_norm

MAX_BYTES = 64 * 2**20
"""Memory that a chunk of samples may take."""


def check_objective(network: Network, data: Pairs | GaussianTeacher) -> None:
    """Refuse data that do not fit the network; the population of a teacher needs a linear network.

    Raises:
        InvalidModelError: field "data.x", "data.y", "data.teacher" or "model.loss".
        UnsupportedCombinationError: field "model".
    """
    if isinstance(data, Pairs):
        check_data(network, data)
    else:
        linear_layers(network, data)


def mean_loss(
    network: Network, parameters: Parameters, data: Pairs | GaussianTeacher, *, weight_decay: float = 0.0
) -> float:
    """Mean loss plus weight_decay |theta|^2; samples are taken in chunks.

    Raises:
        InvalidModelError, UnsupportedCombinationError: as `check_objective`; field "parameters", overflow.
    """
    check_objective(network, data)
    loss = weight_decay * float(squared_norm(parameters)) if weight_decay else 0.0
    if isinstance(data, Pairs):
        parts = _chunks(network, parameters, data)
        loss += sum(float(sample_losses(network, parameters, x, y).sum()) for x, y in parts) / data.n
    else:
        loss += float(population_loss(network, parameters, data))
    check_overflow(loss)
    return loss


def hessian_times(
    network: Network,
    parameters: Parameters,
    data: Pairs | GaussianTeacher,
    vector: Tensor,
    *,
    weight_decay: float = 0.0,
) -> Tensor:
    """Hessian of the mean loss times a flat vector, two backward passes.

    Args:
        network: the model and its loss.
        parameters: by block.
        data: samples, taken in chunks, or a teacher of a linear network.
        vector: shape (p,).
        weight_decay: adds 2 weight_decay times the vector.

    Returns:
        shape (p,).
    """
    blocks = network.blocks
    direction = unflatten(vector, blocks)
    product = torch.zeros_like(vector)
    if not isinstance(data, Pairs):
        teacher = data

        def population(values: Parameters) -> Tensor:
            return population_loss(network, values, teacher)

        product = flatten(_slope_gradient(population, parameters, direction), blocks)
        return product + 2 * weight_decay * vector
    for x, y in _chunks(network, parameters, data):

        def total(values: Parameters, x: Tensor = x, y: Tensor = y) -> Tensor:
            return sample_losses(network, values, x, y).sum()

        product += flatten(_slope_gradient(total, parameters, direction), blocks)
    return product / data.n + 2 * weight_decay * vector


def _chunks(network: Network, parameters: Parameters, pairs: Pairs) -> Iterator[tuple[Tensor, Tensor]]:
    # Two backward passes were measured to take 18 times what one forward pass keeps.
    each = 18 * kept_bytes(network, parameters, pairs)
    return chunks(pairs, bytes_per_sample=each, max_bytes=MAX_BYTES)


def _slope_gradient(
    function: Callable[[Parameters], Tensor], parameters: Parameters, direction: Parameters
) -> Parameters:
    """Gradient of the slope of a function along a direction: its Hessian times the direction."""

    def slope(values: Parameters) -> Tensor:
        gradient = cast(Parameters, grad(function)(values))
        return torch.stack([(gradient[name] * direction[name]).sum() for name in gradient]).sum()

    return cast(Parameters, grad(slope)(parameters))
