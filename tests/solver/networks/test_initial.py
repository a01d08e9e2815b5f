"""Initial parameters: laws of the entries, determinism, and exact minima of linear networks."""

import math

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs
from tests.support.statistics import assert_mean, assert_variance
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, SolverError, UnsupportedCombinationError
from equipoise_solver.networks import (
    Attention,
    Diagonal,
    GaussianTeacher,
    LinearNetwork,
    MatrixFactorization,
    Mlp,
    Network,
    Parameters,
)
from equipoise_solver.networks.data import teacher_of
from equipoise_solver.networks.gaussian_linear import population_loss, population_statistics
from equipoise_solver.networks.initial import INITIALIZATIONS, initial_parameters
from equipoise_solver.networks.parameters import check_parameters
from equipoise_solver.networks.per_sample import mean_gradient

RANDOM = [name for name in INITIALIZATIONS if name != "global_minimum"]


def _same(first: Parameters, second: Parameters) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("init", RANDOM)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_starts_from_every_law(name: str, init: str, seed: int) -> None:
    """Parameters fit the network, are the same for the same seed, and others for another seed or path."""
    network = NETWORKS[name]
    first = initial_parameters(network, init, seed=seed)
    check_parameters(network, first)
    assert _same(first, initial_parameters(network, init, seed=seed))
    if init != "orthogonal" or not isinstance(network, Diagonal):
        assert not _same(first, initial_parameters(network, init, seed=seed + 1))
        assert not _same(first, initial_parameters(network, init, seed=seed, path=1))


@pytest.mark.parametrize(
    ("network", "init", "scale", "std"),
    [
        (Mlp((40, 300, 20)), "kaiming", 1.0, math.sqrt(2 / 40)),
        (Mlp((40, 300, 20), activation="tanh"), "kaiming", 1.0, math.sqrt(1 / 40)),
        (LinearNetwork((40, 300, 20)), "kaiming", 2.0, 2 * math.sqrt(1 / 40)),
        (LinearNetwork((40, 300, 20)), "xavier", 1.0, math.sqrt(2 / 340)),
        (LinearNetwork((40, 300, 20)), "small", 1.0, 0.01),
    ],
)
def test_entries_have_the_declared_spread(
    network: Network, init: str, scale: float, std: float, seed: int
) -> None:
    """Mean 0 and the variance of the law, for the first layer's 12000 entries."""
    entries = initial_parameters(network, init, seed=seed, scale=scale)["W1"].flatten().numpy() / std
    assert_mean(entries, 0.0, resolves=0.1)
    assert_variance(entries, 1.0, resolves=0.15)


def test_biases_start_at_zero(seed: int) -> None:
    """Whatever the law of the weights."""
    for init in RANDOM:
        parameters = initial_parameters(NETWORKS["mlp relu"], init, seed=seed)
        assert not bool(parameters["b1"].any())


def test_orthogonal_layers_keep_lengths(seed: int) -> None:
    """The narrower side is orthonormal, times the scale; diagonal layers are signs."""
    parameters = initial_parameters(LinearNetwork((5, 8, 3)), "orthogonal", seed=seed, scale=1.5)
    wide, narrow = parameters["W1"], parameters["W2"]
    torch.testing.assert_close(wide.T @ wide, 2.25 * torch.eye(5, dtype=torch.float64))
    torch.testing.assert_close(narrow @ narrow.T, 2.25 * torch.eye(3, dtype=torch.float64))
    signs = initial_parameters(Diagonal(1, 50), "orthogonal", seed=seed)["U1"]
    assert set(signs.tolist()) == {-1.0, 1.0}


def test_orthogonal_layers_have_no_preferred_direction(seed: int) -> None:
    """An entry of a rotation of three dimensions is uniform on [-1, 1]: mean 0 and variance 1/3."""
    network = LinearNetwork((3, 3))
    layers = [initial_parameters(network, "orthogonal", seed=seed, path=path)["W1"] for path in range(1500)]
    entries = torch.stack(layers).numpy()
    for i, j in ((0, 0), (1, 2), (2, 2)):
        assert_mean(entries[:, i, j], 0.0, resolves=0.2)
        assert_variance(entries[:, i, j], 1 / 3, resolves=0.1)


def _teacher(n_in: int, n_out: int, rng: np.random.Generator) -> GaussianTeacher:
    a, b = rng.standard_normal((n_in, n_in)), rng.standard_normal((n_out, n_out))
    return teacher_of(
        rng.standard_normal((n_out, n_in)), a @ a.T + 0.1 * np.eye(n_in), b @ b.T + 0.1 * np.eye(n_out)
    )


def _product(parameters: Parameters) -> Tensor:
    first, *others = parameters.values()
    for value in others:
        first = value @ first
    return first


@pytest.mark.parametrize("widths", [(4, 3), (4, 6, 3), (5, 3, 7, 4, 3), (2, 9, 9, 9, 9, 5)])
def test_global_minimum_is_the_teacher(widths: tuple[int, ...], seed: int, rng: np.random.Generator) -> None:
    """Layers wide enough multiply to V exactly: no gradient, and the loss is that of the noise."""
    network = LinearNetwork(widths)
    teacher = _teacher(widths[0], widths[-1], rng)
    parameters = initial_parameters(network, "global_minimum", seed=seed, data=teacher)
    check_parameters(network, parameters)
    torch.testing.assert_close(_product(parameters), teacher.teacher, rtol=1e-12, atol=1e-12)
    noise = float(teacher.noise_cov.trace())
    assert float(population_loss(network, parameters, teacher)) == pytest.approx(noise, rel=1e-14)
    if len(widths) > 2:
        other = initial_parameters(network, "global_minimum", seed=seed + 1, data=teacher)
        assert float((other["W1"] - parameters["W1"]).norm()) > 0.1 * float(parameters["W1"].norm())


def test_narrow_layers_keep_the_best_directions(seed: int, rng: np.random.Generator) -> None:
    """Of rank 2, the loss exceeds the noise by the squares of the singular values of V Sx^1/2 left out."""
    network, teacher = MatrixFactorization((5, 2, 4)), _teacher(5, 4, rng)
    parameters = initial_parameters(network, "global_minimum", seed=seed, data=teacher)
    root = np.linalg.cholesky(teacher.input_cov.numpy())
    values = np.linalg.svd(teacher.teacher.numpy() @ root, compute_uv=False)
    wanted = float(teacher.noise_cov.trace()) + float((values[2:] ** 2).sum())
    assert float(population_loss(network, parameters, teacher)) == pytest.approx(wanted, rel=1e-12)
    found = population_statistics(network, parameters, teacher)
    for name, mean in found.mean.items():
        assert float(mean.norm()) <= 1e-10 * math.sqrt(found.power[name])


@pytest.mark.parametrize("widths", [(4, 6, 3), (4, 2, 3)])
def test_global_minimum_of_samples_has_no_gradient(
    widths: tuple[int, ...], seed: int, rng: np.random.Generator
) -> None:
    """Least squares of the samples, of full or of restricted rank."""
    network = LinearNetwork(widths)
    pairs = random_pairs(network, rng, n=40)
    parameters = initial_parameters(network, "global_minimum", seed=seed, data=pairs)
    for gradient in mean_gradient(network, parameters, pairs).values():
        assert float(gradient.abs().max()) < 1e-11


def test_fewer_samples_than_inputs_are_interpolated(seed: int, rng: np.random.Generator) -> None:
    """The solution of least norm passes through all samples."""
    network = LinearNetwork((6, 7, 3))
    pairs = random_pairs(network, rng, n=4)
    parameters = initial_parameters(network, "global_minimum", seed=seed, data=pairs)
    torch.testing.assert_close(network.predict(parameters, pairs.x), pairs.y, rtol=1e-9, atol=1e-9)


def test_a_teacher_of_zero_is_met_by_zero(seed: int) -> None:
    """No direction to represent: all layers are 0."""
    teacher = teacher_of(np.zeros((2, 3)), np.eye(3), np.eye(2))
    parameters = initial_parameters(LinearNetwork((3, 4, 2)), "global_minimum", seed=seed, data=teacher)
    assert not any(bool(value.any()) for value in parameters.values())


def test_bad_requests_are_refused(rng: np.random.Generator) -> None:
    """Each names its field."""
    teacher = _teacher(4, 4, rng)
    linear = LinearNetwork((4, 3, 4))
    cases: list[tuple[Network, str, float, GaussianTeacher | None, type[SolverError], str]] = [
        (linear, "he", 1.0, None, InvalidModelError, "parameters.init"),
        (linear, "kaiming", 0.0, None, InvalidModelError, "parameters.scale"),
        (linear, "kaiming", math.nan, None, InvalidModelError, "parameters.scale"),
        (linear, "global_minimum", 1.0, None, InvalidModelError, "parameters.init"),
        (linear, "global_minimum", 2.0, teacher, InvalidModelError, "parameters.scale"),
        (LinearNetwork((3, 4)), "global_minimum", 1.0, teacher, InvalidModelError, "data.teacher"),
        (
            Attention(1, 4, 1, 2),
            "global_minimum",
            1.0,
            teacher,
            UnsupportedCombinationError,
            "parameters.init",
        ),
    ]
    for network, init, scale, data, error, field in cases:
        with pytest.raises(error) as refused:
            initial_parameters(network, init, seed=1, scale=scale, data=data)
        assert refused.value.field == field
