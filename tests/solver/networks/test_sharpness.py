"""Trace and top eigenvalue of the Hessian, held against the whole Hessian by automatic derivatives."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.networks import Attention, LinearNetwork, Mlp, Network, Pairs, Parameters
from equipoise_solver.networks.data import teacher_of
from equipoise_solver.networks.gaussian_linear import population_loss
from equipoise_solver.networks.objective import hessian_times, mean_loss
from equipoise_solver.networks.parameters import flatten, unflatten
from equipoise_solver.networks.per_sample import loss_of
from equipoise_solver.networks.sharpness import hessian_trace
from equipoise_solver.networks.statistics import full_covariance, gradient_statistics
from equipoise_solver.networks.top_eigenvalue import lanczos, top_eigenvalue

TEACHER = teacher_of([[1.0, 0.4, -0.3]], np.diag([1.0, 2.0, 0.5]), [[0.3]])


def _hessian(network: Network, parameters: Parameters, pairs: Pairs, weight_decay: float) -> Tensor:
    def loss(theta: Tensor) -> Tensor:
        return loss_of(network, unflatten(theta, network.blocks), pairs, weight_decay=weight_decay)

    hessian: Tensor = torch.func.jacrev(torch.func.jacrev(loss))(flatten(parameters, network.blocks))
    return hessian


@pytest.mark.parametrize("name", NETWORKS)
def test_exact_trace_is_that_of_the_whole_hessian(name: str, rng: np.random.Generator) -> None:
    """By layers or by columns, the exact trace equals the sum of the Hessian's diagonal."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=8)
    hessian = _hessian(network, parameters, pairs, 0.2)
    found = hessian_trace(network, parameters, pairs, weight_decay=0.2, method="exact")
    assert (found.standard_error, found.n_probes) == (0.0, 0)
    assert found.value == pytest.approx(float(hessian.trace()), abs=1e-11 * float(hessian.abs().sum()))


@pytest.mark.parametrize("activation", ["tanh", "gelu", "silu", "elu", "softplus", "sigmoid", "sin", "relu2"])
@pytest.mark.parametrize("loss", ["squared_error", "logistic", "cross_entropy"])
def test_exact_trace_holds_for_curved_activations(
    activation: str, loss: str, rng: np.random.Generator
) -> None:
    """The second derivative of the activation is part of the trace, for every loss."""
    network = Mlp((3, 4, 3, 5, 4, 2), activation=activation, loss=loss)
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=6)
    hessian = _hessian(network, parameters, pairs, 0.0)
    found = hessian_trace(network, parameters, pairs)
    assert found.value == pytest.approx(float(hessian.trace()), abs=1e-11 * float(hessian.abs().sum()))


@pytest.mark.parametrize("name", NETWORKS)
def test_products_and_top_eigenvalue_are_those_of_the_whole_hessian(
    name: str, rng: np.random.Generator
) -> None:
    """H v for a random v, and the largest eigenvalue, which may be far below the largest in size."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=8)
    hessian = _hessian(network, parameters, pairs, 0.2)
    size = float(hessian.abs().sum())
    vector = torch.from_numpy(rng.standard_normal(hessian.shape[0]))
    product = hessian_times(network, parameters, pairs, vector, weight_decay=0.2)
    assert float((product - hessian @ vector).abs().max()) <= 1e-12 * size
    found = top_eigenvalue(network, parameters, pairs, weight_decay=0.2, tolerance=1e-9)
    assert found.outcome == "CONVERGED"
    assert found.value == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), abs=1e-8 * size)
    assert float((hessian @ found.vector - found.value * found.vector).norm()) <= 1e-8 * size


def test_hutchinson_scatters_around_the_exact_trace(seed: int, rng: np.random.Generator) -> None:
    """The estimate lies within five of its standard errors, which are those of the probes."""
    network = NETWORKS["mlp tanh"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=20)
    exact = hessian_trace(network, parameters, pairs, weight_decay=0.1, method="exact").value
    found = hessian_trace(
        network, parameters, pairs, weight_decay=0.1, method="hutchinson", n_probes=400, seed=seed
    )
    hessian = _hessian(network, parameters, pairs, 0.0)
    # The variance of v' H v over random signs is twice the sum of squares off the diagonal.
    variance = 2 * float((hessian**2).sum() - (hessian.diagonal() ** 2).sum())
    assert found.standard_error == pytest.approx(math.sqrt(variance / 400), rel=0.5)
    assert abs(found.value - exact) <= 5 * math.sqrt(variance / 400)
    assert found.n_probes == 400


def test_large_networks_are_estimated(rng: np.random.Generator) -> None:
    """Where an exact trace takes too long, "auto" estimates it and says so."""
    network = Attention(4, 8, 2, 4)
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=6000)
    found = hessian_trace(network, parameters, pairs, n_probes=3)
    assert found.n_probes == 3
    assert found.standard_error > 0


def test_relu_networks_of_a_lab_are_exact(rng: np.random.Generator) -> None:
    """A 20-200-20 ReLU net is not estimated; estimates agree, and the top eigenvalue is below the trace."""
    network = Mlp((20, 200, 20))
    parameters, pairs = random_parameters(network, rng, size=0.2), random_pairs(network, rng, n=300)
    trace = hessian_trace(network, parameters, pairs)
    assert trace.standard_error == 0
    estimate = hessian_trace(network, parameters, pairs, method="hutchinson", n_probes=30)
    assert abs(estimate.value - trace.value) <= 6 * estimate.standard_error
    top = top_eigenvalue(network, parameters, pairs)
    assert top.outcome == "CONVERGED"
    assert 0 < top.value < trace.value


def test_population_of_a_teacher_has_an_exact_hessian(rng: np.random.Generator) -> None:
    """Loss, trace and top eigenvalue are those of the closed form's whole Hessian."""
    network = LinearNetwork((3, 4, 1))
    parameters = random_parameters(network, rng)

    def loss(theta: Tensor) -> Tensor:
        values = unflatten(theta, network.blocks)
        return population_loss(network, values, TEACHER) + 0.3 * theta @ theta

    theta = flatten(parameters, network.blocks)
    hessian = torch.func.jacrev(torch.func.jacrev(loss))(theta)
    trace = hessian_trace(network, parameters, TEACHER, weight_decay=0.3)
    assert trace.value == pytest.approx(float(hessian.trace()), rel=1e-12)
    top = top_eigenvalue(network, parameters, TEACHER, weight_decay=0.3, tolerance=1e-9)
    assert top.value == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=1e-9)
    assert mean_loss(network, parameters, TEACHER, weight_decay=0.3) == pytest.approx(float(loss(theta)))


def test_mean_loss_is_the_loss_of_the_samples(rng: np.random.Generator) -> None:
    """Chunks add up to the differentiable mean loss."""
    network = NETWORKS["attention"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=9)
    found = mean_loss(network, parameters, pairs, weight_decay=0.4)
    assert found == pytest.approx(float(loss_of(network, parameters, pairs, weight_decay=0.4)))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_many_samples_are_the_average_of_few(activation: str, rng: np.random.Generator) -> None:
    """Samples beyond one chunk of memory: loss, trace and products are weighted averages over parts."""
    network = Mlp((20, 200, 20), activation=activation)
    parameters, pairs = random_parameters(network, rng, size=0.2), random_pairs(network, rng, n=2500)
    vector = torch.from_numpy(rng.standard_normal(network.blocks[0].size + 220 + network.blocks[2].size))
    parts = [Pairs(pairs.x[a:b], pairs.y[a:b]) for a, b in ((0, 400), (400, 900), (900, 2500))]
    shares = [part.n / pairs.n for part in parts]
    loss = sum(w * mean_loss(network, parameters, part) for w, part in zip(shares, parts, strict=True))
    assert mean_loss(network, parameters, pairs) == pytest.approx(loss, rel=1e-12)
    traces = [hessian_trace(network, parameters, part).value for part in parts]
    trace = sum(w * value for w, value in zip(shares, traces, strict=True))
    assert hessian_trace(network, parameters, pairs).value == pytest.approx(trace, rel=1e-11)
    products = [w * hessian_times(network, parameters, p, vector) for w, p in zip(shares, parts, strict=True)]
    torch.testing.assert_close(
        hessian_times(network, parameters, pairs, vector), torch.stack(products).sum(0), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("name", ["linear", "mlp tanh", "attention"])
def test_parameters_that_overflow_are_refused(name: str, rng: np.random.Generator) -> None:
    """Losses and derivatives beyond the range of numbers are an error, not NaN."""
    network = NETWORKS[name]
    pairs = random_pairs(network, rng, n=5)
    huge = {block: 1e200 * value for block, value in random_parameters(network, rng).items()}
    requests: list[Callable[[], object]] = [
        lambda: mean_loss(network, huge, pairs),
        lambda: hessian_trace(network, huge, pairs),
        lambda: hessian_trace(network, huge, pairs, method="hutchinson"),
        lambda: top_eigenvalue(network, huge, pairs),
        lambda: gradient_statistics(network, huge, pairs),
        lambda: full_covariance(network, huge, pairs),
    ]
    for request in requests:
        with pytest.raises(InvalidModelError, match="overflow") as refused:
            request()
        assert refused.value.field == "parameters"


def test_lanczos_says_when_it_has_not_converged(rng: np.random.Generator) -> None:
    """Few products leave an error bound that holds: an eigenvalue lies within it of the value."""
    values = torch.linspace(0, 1, 300, dtype=torch.float64)
    start = torch.from_numpy(rng.standard_normal(300))
    found = lanczos(lambda vector: values * vector, start, tolerance=1e-9, max_products=12)
    assert (found.outcome, found.n_products) == ("BUDGET_EXHAUSTED", 12)
    assert float((values - found.value).abs().min()) <= found.error_bound
    assert 0.9 < found.value < 1


def test_lanczos_ends_where_its_space_ends() -> None:
    """A start inside an invariant space, and the zero matrix, give an answer and no NaN."""
    start = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    diagonal = torch.tensor([3.0, -5.0, 7.0], dtype=torch.float64)
    assert lanczos(lambda v: diagonal * v, start, tolerance=1e-9, max_products=9).value == pytest.approx(3.0)
    assert lanczos(lambda v: 0 * v, start, tolerance=1e-9, max_products=9).value == 0


def test_bad_requests_are_refused(rng: np.random.Generator) -> None:
    """A teacher with a curved network, an unknown method, too few probes or products."""
    network = Mlp((3, 2, 1), activation="tanh")
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=4)
    with pytest.raises(UnsupportedCombinationError, match="linear network"):
        hessian_trace(network, parameters, TEACHER)
    with pytest.raises(InvalidModelError, match="method"):
        hessian_trace(network, parameters, pairs, method="magic")  # type: ignore[arg-type]
    with pytest.raises(InvalidModelError, match="n_probes"):
        hessian_trace(network, parameters, pairs, method="hutchinson", n_probes=1)
    with pytest.raises(InvalidModelError, match="max_products"):
        top_eigenvalue(network, parameters, pairs, max_products=0)
