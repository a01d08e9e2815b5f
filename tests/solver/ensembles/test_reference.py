"""The compiled kernels agree bit for bit with their plain NumPy references."""

from typing import Any

import numpy as np
import pytest
from tests.solver.ensembles.runs import final_states

from equipoise_solver.ensembles import (
    EnsemblePlan,
    GaussianPairs,
    Gd,
    Normal,
    SamplePairs,
    Sgd,
    Sgf,
)
from equipoise_solver.ensembles.reference import reference_paths

PAIRS = GaussianPairs(1.1, 0.8, 1.2)
SAMPLES = SamplePairs(np.linspace(-1, 2, 7), np.sin(np.arange(7.0)))

FLOWS = [
    (depth, width, coordinate, noise)
    for depth, width in ((0, 2), (1, 1), (1, 3), (2, 2), (3, 1))
    for coordinate in ("model", "parameters")
    for noise in ("gaussian", "three_point", "two_point")
]
BATCHES: list[dict[str, Any]] = [
    *({"data": PAIRS, "dynamics": Sgd(0.03, size, 0.01, 0.3)} for size in (1, 2, 5, 16, 40)),
    *({"data": SAMPLES, "dynamics": Sgd(0.03, 3, 0.01, 0.3, kind)} for kind in ("iid", "epoch")),
    {"data": PAIRS, "dynamics": Gd(0.03, 0.01, 0.5)},
]


def check(**parts: Any) -> None:
    plan = EnsemblePlan(n_paths=300, seed=0x9E3779B97F4A7C15, n_records=3, **parts)
    expected = reference_paths(plan, np.arange(40))[-1]
    np.testing.assert_array_equal(final_states(plan)[:, :40], expected)


@pytest.mark.parametrize(("depth", "width", "coordinate", "noise"), FLOWS)
def test_flows_agree_bit_for_bit(depth: int, width: int, coordinate: Any, noise: Any) -> None:
    """Every SDE scheme with every kind of increments gives the states of its reference."""
    dynamics = Sgf(0.1, weight_decay=0.02, noise=noise)
    check(depth=depth, width=width, coordinate=coordinate, dynamics=dynamics, data=PAIRS, duration=0.5)


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("parts", BATCHES, ids=lambda parts: f"{parts['dynamics']}")
def test_updates_agree_bit_for_bit(depth: int, parts: dict[str, Any]) -> None:
    """Every minibatch source with the update rule gives the states of its reference."""
    check(depth=depth, width=2, n_steps=31, init=Normal(0.7), **parts)
