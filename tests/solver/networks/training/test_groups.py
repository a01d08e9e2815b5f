"""Observables of many networks at once, held against those of each network by itself."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from tests.solver.networks.training.ensembles import train
from torch import Tensor

from equipoise_solver.networks import Diagonal, Network, Pairs, Parameters
from equipoise_solver.networks.network import DenseNetwork
from equipoise_solver.networks.per_sample import loss_of
from equipoise_solver.networks.representation import effective_rank, latent_alignment
from equipoise_solver.networks.statistics import gradient_statistics
from equipoise_solver.networks.training import Gd, Langevin, TrainingPlan
from equipoise_solver.networks.training import predictions as all_predictions
from equipoise_solver.networks.training.balance import charges_of
from equipoise_solver.networks.training.observables import Scene, measure

pytestmark = pytest.mark.slow

CALLS: list[int] = []


@dataclass(frozen=True)
class Counted(Diagonal):
    """A diagonal network that counts how often it is asked for predictions."""

    def predict(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Predictions of the diagonal network."""
        CALLS.append(1)
        return super().predict(parameters, x)


def _calls(n_paths: int, rng: np.random.Generator) -> int:
    network = Counted(1, 3)
    plan = TrainingPlan(
        network=network,
        data=random_pairs(network, rng, n=5),
        dynamics=Gd(0.01),
        n_paths=n_paths,
        seed=0,
        n_steps=6,
        observables=("loss", "norm", "charges", "noise_trace"),
        n_records=6,
    )
    CALLS.clear()
    train(plan)
    return len(CALLS)


def test_a_group_is_observed_at_once(rng: np.random.Generator) -> None:
    """Sixteen networks are asked for their predictions as often as two."""
    assert _calls(16, rng) == _calls(2, rng) > 0


def _together(parameters: list[Parameters]) -> Parameters:
    return {name: torch.stack([one[name] for one in parameters]) for name in parameters[0]}


def _scene(network: Network, pairs: Pairs, wanted: tuple[str, ...]) -> Scene:
    return Scene(
        network=network,
        data=pairs,
        families=network.families(),
        wanted=wanted,
        weight_decay=0.1,
        temperature=0.2,
        seed=0,
        sample_bytes=1000,
    )


@pytest.mark.parametrize("name", list(NETWORKS))
def test_each_network_has_its_own_numbers(
    name: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All cheap observables of five networks, in chunks of two samples, from the networks one by one."""
    monkeypatch.setattr(all_predictions, "MAX_BYTES", 2 * 5 * 1000)
    network = NETWORKS[name]
    pairs = random_pairs(network, rng, n=9)
    each = [random_parameters(network, rng) for _ in range(5)]
    names = ("loss", "norm", "charges", "noise_trace", "effective_rank")
    seen = measure(_scene(network, pairs, names), _together(each))
    for i, parameters in enumerate(each):
        assert float(seen["loss"][i]) == pytest.approx(float(loss_of(network, parameters, pairs)), rel=1e-12)
        noise = sum(gradient_statistics(network, parameters, pairs).trace.values())
        assert float(seen["noise_trace"][i]) == pytest.approx(noise, rel=1e-10)
        for block, value in parameters.items():
            assert float(seen[f"norm.{block}"][i]) == pytest.approx(float((value**2).sum()), rel=1e-12)
            if value.ndim == 2:
                rank = float(effective_rank(value))
                assert float(seen[f"effective_rank.{block}"][i]) == pytest.approx(rank, rel=1e-12)
        for family in network.families():
            charges = charges_of(family, parameters)
            total = float(charges[: family.size].sum())
            assert float(seen[f"charges.{family.name}"][i]) == pytest.approx(total, rel=1e-11, abs=1e-12)
            if 1 < len(charges) <= 16:
                shown = [float(seen[f"charges.{family.name}.{k + 1}"][i]) for k in range(len(charges))]
                assert shown == pytest.approx(charges.tolist(), rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("name", ["linear", "mlp tanh", "matrix factorization"])
def test_alignments_of_each_network(
    name: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alignments of all hidden layers of five networks, in chunks of four samples, one by one."""
    monkeypatch.setattr(all_predictions, "MAX_BYTES", 4 * 5 * 1000)
    network = NETWORKS[name]
    assert isinstance(network, DenseNetwork)
    pairs = random_pairs(network, rng, n=9)
    each = [random_parameters(network, rng) for _ in range(5)]
    seen = measure(_scene(network, pairs, ("alignment",)), _together(each))
    for i, parameters in enumerate(each):
        for layer in range(1, len(network.dense_layers)):
            wanted = latent_alignment(network, parameters, pairs, layer=layer)
            assert float(seen[f"alignment.{layer}"][i]) == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("name", ["linear", "mlp relu", "diagonal", "attention", "net a"])
def test_more_networks_change_no_number(name: str, rng: np.random.Generator, seed: int) -> None:
    """Snapshots of the first networks have the same bits with three networks and with nineteen."""
    network = NETWORKS[name]
    names = ("loss", "norm", "charges", "noise_trace", "effective_rank")
    plan = TrainingPlan(
        network=network,
        data=random_pairs(network, rng, n=11),
        dynamics=Langevin(0.01, 0.01, 0.1),
        n_paths=3,
        seed=seed,
        duration=0.05,
        observables=names,
        n_records=5,
        n_snapshots=3,
    )
    few, many = train(plan), train(replace(plan, n_paths=19))
    for key, values in few.snapshots.items():
        assert np.array_equal(values, many.snapshots[key])
        assert np.isfinite(values).all()


def test_where_a_loss_overflows_only_that_network_is_lost(rng: np.random.Generator) -> None:
    """Infinite numbers of one network leave the numbers of others as they are."""
    network = NETWORKS["mlp tanh"]
    pairs = random_pairs(network, rng, n=9)
    each = [random_parameters(network, rng) for _ in range(3)]
    far = {name: 1e200 * value for name, value in each[1].items()}
    scene = _scene(network, pairs, ("loss", "norm", "noise_trace"))
    near, mixed = measure(scene, _together(each)), measure(scene, _together([each[0], far, each[2]]))
    for key, values in near.items():
        assert torch.equal(values[::2], mixed[key][::2])
    assert not bool(torch.isfinite(mixed["loss"][1]))
    assert not bool(torch.isfinite(mixed["noise_trace"][1]))
