"""Where there is no finite equilibrium: it is said which directions run away and why, the rest is solved."""

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from torch import Tensor

from equipoise_solver.networks import GaussianTeacher, LinearNetwork, Mlp, Pairs, Parameters
from equipoise_solver.networks.gaussian_linear import population_loss
from equipoise_solver.networks.per_sample import loss_of, per_sample_gradients
from equipoise_solver.symmetry.custom import Custom
from equipoise_solver.symmetry.equilibrium import find_equilibrium
from equipoise_solver.symmetry.flow import noether_flow
from equipoise_solver.symmetry.generators import Generators


def normals(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape))


@pytest.mark.parametrize("name", ["net a", "net b"])
def test_scale_invariance_without_decay_has_none(name: str, rng: np.random.Generator) -> None:
    """Norms grow for ever; parameters stay as they are, and nothing is NaN."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=20)
    found = find_equilibrium(network, parameters, pairs, temperature=0.1)
    assert found.outcome == "NO_EQUILIBRIUM"
    assert "grows without end, since no weight decay holds it" in found.reason
    for block, value in parameters.items():
        torch.testing.assert_close(found.parameters[block], value, rtol=0.0, atol=0.0)


def test_decay_alone_shrinks_a_scale_for_ever(rng: np.random.Generator) -> None:
    network = NETWORKS["net b"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=20)
    found = find_equilibrium(network, parameters, pairs, temperature=0.0, weight_decay=0.1)
    assert found.outcome == "NO_EQUILIBRIUM"
    assert "shrinks without end" in found.reason


def relu_case(rng: np.random.Generator) -> tuple[Mlp, Parameters, Pairs]:
    network = Mlp((3, 5, 2))
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=40)
    # All neurons fire for some samples, so that what is dead is dead on purpose.
    parameters["b1"] = parameters["b1"].abs() + 0.5
    return network, parameters, pairs


def test_dead_neuron_stays_where_it_is(rng: np.random.Generator) -> None:
    """A neuron that never fires has no noise on either side: nothing moves it, the others balance."""
    network, parameters, pairs = relu_case(rng)
    parameters["b1"][2] = -100.0
    found = find_equilibrium(network, parameters, pairs, temperature=0.1)
    assert found.outcome == "CONVERGED"
    assert found.exponents is not None
    assert float(found.exponents[2]) == 0.0
    assert int((found.exponents == 0.0).sum()) == 1


def test_dead_neuron_under_decay_balances_its_norms(rng: np.random.Generator) -> None:
    network, parameters, pairs = relu_case(rng)
    parameters["b1"][2] = -100.0
    found = find_equilibrium(network, parameters, pairs, temperature=0.1, weight_decay=0.01)
    assert found.outcome == "CONVERGED"
    incoming = (found.parameters["W1"][2] ** 2).sum() + found.parameters["b1"][2] ** 2
    outgoing = (found.parameters["W2"][:, 2] ** 2).sum()
    assert float(incoming) == pytest.approx(float(outgoing), rel=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_neuron_that_nothing_reads_dies_out(decay: float, rng: np.random.Generator) -> None:
    """Its incoming weights have no noise, its outgoing ones have: in the limit the incoming weights are 0."""
    network, parameters, pairs = relu_case(rng)
    parameters["W2"][:, 1] = 0.0
    found = find_equilibrium(network, parameters, pairs, temperature=0.1, weight_decay=decay)
    assert found.outcome == "AT_BOUNDARY"
    assert "neurons of layer 1 [1]" in found.reason
    assert float(found.parameters["W1"][1].abs().max()) == 0.0
    assert float(found.parameters["b1"][1]) == 0.0
    before, after = (float(loss_of(network, p, pairs)) for p in (parameters, found.parameters))
    assert after == pytest.approx(before, rel=1e-12)
    gradients = per_sample_gradients(network, found.parameters, pairs.x, pairs.y)
    incoming = gradients["W1"].var(0, correction=0).sum(1) + gradients["b1"].var(0, correction=0)
    outgoing = gradients["W2"].var(0, correction=0).sum(0)
    others = [0, 2, 3, 4]
    squares = (found.parameters["W1"] ** 2).sum(1) + found.parameters["b1"] ** 2
    squares = squares - (found.parameters["W2"] ** 2).sum(0)
    force = 0.1 * (incoming - outgoing) - 4 * decay * squares
    assert float(force[others].abs().max()) < 1e-10 * float(outgoing.max())


def test_directions_that_nothing_reads_die_out(rng: np.random.Generator) -> None:
    """A 3-4-2 linear net computes with rank 2: one direction of W1 goes, and F reaches its infimum."""
    network = LinearNetwork((3, 4, 2))
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=50)
    found = find_equilibrium(network, parameters, pairs, temperature=0.1)
    assert found.outcome == "AT_BOUNDARY"
    assert "layers 1-2" in found.reason
    assert torch.linalg.matrix_rank(found.parameters["W1"]) == 2
    assert found.residual < 1e-10
    before, after = (float(loss_of(network, p, pairs)) for p in (parameters, found.parameters))
    assert after == pytest.approx(before, rel=1e-11)
    # In coordinates of what W2 reads it is a 3-2-2 net, whose two hidden directions are both read.
    read = torch.linalg.qr(parameters["W2"].T).Q
    small = {"W1": read.T @ parameters["W1"], "W2": parameters["W2"] @ read}
    reduced = find_equilibrium(LinearNetwork((3, 2, 2)), small, pairs, temperature=0.1)
    assert reduced.outcome == "CONVERGED"
    assert found.potential == pytest.approx(reduced.potential, rel=1e-11)
    for block in small:
        values = torch.linalg.svdvals(found.parameters[block])[:2]
        torch.testing.assert_close(values, torch.linalg.svdvals(reduced.parameters[block]))


def test_dense_generators_say_when_they_only_approach_a_limit(rng: np.random.Generator) -> None:
    """The same family as dense matrices: no single generator runs away, but a combination does."""
    network = LinearNetwork((3, 4, 2))
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=50)
    family = Generators(network.blocks, network.families())
    custom = [
        Custom(name, family.dense(unit))
        for name, unit in zip(family.names, torch.eye(family.dimension, dtype=torch.float64), strict=True)
    ]
    found = find_equilibrium(network, parameters, pairs, temperature=0.1, families=(), custom=custom)
    assert found.outcome == "NO_EQUILIBRIUM"
    limit = find_equilibrium(network, parameters, pairs, temperature=0.1)
    assert found.potential >= limit.potential * (1.0 - 1e-12)


def test_lost_directions_of_a_deep_chain_leave_the_others_balanced(rng: np.random.Generator) -> None:
    """Wide layers over a narrow output: what remains satisfies the law at the boundary itself."""
    network = LinearNetwork((4, 6, 5, 2))
    teacher = GaussianTeacher(
        normals(rng, 2, 4), torch.eye(4, dtype=torch.float64), 0.3 * torch.eye(2, dtype=torch.float64)
    )
    parameters = random_parameters(network, rng)
    found = find_equilibrium(network, parameters, teacher, temperature=0.1, weight_decay=0.01)
    again = find_equilibrium(network, found.parameters, teacher, temperature=0.1, weight_decay=0.01)
    assert found.outcome == "AT_BOUNDARY"
    assert again.residual_before < 1e-8
    before, after = (float(population_loss(network, p, teacher)) for p in (parameters, found.parameters))
    assert after == pytest.approx(before, rel=1e-10)


@pytest.mark.parametrize("silent", ["input", "label"])
def test_singular_covariances_are_no_obstacle(silent: str, rng: np.random.Generator) -> None:
    """No input along one axis, or noiseless labels: a limit is found or said to be missing, never NaN."""
    network = LinearNetwork((3, 3, 3))
    line = torch.diag(torch.tensor([1.0, 0.7, 0.0], dtype=torch.float64))
    whole = torch.eye(3, dtype=torch.float64)
    teacher = GaussianTeacher(
        normals(rng, 3, 3), line if silent == "input" else whole, whole if silent == "input" else 0.0 * line
    )
    parameters = random_parameters(network, rng)
    found = find_equilibrium(network, parameters, teacher, temperature=0.1)
    assert found.outcome in ("CONVERGED", "AT_BOUNDARY", "NO_EQUILIBRIUM")
    assert found.residual < 1e-9
    assert all(bool(torch.isfinite(value).all()) for value in found.parameters.values())


def test_no_noise_at_all_leaves_everything_in_place(rng: np.random.Generator) -> None:
    """At the minimum of noiseless labels all gradients are 0: every point of the orbit is an equilibrium."""
    network = LinearNetwork((2, 2, 2))
    parameters = random_parameters(network, rng)
    teacher = GaussianTeacher(
        parameters["W2"] @ parameters["W1"],
        torch.eye(2, dtype=torch.float64),
        torch.zeros((2, 2), dtype=torch.float64),
    )
    found = find_equilibrium(network, parameters, teacher, temperature=0.1)
    assert found.outcome == "CONVERGED"
    assert found.residual == 0.0
    for block, value in parameters.items():
        torch.testing.assert_close(found.parameters[block], value, rtol=1e-13, atol=1e-13)


def test_custom_scale_without_decay_has_none(rng: np.random.Generator) -> None:
    """A generator whose eigenvalues with noise are all positive, alone."""
    network = NETWORKS["net b"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=20)
    size = sum(block.size for block in network.blocks)
    scale = Custom("all weights", torch.eye(size, dtype=torch.float64))
    found = find_equilibrium(network, parameters, pairs, temperature=0.1, families=(), custom=[scale])
    assert found.outcome == "NO_EQUILIBRIUM"
    assert "all weights" in found.reason
    decayed = find_equilibrium(
        network, parameters, pairs, temperature=0.1, weight_decay=0.02, families=(), custom=[scale]
    )
    assert decayed.outcome == "CONVERGED"


@pytest.mark.parametrize("zero", ["W1", "W2"])
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_a_layer_of_zeros_takes_the_other_with_it(zero: str, decay: float, rng: np.random.Generator) -> None:
    """Nothing reads, or nothing reaches, any hidden unit: at the limit of the orbit all weights are 0."""
    network = LinearNetwork((3, 3, 2))
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=30)
    parameters[zero] = torch.zeros_like(parameters[zero])
    # Two outputs push on as many directions of the hidden space; decay pushes on all.
    found = find_equilibrium(network, parameters, pairs, temperature=0.1, weight_decay=decay)
    assert found.outcome == "AT_BOUNDARY"
    assert found.residual == 0.0
    left = sum(float(value.norm()) for value in found.parameters.values())
    assert left < 1e-14 or decay == 0.0
    flow = noether_flow(
        network, parameters, pairs, temperature=0.1, weight_decay=decay, duration=0.5, n_records=2
    )
    assert np.all(np.diff(flow.potential) < 0.0)
    assert float(flow.parameters[zero].abs().max()) == 0.0


@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("widths", [(2, 2, 2, 1), (3, 4, 3, 2), (1, 3, 3, 2), (2, 3, 2, 3, 1)])
def test_chains_wider_than_their_rank_end_where_narrow_ones_do(
    widths: tuple[int, ...], decay: float, rng: np.random.Generator
) -> None:
    """What W3 does not read is lost from W2, and then from W1: what stays is as wide as the rank."""
    network, n_layers = LinearNetwork(widths), len(widths) - 1
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=20)
    product = parameters["W1"]
    for i in range(2, n_layers + 1):
        product = parameters[f"W{i}"] @ product
    rank = min(widths)
    u, s, v = torch.linalg.svd(product, full_matrices=False)
    narrow = {f"W{i}": torch.eye(rank, dtype=torch.float64) for i in range(2, n_layers)}
    narrow["W1"], narrow[f"W{n_layers}"] = s[:rank, None] * v[:rank], u[:, :rank]
    found = find_equilibrium(network, parameters, pairs, temperature=0.1, weight_decay=decay)
    inner = (widths[0], *[rank] * (n_layers - 1), widths[-1])
    reduced = find_equilibrium(LinearNetwork(inner), narrow, pairs, temperature=0.1, weight_decay=decay)
    assert reduced.outcome == "CONVERGED"
    assert found.outcome == "AT_BOUNDARY"
    assert found.potential == pytest.approx(reduced.potential, rel=1e-9)
