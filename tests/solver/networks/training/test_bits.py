"""The same bits for any threads, chunks and restarts, and for earlier networks when more are added."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs
from tests.solver.networks.training.ensembles import final_rows, run

from equipoise_solver.networks import GaussianTeacher, LinearNetwork, Mlp
from equipoise_solver.networks.training import Dynamics, Gd, Langevin, Sgd, Sgf, TrainingPlan, advance, begin

pytestmark = pytest.mark.slow

CASES: dict[str, tuple[str, Dynamics]] = {
    "in lanes": ("mlp relu", Sgd(0.01, 3, momentum=0.9, label_noise=0.1)),
    "in lanes, by epoch": ("mlp tanh", Sgd(0.01, 4, 0.1, sampling="epoch")),
    "in lanes, flow": ("linear", Sgf(0.01, 0.01)),
    "by torch": ("net a", Sgd(0.01, 3, momentum=0.9, sampling="epoch", label_noise=0.1)),
    "by torch, heated": ("diagonal", Langevin(0.01, 0.01, 0.1)),
    "by torch, alone": ("wide", Gd(0.001)),
}
WIDE = Mlp((10, 150, 5), "gelu")


def _plan(name: str, rng: np.random.Generator, seed: int) -> TrainingPlan:
    kind, dynamics = CASES[name]
    network = WIDE if kind == "wide" else NETWORKS[kind]
    is_flow = isinstance(dynamics, Sgf | Langevin)
    return TrainingPlan(
        network=network,
        data=random_pairs(network, rng, n=11),
        dynamics=dynamics,
        n_paths=19 if kind != "wide" else 3,
        seed=seed,
        n_steps=None if is_flow else 17,
        duration=0.17 if is_flow else None,
        observables=("loss", "norm", "noise_trace"),
        n_records=5,
        n_snapshots=2,
    )


@pytest.mark.parametrize("name", list(CASES))
def test_threads_and_chunks_change_nothing(name: str, seed: int, rng: np.random.Generator) -> None:
    """The last checkpoint has the same bytes however the run was cut, restarted and shared among threads."""
    plan = _plan(name, rng, seed)
    assert (plan.group_size == 1) == (name == "by torch, alone")
    whole = run(plan).to_bytes()
    assert run(plan, budget=1).to_bytes() == whole
    assert run(plan, budget=70, threads=3).to_bytes() == whole


@pytest.mark.parametrize("name", list(CASES))
def test_more_networks_change_none(name: str, seed: int, rng: np.random.Generator) -> None:
    """The first networks end with the same bits, and look the same on the way, when there are more."""
    plan = _plan(name, rng, seed)
    more = replace(plan, n_paths=plan.n_paths + 15)
    assert np.array_equal(final_rows(more)[: plan.n_paths], final_rows(plan))
    assert np.array_equal(run(more).arrays["snapshots"], run(plan).arrays["snapshots"])
    fewer = replace(plan, n_paths=2)
    assert np.array_equal(final_rows(fewer), final_rows(plan)[:2])


def test_records_change_no_network(seed: int, rng: np.random.Generator) -> None:
    """How often a run is looked at does not change where it goes, by epoch and with momentum."""
    for name in ("in lanes, by epoch", "by torch"):
        plan = _plan(name, rng, seed)
        assert np.array_equal(final_rows(replace(plan, n_records=17)), final_rows(replace(plan, n_records=1)))


def test_seeds_matter(seed: int, rng: np.random.Generator) -> None:
    """Another seed starts elsewhere and sees other samples."""
    plan = _plan("in lanes", rng, seed)
    assert not np.any(final_rows(plan) == final_rows(replace(plan, seed=seed + 1)))


def test_a_chunk_does_not_change_its_checkpoint(seed: int) -> None:
    """`advance` leaves the checkpoint that it is given as it is, and leaves torch's threads alone."""
    teacher = GaussianTeacher(*(torch.eye(2, dtype=torch.float64) for _ in range(3)))
    plan = TrainingPlan(
        network=LinearNetwork((2, 2)), data=teacher, dynamics=Sgd(0.01), n_paths=3, seed=seed, n_steps=20
    )
    start = begin(plan)
    before, threads = start.to_bytes(), torch.get_num_threads()
    later = advance(plan, start, budget=1, threads=2)
    assert start.to_bytes() == before
    assert torch.get_num_threads() == threads
    assert 0 < later.fraction < 1
    assert later.scalars["path_steps"] == later.live["path_steps"]
    assert later.scalars["path_steps"] > 0
