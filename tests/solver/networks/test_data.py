"""Pairs and teachers, parameters as given, and their errors."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from tests.support.statistics import assert_mean

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks import LinearNetwork, Mlp, NormalizedMlp, Pairs
from equipoise_solver.networks.activations import ACTIVATIONS
from equipoise_solver.networks.data import check_data, pairs_of, teacher_of
from equipoise_solver.networks.parameters import check_parameters, flatten, n_parameters, unflatten
from equipoise_solver.networks.streams import DATA, INITIAL_STATE, stream

BIAS_NETWORK = Mlp((2, 3, 1))
GOOD = {"W1": [[1, 2], [3, 4], [5, 6]], "b1": [0, 0, 0], "W2": [[1, 2, 3]], "b2": [0.5]}


def test_parameters_of_lists_become_tensors() -> None:
    """Nested lists as in JSON become float64 tensors in the order of the blocks."""
    found = check_parameters(BIAS_NETWORK, dict(reversed(GOOD.items())))
    assert list(found) == ["W1", "b1", "W2", "b2"]
    assert all(value.dtype == torch.float64 for value in found.values())
    assert flatten(found, BIAS_NETWORK.blocks).tolist() == [1, 2, 3, 4, 5, 6, 0, 0, 0, 1, 2, 3, 0.5]


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"W2": [[1, 2], [3, 4]]}, "parameters.W2", r"shape \[1, 3\]"),
        ({"W1": [[1, 2], [3], [5, 6]]}, "parameters.W1", "rows of equal length"),
        ({"b1": ["a", "b", "c"]}, "parameters.b1", "rows of equal length"),
        ({"b1": None}, "parameters.b1", "rows of equal length"),
        ({"b2": [math.nan]}, "parameters.b2", "1 values that are not finite"),
        ({"W3": [[1]]}, "parameters", r"the blocks \['W1', 'b1', 'W2', 'b2'\]"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change: dict[str, object], field: str, message: str) -> None:
    """The error names the block, the shape given and the shape wanted."""
    with pytest.raises(InvalidModelError, match=message) as refused:
        check_parameters(BIAS_NETWORK, {**GOOD, **change})
    assert refused.value.field == field


def test_missing_blocks_are_refused() -> None:
    """Parameters are given for all blocks."""
    with pytest.raises(InvalidModelError, match="the blocks") as refused:
        check_parameters(BIAS_NETWORK, {"W1": [[1, 2], [3, 4], [5, 6]]})
    assert refused.value.field == "parameters"


def test_normalized_networks_refuse_zero_weights() -> None:
    """A layer of norm 0 has no direction; net B only needs one that is not 0."""
    weights = {"W1": [[0.0, 0.0]], "W2": [[1.0]]}
    with pytest.raises(InvalidModelError, match="a norm above 0") as refused:
        check_parameters(NormalizedMlp((2, 1, 1)), weights)
    assert refused.value.field == "parameters.W1"
    check_parameters(NormalizedMlp((2, 1, 1), normalization="network"), weights)
    with pytest.raises(InvalidModelError, match="a norm above 0"):
        check_parameters(
            NormalizedMlp((2, 1, 1), normalization="network"), {"W1": [[0.0, 0.0]], "W2": [[0.0]]}
        )


@pytest.mark.parametrize("name", NETWORKS)
def test_flat_vectors_go_there_and_back(name: str, rng: np.random.Generator) -> None:
    """Flatten and unflatten are inverse, with leading axes too."""
    network = NETWORKS[name]
    vectors = torch.from_numpy(rng.standard_normal((2, 3, n_parameters(network))))
    parts = unflatten(vectors, network.blocks)
    assert {b.name: (2, 3, *b.shape) for b in network.blocks} == {k: tuple(v.shape) for k, v in parts.items()}
    assert torch.equal(flatten(parts, network.blocks), vectors)


@pytest.mark.parametrize("name", [name for name, a in ACTIVATIONS.items() if a.degree is not None])
def test_homogeneous_activations_have_their_degree(name: str, rng: np.random.Generator) -> None:
    """f(c z) = c^degree f(z) for c > 0."""
    activation = ACTIVATIONS[name]
    z = torch.from_numpy(rng.standard_normal(50))
    torch.testing.assert_close(
        activation.function(3.7 * z), 3.7 ** (activation.degree or 0) * activation.function(z)
    )


@pytest.mark.parametrize("name", [name for name, a in ACTIVATIONS.items() if a.degree is None])
def test_other_activations_have_no_degree(name: str) -> None:
    """The logarithmic slope of |f| along a ray changes, so no power of c fits."""
    values = [float(ACTIVATIONS[name].function(torch.tensor(-c, dtype=torch.float64))) for c in (0.5, 1, 2)]
    first, second = math.log(abs(values[1] / values[0])), math.log(abs(values[2] / values[1]))
    assert abs(first - second) > 0.05


def test_teacher_draws_its_law(seed: int) -> None:
    """Second moments of x, of y - V x and between them are those asked for."""
    teacher = teacher_of([[1.0, -2.0], [0.5, 0.0]], [[2.0, 0.6], [0.6, 1.0]], [[0.5, 0.2], [0.2, 0.9]])
    pairs = teacher.pairs(40_000, seed)
    noise = pairs.y - pairs.x @ teacher.teacher.T
    for i in range(2):
        for j in range(2):
            exact = float(teacher.input_cov[i, j])
            assert_mean((pairs.x[:, i] * pairs.x[:, j]).numpy(), exact, resolves=0.2)
            exact = float(teacher.noise_cov[i, j])
            assert_mean((noise[:, i] * noise[:, j]).numpy(), exact, resolves=0.1)
            assert_mean((pairs.x[:, i] * noise[:, j]).numpy(), 0.0, resolves=0.1)


def test_teacher_draws_the_same_for_the_same_seed(seed: int) -> None:
    """And something else for another seed; a singular covariance is no obstacle."""
    teacher = teacher_of([[1.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0]])
    first = teacher.pairs(5, seed)
    assert torch.equal(first.x, teacher.pairs(5, seed).x)
    assert not torch.equal(first.x, teacher.pairs(5, seed + 1).x)
    torch.testing.assert_close(first.x[:, 0], first.x[:, 1])
    torch.testing.assert_close(first.y, first.x @ teacher.teacher.T)


def test_streams_differ_by_path_and_purpose(seed: int) -> None:
    """Each of (seed, path, purpose) gives numbers of its own."""
    draws = {
        tuple(stream(s, path=path, purpose=purpose).integers(0, 2**62, 2).tolist())
        for s in (seed, seed + 1)
        for path in (0, 1)
        for purpose in (INITIAL_STATE, DATA)
    }
    assert len(draws) == 8


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: pairs_of([1.0, 2.0], [[1.0], [2.0]]), "data.x"),
        (lambda: pairs_of([[1.0], [2.0]], [[1.0]]), "data.y"),
        (lambda: pairs_of([[1.0], [2.0, 3.0]], [[1.0], [2.0]]), "data.x"),
        (lambda: pairs_of([[1.0], [math.inf]], [[1.0], [2.0]]), "data.x"),
        (lambda: pairs_of(np.zeros((0, 2)), np.zeros((0, 1))), "data.x"),
        (lambda: teacher_of([1.0], [[1.0]], [[1.0]]), "data.teacher"),
        (lambda: teacher_of([[math.nan]], [[1.0]], [[1.0]]), "data.teacher"),
        (lambda: teacher_of([[1.0]], [[1.0, 0.0], [0.0, 1.0]], [[1.0]]), "data.input_cov"),
        (lambda: teacher_of([[1.0]], [[1.0]], [[-1.0]]), "data.noise_cov"),
        (lambda: teacher_of([[1.0, 1.0]], [[1.0, 0.5], [0.4, 1.0]], [[1.0]]), "data.input_cov"),
        (lambda: teacher_of([[1.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]], [[1.0]]), "data.input_cov"),
    ],
)
def test_data_that_are_no_data_are_refused(build: Callable[[], object], field: str) -> None:
    """The error names the field."""
    with pytest.raises(InvalidModelError) as refused:
        build()
    assert refused.value.field == field


def test_data_that_do_not_fit_the_network_are_refused(rng: np.random.Generator) -> None:
    """Columns of x and y, labels out of range, values that are not finite, too few samples."""
    network = LinearNetwork((3, 2))
    pairs = random_pairs(network, rng, n=3)
    check_data(network, pairs)
    bad = pairs.x.clone()
    bad[1, 1] = math.nan
    cases = [
        (Pairs(pairs.x[:, :2], pairs.y), 1, "data.x"),
        (Pairs(pairs.x, pairs.y[:, :1]), 1, "data.y"),
        (Pairs(bad, pairs.y), 1, "data.x"),
        (pairs, 4, "data"),
    ]
    for data, n_min, field in cases:
        with pytest.raises(InvalidModelError) as refused:
            check_data(network, data, n_min=n_min)
        assert refused.value.field == field


def test_random_parameters_are_left_as_they_are(rng: np.random.Generator) -> None:
    """Tensors that fit keep their precision."""
    network = NETWORKS["mlp relu"]
    single = {name: value.float() for name, value in random_parameters(network, rng).items()}
    assert all(value.dtype == torch.float32 for value in check_parameters(network, single).values())
