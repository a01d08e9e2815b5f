"""Langevin dynamics, label noise and the tanh unit, from spec to solution, and what has no law."""

from typing import Any

import pytest

from equipoise_solver import solve
from equipoise_solver.errors import SolverError
from equipoise_solver.specs import (
    CompareSolution,
    Langevin,
    Simulate,
    SimulateSolution,
    Tanh1D,
    parse_solution,
)

GAUSSIAN = {"kind": "gaussian", "slope": 0.7, "noise_std": 0.4}
SAMPLES = {"kind": "samples", "x": [1.0, -0.4, 1.7, 0.2], "y": [0.8, -0.1, 1.1, 0.5]}
SGD = {"kind": "sgd", "learning_rate": 0.05, "batch_size": 2}
LANGEVIN = {"kind": "langevin", "temperature": 0.3, "weight_decay": 0.1}
TANH, HIDDEN = {"kind": "tanh1d"}, {"kind": "tanh1d", "hidden": True}
SPEC: dict[str, Any] = {
    "task": "simulate",
    "model": {"kind": "diagonal", "depth": 1},
    "data": SAMPLES,
    "dynamics": SGD,
    "n_paths": 600,
    "n_steps": 200,
    "n_records": 10,
    "seed": 4,
}
RUN: dict[str, Any] = {"dynamics": LANGEVIN, "n_steps": None, "duration": 5.0}


def solved(**changes: Any) -> SimulateSolution:
    solution = solve({**SPEC, **changes})
    assert isinstance(solution, SimulateSolution)
    return solution


@pytest.mark.parametrize(
    "changes",
    [
        RUN,
        {**RUN, "model": {"kind": "diagonal", "depth": 3, "width": 2}, "data": GAUSSIAN},
        {"dynamics": {**SGD, "label_noise": 0.3}},
        {"dynamics": {**SGD, "label_noise": 0.3, "sampling": "epoch"}},
        {"dynamics": {"kind": "gd", "learning_rate": 0.05, "label_noise": 0.3}},
        {"model": TANH},
        {"model": HIDDEN, "data": GAUSSIAN, "dynamics": {**SGD, "momentum": 0.5}, "precision": "float32"},
        {"model": HIDDEN, "dynamics": {"kind": "gd", "learning_rate": 0.05, "label_noise": 0.3}},
    ],
)
def test_every_kind_is_solved(changes: dict[str, Any]) -> None:
    """The solution holds finite statistics, makes the round trip through JSON, and repeats its spec."""
    solution = solved(**changes)
    assert solution.mean is not None
    assert solution.n_diverged == 0
    again = parse_solution(solution.model_dump(mode="json"))
    assert again.spec == solution.spec == Simulate.model_validate({**SPEC, **changes})


def test_the_step_of_langevin_is_reported() -> None:
    """`step_size` is the one in force, at most the one that was asked for."""
    assert solved(**RUN).step_size is not None
    bounded = solved(**{**RUN, "dynamics": {**LANGEVIN, "step_size": 0.01}}).step_size
    assert bounded is not None
    assert 0 < bounded <= 0.01


@pytest.mark.parametrize("task", ["stationary", "compare"])
@pytest.mark.parametrize("model", [TANH, Tanh1D(hidden=True)])
def test_no_law_of_the_tanh_unit_is_known(task: str, model: Any) -> None:
    """Tasks about laws refuse the tanh unit by name and point to `simulate`."""
    spec = {**SPEC, "task": task, "model": model}
    if task == "stationary":
        spec = {"task": task, "model": model, "data": SAMPLES, "temperature": 0.1}
    with pytest.raises(SolverError) as refused:
        solve(spec)
    assert (refused.value.field, refused.value.given) == ("model.kind", "tanh1d")
    assert "simulate" in refused.value.remedy


@pytest.mark.parametrize("dynamics", [LANGEVIN, Langevin(temperature=0.3)])
def test_langevin_has_another_law(dynamics: Any) -> None:
    """`compare` refuses Langevin dynamics, whose law is that of Gibbs."""
    with pytest.raises(SolverError) as refused:
        solve({**SPEC, **RUN, "task": "compare", "dynamics": dynamics})
    assert (refused.value.field, refused.value.given) == ("dynamics.kind", "langevin")
    assert "Gibbs" in refused.value.remedy


def test_compare_takes_the_law_with_label_noise() -> None:
    """The law beside SGD with label noise is that of data whose labels are as noisy; gd has none."""
    compared = {**SPEC, "task": "compare", "model": {"kind": "diagonal", "depth": 1}}
    apart, together = (
        solve({**compared, "data": {**GAUSSIAN, "noise_std": std}, "dynamics": {**SGD, "label_noise": more}})
        for std, more in ((0.3, 0.4), (0.5, 0.0))
    )
    assert isinstance(apart, CompareSolution)
    assert isinstance(together, CompareSolution)
    assert apart.stationary.variance == pytest.approx(together.stationary.variance, rel=1e-12)
    with pytest.raises(SolverError, match="label_noise"):
        solve({**compared, "dynamics": {"kind": "gd", "learning_rate": 0.05, "label_noise": 0.3}})


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"dynamics": LANGEVIN}, "duration"),
    ({**RUN, "n_steps": 10}, "n_steps"),
    ({**RUN, "coordinate": "model"}, "coordinate"),
    ({**RUN, "noise": "two_point"}, "noise"),
    ({**RUN, "model": TANH}, "dynamics.kind"),
    ({"model": TANH, "observables": ["loss"]}, "observables"),
    ({"model": {**TANH, "hidden": 1}}, "model.hidden"),
    ({"model": HIDDEN, "init": {"kind": "parameters", "u": [[1.0]]}}, "init.u"),
    ({"dynamics": {**SGD, "label_noise": -1.0}}, "dynamics.label_noise"),
    (
        {"dynamics": {"kind": "gd", "learning_rate": 0.05, "label_noise": 0.1}, "data": GAUSSIAN},
        "dynamics.label_noise",
    ),
]


@pytest.mark.parametrize(("changes", "field"), REFUSED)
def test_refusals(changes: dict[str, Any], field: str) -> None:
    """What does not fit is refused by its field."""
    with pytest.raises(SolverError) as refused:
        solve({**SPEC, **changes})
    assert refused.value.field == field
