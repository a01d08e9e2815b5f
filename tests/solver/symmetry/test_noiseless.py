"""Data without gradient noise: rounding is not taken for noise, and small noise not for rounding."""

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters

from equipoise_solver.networks import GaussianTeacher, LinearNetwork, Network, Pairs, Parameters
from equipoise_solver.networks.initial import initial_parameters
from equipoise_solver.symmetry.custom import Custom
from equipoise_solver.symmetry.equilibrium import find_equilibrium
from equipoise_solver.symmetry.flow import noether_flow
from equipoise_solver.symmetry.generators import Generators
from equipoise_solver.symmetry.noiseless import has_noise

Case = tuple[Network, Parameters, Pairs | GaussianTeacher]
CASES = ["exact teacher", "interpolated", "nothing to learn", "alike"]


def noiseless(case: str, rng: np.random.Generator) -> Case:
    """Networks at an exact fit, and one that is not, of samples that are all the same."""
    network = LinearNetwork((3, 4, 4, 2))
    matrix = torch.from_numpy(rng.standard_normal((2, 3)))
    x = torch.from_numpy(rng.standard_normal((20, 3)))
    match case:
        case "exact teacher":
            square = torch.from_numpy(rng.standard_normal((3, 3)))
            zeros = torch.zeros((2, 2), dtype=torch.float64)
            data: Pairs | GaussianTeacher = GaussianTeacher(matrix, square @ square.T, zeros)
            return network, initial_parameters(network, "global_minimum", seed=1, data=data), data
        case "interpolated":
            data = Pairs(x, x @ matrix.T)
            return network, initial_parameters(network, "global_minimum", seed=2, data=data), data
        case "nothing to learn":
            # W3 W2 W1 = 0 by cancellation alone.
            parameters = random_parameters(network, rng)
            inner = parameters["W2"] @ parameters["W1"]
            away = torch.linalg.qr(inner, mode="complete").Q[:, 3:]
            parameters["W3"] = torch.from_numpy(rng.standard_normal((2, 1))) @ away.T
            return network, parameters, Pairs(x, torch.zeros((20, 2), dtype=torch.float64))
        case _:
            alike = x[:1].repeat(30, 1)
            return network, random_parameters(network, rng), Pairs(alike, alike[:, :2])


@pytest.mark.parametrize("case", CASES)
def test_without_noise_every_point_is_an_equilibrium(case: str, rng: np.random.Generator) -> None:
    network, parameters, data = noiseless(case, rng)
    found = find_equilibrium(network, parameters, data, temperature=0.1)
    assert found.is_noiseless
    assert found.outcome == "CONVERGED"
    assert found.residual == 0.0
    for block, value in parameters.items():
        torch.testing.assert_close(found.parameters[block], value, rtol=1e-13, atol=1e-13)
    flow = noether_flow(network, parameters, data, temperature=0.1, duration=5.0, n_records=3)
    assert flow.time_to_equilibrium == 0.0
    torch.testing.assert_close(flow.charges[-1], flow.charges[0], rtol=0.0, atol=0.0)


@pytest.mark.parametrize("case", ["exact teacher", "interpolated", "alike"])
def test_without_noise_decay_balances_the_norms(case: str, rng: np.random.Generator) -> None:
    """As if there were no temperature: W_i W_i' = W_(i+1)' W_(i+1)."""
    network, parameters, data = noiseless(case, rng)
    found = find_equilibrium(network, parameters, data, temperature=0.1, weight_decay=0.02)
    assert found.is_noiseless
    assert found.outcome in ("CONVERGED", "AT_BOUNDARY")
    first, second, third = (found.parameters[block] for block in ("W1", "W2", "W3"))
    torch.testing.assert_close(first @ first.T, second.T @ second, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(second @ second.T, third.T @ third, rtol=1e-8, atol=1e-8)
    flow = noether_flow(
        network, parameters, data, temperature=0.1, weight_decay=0.02, duration=1.0, n_records=4
    )
    # All charges fall at the rate 4 gamma, at any parameters.
    shares = np.exp(-0.08 * flow.time)[:, None] * flow.charges[0].numpy()
    np.testing.assert_allclose(flow.charges.numpy(), shares, rtol=1e-5, atol=1e-5)


def test_without_noise_dense_generators_stay_too(rng: np.random.Generator) -> None:
    network, parameters, data = noiseless("interpolated", rng)
    family = Generators(network.blocks, network.families())
    own = Custom("own", family.dense(torch.eye(family.dimension, dtype=torch.float64)[0]))
    found = find_equilibrium(network, parameters, data, temperature=0.1, families=(), custom=[own])
    assert found.is_noiseless
    assert found.outcome == "CONVERGED"


@pytest.mark.parametrize("size", [1e-9, 1e-6])
def test_small_noise_is_noise(size: float, rng: np.random.Generator) -> None:
    """Labels off by a billionth of themselves have the equilibrium that labels off by a tenth have."""
    network, parameters, data = noiseless("exact teacher", rng)
    assert isinstance(data, GaussianTeacher)
    law = torch.diag(torch.tensor([1.0, 0.3], dtype=torch.float64))
    ends = []
    for each in (size, 0.1):
        noisy = GaussianTeacher(data.teacher, data.input_cov, each**2 * law)
        found = find_equilibrium(network, parameters, noisy, temperature=0.1)
        assert not found.is_noiseless
        ends.append({block: float((value**2).sum()) for block, value in found.parameters.items()})
    for block, square in ends[1].items():
        assert ends[0][block] == pytest.approx(square, rel=1e-5)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_networks_that_do_not_fit_have_noise(name: str, rng: np.random.Generator) -> None:
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=12)
    names = [block.name for block in network.blocks]
    assert has_noise(network, parameters, pairs, names)
