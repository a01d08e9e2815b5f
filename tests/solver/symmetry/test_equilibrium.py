"""Noise equilibria: against closed forms, statistics recomputed at the answer, and each other."""

import math

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, LimitExceededError, UnsupportedCombinationError
from equipoise_solver.networks import (
    GaussianTeacher,
    LinearNetwork,
    MatrixFactorization,
    Mlp,
    NormalizedMlp,
    Pairs,
    Parameters,
)
from equipoise_solver.networks.families import Action, Family
from equipoise_solver.networks.gaussian_linear import population_loss
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.per_sample import loss_of, per_sample_gradients
from equipoise_solver.symmetry.closed_forms import balanced_linear_network
from equipoise_solver.symmetry.custom import Custom
from equipoise_solver.symmetry.equilibrium import find_equilibrium
from equipoise_solver.symmetry.generators import Generators


def normals(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape))


def covariance(rng: np.random.Generator, size: int, scale: float) -> Tensor:
    factor = normals(rng, size, 2 * size)
    return scale * factor @ factor.T / size


def gauge(rng: np.random.Generator, size: int, condition: float) -> Tensor:
    """A random matrix with singular values from condition^-1/2 to condition^1/2."""
    left, right = (torch.linalg.qr(normals(rng, size, size)).Q for _ in range(2))
    half = 0.5 * math.log10(condition)
    scales = torch.diag(torch.logspace(-half, half, size, dtype=torch.float64))
    matrix: Tensor = left @ scales @ right
    return matrix


@pytest.mark.parametrize("condition", [10.0, 1e3])
@pytest.mark.parametrize(
    ("widths", "rank"),
    [
        ((4, 3, 5), 3),
        ((4, 6, 3), 2),
        ((5, 4, 6, 3), 3),
        ((5, 7, 4, 6, 3), 3),
        ((4, 5, 3, 6, 4, 5), 2),
        ((6, 5, 4, 7, 5, 4, 3), 3),
    ],
)
def test_deep_linear_networks_reach_the_closed_form_from_any_gauge(
    widths: tuple[int, ...], rank: int, condition: float, rng: np.random.Generator
) -> None:
    """Norms and singular values of all layers to 1e-9, residual 1e-10, loss to 1e-12; full and lower rank."""
    v = normals(rng, widths[-1], rank) @ normals(rng, rank, widths[0])
    teacher = GaussianTeacher(v, covariance(rng, widths[0], 0.7), covariance(rng, widths[-1], 0.2))
    network, exact = LinearNetwork(widths), balanced_linear_network(teacher, widths).parameters
    start = dict(exact)
    for i in range(1, len(widths) - 1):
        m = gauge(rng, widths[i], condition)
        start[f"W{i}"] = m @ start[f"W{i}"]
        start[f"W{i + 1}"] = torch.linalg.solve(m.T, start[f"W{i + 1}"].T).T
    found = find_equilibrium(network, start, teacher, temperature=0.1)
    assert found.outcome == "CONVERGED"
    assert found.residual_before > 0.1
    assert found.residual < 1e-10
    for block, weight in exact.items():
        values = torch.linalg.svdvals(found.parameters[block])
        size = float(torch.linalg.matrix_norm(weight))
        torch.testing.assert_close(values, torch.linalg.svdvals(weight), rtol=0.0, atol=1e-9 * size)
        assert float(torch.linalg.matrix_norm(found.parameters[block])) == pytest.approx(size, rel=1e-9)
    before, after = (float(population_loss(network, p, teacher)) for p in (start, found.parameters))
    assert after == pytest.approx(before, rel=1e-12)


def test_two_layer_scalar_output_reaches_the_ratio_of_noises(rng: np.random.Generator) -> None:
    """u w x: rescaling u -> c u, w -> w/c balances at c^4 = (w' C2 w)/(u' C1 u)."""
    network = LinearNetwork((3, 1, 2))
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=30)
    u, w = parameters["W2"], parameters["W1"]
    # A = dl/d(u w'), the gradient with respect to the product, shape (n, out, in).
    a = 2.0 * (pairs.x @ (u @ w).T - pairs.y)[:, :, None] * pairs.x[:, None, :]
    centred = a - a.mean(0)
    noise_u = torch.einsum("noi,i->no", centred, w[0]).square().sum(1).mean()
    noise_w = torch.einsum("noi,o->ni", centred, u[:, 0]).square().sum(1).mean()
    found = find_equilibrium(network, parameters, pairs, temperature=0.3)
    ratio = (float(noise_u) / float(noise_w)) ** 0.25
    torch.testing.assert_close(found.parameters["W2"], u * ratio, rtol=1e-12, atol=0.0)
    torch.testing.assert_close(found.parameters["W1"], w / ratio, rtol=1e-12, atol=0.0)
    assert found.exponents is not None
    assert float(found.exponents[0]) == pytest.approx(-math.log(ratio), rel=1e-12)


def forces(
    network: Network, parameters: Parameters, pairs: Pairs, *, temperature: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    """T Tr[Sigma A] - 4 gamma theta' A theta and the size of its parts, from all gradients and A X itself."""
    generators = Generators(network.blocks, network.families())
    gradients = per_sample_gradients(network, parameters, pairs.x, pairs.y)
    centred = {block: g - g.mean(0) for block, g in gradients.items()}
    noise, parts = [], []
    for unit in torch.eye(generators.dimension, dtype=torch.float64):
        image = generators.apply(unit, centred)
        products = {block: (image[block] * g).sum() / pairs.n for block, g in centred.items()}
        theta = generators.apply(unit, parameters)
        squares = {block: (theta[block] * value).sum() for block, value in parameters.items()}
        terms = [temperature * p for p in products.values()]
        terms += [-4.0 * weight_decay * s for s in squares.values()]
        noise.append(torch.stack(terms).sum())
        parts.append(torch.stack(terms).abs().sum())
    return torch.stack(noise), torch.stack(parts)


BALANCED = [
    "mlp relu",
    "mlp leaky relu without bias",
    "mlp relu squared",
    "matrix factorization",
    "diagonal",
    "attention",
]
WITH_DECAY = [*((name, 0.0) for name in BALANCED), *((name, 0.02) for name in [*BALANCED, "net a", "net b"])]


@pytest.mark.parametrize(("name", "decay"), WITH_DECAY)
def test_forces_vanish_at_the_equilibrium(name: str, decay: float, rng: np.random.Generator) -> None:
    """Checked from the gradients of all samples at the answer, for every kind of symmetry."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=60)
    found = find_equilibrium(network, parameters, pairs, temperature=0.2, weight_decay=decay)
    assert found.outcome in ("CONVERGED", "AT_BOUNDARY")
    force, parts = forces(network, found.parameters, pairs, temperature=0.2, weight_decay=decay)
    assert float((force.abs() / parts.max()).max()) < 1e-10
    torch.testing.assert_close(found.forces, force, rtol=1e-8, atol=1e-10 * float(parts.max()))
    before, after = (float(loss_of(network, p, pairs)) for p in (parameters, found.parameters))
    assert after == pytest.approx(before, rel=1e-11)
    if found.exponents is not None and found.outcome == "CONVERGED":
        moved = found.generators.move(found.exponents, parameters)
        for block, value in moved.items():
            torch.testing.assert_close(value, found.parameters[block], rtol=1e-12, atol=1e-13)


def test_all_neurons_of_a_wide_network_balance_one_by_one(rng: np.random.Generator) -> None:
    """Each hidden neuron of a 20-200-20 ReLU net: noise of what comes in equals noise of what goes out."""
    network = Mlp((20, 200, 20))
    parameters = {b.name: normals(rng, *b.shape) / math.sqrt(b.shape[-1]) for b in network.blocks}
    x = normals(rng, 500, 20)
    pairs = Pairs(x, x + 0.5 * normals(rng, 500, 20))
    found = find_equilibrium(network, parameters, pairs, temperature=0.1)
    gradients = per_sample_gradients(network, found.parameters, pairs.x, pairs.y)
    incoming = gradients["W1"].var(0, correction=0).sum(1) + gradients["b1"].var(0, correction=0)
    outgoing = gradients["W2"].var(0, correction=0).sum(0)
    assert found.outcome == "CONVERGED"
    torch.testing.assert_close(incoming, outgoing, rtol=1e-11, atol=0.0)
    first = per_sample_gradients(network, parameters, pairs.x, pairs.y)
    assert float((first["W1"].var(0).sum(1) / first["W2"].var(0).sum(0)).log().abs().min()) > 0.01


def test_custom_generators_agree_with_the_family_they_span(rng: np.random.Generator) -> None:
    """All 3 symmetric generators of a pair as dense matrices, which do not commute."""
    network = LinearNetwork((3, 2, 3))
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=30)
    family = Generators(network.blocks, network.families())
    units = torch.eye(family.dimension, dtype=torch.float64)
    custom = [Custom(name, family.dense(u)) for name, u in zip(family.names, units, strict=True)]
    wanted = find_equilibrium(network, parameters, pairs, temperature=0.2, weight_decay=0.03)
    found = find_equilibrium(
        network, parameters, pairs, temperature=0.2, weight_decay=0.03, families=(), custom=custom
    )
    assert found.outcome == wanted.outcome == "CONVERGED"
    assert found.potential == pytest.approx(wanted.potential, rel=1e-12)
    for block in parameters:
        values = torch.linalg.svdvals(found.parameters[block])
        torch.testing.assert_close(values, torch.linalg.svdvals(wanted.parameters[block]))


def test_one_custom_generator_is_a_scalar_exponent(rng: np.random.Generator) -> None:
    """The first neuron's rescaling as a matrix equals the family with only that neuron moving."""
    network = Mlp((2, 3, 2), bias=False)
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=30)
    generators = Generators(network.blocks, network.families())
    unit = torch.eye(3, dtype=torch.float64)[0]
    found = find_equilibrium(
        network,
        parameters,
        pairs,
        temperature=0.2,
        families=(),
        custom=[Custom("first neuron", generators.dense(unit))],
    )
    all_of_them = find_equilibrium(network, parameters, pairs, temperature=0.2)
    assert found.exponents is not None
    assert all_of_them.exponents is not None
    assert float(found.exponents[0]) == pytest.approx(float(all_of_them.exponents[0]), rel=1e-8)


def test_families_that_do_not_commute_are_solved_together(rng: np.random.Generator) -> None:
    """Rescalings are among the rotations: both together lead to the same minimum as the rotations alone."""
    network = MatrixFactorization((3, 2, 4))
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=30)
    actions = (Action("W1", "left", 1.0), Action("W2", "right", -1.0))
    families = (*network.families(), Family("rescaling", "neurons", 2, "diagonal", actions))
    wanted = find_equilibrium(network, parameters, pairs, temperature=0.2)
    found = find_equilibrium(network, parameters, pairs, temperature=0.2, families=families)
    assert found.outcome == "CONVERGED"
    assert found.potential == pytest.approx(wanted.potential, rel=1e-12)


def test_decay_alone_balances_norms(rng: np.random.Generator) -> None:
    """Without noise W1 W1' = W2' W2."""
    network = MatrixFactorization((4, 2, 3))
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=10)
    found = find_equilibrium(network, parameters, pairs, temperature=0.0, weight_decay=0.1)
    w1, w2 = found.parameters["W1"], found.parameters["W2"]
    assert found.outcome == "CONVERGED"
    torch.testing.assert_close(w1 @ w1.T, w2.T @ w2, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(found.charges, torch.zeros_like(found.charges), rtol=0.0, atol=1e-11)


def test_population_is_the_limit_of_many_samples(rng: np.random.Generator) -> None:
    """The equilibrium of a teacher's samples comes near that of its population, by 1/sqrt(n)."""
    network = LinearNetwork((2, 2, 2))
    teacher = GaussianTeacher(normals(rng, 2, 2), covariance(rng, 2, 1.0), covariance(rng, 2, 0.5))
    parameters = random_parameters(network, rng)
    exact = find_equilibrium(network, parameters, teacher, temperature=0.1)
    off = []
    for k in range(20):
        pairs = teacher.draw(4000, np.random.default_rng([k, int(rng.integers(2**32))]))
        found = find_equilibrium(network, parameters, pairs, temperature=0.1)
        assert found.exponents is not None
        assert exact.exponents is not None
        off.append((found.exponents - exact.exponents).numpy())
    mean, error = np.mean(off, axis=0), np.std(off, axis=0, ddof=1) / math.sqrt(20)
    assert np.all(error < 0.02)
    # Student's t with 19 degrees of freedom has 5e-7 beyond 7.1; the bias of order 1/n is smaller than 1e-3.
    assert np.all(np.abs(mean) < 7.1 * error + 1e-3)


@pytest.mark.parametrize(
    ("field", "temperature", "decay"),
    [
        ("temperature", -0.1, 0.0),
        ("temperature", math.nan, 0.0),
        ("temperature", 0.0, 0.0),
        ("weight_decay", 0.1, -1.0),
        ("weight_decay", 0.1, math.inf),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    field: str, temperature: float, decay: float, rng: np.random.Generator
) -> None:
    network = NETWORKS["linear"]
    with pytest.raises(InvalidModelError) as error:
        find_equilibrium(
            network,
            random_parameters(network, rng),
            random_pairs(network, rng, n=9),
            temperature=temperature,
            weight_decay=decay,
        )
    assert error.value.field == field


def test_what_has_no_symmetry_is_refused(rng: np.random.Generator) -> None:
    network = NETWORKS["mlp tanh"]
    with pytest.raises(InvalidModelError) as error:
        find_equilibrium(
            network, random_parameters(network, rng), random_pairs(network, rng, n=9), temperature=0.1
        )
    assert error.value.field == "symmetries"


def test_one_sample_has_no_noise_and_is_refused(rng: np.random.Generator) -> None:
    network = NETWORKS["linear"]
    with pytest.raises(InvalidModelError) as error:
        find_equilibrium(
            network, random_parameters(network, rng), random_pairs(network, rng, n=1), temperature=0.1
        )
    assert error.value.field == "data"


def test_population_of_a_teacher_needs_a_linear_network(rng: np.random.Generator) -> None:
    network = Mlp((4, 3, 2))
    teacher = GaussianTeacher(normals(rng, 2, 4), covariance(rng, 4, 1.0), covariance(rng, 2, 0.5))
    with pytest.raises(UnsupportedCombinationError) as error:
        find_equilibrium(network, random_parameters(network, rng), teacher, temperature=0.1)
    assert error.value.field == "model"


def test_too_many_dense_generators_are_refused(rng: np.random.Generator) -> None:
    """600 generators of 1800 parameters would take 15 GB."""
    network = Mlp((1, 600, 1))
    custom = [Custom("sign of the bias", torch.ones((1, 1), dtype=torch.float64), ("b2",))]
    with pytest.raises(LimitExceededError):
        find_equilibrium(
            network,
            random_parameters(network, rng),
            random_pairs(network, rng, n=9),
            temperature=0.1,
            custom=custom,
        )


def test_single_precision_is_raised_to_double(rng: np.random.Generator) -> None:
    """Parameters and samples in float32 give what the same numbers give in float64."""
    network = NETWORKS["mlp relu"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=30)
    short = {block: value.float() for block, value in parameters.items()}
    few = Pairs(pairs.x.float(), pairs.y.float())
    found = find_equilibrium(network, short, few, temperature=0.1)
    same = find_equilibrium(
        network,
        {block: value.double() for block, value in short.items()},
        Pairs(few.x.double(), few.y.double()),
        temperature=0.1,
    )
    assert found.residual < 1e-10
    torch.testing.assert_close(found.exponents, same.exponents, rtol=0.0, atol=0.0)


def test_scale_of_a_normalised_network_has_a_closed_form(rng: np.random.Generator) -> None:
    """e^(4 lam) = T Tr Sigma/(4 gamma |theta|^2)."""
    network = NormalizedMlp((3, 4, 2), normalization="network")
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=20)
    found = find_equilibrium(network, parameters, pairs, temperature=0.3, weight_decay=0.01)
    gradients = per_sample_gradients(network, parameters, pairs.x, pairs.y)
    trace = sum(float(g.var(0, correction=0).sum()) for g in gradients.values())
    square = sum(float((value**2).sum()) for value in parameters.values())
    assert found.exponents is not None
    exact = 0.25 * math.log(0.3 * trace / (4 * 0.01 * square))
    assert float(found.exponents[0]) == pytest.approx(exact, abs=1e-12)
