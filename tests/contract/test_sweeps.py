"""Sweeps by the client: small ones on the spot, others as jobs in shards, with the same numbers as here."""

from typing import Any

import numpy as np
import pytest

from equipoise import Client, SweepSolution, specs
from equipoise_solver import solve

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LAW: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
    "temperature": 0.05,
}
ENSEMBLE: dict[str, Any] = {
    "task": "simulate",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
    "dynamics": {"kind": "sgd", "learning_rate": 0.05, "batch_size": 1},
    "n_paths": 256,
    "n_steps": 500,
    "seed": 4,
}


def test_a_phase_diagram_is_drawn_on_the_spot(client: Client) -> None:
    axes = {"temperature": {"start": 0.02, "stop": 0.6, "num": 4}, "weight_decay": [0.0, 0.5]}
    found = client.solve({"task": "sweep", "base": LAW, "axes": axes, "outputs": ["phase", "mean"]})
    assert isinstance(found, SweepSolution)
    assert found.outputs["phase"].shape == (4, 2)
    assert found.outputs["phase"][0, 0] == "learning"
    assert found.outputs["phase"][-1, -1] == "sparse"


def test_a_sweep_over_ensembles_is_a_job_with_arrays(client: Client) -> None:
    axes = {"dynamics.batch_size": [1, 2], "dynamics.learning_rate": [0.02, 0.05]}
    spec = {"task": "sweep", "base": ENSEMBLE, "axes": axes, "outputs": ["mean", "outcome"]}
    job = client.submit(spec)
    found, here = job.result(timeout_s=60), solve(spec)
    assert isinstance(found, SweepSolution)
    assert isinstance(here, specs.SweepSolution)
    np.testing.assert_array_equal(found.outputs["mean"], here.outputs["mean"])
    arrays = job.arrays()
    np.testing.assert_array_equal(arrays["outputs.mean"], here.outputs["mean"])
    assert arrays["outputs.outcome"].tolist() == [["COMPLETED"] * 2] * 2
