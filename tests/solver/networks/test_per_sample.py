"""Losses and gradients of samples."""

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from torch import Tensor

from equipoise_solver.networks import LinearNetwork, Network, Pairs, Parameters
from equipoise_solver.networks.parameters import flatten, unflatten
from equipoise_solver.networks.per_sample import loss_of, mean_gradient, per_sample_gradients, sample_losses


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_finite_differences_of_the_loss(name: str, rng: np.random.Generator) -> None:
    """Each sample's gradient is the central difference of its loss along every parameter."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=12)
    exact = flatten(per_sample_gradients(network, parameters, pairs.x, pairs.y), network.blocks)
    numeric, bend = _differences(network, parameters, pairs)
    # A step across a kink of relu bends the loss; the three samples that bend least have none.
    straight = torch.argsort(bend)[:3]
    # Error of the difference: step^2 times the third derivative, and 1e-16/step of rounding.
    off = float((exact - numeric)[straight].abs().max())
    assert off < 2e-8 * max(1.0, float(exact[straight].abs().max()))


def _differences(network: Network, parameters: Parameters, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Central differences, shape (n, p), and the largest second difference of each sample, shape (n,)."""
    step = 1e-5
    theta = flatten(parameters, network.blocks)
    middle = sample_losses(network, parameters, pairs.x, pairs.y)
    slopes, bends = [], []
    for i in range(theta.numel()):
        shift = torch.zeros_like(theta)
        shift[i] = step
        above = sample_losses(network, unflatten(theta + shift, network.blocks), pairs.x, pairs.y)
        below = sample_losses(network, unflatten(theta - shift, network.blocks), pairs.x, pairs.y)
        slopes.append((above - below) / (2 * step))
        bends.append((above + below - 2 * middle).abs())
    return torch.stack(slopes, dim=-1), torch.stack(bends).amax(0)


def test_two_linear_layers_have_gradients_of_two_products(rng: np.random.Generator) -> None:
    """With r = W2 W1 x - y: dl/dW1 = 2 W2' r x', dl/dW2 = 2 r (W1 x)'."""
    network = LinearNetwork((4, 3, 2))
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=7)
    found = per_sample_gradients(network, parameters, pairs.x, pairs.y)
    w1, w2 = parameters["W1"], parameters["W2"]
    r = pairs.x @ (w2 @ w1).T - pairs.y
    torch.testing.assert_close(found["W1"], 2 * torch.einsum("no,oh,ni->nhi", r, w2, pairs.x))
    torch.testing.assert_close(found["W2"], 2 * torch.einsum("no,nh->noh", r, pairs.x @ w1.T))


@pytest.mark.parametrize("name", NETWORKS)
def test_mean_gradient_is_the_mean_of_gradients_and_the_decay(name: str, rng: np.random.Generator) -> None:
    """Weight decay g adds 2 g theta to the mean of the samples' gradients."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=9)
    found = mean_gradient(network, parameters, pairs, weight_decay=0.3)
    each = per_sample_gradients(network, parameters, pairs.x, pairs.y)
    for block, value in parameters.items():
        torch.testing.assert_close(found[block], each[block].mean(0) + 0.6 * value)


def test_weight_decay_adds_the_squared_norm(rng: np.random.Generator) -> None:
    """The loss with decay g is the loss without plus g |theta|^2."""
    network = NETWORKS["mlp relu"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=5)
    theta = flatten(parameters, network.blocks)
    found = loss_of(network, parameters, pairs, weight_decay=0.7) - loss_of(network, parameters, pairs)
    torch.testing.assert_close(found, 0.7 * theta @ theta)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_can_be_stacked(name: str, rng: np.random.Generator) -> None:
    """Losses of many networks by vmap are those of each alone."""
    network = NETWORKS[name]
    many = [random_parameters(network, rng) for _ in range(3)]
    pairs = random_pairs(network, rng, n=4)
    stacked = {block.name: torch.stack([one[block.name] for one in many]) for block in network.blocks}
    found = torch.func.vmap(lambda parameters: loss_of(network, parameters, pairs))(stacked)
    torch.testing.assert_close(found, torch.stack([loss_of(network, one, pairs) for one in many]))
