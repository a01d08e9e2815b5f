"""Exact statistics of linear networks under a Gaussian teacher.

Gauss-Hermite rules of three points per variable integrate polynomials of degree 5 exactly: the gradients of
their weighted nodes give every second moment of gradients, of degree 4, by another way than Isserlis'.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from tests.support.statistics import assert_mean
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.networks import (
    Attention,
    GaussianTeacher,
    LinearNetwork,
    MatrixFactorization,
    Mlp,
    Network,
    Pairs,
    Parameters,
)
from equipoise_solver.networks.data import teacher_of
from equipoise_solver.networks.gaussian_linear import (
    covariance_times,
    layer_moments,
    population_hessian_trace,
    population_loss,
    population_statistics,
)
from equipoise_solver.networks.parameters import flatten, unflatten
from equipoise_solver.networks.per_sample import per_sample_gradients, sample_losses
from equipoise_solver.networks.statistics import gradient_statistics

CASES: dict[str, Network] = {
    "one layer": LinearNetwork((2, 3)),
    "two layers": LinearNetwork((3, 2, 2)),
    "four layers": LinearNetwork((2, 3, 4, 1, 3)),
    "factorization": MatrixFactorization((2, 1, 3)),
    "mlp without activation": Mlp((3, 4, 1), activation="linear", bias=False),
}


def _teacher(network: Network, rng: np.random.Generator) -> GaussianTeacher:
    n_in, n_out = network.n_inputs, network.n_outputs
    a, b = rng.standard_normal((n_in, n_in)), rng.standard_normal((n_out, n_out))
    return teacher_of(rng.standard_normal((n_out, n_in)), a @ a.T + 0.1 * np.eye(n_in), b @ b.T)


def _parameters(network: Network, rng: np.random.Generator) -> Parameters:
    return {b.name: torch.from_numpy(0.9 * rng.standard_normal(b.shape)) for b in network.blocks}


def _nodes(teacher: GaussianTeacher) -> tuple[Pairs, Tensor]:
    """Nodes and weights that are exact for polynomials of degree 5 in (x, e)."""
    size = teacher.n_inputs + teacher.n_outputs
    points = np.array(list(itertools.product((-math.sqrt(3), 0.0, math.sqrt(3)), repeat=size)))
    weights = np.array(list(itertools.product((1 / 6, 2 / 3, 1 / 6), repeat=size))).prod(axis=1)
    x = points[:, : teacher.n_inputs] @ np.linalg.cholesky(teacher.input_cov.numpy()).T
    e = points[:, teacher.n_inputs :] @ np.linalg.cholesky(teacher.noise_cov.numpy()).T
    y = x @ teacher.teacher.numpy().T + e
    return Pairs(torch.from_numpy(x), torch.from_numpy(y)), torch.from_numpy(weights)


def _close(found: Tensor, wanted: Tensor) -> None:
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) <= 1e-11 * max(1e-3, float(wanted.abs().max()))


@pytest.mark.parametrize("second_moments", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_statistics_equal_exact_quadrature(name: str, second_moments: bool, rng: np.random.Generator) -> None:
    """Mean, traces and matrices of every block are those of the gradients at weighted nodes."""
    network = CASES[name]
    teacher, parameters = _teacher(network, rng), _parameters(network, rng)
    pairs, weights = _nodes(teacher)
    each = per_sample_gradients(network, parameters, pairs.x, pairs.y)
    found = population_statistics(network, parameters, teacher, second_moments=second_moments)
    assert found.n is None
    for block, g in each.items():
        mean = torch.einsum("n,nab->ab", weights, g)
        centred = g if second_moments else g - mean
        _close(found.mean[block], mean)
        _close(found.left[block], torch.einsum("n,nab,ncb->ac", weights, centred, centred))
        _close(found.right[block], torch.einsum("n,nab,nac->bc", weights, centred, centred))
        wanted = float(torch.einsum("n,nab,nab->", weights, centred, centred))
        assert found.trace[block] == pytest.approx(wanted, rel=1e-11)
        power = float(torch.einsum("n,nab,nab->", weights, g, g))
        assert found.power[block] == pytest.approx(power, rel=1e-11)


@pytest.mark.parametrize("second_moments", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_matrices_between_gradients_equal_exact_quadrature(
    name: str, second_moments: bool, rng: np.random.Generator
) -> None:
    """E[G M G'] and E[G' M G] hold for any M, symmetric or not."""
    network = CASES[name]
    teacher, parameters = _teacher(network, rng), _parameters(network, rng)
    pairs, weights = _nodes(teacher)
    each = per_sample_gradients(network, parameters, pairs.x, pairs.y)
    for layer in layer_moments(network, parameters, teacher):
        g = each[layer.weight]
        centred = g if second_moments else g - torch.einsum("n,nab->ab", weights, g)
        between = torch.from_numpy(rng.standard_normal((g.shape[2], g.shape[2])))
        wanted = torch.einsum("n,nab,bd,ncd->ac", weights, centred, between, centred)
        _close(layer.left(between, second_moments=second_moments), wanted)
        between = torch.from_numpy(rng.standard_normal((g.shape[1], g.shape[1])))
        wanted = torch.einsum("n,nab,ac,ncd->bd", weights, centred, between, centred)
        _close(layer.right(between, second_moments=second_moments), wanted)


@pytest.mark.parametrize("name", CASES)
def test_whole_covariance_equals_exact_quadrature(name: str, rng: np.random.Generator) -> None:
    """Sigma X for every unit X gives the whole (p, p) covariance, between layers too."""
    network = CASES[name]
    teacher, parameters = _teacher(network, rng), _parameters(network, rng)
    pairs, weights = _nodes(teacher)
    g = flatten(per_sample_gradients(network, parameters, pairs.x, pairs.y), network.blocks)
    centred = g - weights @ g
    units = torch.eye(g.shape[1], dtype=torch.float64)
    columns = [covariance_times(network, parameters, teacher, unflatten(u, network.blocks)) for u in units]
    found = torch.stack([flatten(column, network.blocks) for column in columns])
    _close(found, centred.T @ (weights[:, None] * centred))


@pytest.mark.parametrize("name", CASES)
def test_loss_and_hessian_equal_exact_quadrature(name: str, rng: np.random.Generator) -> None:
    """The loss is the weighted loss of the nodes; its Hessian's trace that of automatic derivatives."""
    network = CASES[name]
    teacher, parameters = _teacher(network, rng), _parameters(network, rng)
    pairs, weights = _nodes(teacher)

    def loss(theta: Tensor) -> Tensor:
        return weights @ sample_losses(network, unflatten(theta, network.blocks), pairs.x, pairs.y)

    theta = flatten(parameters, network.blocks)
    _close(population_loss(network, parameters, teacher), loss(theta))
    trace = float(torch.trace(torch.func.jacrev(torch.func.jacrev(loss))(theta)))
    assert population_hessian_trace(network, parameters, teacher) == pytest.approx(trace, rel=1e-10)


def test_one_weight_has_the_moments_of_the_normal_law() -> None:
    """For y = k x + e, l = (w x - y)^2: Var l' = 4 (2 (w-k)^2 s^4 + s^2 t^2), here worked out by hand."""
    w, k, s2, t2 = 1.7, 0.6, 1.3, 0.4
    network, teacher = LinearNetwork((1, 1)), teacher_of([[k]], [[s2]], [[t2]])
    found = population_statistics(network, {"W1": torch.tensor([[w]], dtype=torch.float64)}, teacher)
    assert found.mean["W1"].item() == pytest.approx(2 * (w - k) * s2, rel=1e-15)
    assert found.trace["W1"] == pytest.approx(4 * (2 * (w - k) ** 2 * s2**2 + s2 * t2), rel=1e-14)


def test_population_is_the_limit_of_samples(seed: int, rng: np.random.Generator) -> None:
    """Statistics of drawn samples scatter around the exact ones; independent batches give the error."""
    network = LinearNetwork((3, 4, 2))
    teacher, parameters = _teacher(network, rng), _parameters(network, rng)
    exact = population_statistics(network, parameters, teacher, second_moments=True)
    batches = [teacher.pairs(2000, seed + i) for i in range(60)]
    found = [gradient_statistics(network, parameters, pairs, second_moments=True) for pairs in batches]
    for block in ("W1", "W2"):
        traces = np.array([one.trace[block] for one in found])
        assert_mean(traces, exact.trace[block], resolves=0.2 * exact.trace[block])
        corners = np.array([float(one.left[block][0, 1]) for one in found])
        scale = float(exact.left[block].diagonal().max())
        assert_mean(corners, float(exact.left[block][0, 1]), resolves=0.2 * scale)


def test_parameters_that_overflow_are_refused() -> None:
    """Statistics beyond the range of numbers are an error, not NaN."""
    teacher = teacher_of([[1.0]], [[1.0]], [[1.0]])
    huge = {name: torch.tensor([[1e200]], dtype=torch.float64) for name in ("W1", "W2")}
    with pytest.raises(InvalidModelError, match="overflow"):
        population_statistics(LinearNetwork((1, 1, 1)), huge, teacher)


def test_teachers_that_do_not_fit_are_refused() -> None:
    """Shapes and the loss must be those of a linear network with squared error."""
    teacher = teacher_of([[1.0, 2.0]], [[1.0, 0.0], [0.0, 2.0]], [[1.0]])
    cases: list[tuple[Network, type[Exception], str]] = [
        (LinearNetwork((3, 1)), InvalidModelError, "data.teacher"),
        (LinearNetwork((2, 1), loss="logistic"), InvalidModelError, "model.loss"),
        (Mlp((2, 3, 1), activation="relu", bias=False), UnsupportedCombinationError, "model"),
        (Mlp((2, 3, 1), activation="linear", bias=True), UnsupportedCombinationError, "model"),
        (Attention(1, 2, 1, 1), InvalidModelError, "data.teacher"),
    ]
    for network, error, field in cases:
        parameters = {b.name: torch.ones(b.shape, dtype=torch.float64) for b in network.blocks}
        with pytest.raises(error) as refused:
            population_statistics(network, parameters, teacher)
        assert isinstance(refused.value, InvalidModelError | UnsupportedCombinationError)
        assert refused.value.field == field
