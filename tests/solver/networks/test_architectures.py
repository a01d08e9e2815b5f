"""Predictions and declared symmetries of the networks."""

import math

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from torch import Tensor

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks import (
    Attention,
    Diagonal,
    Family,
    LinearNetwork,
    MatrixFactorization,
    Mlp,
    Network,
    NormalizedMlp,
    Parameters,
)

WITH_FAMILIES = [name for name, network in NETWORKS.items() if network.families()]
WITHOUT = ["mlp logistic", "mlp tanh", "diagonal regression"]


def random_generator(family: Family, rng: np.random.Generator) -> Tensor:
    """A random K of the family's structure, shape (size, size)."""
    k = torch.from_numpy(0.5 * rng.standard_normal((family.size, family.size)))
    match family.structure:
        case "full":
            return (k + k.T) / 2
        case "diagonal":
            return torch.diag(torch.diagonal(k))
        case "scalar":
            return k + torch.sign(k)


def transformed(family: Family, k: Tensor, parameters: Parameters) -> Parameters:
    """exp(A) theta for the generator A of K."""
    moved = dict(parameters)
    for action in family.actions:
        value = parameters[action.block]
        factor = torch.matrix_exp(action.degree * k)
        if family.structure == "scalar":
            moved[action.block] = factor.squeeze() * value
        elif action.side == "left":
            moved[action.block] = factor @ value
        else:
            moved[action.block] = value @ factor
    return moved


@pytest.mark.parametrize("name", WITH_FAMILIES)
def test_declared_symmetries_leave_predictions_as_they_are(name: str, rng: np.random.Generator) -> None:
    """A finite transformation of every declared family changes parameters, but no prediction."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=6)
    before = network.predict(parameters, pairs.x)
    for family in network.families():
        moved = transformed(family, random_generator(family, rng), parameters)
        change = max(float((moved[b] - parameters[b]).abs().max()) for b in parameters)
        assert change > 1e-3 * max(float(value.abs().max()) for value in parameters.values())
        torch.testing.assert_close(network.predict(moved, pairs.x), before, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", WITH_FAMILIES)
def test_no_part_of_a_family_is_a_symmetry(name: str, rng: np.random.Generator) -> None:
    """Without its last action, a family of several changes predictions: every action is needed."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=6)
    before = network.predict(parameters, pairs.x)
    for family in network.families():
        if family.kind == "scale":
            continue
        part = Family(family.kind, family.name, family.size, family.structure, family.actions[:-1])
        moved = transformed(part, random_generator(family, rng), parameters)
        assert float((network.predict(moved, pairs.x) - before).abs().max()) > 1e-6


@pytest.mark.parametrize("name", WITHOUT)
def test_networks_without_symmetry_declare_none(name: str) -> None:
    """An activation that is not homogeneous, or a single layer, has no exponential symmetry."""
    assert NETWORKS[name].families() == ()


@pytest.mark.parametrize(
    ("network", "dimensions"),
    [
        (Diagonal(3, 5), [5, 5, 5]),
        (Mlp((20, 30, 10, 20)), [30, 10]),
        (LinearNetwork((4, 6, 5, 2)), [21, 15]),
        (MatrixFactorization((30, 4, 30)), [10]),
        (Attention(3, 4, 2, 3), [6, 6, 6, 6]),
        (NormalizedMlp((4, 5, 3, 2)), [1, 1, 1]),
        (NormalizedMlp((4, 5, 3, 2), normalization="network"), [1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_families_have_the_known_dimensions(network: Network, dimensions: list[int]) -> None:
    """Diagonal nets have d per layer, ReLU nets one per neuron, rotations h(h+1)/2, scales one."""
    assert [family.dimension for family in network.families()] == dimensions


@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_take_single_inputs_and_batches(name: str, rng: np.random.Generator) -> None:
    """The prediction of a batch is that of its rows, one by one."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=4)
    batch = network.predict(parameters, pairs.x)
    assert batch.shape == (4, network.n_outputs)
    torch.testing.assert_close(batch, torch.stack([network.predict(parameters, x) for x in pairs.x]))


def test_relu_network_is_the_formula(rng: np.random.Generator) -> None:
    """Weights (out, in), bias, activation after all layers but the last; held against NumPy."""
    network = Mlp((4, 5, 3, 2))
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=6)
    p = {name: value.numpy() for name, value in parameters.items()}
    h = np.maximum(pairs.x.numpy() @ p["W1"].T + p["b1"], 0)
    h = np.maximum(h @ p["W2"].T + p["b2"], 0)
    np.testing.assert_allclose(network.predict(parameters, pairs.x).numpy(), h @ p["W3"].T + p["b3"])


def test_attention_is_the_formula(rng: np.random.Generator) -> None:
    """Token t attends to token s with weight exp(q_t k_s/sqrt(d))/sum; heads add up; held against loops."""
    network = Attention(3, 4, 2, 2)
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=1)
    p = {name: value.numpy() for name, value in parameters.items()}
    tokens = pairs.x.numpy().reshape(3, 4)
    wanted = np.zeros((3, 4))
    for head in ("1", "2"):
        for t in range(3):
            scores = [
                math.exp((p["WQ" + head] @ tokens[t]) @ (p["WK" + head] @ tokens[s]) / math.sqrt(2))
                for s in range(3)
            ]
            for s in range(3):
                value = p["WO" + head] @ p["WV" + head] @ tokens[s]
                wanted[t] += scores[s] / sum(scores) * value
    np.testing.assert_allclose(network.predict(parameters, pairs.x).numpy().reshape(3, 4), wanted)


def test_diagonal_network_is_the_formula(rng: np.random.Generator) -> None:
    """The sum over coordinates of x_i times the product of its factors."""
    network = Diagonal(2, 4)
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=5)
    u = np.stack([parameters[f"U{k}"].numpy() for k in range(3)])
    wanted = pairs.x.numpy() @ u.prod(axis=0)
    np.testing.assert_allclose(network.predict(parameters, pairs.x).numpy()[:, 0], wanted)


@pytest.mark.parametrize("normalization", ["layer", "network"])
def test_normalized_networks_divide_by_the_norm(normalization: str, rng: np.random.Generator) -> None:
    """Net A divides each layer by its own norm, net B by the norm of all."""
    network = NormalizedMlp((4, 5, 2), normalization="layer" if normalization == "layer" else "network")
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=5)
    w1, w2 = parameters["W1"].numpy(), parameters["W2"].numpy()
    n1, n2 = np.linalg.norm(w1), np.linalg.norm(w2)
    if normalization == "network":
        n1 = n2 = np.hypot(n1, n2)
    wanted = np.tanh(pairs.x.numpy() @ w1.T / n1) @ w2.T / n2
    np.testing.assert_allclose(network.predict(parameters, pairs.x).numpy(), wanted)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: LinearNetwork((4,)), "model.widths"),
        (lambda: LinearNetwork((4, 0, 2)), "model.widths"),
        (lambda: MatrixFactorization((4, 3, 3, 2)), "model.widths"),
        (lambda: Mlp((4, 3, 2), activation="step"), "model.activation"),
        (lambda: Mlp((4, 3, 2), loss="hinge"), "model.loss"),
        (lambda: Mlp((4, 3, 1), loss="cross_entropy"), "model.loss"),
        (lambda: NormalizedMlp((4, 3, 2), normalization="batch"), "model.normalization"),  # type: ignore[arg-type]
        (lambda: Attention(3, 4, 0, 2), "model.heads"),
        (lambda: Attention(3, 4, 2, True), "model.head_dim"),
        (lambda: Diagonal(-1, 3), "model.depth"),
        (lambda: Diagonal(1, 0), "model.width"),
    ],
)
def test_sizes_that_make_no_network_are_refused(build: object, field: str) -> None:
    """The error names the field of the model."""
    assert callable(build)
    with pytest.raises(InvalidModelError) as refused:
        build()
    assert refused.value.field == field
