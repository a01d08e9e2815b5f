"""Plans refuse what makes no sense, naming the field; schedules follow from them."""

from typing import Any

import numpy as np
import pytest

from equipoise_solver.ensembles import (
    Balanced,
    EnsemblePlan,
    GaussianPairs,
    Gd,
    Given,
    MomentsOnly,
    Normal,
    SamplePairs,
    Sgd,
    Sgf,
    begin,
    finish,
)
from equipoise_solver.ensembles.compiled import GROUP, LANES
from equipoise_solver.ensembles.costs import SHARD_BLOCKS
from equipoise_solver.ensembles.refusals import MAX_EPOCH_SAMPLES
from equipoise_solver.ensembles.schedule import schedule_of
from equipoise_solver.errors import (
    InvalidModelError,
    LimitExceededError,
    SolverError,
    UnstableStepError,
    UnsupportedCombinationError,
)
from equipoise_solver.theory.moments import DataMoments

DATA = GaussianPairs(1.0, 1.0)
MOMENTS = MomentsOnly(DataMoments.from_values(2.0, 2.0, 3.0, 1.0, 1.0))
MANY = SamplePairs(np.ones(MAX_EPOCH_SAMPLES + 1), np.ones(MAX_EPOCH_SAMPLES + 1))


def plan_of(**parts: Any) -> EnsemblePlan:
    base: dict[str, Any] = {"depth": 1, "data": DATA, "n_paths": 10, "seed": 1}
    if not isinstance(parts.get("dynamics", Sgf(0.1)), Sgf):
        base["n_steps"] = 10
    else:
        base |= {"dynamics": Sgf(0.1), "duration": 1.0}
    return EnsemblePlan(**{**base, **parts})


REFUSED: list[tuple[dict[str, Any], type[SolverError], str]] = [
    ({"depth": -1}, InvalidModelError, "model.depth"),
    ({"width": 0}, InvalidModelError, "model.width"),
    ({"n_paths": 0}, InvalidModelError, "n_paths"),
    ({"seed": 2**64}, InvalidModelError, "seed"),
    ({"burn_in": 1.0}, InvalidModelError, "burn_in"),
    ({"duration": None}, InvalidModelError, "duration"),
    ({"duration": 0.0}, InvalidModelError, "duration"),
    ({"n_steps": 5}, UnsupportedCombinationError, "n_steps"),
    ({"observables": ("speed",)}, InvalidModelError, "observables"),
    ({"observables": ("loss",), "data": MOMENTS}, UnsupportedCombinationError, "observables"),
    ({"edges": np.array([0.0, 0.0])}, InvalidModelError, "edges"),
    ({"dynamics": Sgd(0.1), "data": MOMENTS}, UnsupportedCombinationError, "data.kind"),
    ({"dynamics": Sgd(0.1, sampling="epoch")}, UnsupportedCombinationError, "dynamics.sampling"),
    ({"data": MANY, "dynamics": Sgd(0.1, 10**7)}, LimitExceededError, "dynamics.batch_size"),
    ({"dynamics": Sgd(0.1, sampling="epoch"), "data": MANY}, LimitExceededError, "dynamics.sampling"),
    ({"dynamics": Sgd(0.1), "coordinate": "model"}, UnsupportedCombinationError, "coordinate"),
    ({"coordinate": "model", "init": Normal()}, UnsupportedCombinationError, "init.kind"),
    ({"width": 2000}, LimitExceededError, "model.width"),
    ({"width": 512, "depth": 1, "dynamics": Sgd(0.1), "n_paths": 10**6}, LimitExceededError, "n_paths"),
    ({"init": Given(((1.0,),))}, InvalidModelError, "init.u"),
    ({"dynamics": Gd(1.0), "depth": 0}, UnstableStepError, "dynamics.learning_rate"),
    ({"n_snapshots": LANES + 1}, LimitExceededError, "n_snapshots"),
    ({"dynamics": Sgf(0.1, scheme="splitting"), "depth": 2}, UnsupportedCombinationError, "dynamics.scheme"),
    (
        {"dynamics": Sgf(0.1, scheme="splitting"), "init": Normal()},
        UnsupportedCombinationError,
        "dynamics.scheme",
    ),
    ({"dynamics": Sgf(0.1, scheme="log_euler"), "depth": 0}, UnsupportedCombinationError, "dynamics.scheme"),
    (
        {"dynamics": Sgf(0.1, scheme="tamed_euler"), "depth": 0},
        UnsupportedCombinationError,
        "dynamics.scheme",
    ),
    (
        {"dynamics": Sgf(0.1, scheme="log_euler"), "init": Normal()},
        UnsupportedCombinationError,
        "dynamics.scheme",
    ),
    (
        {"dynamics": Sgf(0.1, scheme="euler"), "width": 2, "init": Normal()},
        UnsupportedCombinationError,
        "dynamics.scheme",
    ),
    (
        {"dynamics": Sgf(0.1, scheme="euler"), "depth": 2, "init": Normal()},
        UnsupportedCombinationError,
        "dynamics.scheme",
    ),
    ({"dynamics": Sgf(0.1, step_size=0.0834)}, UnstableStepError, "dynamics.step_size"),
    (
        {"dynamics": Sgf(0.1, step_size=0.0834, scheme="log_euler")},
        UnstableStepError,
        "dynamics.step_size",
    ),
    (
        {"dynamics": Sgf(0.1, scheme="taylor"), "first_passage": 0.5},
        UnsupportedCombinationError,
        "first_passage",
    ),
]


@pytest.mark.parametrize(("parts", "error", "field"), REFUSED, ids=lambda value: str(value)[:40])
def test_refusals_name_the_field(parts: dict[str, Any], error: type[SolverError], field: str) -> None:
    """What makes no sense is refused with the field's name in the spec."""
    with pytest.raises(error) as caught:
        plan_of(**parts)
    assert caught.value.field == field
    if field in ("dynamics.scheme", "dynamics.step_size"):
        assert caught.value.remedy


PARTS: list[tuple[Any, dict[str, Any], str]] = [
    (Sgd, {"learning_rate": 0.0}, "dynamics.learning_rate"),
    (Sgd, {"learning_rate": 0.1, "batch_size": 0}, "dynamics.batch_size"),
    (Sgd, {"learning_rate": 0.1, "momentum": 1.0}, "dynamics.momentum"),
    (Gd, {"learning_rate": 0.1, "weight_decay": -1.0}, "dynamics.weight_decay"),
    (Sgf, {"temperature": -0.1}, "dynamics.temperature"),
    (Sgf, {"temperature": float("nan")}, "dynamics.temperature"),
    (Sgf, {"temperature": 0.1, "step_size": 0.0}, "dynamics.step_size"),
    (Sgf, {"temperature": 0.1, "relative_step": 2.0}, "dynamics.relative_step"),
    (Sgf, {"temperature": 0.1, "noise": "cauchy"}, "noise"),
    (Sgf, {"temperature": 0.1, "scheme": "milstein"}, "dynamics.scheme"),
    (Balanced, {"value": float("inf")}, "init.value"),
    (Normal, {"std": 0.0}, "init.std"),
]


@pytest.mark.parametrize(("part", "numbers", "field"), PARTS, ids=lambda value: str(value)[:40])
def test_parts_refuse_their_own_numbers(part: Any, numbers: dict[str, Any], field: str) -> None:
    """Dynamics and starts refuse numbers outside their domain."""
    with pytest.raises(InvalidModelError) as caught:
        part(**numbers)
    assert caught.value.field == field


@pytest.mark.parametrize("bound", [0.99, 1.01])
def test_the_stability_bound_is_sharp(bound: float) -> None:
    """Linear GD with momentum converges just below the refused learning rate."""
    rate = bound * 2 * 1.4 / (2 * (1.0 * 2 + 0.1))
    if bound > 1:
        with pytest.raises(UnstableStepError):
            plan_of(depth=0, width=2, dynamics=Gd(rate, 0.1, 0.4))
    else:
        assert plan_of(depth=0, width=2, dynamics=Gd(rate, 0.1, 0.4)).path_steps == 100


def test_units_cover_everything_once() -> None:
    """The pieces of work cover every block and sample of every shard exactly once, in order."""
    plan = plan_of(n_paths=2 * 65536 + 1000, duration=500.0)
    schedule = schedule_of(plan)
    seen: dict[tuple[int, int], int] = {}
    for i in range(schedule.n_units):
        unit = schedule.unit(i)
        assert i < schedule.row_end(i) <= schedule.n_units
        for block in range(*unit.blocks):
            assert seen.get((unit.shard, block), 0) == unit.samples[0]
            seen[unit.shard, block] = unit.samples[1]
    assert len(seen) == 2 * SHARD_BLOCKS + 2
    assert set(seen.values()) == {schedule.n_samples}
    assert schedule.lanes(2).tolist() == [LANES, 1000 - LANES]


def test_memory_does_not_grow_with_paths() -> None:
    """An ensemble of 10^7 paths needs the memory of one shard, below 256 MiB here."""
    few, many = (plan_of(n_paths=n).memory_bytes for n in (65536, 10**7))
    assert few == many < 2**28
    assert plan_of(n_paths=10**7).path_steps > 1e7


def test_records_are_where_they_are_said_to_be() -> None:
    """Records of updates fall on whole numbers of steps, the last on the end."""
    schedule = schedule_of(plan_of(dynamics=Sgd(0.1), n_steps=1003, n_records=10))
    times = schedule.record_times()
    assert times[0] == 0
    assert times[-1] == 1003
    assert (times == np.floor(times)).all()
    steps = np.concatenate([schedule.steps_at((i, i + 1)) for i in range(schedule.n_samples)])
    assert set(times.tolist()) <= set(steps.tolist())


def test_unfinished_work_is_not_finished() -> None:
    """An answer before the end is refused."""
    plan = plan_of()
    with pytest.raises(ValueError, match="advance it to 1"):
        finish(plan, begin(plan))


CLOCKS: list[dict[str, Any]] = [
    {},
    {"depth": 0},
    {"duration": 1e-6},
    {"duration": 3.7, "n_records": 7},
    {"duration": 900.0, "n_records": 1},
    {"dynamics": Sgf(0.1, scheme="log_euler"), "depth": 2},
    {"dynamics": Sgf(0.1, step_size=0.083)},
    {"dynamics": Sgf(0.1, step_size=0.0123), "duration": 12.3},
    {"dynamics": Sgf(0.1, step_size=0.2), "duration": 1e-3, "n_records": 50, "depth": 0},
    {"init": Balanced(7.0)},
    {"coarsening": 2},
]


@pytest.mark.parametrize("parts", CLOCKS, ids=lambda value: str(value)[:60])
def test_the_step_in_force_is_at_most_the_one_asked_for(parts: dict[str, Any]) -> None:
    """Steps fill the duration exactly, in whole groups between samples, and none is longer than asked."""
    plan = plan_of(**parts)
    schedule = schedule_of(plan)
    assert plan.step_size <= plan.largest_step * plan.coarsening * (1 + 1e-9)
    assert plan.step_size * schedule.n_steps == pytest.approx(plan.duration, rel=1e-12)
    assert schedule.n_steps % (schedule.n_samples * GROUP) == 0
    times = schedule.record_times()
    np.testing.assert_allclose(np.diff(times), times[-1] / plan.n_records, rtol=1e-12)
    assert times[-1] == plan.duration
    if plan.coarsening == 1:
        assert plan.largest_step * plan.typical_rate <= 1
    if isinstance(plan.dynamics, Sgf) and plan.dynamics.step_size is not None:
        assert plan.step_size <= plan.dynamics.step_size


def test_the_default_scheme_follows_the_problem() -> None:
    """Balanced starts of depth 0 and 1 split; other depths and starts take the adaptive schemes."""
    names: dict[str, list[dict[str, Any]]] = {
        "reciprocal_splitting": [{}, {"width": 3}, {"coordinate": "model"}, {"init": Balanced(-2.0)}],
        "linear_splitting": [{"depth": 0}, {"depth": 0, "width": 3}],
        "balanced_flow": [{"depth": 2, "coordinate": "model"}, {"depth": 5, "coordinate": "model"}],
        "two_layer_flow": [{"init": Normal()}, {"init": Given(((0.1, 0.2),))}],
        "product_flow": [{"depth": 2, "init": Normal()}, {"depth": 0, "init": Normal()}],
    }
    for name, plans in names.items():
        for parts in plans:
            assert plan_of(**parts).scheme.name == name, parts
