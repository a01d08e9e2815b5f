"""Derivatives of the potential on orbits, against finite differences of statistics taken afresh."""

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from torch import Tensor

from equipoise_solver.networks import GaussianTeacher, Pairs, Parameters
from equipoise_solver.networks.gaussian_linear import population_statistics
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.statistics import gradient_statistics
from equipoise_solver.symmetry.equilibrium_dense import dense_orbit
from equipoise_solver.symmetry.equilibrium_problem import Problem, problem_of
from equipoise_solver.symmetry.noise import RankOneNoise, TensorNoise
from equipoise_solver.symmetry.noise_samples import noise_of_samples
from equipoise_solver.symmetry.orbit import FamilyOrbit, flat

TEMPERATURE, DECAY, STEP = 0.3, 0.07, 1e-3
WITH_SYMMETRY = [name for name, network in NETWORKS.items() if network.families()]


def problem_with(network: Network, data: Pairs | GaussianTeacher) -> Problem:
    return problem_of(
        network,
        data,
        temperature=TEMPERATURE,
        weight_decay=DECAY,
        families=None,
        custom=(),
        max_bytes=2**20,
    )


def potential(problem: Problem, parameters: Parameters) -> float:
    """F of all blocks that are acted on, from statistics of the gradients at these parameters."""
    network, data = problem.network, problem.data
    if isinstance(data, GaussianTeacher):
        statistics = population_statistics(network, parameters, data)
    else:
        statistics = gradient_statistics(network, parameters, data)
    total = 0.0
    for block in problem.sides.acting:
        total += 0.5 * TEMPERATURE * statistics.trace[block]
        total += 2.0 * DECAY * float((parameters[block] ** 2).sum())
    return total


def check_derivatives(
    problem: Problem, parameters: Parameters, orbit: FamilyOrbit, rng: np.random.Generator
) -> None:
    """dF and d2F along exp(t X), by fourth-order differences."""
    generators = problem.generators
    for _ in range(3):
        coefficients = torch.from_numpy(rng.standard_normal(generators.dimension))
        coefficients /= coefficients.norm()
        direction = flat(generators.elements(coefficients))
        values = [
            potential(problem, generators.move(k * STEP * coefficients, parameters)) for k in range(-2, 3)
        ]
        slope = np.dot([1, -8, 0, 8, -1], values) / (12 * STEP)
        bend = np.dot([-1, 16, -30, 16, -1], values) / (12 * STEP**2)
        assert float(orbit.gradient() @ direction) == pytest.approx(slope, rel=1e-7, abs=1e-8 * values[2])
        assert float(direction @ orbit.curvature(direction)) == pytest.approx(bend, rel=1e-6)
        assert bend > 0.0


@pytest.mark.parametrize("name", WITH_SYMMETRY)
def test_derivatives_of_every_network_with_symmetry(name: str, rng: np.random.Generator) -> None:
    """Blocks acted on from one side or both, by matrices, diagonals and numbers, chains or not."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=40)
    problem = problem_with(network, pairs)
    orbit = problem.orbit(parameters)
    assert orbit.potential() == pytest.approx(potential(problem, parameters), rel=1e-12)
    check_derivatives(problem, parameters, orbit, rng)


def test_derivatives_of_the_population_of_a_teacher(rng: np.random.Generator) -> None:
    network = NETWORKS["linear"]
    problem = problem_with(network, teacher_of(rng))
    parameters = random_parameters(network, rng)
    check_derivatives(problem, parameters, problem.orbit(parameters), rng)


def teacher_of(rng: np.random.Generator) -> GaussianTeacher:
    factor_x, factor_e = (torch.from_numpy(rng.standard_normal((n, 2 * n))) for n in (4, 2))
    return GaussianTeacher(
        torch.from_numpy(rng.standard_normal((2, 4))), factor_x @ factor_x.T / 8, factor_e @ factor_e.T / 4
    )


@pytest.mark.parametrize("data", ["samples", "teacher"])
@pytest.mark.parametrize("form", ["blocks", "dense"])
def test_moved_orbit_is_the_orbit_at_moved_parameters(form: str, data: str, rng: np.random.Generator) -> None:
    """Statistics carried along exp(X) equal those taken where it leads."""
    network = NETWORKS["linear"]
    problem = problem_with(
        network, random_pairs(network, rng, n=40) if data == "samples" else teacher_of(rng)
    )
    parameters = random_parameters(network, rng)
    coefficients = 0.5 * torch.from_numpy(rng.standard_normal(problem.generators.dimension))
    there = problem.generators.move(coefficients, parameters)
    if form == "dense":
        carried = dense_orbit(problem, parameters).moved(coefficients)
        compare(carried.gradient(), dense_orbit(problem, there).gradient())
    else:
        moved = problem.orbit(parameters).moved(flat(problem.generators.elements(coefficients)))
        compare(moved.gradient(), problem.orbit(there).gradient())
        x = torch.from_numpy(rng.standard_normal(moved.gradient().shape))
        compare(moved.curvature(x), problem.orbit(there).curvature(x))


def compare(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9 * float(wanted.norm()))


def test_dense_orbit_agrees_with_blocks(rng: np.random.Generator) -> None:
    """The same potential, slopes and curvatures from p x p matrices."""
    network = NETWORKS["linear"]
    problem = problem_with(network, random_pairs(network, rng, n=40))
    parameters = random_parameters(network, rng)
    blocks, dense = problem.orbit(parameters), dense_orbit(problem, parameters)
    assert dense.potential() == pytest.approx(blocks.potential(), rel=1e-12)
    compare(problem.forces(dense), problem.forces(blocks))
    x = torch.from_numpy(rng.standard_normal(problem.generators.dimension))
    image = blocks.elements(blocks.curvature(flat(problem.generators.elements(x))))
    compare(dense.curvature(x), problem.generators.coefficients(image))


def test_factors_of_samples_agree_with_the_covariance_of_the_block(rng: np.random.Generator) -> None:
    """Rank-one samples and the four-index covariance give the same moments, also when moved."""
    network = NETWORKS["linear"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=8)
    sides = problem_with(network, pairs).sides
    few = Pairs(pairs.x[:8], pairs.y[:8])
    factors = noise_of_samples(network, parameters, few, sides).blocks["W2"]
    again = noise_of_samples(
        network, parameters, Pairs(few.x.repeat(40, 1), few.y.repeat(40, 1)), sides
    ).blocks["W2"]
    assert isinstance(factors, RankOneNoise)
    assert isinstance(again, TensorNoise)
    left, right = (torch.from_numpy(rng.standard_normal((n, n))) for n in (5, 3))
    weight = right + right.T
    compare(factors.moved(left, right).left(weight), again.moved(left, right).left(weight))
    compare(factors.moved(left, right).right(left), again.moved(left, right).right(left))


def test_chunks_do_not_change_statistics(rng: np.random.Generator) -> None:
    network = NETWORKS["mlp relu"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=50)
    sides = problem_with(network, pairs).sides
    one = noise_of_samples(network, parameters, pairs, sides, max_bytes=2**30)
    many = noise_of_samples(network, parameters, pairs, sides, max_bytes=1)
    for block in sides.acting:
        torch.testing.assert_close(one.left(block), many.left(block), rtol=1e-12, atol=1e-14)
