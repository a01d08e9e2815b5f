"""Samples see every phase of an epoch alike, so averages are those of every step."""

import math
from dataclasses import replace

import numpy as np
import pytest

from equipoise_solver.ensembles import EnsemblePlan, SamplePairs, Sgd, advance, begin, finish
from equipoise_solver.ensembles.schedule import schedule_of

X = np.array([1.0, -1.3, 0.4, 2.0, -0.2, 0.9, -0.7])
DATA = SamplePairs(X, 0.8 * X + np.array([0.5, -0.9, 0.2, 0.7, -1.0, 0.1, 0.4]))


def plan_of(*, n_records: int, seed: int = 3) -> EnsemblePlan:
    return EnsemblePlan(
        depth=1,
        data=DATA,
        dynamics=Sgd(0.05, 3, sampling="epoch"),
        n_paths=2000,
        n_steps=600,
        n_records=n_records,
        seed=seed,
    )


@pytest.mark.parametrize("n_records", [200, 100, 50])
def test_samples_visit_all_phases_evenly(n_records: int) -> None:
    """Averaged steps fall on the phases of an epoch alike; without strata one phase has them all."""
    schedule = schedule_of(plan_of(n_records=n_records))
    per_epoch = math.ceil(X.size / 3)

    def shares(is_stratified: bool) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        chosen = replace(schedule, samples_per_record=1, is_stratified=is_stratified)
        steps = np.array([chosen.step_of(i) for i in range(1, chosen.n_samples + 1)])
        assert np.all(np.diff(steps) > 0)
        assert steps[-1] == 600
        return np.bincount(steps % per_epoch, minlength=per_epoch) / steps.size

    assert np.all(np.abs(shares(True) - 1 / per_epoch) < 3 / n_records)
    assert shares(False).max() == 1.0


@pytest.mark.slow
def test_averages_by_epoch_are_those_of_every_step(seed: int) -> None:
    """Mean and variance do not depend on how often a run by epoch records."""
    found = []
    for n_records in (200, 600):
        plan = plan_of(n_records=n_records, seed=seed)
        found.append(finish(plan, advance(plan, begin(plan), budget=1e9, threads=2)))
    often, always = found
    # The two runs share their paths, so their difference is smaller than either's own error.
    assert abs(often.mean - always.mean) < 5 * always.standard_error
    assert abs(often.variance - always.variance) < 5 * always.variance_standard_error
