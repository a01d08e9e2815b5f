"""The bits do not depend on threads, budgets, restarts or other paths."""

from typing import Any

import numpy as np
import pytest
from tests.solver.ensembles.runs import final_states, run

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles import (
    EnsemblePlan,
    GaussianPairs,
    Normal,
    SamplePairs,
    Sgd,
    Sgf,
    advance,
    begin,
    finish,
)

PAIRS = GaussianPairs(1.1, 0.8, 1.2)
SAMPLES = SamplePairs(np.linspace(-1, 2, 50), np.sin(np.arange(50.0)))

PLANS: dict[str, dict[str, Any]] = {
    "model": {"data": PAIRS, "dynamics": Sgf(0.1), "duration": 30.0, "coordinate": "model"},
    "parameters": {
        "data": PAIRS,
        "dynamics": Sgf(0.1, noise="three_point", scheme="taylor"),
        "duration": 6.0,
    },
    "sgd": {"data": PAIRS, "dynamics": Sgd(0.02, 3, 0.0, 0.5), "n_steps": 3000, "init": Normal(0.5)},
    "epoch": {"data": SAMPLES, "dynamics": Sgd(0.02, 3, sampling="epoch"), "n_steps": 3000},
    "adaptive": {
        "data": PAIRS,
        "dynamics": Sgf(0.1, scheme="taylor"),
        "duration": 3.0,
        "coordinate": "model",
        "precision": "float32",
    },
    "splitting": {
        "data": PAIRS,
        "dynamics": Sgf(0.1, 0.05),
        "duration": 30.0,
        "precision": "float32",
        "first_passage": 0.4,
        "n_snapshots": 20,
    },
    "linear": {"data": PAIRS, "dynamics": Sgf(0.1), "duration": 30.0, "depth": 0, "width": 2},
    "logarithm": {
        "data": PAIRS,
        "dynamics": Sgf(0.05, noise="two_point", scheme="log_euler"),
        "duration": 8.0,
        "depth": 2,
    },
    "lost": {"data": PAIRS, "dynamics": Sgf(0.2, scheme="euler"), "duration": 12.0},
    "neuron": {"data": PAIRS, "dynamics": Sgd(0.02, 20), "n_steps": 30011, "precision": "float32"},
    "absorbed": {"data": PAIRS, "dynamics": Sgf(2.0), "duration": 40.0},
}
OBSERVABLES = ("value", "loss", "excess_loss", "imbalance", "noise", "sign", "norm")


def plan_of(name: str, **changes: Any) -> EnsemblePlan:
    parts = {"depth": 1, "n_paths": 5000, "seed": 77, "n_records": 25, "observables": OBSERVABLES}
    return EnsemblePlan(**{**parts, **PLANS[name], **changes})


@pytest.mark.parametrize("name", PLANS)
def test_threads_budgets_and_restarts_do_not_matter(name: str) -> None:
    """One thread in one go, three in pieces, and a restart before every piece end in the same bytes."""
    plan = plan_of(name)
    whole = run(plan).to_bytes()
    assert run(plan, threads=3, budget=2e6).to_bytes() == whole
    state, pieces = begin(plan), 0
    while not state.is_done:
        state = advance(plan_of(name), Checkpoint.from_bytes(state.to_bytes()), budget=1, threads=2)
        pieces += 1
    assert pieces > 4
    assert state.to_bytes() == whole


def test_advancing_leaves_the_checkpoint_alone() -> None:
    """A checkpoint can be advanced twice, with the same outcome."""
    plan = plan_of("model")
    middle = advance(plan, begin(plan), budget=1)
    before = middle.to_bytes()
    first = advance(plan, middle, budget=1).to_bytes()
    assert middle.to_bytes() == before
    assert advance(plan, middle, budget=1).to_bytes() == first
    ends = [advance(plan, middle, budget=1e18, threads=threads).to_bytes() for threads in (1, 2)]
    assert ends[0] == ends[1]
    assert middle.to_bytes() == before


@pytest.mark.parametrize("name", PLANS)
def test_adding_paths_changes_no_earlier_path(name: str) -> None:
    """The first 300 paths of 700 are the paths of an ensemble of 300."""
    few, many = (final_states(plan_of(name, n_paths=n)) for n in (300, 700))
    np.testing.assert_array_equal(few, many[:, :300])


@pytest.mark.parametrize("name", ["model", "sgd"])
def test_shards_continue_one_another(name: str) -> None:
    """A second shard goes on with path 65536: each of its paths differs from the first shard's."""
    short: dict[str, Any] = {"n_steps": 4} if name == "sgd" else {"duration": 0.1}
    plan = plan_of(name, n_paths=65536 + 300, n_records=2, **short)
    second = final_states(plan)
    first = final_states(plan_of(name, n_paths=300, n_records=2, **short))
    assert second.shape == first.shape
    assert (second[0] != first[0]).all()
    assert run(plan, threads=2, budget=1).to_bytes() == run(plan).to_bytes()
    checkpoint = run(plan)
    assert checkpoint.arrays["paths_count"][0] == plan.n_paths
    assert (checkpoint.arrays["records_count"] == plan.n_paths).all()


def test_seeds_give_other_paths() -> None:
    """Another seed, in its low or in its high half, changes every path."""
    base = final_states(plan_of("model", n_paths=300))
    for seed in (78, 77 + (1 << 40)):
        assert (final_states(plan_of("model", n_paths=300, seed=seed))[0] != base[0]).all()


def values_of(name: str, n_paths: int) -> Any:
    """v of the first paths at every record."""
    plan = plan_of(name, n_paths=n_paths, n_snapshots=min(n_paths, 512), duration=1.0, n_records=3)
    return finish(plan, run(plan)).snapshots


@pytest.mark.parametrize("name", ["splitting", "linear", "lost", "adaptive"])
def test_paths_do_not_know_how_many_they_are(name: str) -> None:
    """Path j has the same v at all records whether it is one of 1, 700 or 70000, over blocks and shards."""
    many = values_of(name, 70_000)
    assert many.shape == (512, 4)
    np.testing.assert_array_equal(many, values_of(name, 700))
    np.testing.assert_array_equal(many[:1], values_of(name, 1))
    assert len(np.unique(many[:, -1])) > 400


def test_lost_and_absorbed_paths_are_among_the_plans() -> None:
    """The plans above do lose and absorb paths, and the count of steps has no whole number of pairs."""
    ends = {name: finish(plan_of(name), run(plan_of(name))) for name in ("lost", "absorbed", "neuron")}
    assert 0 < ends["lost"].n_diverged < 5000
    assert 0 < ends["absorbed"].n_absorbed <= 5000
    assert ends["neuron"].path_steps == 5000 * 30011
