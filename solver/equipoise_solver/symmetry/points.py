"""Random points (theta, z) at which symmetries are checked and searched, and gradients at each."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from equipoise_solver.networks.data import GaussianTeacher, Pairs, check_data, check_teacher
from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Block, Parameters
from equipoise_solver.networks.per_sample import sample_losses


@dataclass(frozen=True)
class Points:
    """One sample at one set of parameters, n times.

    Attributes:
        parameters: by block, shape (n, *block shape).
        x: inputs, shape (n, in).
        y: labels, shape (n, label width).
        losses: loss of the sample, shape (n,).
        gradients: its gradient by block, shape (n, *block shape).
    """

    parameters: Parameters
    x: Tensor
    y: Tensor
    losses: Tensor
    gradients: Parameters


def check_source(network: Network, data: Pairs | GaussianTeacher | None) -> None:
    """Refuse data that do not fit the network.

    Raises:
        InvalidModelError: field "data...".
    """
    if isinstance(data, Pairs):
        check_data(network, data)
    elif data is not None:
        check_teacher(network, data)


def draw_points(
    network: Network,
    n: int,
    *,
    data: Pairs | GaussianTeacher | None,
    generator: np.random.Generator,
    support: Parameters | None = None,
) -> Points:
    """Independent points of generic scale: every layer keeps the order of magnitude of its input.

    Args:
        network: the model and its loss.
        n: number of points.
        data: where samples come from; None for x ~ N(0, 1) and labels that any sample may have.
        generator: source of randomness.
        support: by block, 1 where parameters are free and 0 where they are zero; None for all free.
    """
    parameters = _draw_parameters(network.blocks, n, generator, support)
    x, y = _draw_samples(network, n, data, generator)
    losses, gradients = losses_and_gradients(network, parameters, x, y)
    return Points(parameters, x, y, losses, gradients)


def losses_and_gradients(
    network: Network, parameters: Parameters, x: Tensor, y: Tensor
) -> tuple[Tensor, Parameters]:
    """Loss and gradient of sample i at parameters i: shapes (n,) and (n, *block shape)."""

    def loss(values: Parameters, one_x: Tensor, one_y: Tensor) -> Tensor:
        return sample_losses(network, values, one_x, one_y)

    together = cast(Callable[..., tuple[Parameters, Tensor]], vmap(grad_and_value(loss)))
    gradients, losses = together(parameters, x, y)
    return losses, gradients


def _draw_parameters(
    blocks: Sequence[Block], n: int, generator: np.random.Generator, support: Parameters | None
) -> Parameters:
    """Entries of either sign that stay away from zero; scales of blocks vary from point to point."""
    parameters = {}
    for block in blocks:
        free = torch.ones(block.shape) if support is None else support[block.name]
        places = torch.nonzero(free.flatten()).flatten()
        fan_in = max(1, len(places) // int(free.flatten(1).any(1).sum())) if free.ndim > 1 else 1
        entries = torch.from_numpy(generator.uniform(-1.0, 1.0, size=(n, len(places))))
        scale = torch.from_numpy(generator.uniform(0.7, 1.5, size=(n, 1))) / math.sqrt(fan_in)
        values = torch.zeros(n, block.size, dtype=torch.float64)
        values[:, places] = scale * (torch.sign(entries) * 0.3 + 1.4 * entries)
        parameters[block.name] = values.reshape(n, *block.shape)
    return parameters


def _draw_samples(
    network: Network, n: int, data: Pairs | GaussianTeacher | None, generator: np.random.Generator
) -> tuple[Tensor, Tensor]:
    if isinstance(data, Pairs):
        chosen = torch.from_numpy(generator.integers(data.n, size=n))
        return data.x[chosen].to(torch.float64), data.y[chosen].to(torch.float64)
    if data is not None:
        pairs = data.draw(n, generator)
        return pairs.x, pairs.y
    x = torch.from_numpy(generator.standard_normal((n, network.n_inputs)))
    loss = LOSSES[network.loss]
    if loss.labels_are_classes:
        return x, torch.from_numpy(generator.integers(network.n_outputs, size=(n, 1))).to(torch.float64)
    labels = generator.standard_normal((n, network.n_outputs))
    return x, torch.from_numpy(np.sign(labels) if network.loss == "logistic" else labels)
