"""Predictions and losses of several networks at once."""

from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor
from torch.func import vmap

from equipoise_solver.networks.activations import ACTIVATIONS
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.gaussian_linear import population_loss
from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.memory import chunks
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.parameters import Parameters

MAX_BYTES = 32 * 2**20
"""Memory that the samples of a chunk may take for all networks together."""


def predict_all(network: Network, parameters: Parameters, x: Tensor) -> Tensor:
    """Predictions of several networks, shape (networks, samples, out).

    Args:
        network: the model.
        parameters: by block, with a leading axis of networks.
        x: shape (networks, samples, in), or (samples, in) for all.
    """
    if isinstance(network, DenseNetwork):
        return _predict_dense(network, parameters, x)
    predict = cast(Callable[..., Tensor], vmap(network.predict, in_dims=(0, 0 if x.ndim == 3 else None)))
    return predict(parameters, x)


def _predict_dense(network: DenseNetwork, parameters: Parameters, x: Tensor) -> Tensor:
    function = ACTIVATIONS[network.activation].function
    h, z = x, x
    for i, (weight, bias) in enumerate(network.dense_layers):
        h = function(z) if i else h
        matrix = parameters[weight].transpose(-2, -1)
        if h.ndim == 2:
            z = h @ matrix if bias is None else h @ matrix + parameters[bias].unsqueeze(-2)
        elif bias is None:
            z = torch.bmm(h, matrix)
        else:
            z = torch.baddbmm(parameters[bias].unsqueeze(-2), h, matrix)
    return z


def predictions_of(
    network: Network, parameters: Parameters, pairs: Pairs, *, sample_bytes: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """x, y and the predictions (networks, samples, out) of the samples, in chunks.

    Chunks depend on the number of networks, so the bits of one network are the same in groups of one size.

    Args:
        network: the model.
        parameters: by block, with a leading axis of networks.
        pairs: samples.
        sample_bytes: memory that one sample takes in one network.
    """
    n_networks = next(iter(parameters.values())).shape[0]
    for x, y in chunks(pairs, bytes_per_sample=n_networks * sample_bytes, max_bytes=MAX_BYTES):
        yield x, y, predict_all(network, parameters, x)


def mean_losses(
    network: Network, parameters: Parameters, data: Pairs | GaussianTeacher, *, sample_bytes: int
) -> Tensor:
    """Mean loss of each network without weight decay, shape (networks,); arguments as `predictions_of`.

    Infinite or NaN where a loss overflows.
    """
    if isinstance(data, GaussianTeacher):

        def population(values: Parameters) -> Tensor:
            return population_loss(network, values, data)

        return cast(Callable[[Parameters], Tensor], vmap(population))(parameters)
    total = torch.zeros(next(iter(parameters.values())).shape[0], dtype=torch.float64)
    for _, y, predictions in predictions_of(network, parameters, data, sample_bytes=sample_bytes):
        labels = y.expand(*predictions.shape[:-1], y.shape[-1])
        total += LOSSES[network.loss].function(predictions, labels).sum(-1)
    return total / data.n
