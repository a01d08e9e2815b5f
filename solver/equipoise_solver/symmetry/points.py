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

BATCH = 64
"""Samples of a data set that one point sums over, so that what acts on few of them is seen."""


@dataclass(frozen=True)
class Samples:
    """Samples of n points: the loss of a point is the sum of weight times loss over its samples.

    Attributes:
        x: inputs, shape (n, batch, in).
        y: labels, shape (n, batch, label width).
        weights: shape (n, batch), of either sign.
    """

    x: Tensor
    y: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Points:
    """A few samples at one set of parameters, n times.

    Attributes:
        parameters: by block, shape (n, *block shape).
        samples: with their weights.
        losses: loss of each point, shape (n,).
        gradients: its gradient by block, shape (n, *block shape).
    """

    parameters: Parameters
    samples: Samples
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
        data: where samples come from: of a data set up to 64 a point, all samples in turn; of a teacher, or
            of x ~ N(0, 1) with labels of any kind for None, one.
        generator: source of randomness.
        support: by block, 1 where parameters are free and 0 where they are zero; None for all free.
    """
    parameters = _draw_parameters(network.blocks, n, generator, support)
    samples = _draw_samples(network, n, data, generator)
    losses, gradients = losses_and_gradients(network, parameters, samples)
    return Points(parameters, samples, losses, gradients)


def losses_and_gradients(
    network: Network, parameters: Parameters, samples: Samples
) -> tuple[Tensor, Parameters]:
    """Loss and gradient of point i at parameters i: shapes (n,) and (n, *block shape)."""

    def loss(values: Parameters, x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        return (weights * sample_losses(network, values, x, y)).sum()

    together = cast(Callable[..., tuple[Parameters, Tensor]], vmap(grad_and_value(loss)))
    gradients, losses = together(parameters, samples.x, samples.y, samples.weights)
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
) -> Samples:
    if isinstance(data, Pairs):
        return _samples_in_turn(data, n, generator)
    pairs = _any_samples(network, n, generator) if data is None else data.draw(n, generator)
    return Samples(pairs.x[:, None], pairs.y[:, None], torch.ones(n, 1, dtype=torch.float64))


def _samples_in_turn(data: Pairs, n: int, generator: np.random.Generator) -> Samples:
    """Every sample as often as any other, up to one time, in random order with random weights."""
    batch = min(BATCH, data.n)
    order = [generator.permutation(data.n) for _ in range(math.ceil(n * batch / data.n))]
    chosen = torch.from_numpy(np.concatenate(order)[: n * batch].reshape(n, batch))
    weights = torch.from_numpy(generator.standard_normal((n, batch)))
    return Samples(data.x[chosen].to(torch.float64), data.y[chosen].to(torch.float64), weights)


def _any_samples(network: Network, n: int, generator: np.random.Generator) -> Pairs:
    """x ~ N(0, 1) and labels that the loss has a meaning for."""
    x = torch.from_numpy(generator.standard_normal((n, network.n_inputs)))
    if LOSSES[network.loss].labels_are_classes:
        return Pairs(x, torch.from_numpy(generator.integers(network.n_outputs, size=(n, 1))).double())
    labels = generator.standard_normal((n, network.n_outputs))
    return Pairs(x, torch.from_numpy(np.sign(labels) if network.loss == "logistic" else labels))
