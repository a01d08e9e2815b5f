"""Single updates and short runs, held against plain loops and recursions worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs
from tests.solver.networks.training.ensembles import final_rows, train, trained_alone

from equipoise_solver.networks import GaussianTeacher, LinearNetwork, Mlp, Network, Pairs
from equipoise_solver.networks.training import (
    CosineDecay,
    Dynamics,
    Gd,
    Given,
    Langevin,
    Sgd,
    Sgf,
    TrainingPlan,
    WarmUp,
)

pytestmark = pytest.mark.slow

DYNAMICS: dict[str, Dynamics] = {
    "sgd": Sgd(0.02, 5),
    "sgd with everything": Sgd(0.01, 5, 0.03, 0.9, label_noise=0.2, schedule=(WarmUp(6), CosineDecay(20))),
    "sgd by epoch": Sgd(0.02, 5, 0.03, sampling="epoch", label_noise=0.2),
    "gd": Gd(0.02, 0.03, 0.8, label_noise=0.1),
    "sgf": Sgf(0.02, 0.01, 0.03, schedule=(WarmUp(0.05),)),
    "langevin": Langevin(0.02, 0.01, 0.03, schedule=(CosineDecay(0.2),)),
}
TRAINED: dict[str, Network] = {
    **{name: NETWORKS[name] for name in ("linear", "mlp relu", "mlp tanh", "mlp leaky relu without bias")},
    **{name: NETWORKS[name] for name in ("mlp cross entropy", "mlp logistic", "net b", "attention")},
    "logistic in lanes": Mlp((3, 6, 2), activation="sigmoid", loss="logistic"),
    "silu": Mlp((4, 5, 2), activation="silu"),
    "diagonal": NETWORKS["diagonal"],
}


def _plan(network: Network, dynamics: Dynamics, rng: np.random.Generator, *, seed: int) -> TrainingPlan:
    if network.loss != "squared_error" and isinstance(dynamics, Sgd | Gd):
        dynamics = replace(dynamics, label_noise=0.0)
    is_flow = isinstance(dynamics, Sgf | Langevin)
    return TrainingPlan(
        network=network,
        data=random_pairs(network, rng, n=19),
        dynamics=dynamics,
        n_paths=18,
        seed=seed,
        n_steps=None if is_flow else 11,
        duration=0.11 if is_flow else None,
        n_records=2,
    )


@pytest.mark.parametrize("dynamics", list(DYNAMICS))
@pytest.mark.parametrize("network", list(TRAINED))
def test_training_is_a_plain_loop_over_networks(
    network: str, dynamics: str, seed: int, rng: np.random.Generator
) -> None:
    """Networks trained together end where each ends alone, in a loop of one autograd call per sample."""
    plan = _plan(TRAINED[network], DYNAMICS[dynamics], rng, seed=seed)
    rows = final_rows(plan)
    for path in (0, 17):
        alone = trained_alone(plan, path)
        assert np.abs(rows[path] - alone).max() <= 1e-12 * np.abs(alone).max()


@pytest.mark.parametrize("network", [LinearNetwork((3, 4, 2)), Mlp((3, 4, 2), "gelu")])
def test_fresh_samples_of_a_teacher(network: Network, seed: int, rng: np.random.Generator) -> None:
    """Samples that are drawn afresh enter as in a plain loop, in lanes and by torch."""
    a, b = rng.standard_normal((3, 3)), rng.standard_normal((2, 2))
    teacher = GaussianTeacher(
        torch.from_numpy(rng.standard_normal((2, 3))), torch.from_numpy(a @ a.T), torch.from_numpy(b @ b.T)
    )
    dynamics = Sgd(0.004, 3, 0.02, label_noise=0.3)
    plan = TrainingPlan(network=network, data=teacher, dynamics=dynamics, n_paths=2, seed=seed, n_steps=12)
    rows = final_rows(plan)
    for path in (0, 1):
        alone = trained_alone(plan, path)
        assert np.abs(rows[path] - alone).max() <= 1e-12 * np.abs(alone).max()


def test_float32_follows_float64(seed: int, rng: np.random.Generator) -> None:
    """In single precision the same networks see the same samples and end where they should, to rounding."""
    for name in ("mlp tanh", "net b"):
        plan = _plan(TRAINED[name], DYNAMICS["sgd with everything"], rng, seed=seed)
        single = final_rows(replace(plan, precision="float32"))
        assert 0 < np.abs(single - final_rows(plan)).max() < 2e-5


def test_descent_of_one_neuron_by_hand() -> None:
    """GD with momentum and decay of (u w x - y)^2 on one sample is the recursion of four numbers."""
    x, y, eta, gamma, mu = 1.3, 0.7, 0.05, 0.1, 0.6
    plan = TrainingPlan(
        network=LinearNetwork((1, 1, 1)),
        data=Pairs(torch.tensor([[x]], dtype=torch.float64), torch.tensor([[y]], dtype=torch.float64)),
        dynamics=Gd(eta, gamma, mu),
        n_paths=1,
        seed=0,
        n_steps=40,
        initial=Given({"W1": [[0.9]], "W2": [[-0.4]]}),
        observables=("norm", "loss", "charges"),
        n_records=40,
        n_snapshots=1,
    )
    w, u, p, q = 0.9, -0.4, 0.0, 0.0
    result = train(plan)
    for k in range(41):
        seen = {name: series[0, k] for name, series in result.snapshots.items()}
        assert seen["norm.W1"] == pytest.approx(w * w, rel=1e-12)
        assert seen["norm.W2"] == pytest.approx(u * u, rel=1e-12)
        assert seen["norm"] == pytest.approx(u * u + w * w, rel=1e-12)
        assert seen["loss"] == pytest.approx((u * w * x - y) ** 2, rel=1e-11)
        assert seen["charges.layers 1-2"] == pytest.approx(w * w - u * u, rel=1e-11)
        pull = 2 * (u * w * x - y) * x
        p, q = mu * p + pull * u + 2 * gamma * w, mu * q + pull * w + 2 * gamma * u
        w, u = w - eta * p, u - eta * q


def test_an_epoch_takes_every_sample_once(seed: int) -> None:
    """One-hot inputs: a step of size 1/2 puts the weight of its own sample right, and no other."""
    n = 7
    targets = torch.arange(1.0, n + 1, dtype=torch.float64)[:, None]
    plan = TrainingPlan(
        network=LinearNetwork((n, 1)),
        data=Pairs(torch.eye(n, dtype=torch.float64), targets),
        dynamics=Sgd(0.5, 1, sampling="epoch"),
        n_paths=20,
        seed=seed,
        n_steps=n,
        initial=Given({"W1": [[0.0] * n]}),
    )
    assert np.array_equal(final_rows(plan), np.tile(np.arange(1.0, n + 1), (20, 1)))
    for n_done in (1, 4):
        rows = final_rows(replace(plan, n_steps=n_done))
        assert np.array_equal((rows != 0).sum(axis=1), np.full(20, n_done))


def test_the_last_batch_of_an_epoch_is_averaged_over_its_own_size(seed: int) -> None:
    """Batches of 3 out of 7: after an epoch six weights have made a third of the way and one the whole."""
    n = 7
    plan = TrainingPlan(
        network=LinearNetwork((n, 1)),
        data=Pairs(torch.eye(n, dtype=torch.float64), torch.ones((n, 1), dtype=torch.float64)),
        dynamics=Sgd(0.5, 3, sampling="epoch"),
        n_paths=5,
        seed=seed,
        n_steps=3,
        initial=Given({"W1": [[0.0] * n]}),
    )
    rows = np.sort(final_rows(plan), axis=1)
    assert rows == pytest.approx(np.tile([1 / 3] * 6 + [1.0], (5, 1)), rel=1e-14)
