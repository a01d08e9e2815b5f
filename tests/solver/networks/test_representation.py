"""Alignment of representations and effective rank."""

import math

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters

from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.networks import LinearNetwork
from equipoise_solver.networks.data import teacher_of
from equipoise_solver.networks.representation import (
    alignment,
    data_covariances,
    effective_rank,
    latent_alignment,
    latent_covariances,
)


def test_alignment_is_a_cosine(rng: np.random.Generator) -> None:
    """1 with a multiple, -1 with a negative one, between otherwise; 0 with nothing, and never NaN."""
    a = torch.from_numpy(rng.standard_normal((3, 4)))
    b = torch.from_numpy(rng.standard_normal((3, 4)))
    assert float(alignment(a, 2.5 * a)) == pytest.approx(1, abs=1e-14)
    assert float(alignment(a, -a)) == pytest.approx(-1, abs=1e-14)
    wanted = np.vdot(a.numpy(), b.numpy()) / np.linalg.norm(a.numpy()) / np.linalg.norm(b.numpy())
    assert float(alignment(a, b)) == pytest.approx(wanted)
    assert float(alignment(a, 0 * b)) == 0
    stacked = alignment(torch.stack([a, b]), torch.stack([b, b]))
    torch.testing.assert_close(stacked, torch.stack([alignment(a, b), alignment(b, b)]))


def test_effective_rank_counts_equal_directions() -> None:
    """k equal singular values count as k; unequal ones as the exponential of their entropy; nothing as 0."""
    assert float(effective_rank(3 * torch.eye(4, dtype=torch.float64))) == pytest.approx(4)
    one = torch.outer(torch.arange(1.0, 4), torch.arange(2.0, 7)).double()
    assert float(effective_rank(one)) == pytest.approx(1)
    uneven = torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64))
    wanted = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert float(effective_rank(uneven)) == pytest.approx(wanted)
    assert float(effective_rank(torch.zeros(3, 2))) == 0


def test_covariances_of_a_layer_are_products(rng: np.random.Generator) -> None:
    """From below W2 W1 Sx W1' W2', from above W3' Se W3."""
    network = LinearNetwork((3, 4, 2, 3))
    p = random_parameters(network, rng)
    sx, se = (
        torch.diag(torch.tensor([1.0, 2.0, 0.5])).double(),
        torch.diag(torch.tensor([0.3, 1, 2])).double(),
    )
    below, above = latent_covariances(network, p, 2, input_cov=sx, noise_cov=se)
    w = p["W2"] @ p["W1"]
    torch.testing.assert_close(below, w @ sx @ w.T)
    torch.testing.assert_close(above, p["W3"].T @ se @ p["W3"])


def test_the_balanced_pair_is_aligned(rng: np.random.Generator) -> None:
    """W1 = S^1/2 R' Sx^-1/2, W2 = Se^-1/2 A S^1/2 with Se^1/2 V Sx^1/2 = A S R' aligns both covariances."""
    sx, se = np.diag([1.3, 0.4, 2.0]), np.diag([0.5, 1.7])
    v = rng.standard_normal((2, 3))
    a, s, r = np.linalg.svd(np.sqrt(se) @ v @ np.sqrt(sx), full_matrices=False)
    w1 = np.diag(np.sqrt(s)) @ r @ np.diag(np.diag(sx) ** -0.5)
    w2 = np.diag(np.diag(se) ** -0.5) @ a @ np.diag(np.sqrt(s))
    np.testing.assert_allclose(w2 @ w1, v)
    network, teacher = LinearNetwork((3, 2, 2)), teacher_of(v, sx, se)
    balanced = {"W1": torch.from_numpy(w1), "W2": torch.from_numpy(w2)}
    assert latent_alignment(network, balanced, teacher) == pytest.approx(1, abs=1e-14)
    stretched = {"W1": torch.from_numpy(np.diag([5, 0.2]) @ w1), "W2": torch.from_numpy(w2 / [5, 0.2])}
    assert latent_alignment(network, stretched, teacher) < 0.999


def test_samples_give_covariances_of_inputs_and_residuals(rng: np.random.Generator) -> None:
    """Second moments of x and of y - f(x)."""
    network = NETWORKS["mlp tanh"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=9)
    sx, se = data_covariances(network, parameters, pairs)
    residual = pairs.y - network.predict(parameters, pairs.x)
    torch.testing.assert_close(sx, torch.stack([torch.outer(x, x) for x in pairs.x]).mean(0))
    torch.testing.assert_close(se, torch.stack([torch.outer(r, r) for r in residual]).mean(0))
    assert -1 <= latent_alignment(network, parameters, pairs) <= 1


def test_layers_and_networks_without_representation_are_refused(rng: np.random.Generator) -> None:
    """A layer that is not hidden, attention, and labels without residuals."""
    network, attention, logistic = NETWORKS["linear"], NETWORKS["attention"], NETWORKS["mlp logistic"]
    for layer in (0, 3):
        with pytest.raises(InvalidModelError, match="a hidden layer, 1 to 2"):
            latent_alignment(
                network, random_parameters(network, rng), random_pairs(network, rng, n=3), layer=layer
            )
    with pytest.raises(UnsupportedCombinationError, match="dense layers"):
        latent_alignment(attention, random_parameters(attention, rng), random_pairs(attention, rng, n=3))
    with pytest.raises(InvalidModelError, match="squared_error"):
        latent_alignment(logistic, random_parameters(logistic, rng), random_pairs(logistic, rng, n=3))
