"""What is followed over time, held against independent calculations."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from tests.solver.networks.training.ensembles import train
from torch import Tensor

from equipoise_solver.networks import GaussianTeacher, LinearNetwork, Network, Pairs, Parameters
from equipoise_solver.networks.families import Family
from equipoise_solver.networks.parameters import flatten, unflatten
from equipoise_solver.networks.per_sample import loss_of, per_sample_gradients, sample_losses
from equipoise_solver.networks.statistics import full_covariance, gradient_statistics
from equipoise_solver.networks.training import Gd, Given, Sgd, TrainingPlan, TrainingResult
from equipoise_solver.networks.training.balance import balance_residual, charges_of
from equipoise_solver.symmetry.generators import Generators

pytestmark = pytest.mark.slow

SYMMETRIC = [name for name, network in NETWORKS.items() if network.families()]


def _generators(network: Network, family: Family) -> Generators:
    return Generators(network.blocks, families=(family,))


def _observed(
    network: Network, data: Pairs | GaussianTeacher, parameters: Parameters, *names: str
) -> TrainingResult:
    """Observables at given parameters: the start of a run of one step."""
    return train(
        TrainingPlan(
            network=network,
            data=data,
            dynamics=Sgd(1e-6, 2, 0.3),
            n_paths=1,
            seed=0,
            n_steps=1,
            initial=Given(parameters),
            observables=names,
            n_snapshots=1,
        )
    )


@pytest.mark.parametrize("name", SYMMETRIC)
def test_charges_are_those_of_the_generators(name: str, rng: np.random.Generator) -> None:
    """theta' A theta of every generator of each family, computed with its matrices of p x p."""
    network = NETWORKS[name]
    parameters = random_parameters(network, rng)
    theta = flatten(parameters, network.blocks)
    for family in network.families():
        generators = _generators(network, family)
        unit = torch.eye(generators.dimension, dtype=torch.float64)
        wanted = torch.stack([theta @ generators.dense(k) @ theta for k in unit])
        found = charges_of(family, parameters)
        assert float((found - wanted).abs().max()) <= 1e-12 * float(theta @ theta)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_a_step_changes_charges_by_the_charge_of_its_gradient(name: str, rng: np.random.Generator) -> None:
    """C' = (1 - 2 eta gamma)^2 C + eta^2 C(g): the identity of SGD, to 1e-12, along a run of 12 steps."""
    network, eta, gamma = NETWORKS[name], 0.01, 0.2
    plan = TrainingPlan(
        network=network,
        data=random_pairs(network, rng, n=15),
        dynamics=Sgd(eta, 4, gamma),
        n_paths=2,
        seed=11,
        n_steps=12,
    )
    keep = 1 - 2 * eta * gamma
    before: Parameters | None = None
    for n_steps in range(1, 13):
        result = train(replace(plan, n_steps=n_steps, n_records=1))
        after = {block: torch.from_numpy(value[1]) for block, value in result.parameters.items()}
        if before is not None:
            gradient = {block: (keep * before[block] - after[block]) / eta for block in after}
            for family in network.families():
                expected = keep**2 * charges_of(family, before) + eta**2 * charges_of(family, gradient)
                size = sum(float((value**2).sum()) for value in after.values())
                assert float((charges_of(family, after) - expected).abs().max()) <= 1e-12 * size
        before = after


@pytest.mark.parametrize("name", SYMMETRIC)
def test_balance_is_the_drift_of_charges(name: str, rng: np.random.Generator) -> None:
    """T Tr[Sigma A] - 4 gamma C of all generators, from the full covariance, has the size of the residual."""
    network, heat, gamma = NETWORKS[name], 0.4, 0.05
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=9)
    covariance = full_covariance(network, parameters, pairs)
    statistics = gradient_statistics(network, parameters, pairs)
    for family in network.families():
        generators = _generators(network, family)
        unit = torch.eye(generators.dimension, dtype=torch.float64)
        noise = torch.stack([(covariance * generators.dense(k)).sum() for k in unit])
        drift = heat * noise - 4 * gamma * charges_of(family, parameters)
        parts = _parts(family, parameters, pairs, network, heat=heat, gamma=gamma)
        found = balance_residual(family, parameters, statistics, temperature=heat, weight_decay=gamma)
        assert found == pytest.approx(float(drift.norm()) / parts, rel=1e-10)
        assert 0 < found <= 1


def _parts(
    family: Family, parameters: Parameters, pairs: Pairs, network: Network, *, heat: float, gamma: float
) -> float:
    """Sum of the norms of all parts of the balance, from the gradients of all samples."""
    gradients = per_sample_gradients(network, parameters, pairs.x, pairs.y)
    total = 0.0
    for action in family.actions:
        off = gradients[action.block] - gradients[action.block].mean(0)
        for factor, samples in ((heat / pairs.n, off), (4 * gamma, parameters[action.block][None])):
            g = samples if samples.ndim == 3 else samples[:, :, None]
            pattern = "nij,nkj->ik" if action.side == "left" else "nji,njk->ik"
            matrix = torch.einsum(pattern, g, g)
            shown = {"full": matrix, "diagonal": matrix.diagonal(), "scalar": matrix.trace()}
            total += factor * abs(action.degree) * float(shown[family.structure].norm())
    return total


@pytest.mark.parametrize("name", ["mlp tanh", "net a", "mlp cross entropy", "attention"])
def test_noise_norm_loss_and_sharpness(name: str, rng: np.random.Generator) -> None:
    """Tr Sigma by block, squared norms, the loss and the trace of the whole Hessian."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=9)
    result = _observed(network, pairs, parameters, "noise_trace", "norm", "loss", "sharpness")
    seen = {key: float(series.mean[0]) for key, series in result.observables.items()}
    variances = full_covariance(network, parameters, pairs).diagonal()
    blocks = unflatten(variances, network.blocks)
    assert seen["noise_trace"] == pytest.approx(float(variances.sum()), rel=1e-10)
    for block, value in blocks.items():
        assert seen[f"noise_trace.{block}"] == pytest.approx(float(value.sum()), rel=1e-9, abs=1e-12)
        assert seen[f"norm.{block}"] == pytest.approx(float((parameters[block] ** 2).sum()), rel=1e-12)
    assert seen["norm"] == pytest.approx(float(flatten(parameters, network.blocks).square().sum()), rel=1e-12)
    assert seen["loss"] == pytest.approx(float(loss_of(network, parameters, pairs)), rel=1e-12)

    def loss(theta: Tensor) -> Tensor:
        return sample_losses(network, unflatten(theta, network.blocks), pairs.x, pairs.y).mean()

    hessian = torch.func.jacrev(torch.func.grad(loss))(flatten(parameters, network.blocks))
    assert seen["sharpness"] == pytest.approx(float(hessian.trace()), rel=1e-9, abs=1e-10)


def test_ranks_and_alignment(rng: np.random.Generator) -> None:
    """A matrix of equal singular values has its full effective rank, and equal covariances align."""
    teacher = GaussianTeacher(*(torch.eye(3, dtype=torch.float64) for _ in range(3)))
    turn = torch.linalg.qr(torch.from_numpy(rng.standard_normal((3, 3)))).Q
    result = _observed(
        LinearNetwork((3, 3, 3)), teacher, {"W1": 2 * turn, "W2": 0.3 * turn.T}, "alignment", "effective_rank"
    )
    seen = {key: float(series.mean[0]) for key, series in result.observables.items()}
    assert seen["effective_rank.W1"] == pytest.approx(3.0, rel=1e-12)
    assert seen["alignment.1"] == pytest.approx(1.0, rel=1e-12)


def test_a_linear_network_is_observed_on_the_whole_population(rng: np.random.Generator) -> None:
    """Under a teacher the loss is Tr[(B - V) Sx (B - V)'] + Tr Se, with no sample drawn."""
    teacher = GaussianTeacher(*(torch.eye(2, dtype=torch.float64) * size for size in (1.0, 2.0, 0.3)))
    result = _observed(
        LinearNetwork((2, 2)),
        teacher,
        {"W1": torch.tensor([[1.5, 0.0], [0.2, 1.0]], dtype=torch.float64)},
        "loss",
    )
    assert result.observables["loss"].mean[0] == pytest.approx(2 * (0.25 + 0.04) + 0.6, rel=1e-12)
    assert result.notes == ()


def test_means_and_errors_are_those_of_the_paths(seed: int, rng: np.random.Generator) -> None:
    """Averages over 21 networks and their standard errors, from the networks one by one."""
    network = NETWORKS["mlp tanh"]
    plan = TrainingPlan(
        network=network,
        data=random_pairs(network, rng, n=15),
        dynamics=Sgd(0.02, 2),
        n_paths=21,
        seed=seed,
        n_steps=9,
        observables=("loss", "norm"),
        n_records=4,
        n_snapshots=21,
    )
    result = train(plan)
    assert result.time.tolist() == [0, 2, 4, 7, 9]
    assert result.learned == pytest.approx(0.02 * result.time)
    assert result.path_steps == 21 * 9
    for name, series in result.observables.items():
        each = result.snapshots[name]
        assert each.shape == (21, 5)
        assert series.mean == pytest.approx(each.mean(axis=0), rel=1e-12)
        assert series.standard_error == pytest.approx(each.std(axis=0, ddof=1) / 21**0.5, rel=1e-10)


def test_balance_may_be_asked_at_a_temperature(rng: np.random.Generator) -> None:
    """Along GD, which has no noise, the balance is that of SGD at the temperature given."""
    network = NETWORKS["linear"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=9)
    plan = TrainingPlan(
        network=network,
        data=pairs,
        dynamics=Gd(1e-4),
        n_paths=1,
        seed=0,
        n_steps=1,
        initial=Given(parameters),
        observables=("balance_residual",),
        balance_temperature=0.1,
    )
    statistics = gradient_statistics(network, parameters, pairs)
    for family in network.families():
        wanted = balance_residual(family, parameters, statistics, temperature=0.1, weight_decay=0.0)
        seen = train(plan).observables[f"balance_residual.{family.name}"].mean[0]
        assert seen == pytest.approx(wanted, rel=1e-10)
