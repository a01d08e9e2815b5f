"""Generators are verified on random points, and refused with the amount by which they fail."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.solver.symmetry.networks_with_symmetries import DECLARING

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks import Action, Family, GaussianTeacher, LinearNetwork, Mlp, Network, Pairs
from equipoise_solver.symmetry.custom import Custom
from equipoise_solver.symmetry.generators import Generators
from equipoise_solver.symmetry.verify import measure_generators, verify_generators


@pytest.mark.parametrize("name", DECLARING)
def test_declared_symmetries_hold(name: str, seed: int) -> None:
    """Every declared family leaves the loss as it is: residual and finite change at rounding."""
    network = DECLARING[name]
    measured = verify_generators(network, Generators(network.blocks, network.families()), seed=seed)
    assert float(measured.residuals.max()) < 1e-13
    assert float(measured.loss_changes.max()) < 1e-10
    assert measured.groups == tuple(family.name for family in network.families())


def claimed(network: Network, *actions: Action, size: int = 5, structure: str = "diagonal") -> Generators:
    family = Family("rescaling", "claimed", size, structure, actions)  # type: ignore[arg-type]
    return Generators(network.blocks, (family,))


RELU = Mlp((3, 5, 2), "relu")
NEURONS = (Action("W1", "left", 1.0), Action("b1", "left", 1.0), Action("W2", "right", -1.0))


@pytest.mark.parametrize(
    ("network", "generators"),
    [
        pytest.param(Mlp((3, 5, 2), "tanh"), claimed(RELU, *NEURONS), id="tanh is not homogeneous"),
        pytest.param(RELU, claimed(RELU, NEURONS[0], NEURONS[2]), id="the bias is left out"),
        pytest.param(
            RELU, claimed(RELU, *NEURONS[:2], Action("W2", "right", -2.0)), id="the degree is wrong"
        ),
        pytest.param(RELU, claimed(RELU, *NEURONS, structure="full"), id="neurons do not mix"),
        pytest.param(Mlp((3, 5, 2), "relu2"), claimed(RELU, *NEURONS), id="the activation is of degree 2"),
    ],
)
def test_generators_that_are_no_symmetries_are_refused(
    network: Network, generators: Generators, seed: int
) -> None:
    """The error says how large residual and finite change are; both are far above rounding."""
    measured = measure_generators(network, generators, seed=seed)
    assert float(measured.residuals.max()) > 1e-3
    assert float(measured.loss_changes.max()) > 1e-3
    with pytest.raises(InvalidModelError, match=r"claimed.* is 0\.\d+ of .* changes the loss by") as refused:
        verify_generators(network, generators, seed=seed)
    assert refused.value.field == "symmetries"
    assert f"{float(measured.residuals.max()):.3g} of" in str(refused.value)


def test_one_bad_generator_among_good_ones_is_named(seed: int) -> None:
    """A small defect in one entry of one generator is found, and the good family is not blamed."""
    network = LinearNetwork((3, 4, 2))
    good = Generators(network.blocks, network.families())
    matrix = good.dense(torch.eye(good.dimension, dtype=torch.float64)[2])
    as_custom = Generators(network.blocks, network.families(), (Custom("third", matrix),))
    assert float(verify_generators(network, as_custom, seed=seed).residuals[-1]) < 1e-13
    matrix = matrix.clone()
    matrix[0, 0] += 1e-5
    with pytest.raises(InvalidModelError, match=r"bent: .* is \d\.\d+e-0[5-8] of"):
        verify_generators(
            network, Generators(network.blocks, network.families(), (Custom("bent", matrix),)), seed=seed
        )


def test_residual_of_the_scale_of_linear_regression_is_one(seed: int) -> None:
    """f = w x, A = 1: |theta' A g| = |w g| exactly, so the residual is 1."""
    network = LinearNetwork((1, 1))
    generators = claimed(network, Action("W1", "left", 1.0), size=1)
    measured = measure_generators(network, generators, seed=seed)
    assert float(measured.residuals[0]) == pytest.approx(1.0, abs=1e-14)


def test_symmetries_may_hold_on_given_samples_only(rng: np.random.Generator, seed: int) -> None:
    """A column of W1 that meets an input which is always zero may be scaled on these samples only."""
    x = torch.from_numpy(rng.normal(size=(40, 3)))
    x[:, 1] = 0.0
    y = torch.from_numpy(rng.normal(size=(40, 2)))
    matrix = torch.zeros(15, 15, dtype=torch.float64)
    matrix[1::3, 1::3] = torch.eye(5, dtype=torch.float64)
    generators = Generators(RELU.blocks, (), (Custom("second column of W1", matrix, ("W1",)),))
    assert float(verify_generators(RELU, generators, data=Pairs(x, y), seed=seed).loss_changes[0]) < 1e-14
    with pytest.raises(InvalidModelError, match="second column"):
        verify_generators(RELU, generators, seed=seed)
    cov = torch.diag(torch.tensor([1.3, 0.0, 0.7], dtype=torch.float64))
    teacher = GaussianTeacher(torch.ones(2, 3).double(), cov, torch.eye(2).double())
    verify_generators(RELU, generators, data=teacher, seed=seed)
    with pytest.raises(InvalidModelError, match=r"data\.x"):
        verify_generators(RELU, generators, data=Pairs(x[:, :2], y))


def test_measures_depend_on_the_seed_alone(seed: int) -> None:
    generators = claimed(RELU, NEURONS[0])
    first, again = (measure_generators(RELU, generators, seed=seed) for _ in range(2))
    other = measure_generators(RELU, generators, seed=seed + 1)
    assert torch.equal(first.residuals, again.residuals)
    assert not torch.equal(first.residuals, other.residuals)
    assert math.isfinite(float(first.loss_changes[0]))
