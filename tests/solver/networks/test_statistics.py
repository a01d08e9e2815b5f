"""Statistics of gradients, held against the gradients themselves."""

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, LimitExceededError
from equipoise_solver.networks import DenseNetwork, Mlp
from equipoise_solver.networks.dense import dense_factors
from equipoise_solver.networks.parameters import flatten
from equipoise_solver.networks.per_sample import per_sample_gradients
from equipoise_solver.networks.statistics import (
    GradientStatistics,
    full_covariance,
    gradient_statistics,
)

DENSE = [name for name, network in NETWORKS.items() if isinstance(network, DenseNetwork)]


def _close(found: Tensor, wanted: Tensor) -> None:
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) <= 1e-11 * float(wanted.abs().max())


def _same(found: GradientStatistics, wanted: GradientStatistics) -> None:
    assert found.n == wanted.n
    for name in wanted.mean:
        _close(found.mean[name], wanted.mean[name])
        assert found.trace[name] == pytest.approx(wanted.trace[name], rel=1e-11)
        assert found.power[name] == pytest.approx(wanted.power[name], rel=1e-11)
    for ours, theirs in ((found.left, wanted.left), (found.right, wanted.right)):
        assert ours.keys() == theirs.keys()
        for name, matrix in theirs.items():
            _close(ours[name], matrix)


@pytest.mark.parametrize("second_moments", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_statistics_are_those_of_all_gradients(
    name: str, second_moments: bool, rng: np.random.Generator
) -> None:
    """Means, traces and the matrices of every block equal sums over stored gradients."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=23)
    each = per_sample_gradients(network, parameters, pairs.x, pairs.y)
    found = gradient_statistics(network, parameters, pairs, second_moments=second_moments)
    for block in network.blocks:
        g = each[block.name]
        mean = g.mean(0)
        centred = (g if second_moments else g - mean).reshape(pairs.n, block.shape[0], -1)
        torch.testing.assert_close(found.mean[block.name], mean)
        assert found.power[block.name] == pytest.approx(float((g**2).sum()) / pairs.n, rel=1e-12)
        assert found.trace[block.name] == pytest.approx(float((centred**2).sum()) / pairs.n, rel=1e-10)
        left = torch.einsum("nab,ncb->ac", centred, centred) / pairs.n
        _close(found.left[block.name], left)
        if len(block.shape) == 2:
            right = torch.einsum("nab,nac->bc", centred, centred) / pairs.n
            _close(found.right[block.name], right)
        else:
            assert block.name not in found.right
    assert found.total_trace == pytest.approx(sum(found.trace.values()))


@pytest.mark.parametrize("name", DENSE)
def test_factors_multiply_to_the_gradients(name: str, rng: np.random.Generator) -> None:
    """delta h' and delta are the gradients of weight and bias, for every sample and layer."""
    network = NETWORKS[name]
    assert isinstance(network, DenseNetwork)
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=6)
    each = per_sample_gradients(network, parameters, pairs.x, pairs.y)
    for layer in dense_factors(network, parameters, pairs.x, pairs.y):
        torch.testing.assert_close(torch.einsum("na,nb->nab", layer.delta, layer.h), each[layer.weight])
        if layer.bias is not None:
            torch.testing.assert_close(layer.delta, each[layer.bias])


@pytest.mark.parametrize("name", ["mlp relu", "attention", "net b", "diagonal"])
def test_chunks_change_nothing(name: str, rng: np.random.Generator) -> None:
    """Memory for one sample, some or all at a time gives the same statistics up to rounding."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=31)
    whole = gradient_statistics(network, parameters, pairs)
    for max_bytes in (1, 50_000):
        _same(gradient_statistics(network, parameters, pairs, max_bytes=max_bytes), whole)
    torch.testing.assert_close(
        full_covariance(network, parameters, pairs, max_bytes=1), full_covariance(network, parameters, pairs)
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_full_covariance_is_that_of_all_gradients(name: str, rng: np.random.Generator) -> None:
    """The (p, p) matrix equals NumPy's covariance divided by n; the second moment that of g g'."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=17)
    each: Tensor = flatten(per_sample_gradients(network, parameters, pairs.x, pairs.y), network.blocks)
    wanted = np.cov(each.numpy(), rowvar=False, bias=True)
    np.testing.assert_allclose(full_covariance(network, parameters, pairs).numpy(), wanted, atol=1e-10)
    second = full_covariance(network, parameters, pairs, second_moments=True)
    _close(second, each.T @ each / pairs.n)


def test_only_the_matrices_asked_for_are_formed(rng: np.random.Generator) -> None:
    """`left` and `right` name blocks; traces and means come for all."""
    network = NETWORKS["mlp relu"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=5)
    found = gradient_statistics(network, parameters, pairs, left=["W1", "b1"], right=())
    assert set(found.left) == {"W1", "b1"}
    assert not found.right
    assert set(found.trace) == {block.name for block in network.blocks}


def test_equal_samples_have_no_noise(rng: np.random.Generator) -> None:
    """Samples that are all the same have gradients without covariance, never below 0."""
    network = NETWORKS["mlp tanh"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=1)
    same = type(pairs)(pairs.x.repeat(40, 1), pairs.y.repeat(40, 1))
    found = gradient_statistics(network, parameters, same)
    for name, trace in found.trace.items():
        assert 0 <= trace <= 1e-14 * found.power[name]


def test_statistics_in_float32_are_summed_in_float64(rng: np.random.Generator) -> None:
    """Single precision inputs give double precision sums, close to those of double precision."""
    network = NETWORKS["mlp relu"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=50)
    single = {name: value.float() for name, value in parameters.items()}
    found = gradient_statistics(network, single, type(pairs)(pairs.x.float(), pairs.y.float()))
    wanted = gradient_statistics(network, parameters, pairs)
    assert found.left["W1"].dtype == torch.float64
    assert found.total_trace == pytest.approx(wanted.total_trace, rel=1e-4)


def test_too_few_samples_are_refused(rng: np.random.Generator) -> None:
    """A covariance needs two samples."""
    network = NETWORKS["mlp relu"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=1)
    for statistic in (gradient_statistics, full_covariance):
        with pytest.raises(InvalidModelError, match="at least 2 samples") as refused:
            statistic(network, parameters, pairs)
        assert refused.value.field == "data"


def test_unknown_blocks_are_refused(rng: np.random.Generator) -> None:
    """A matrix of a block that is not there, or of columns of a vector, is an error."""
    network = NETWORKS["mlp relu"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=3)
    with pytest.raises(InvalidModelError) as refused:
        gradient_statistics(network, parameters, pairs, left=["W9"])
    assert refused.value.field == "left"
    with pytest.raises(InvalidModelError) as refused:
        gradient_statistics(network, parameters, pairs, right=["b1"])
    assert refused.value.field == "right"


def test_whole_covariances_have_a_limit(rng: np.random.Generator) -> None:
    """2048 parameters at most; the error says what else can be had."""
    network = Mlp((20, 100, 20))
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=3)
    with pytest.raises(LimitExceededError, match="at most 2048 parameters") as refused:
        full_covariance(network, parameters, pairs)
    assert refused.value.field == "model"
