"""Langevin dynamics, label noise and the tanh unit: no bit depends on threads, budgets, restarts or paths."""

from typing import Any

import numpy as np
import pytest
from tests.solver.ensembles.runs import final_states, run

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles import (
    EnsemblePlan,
    GaussianPairs,
    Gd,
    Langevin,
    Normal,
    SamplePairs,
    Sgd,
    advance,
    begin,
)

PAIRS = GaussianPairs(1.1, 0.8, 1.2)
SAMPLES = SamplePairs(np.linspace(-1, 2, 23), np.sin(np.arange(23.0)))
PLANS: dict[str, dict[str, Any]] = {
    "langevin": {"data": PAIRS, "dynamics": Langevin(0.3, 0.2, 0.02), "duration": 20.0, "width": 2},
    "label noise": {"data": SAMPLES, "dynamics": Sgd(0.02, 3, label_noise=0.3), "n_steps": 600},
    "label noise by epoch": {
        "data": SAMPLES,
        "dynamics": Sgd(0.02, 3, sampling="epoch", label_noise=0.3),
        "n_steps": 600,
    },
    "label noise of gd": {"data": SAMPLES, "dynamics": Gd(0.02, label_noise=0.3), "n_steps": 600},
    "tanh": {"model": "tanh1d", "data": PAIRS, "dynamics": Sgd(0.02, 3, momentum=0.5), "n_steps": 600},
    "tanh by epoch": {
        "model": "tanh1d",
        "data": SAMPLES,
        "dynamics": Sgd(0.02, 3, sampling="epoch", label_noise=0.3),
        "n_steps": 600,
        "precision": "float32",
    },
}


def plan_of(name: str, **changes: Any) -> EnsemblePlan:
    parts = {"depth": 1, "n_paths": 2500, "seed": 77, "n_records": 20, "init": Normal(0.5)}
    return EnsemblePlan(**{**parts, **PLANS[name], **changes})


@pytest.mark.parametrize("name", PLANS)
def test_threads_budgets_and_restarts_do_not_matter(name: str) -> None:
    """One thread in one go, two in pieces, and a restart before every piece end in the same bytes."""
    plan = plan_of(name)
    whole = run(plan).to_bytes()
    assert run(plan, threads=2, budget=3e5).to_bytes() == whole
    state, pieces = begin(plan), 0
    while not state.is_done:
        state = advance(plan_of(name), Checkpoint.from_bytes(state.to_bytes()), budget=1, threads=2)
        pieces += 1
    assert pieces > 1
    assert state.to_bytes() == whole


@pytest.mark.parametrize("name", PLANS)
def test_adding_paths_changes_no_earlier_path(name: str) -> None:
    """The first 300 paths of 700 are the paths of an ensemble of 300."""
    few, many = (final_states(plan_of(name, n_paths=n)) for n in (300, 700))
    np.testing.assert_array_equal(few, many[:, :300])
