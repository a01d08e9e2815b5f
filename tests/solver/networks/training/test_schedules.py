"""Schedules against their formulas."""

import math

import numpy as np
import pytest
from tests.solver.networks.samples import NETWORKS, random_pairs

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.training import (
    CosineDecay,
    ExponentialDecay,
    Langevin,
    Schedule,
    Sgd,
    Sgf,
    StepDecay,
    TrainingPlan,
    WarmUp,
)

CASES: dict[str, tuple[Schedule, list[tuple[float, float]]]] = {
    "warm-up": (WarmUp(8, start=0.2), [(0, 0.2), (2, 0.4), (8, 1.0), (50, 1.0)]),
    "step decay": (StepDecay(10, 0.3), [(0, 1.0), (9, 1.0), (10, 0.3), (25, 0.09)]),
    "exponential decay": (ExponentialDecay(7), [(0, 1.0), (7, math.exp(-1)), (21, math.exp(-3))]),
    "cosine decay": (CosineDecay(6, end=0.1), [(0, 1.0), (2, 0.775), (3, 0.55), (6, 0.1), (9, 0.1)]),
}


@pytest.mark.parametrize("name", list(CASES))
def test_factors_follow_their_formula(name: str) -> None:
    """Factors at some clocks are those worked out by hand."""
    schedule, points = CASES[name]
    for clock, factor in points:
        assert schedule.factor(np.array([float(clock)]))[0] == pytest.approx(factor, rel=1e-14)


def _plan(dynamics: Sgd | Sgf | Langevin, rng: np.random.Generator) -> TrainingPlan:
    network = NETWORKS["mlp tanh"]
    length = {"n_steps": 20} if isinstance(dynamics, Sgd) else {"duration": 2.0}
    return TrainingPlan(
        network=network,
        data=random_pairs(network, rng, n=10),
        dynamics=dynamics,
        n_paths=1,
        seed=1,
        n_steps=20 if length.get("n_steps") else None,
        duration=length.get("duration"),
    )


def test_factors_multiply_learning_rates(rng: np.random.Generator) -> None:
    """Two schedules multiply, on the clock of updates; the temperature follows the learning rate."""
    plan = _plan(Sgd(0.3, 4, momentum=0.5, schedule=(WarmUp(10), StepDecay(15, 0.5))), rng)
    wanted = [0.3 * min(1.0, k / 10) * (0.5 if k >= 15 else 1.0) for k in range(20)]
    assert plan.rates(0, 20) == pytest.approx(wanted, rel=1e-14)
    assert plan.rates(7, 5) == pytest.approx(wanted[7:12], rel=1e-14)
    assert plan.temperatures(0, 20) == pytest.approx([rate / 2 for rate in wanted], rel=1e-14)


def test_factors_multiply_temperatures_of_an_sde(rng: np.random.Generator) -> None:
    """The clock is SDE time; steps keep their size, and noise its amplitude sqrt(T/(h n)) or sqrt(2 T h)."""
    flow = _plan(Sgf(0.4, 0.1, schedule=(StepDecay(1.0, 0.25),)), rng)
    assert flow.rates(0, 20) == pytest.approx([0.1] * 20)
    wanted = [math.sqrt((0.4 if k < 10 else 0.1) / (0.1 * 10)) for k in range(20)]
    assert flow.spreads(0, 20) == pytest.approx(wanted, rel=1e-12)
    heated = _plan(Langevin(0.4, 0.1, schedule=(WarmUp(1.0),)), rng)
    assert heated.spreads(0, 20) == pytest.approx([math.sqrt(0.08 * min(1, k / 10)) for k in range(20)])


def test_step_divides_the_duration(rng: np.random.Generator) -> None:
    """Steps are at most as large as asked for, and end where the duration ends."""
    plan = _plan(Sgf(0.4, 0.3), rng)
    assert plan.n_updates == 7
    assert plan.clock_step == pytest.approx(2.0 / 7)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: WarmUp(0), "dynamics.schedule.duration"),
        (lambda: WarmUp(5, start=-1), "dynamics.schedule.start"),
        (lambda: StepDecay(math.inf, 0.5), "dynamics.schedule.every"),
        (lambda: StepDecay(3, -0.5), "dynamics.schedule.decay"),
        (lambda: ExponentialDecay(-1), "dynamics.schedule.duration"),
        (lambda: CosineDecay(4, end=math.nan), "dynamics.schedule.end"),
    ],
)
def test_bad_schedules_are_refused(make: object, field: str) -> None:
    """Each names its field."""
    assert callable(make)
    with pytest.raises(InvalidModelError) as caught:
        make()
    assert caught.value.field == field


def test_a_schedule_without_a_rate_is_refused(rng: np.random.Generator) -> None:
    """A factor that is 0 all along is no training."""
    with pytest.raises(InvalidModelError) as caught:
        _plan(Sgd(0.3, 4, schedule=(StepDecay(0.5, 0.0), WarmUp(5))), rng)
    assert caught.value.field == "dynamics.schedule"
