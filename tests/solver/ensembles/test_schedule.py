"""Samples see every phase of an epoch alike; pieces of work are short whatever a step costs."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from equipoise_solver.ensembles import EnsemblePlan, Gd, SamplePairs, Sgd, advance, begin, finish
from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.refusals import MAX_DRAWN_BATCH, MAX_EPOCH_SAMPLES
from equipoise_solver.ensembles.schedule import schedule_of
from equipoise_solver.errors import LimitExceededError

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

    def shares(epoch: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        chosen = replace(schedule, samples_per_record=1, n_records=n_records, epoch=epoch)
        steps = np.array([chosen.step_of(i) for i in range(1, chosen.n_samples + 1)])
        assert np.all(np.diff(steps) > 0)
        assert steps[-1] == 600
        return np.bincount(steps % per_epoch, minlength=per_epoch) / steps.size

    assert np.all(np.abs(shares(per_epoch) - 1 / per_epoch) < 2 / n_records)
    assert shares(0).max() == 1.0


@pytest.mark.parametrize("n_records", [200, 37, 1])
def test_averaged_samples_fall_on_all_phases_equally_often(n_records: int) -> None:
    """Where intervals hold an epoch, the averaged samples make whole turns through its phases."""
    schedule = schedule_of(plan_of(n_records=n_records))
    steps = schedule.steps_at((0, schedule.n_samples))[schedule.first_kept : schedule.last_kept + 1]
    counts = np.bincount(steps % 3, minlength=3)
    assert counts.min() == counts.max()
    assert counts.sum() == schedule.n_kept >= 60


def every_step(rng: np.random.Generator, *, n_paths: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """v = u w at steps 301 .. 600 of SGD by epoch that shuffles with NumPy, shape (300, n_paths)."""
    start = np.sum(X * DATA.y) / np.sum(X * X)
    u = w = np.full(n_paths, math.sqrt(start))
    order = np.zeros((n_paths, X.size), dtype=np.int64)
    values = []
    for t in range(600):
        place = t % 3
        if place == 0:
            order = rng.permuted(np.tile(np.arange(X.size), (n_paths, 1)), axis=1)
        batch = order[:, 3 * place : 3 * place + 3]
        slope = 2 * ((X * X)[batch].mean(axis=1) * u * w - (X * DATA.y)[batch].mean(axis=1))
        u, w = u - 0.05 * slope * w, w - 0.05 * slope * u
        values.append(u * w)
    return np.array(values[300:])


@pytest.mark.parametrize("n_records", [200, 37, 1])
def test_averages_by_epoch_are_those_of_every_step(
    n_records: int, seed: int, rng: np.random.Generator
) -> None:
    """Mean and variance are those of every step of brute force; its ends of epochs alone are far away."""
    plan = plan_of(n_records=n_records, seed=seed)
    found = finish(plan, advance(plan, begin(plan), budget=1e9))
    v = every_step(rng, n_paths=1000)

    def off(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
        """Standard errors between the variances, besides a bias of 0.5 %."""
        influence = ((values - values.mean()) ** 2).mean(axis=0)
        error = math.hypot(influence.std() / math.sqrt(influence.size), found.variance_standard_error)
        return float(max(0.0, abs(influence.mean() - found.variance) - 0.005 * found.variance) / error)

    error = math.hypot(v.mean(axis=0).std() / math.sqrt(1000), found.standard_error)
    assert abs(v.mean() - found.mean) < 1e-3 + 5 * error
    assert off(v) < 5
    assert off(v[2::3]) > 20


BIG = SamplePairs(np.linspace(-1, 2, MAX_EPOCH_SAMPLES), np.linspace(0, 1, MAX_EPOCH_SAMPLES))
COSTLY: list[dict[str, Any]] = [
    {"data": DATA, "dynamics": Sgd(0.05, MAX_DRAWN_BATCH), "n_steps": 1000},
    {"data": DATA, "dynamics": Sgd(0.05, 1000), "n_records": 1},
    {"data": BIG, "dynamics": Sgd(0.05, 1, sampling="epoch")},
    {"data": BIG, "dynamics": Sgd(0.05, 10**5, sampling="epoch")},
    {"data": DATA, "dynamics": Gd(0.05), "depth": 31, "width": 32, "n_paths": 2000},
    {"data": DATA, "dynamics": Gd(0.05)},
]


@pytest.mark.parametrize("parts", COSTLY, ids=lambda parts: f"{parts['dynamics']}")
def test_pieces_of_work_stay_short(parts: dict[str, Any]) -> None:
    """However dear a step is, a piece of work is a few seconds: at worst one step of one block."""
    plan = EnsemblePlan(**{"depth": 1, "n_paths": 65536, "n_steps": 100_000, "seed": 1, **parts})
    schedule = schedule_of(plan)
    lanes = min(plan.n_paths, schedule.blocks_per_unit * LANES)
    steps = plan.typical_steps / schedule.n_samples * schedule.samples_per_unit
    unit = lanes * (plan.work_to_resume + steps * plan.work_per_step)
    least = LANES * max(plan.work_per_step, 2 * plan.work_to_resume)
    assert unit <= 1.5 * max(4e6, least)
    assert least <= 1.3e8
    # Shuffling again after each piece of work costs no more than the work itself.
    assert steps * plan.work_per_step >= 0.1 * plan.work_to_resume
    assert plan.work == plan.path_steps * plan.work_per_step


def test_work_is_limited() -> None:
    """Work beyond months of a large machine is refused, naming the batch that makes it dear."""
    batches = Sgd(0.05, MAX_DRAWN_BATCH)
    with pytest.raises(LimitExceededError) as caught:
        EnsemblePlan(depth=1, data=DATA, dynamics=batches, n_paths=10**6, n_steps=10**5, seed=1)
    assert caught.value.field == "dynamics.batch_size"
