"""Bad specs are refused with the field that is wrong."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from equipoise_solver.specs import parse_spec
from equipoise_solver.specs.refusals import allowed_by, written_path

STATIONARY: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 1.3, "noise_std": 0.7},
    "temperature": 0.05,
}
SIMULATE: dict[str, Any] = {
    "task": "simulate",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "samples", "x": [1.0, 2.0, -0.5], "y": [1.1, 1.8, -0.3]},
    "dynamics": {"kind": "sgd", "learning_rate": 0.05, "batch_size": 2},
    "n_paths": 16,
    "n_steps": 100,
}
MOMENTS = {"kind": "moments", "alpha1": 2.0, "alpha2": 2.0, "alpha3": 3.0, "beta1": 1.0, "beta2": 1.0}
SGF = {"kind": "sgf", "temperature": 0.1}

REFUSED = [
    (STATIONARY, {"colour": "red"}, "colour"),
    (STATIONARY, {"temperature": math.nan}, "temperature"),
    (STATIONARY, {"temperature": math.inf}, "temperature"),
    (STATIONARY, {"temperature": -0.1}, "temperature"),
    (STATIONARY, {"temperature": 1e-320}, "temperature"),
    (STATIONARY, {"temperature": "0.1"}, "temperature"),
    (STATIONARY, {"temperature": True}, "temperature"),
    (STATIONARY, {"weight_decay": -1e-9}, "weight_decay"),
    (STATIONARY, {"model": {"kind": "diagonal", "depth": 10**9, "width": 1}}, "depth"),
    (STATIONARY, {"model": {"kind": "diagonal", "depth": 1.5, "width": 1}}, "depth"),
    (STATIONARY, {"model": {"kind": "diagonal", "depth": 1, "width": 0}}, "width"),
    (STATIONARY, {"model": {"kind": "transformer"}}, "model"),
    (STATIONARY, {"data": {"kind": "gaussian", "noise_std": -1.0}}, "noise_std"),
    (STATIONARY, {"data": {**MOMENTS, "alpha1": -2.0}}, "alpha1"),
    (STATIONARY, {"data": {**MOMENTS, "alpha2": 4.0}}, "alpha2"),
    (STATIONARY, {"data": {"kind": "samples", "x": [], "y": []}}, "x"),
    (STATIONARY, {"data": {"kind": "samples", "x": [1.0, 2.0], "y": [1.0]}}, "y"),
    (STATIONARY, {"data": {"kind": "samples", "x": [0.0, 0.0], "y": [1.0, 2.0]}}, "x"),
    (
        STATIONARY,
        {"data": {"kind": "samples", "x": [1.0, 2.0], "y": [3.0, 3.0], "standardize": True}},
        "y",
    ),
    (STATIONARY, {"data": {"kind": "dataset", "id": "../../etc/passwd"}}, "id"),
    (STATIONARY, {"grid": {"n_points": 10**9}}, "n_points"),
    (SIMULATE, {"n_paths": 10**18}, "n_paths"),
    (SIMULATE, {"n_paths": 0}, "n_paths"),
    (SIMULATE, {"n_steps": None}, "n_steps"),
    (SIMULATE, {"duration": 3.0}, "duration"),
    (SIMULATE, {"n_paths": 10**8, "n_steps": 10**9}, "n_steps"),
    (SIMULATE, {"dynamics": {"kind": "sgd", "learning_rate": 0.05, "batch_size": 0}}, "batch_size"),
    (SIMULATE, {"dynamics": {"kind": "sgd", "learning_rate": 0.0}}, "learning_rate"),
    (SIMULATE, {"dynamics": {"kind": "sgd", "learning_rate": 0.1, "momentum": 1.0}}, "momentum"),
    (SIMULATE, {"dynamics": SGF}, "duration"),
    (SIMULATE, {"noise": "three_point"}, "noise"),
    (SIMULATE, {"coordinate": "model"}, "coordinate"),
    (SIMULATE, {"data": MOMENTS}, "data.kind"),
    (SIMULATE, {"burn_in": 1.0}, "burn_in"),
    (SIMULATE, {"observables": ["colour"]}, "observables"),
    (SIMULATE, {"seed": -1}, "seed"),
    (SIMULATE, {"init": {"kind": "parameters", "u": [[1.0]]}}, "init.u"),
    (SIMULATE, {"model": {"kind": "diagonal", "depth": 999, "width": 1000}}, "model"),
    (
        SIMULATE,
        {
            "dynamics": SGF,
            "n_steps": None,
            "duration": 1.0,
            "coordinate": "model",
            "init": {"kind": "normal"},
        },
        "init.kind",
    ),
]


@pytest.mark.parametrize(("base", "change", "field"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_bad_field_is_refused_by_name(base: dict[str, Any], change: dict[str, Any], field: str) -> None:
    """Each planted defect is refused, and the error names its field."""
    parse_spec(base)
    with pytest.raises(ValidationError) as refusal:
        parse_spec({**base, **change})
    named = {str(part) for error in refusal.value.errors() for part in error["loc"]}
    named |= {error["ctx"]["field"] for error in refusal.value.errors() if "field" in error.get("ctx", {})}
    assert field in named
    for error in refusal.value.errors():
        if error["type"] == "does_not_fit":
            assert {"given", "allowed", "remedy"} <= error["ctx"].keys()


def test_an_epoch_needs_a_finite_data_set() -> None:
    """Sampling by epoch is refused for data that are drawn afresh."""
    dynamics = {"kind": "sgd", "learning_rate": 0.05, "sampling": "epoch"}
    parse_spec({**SIMULATE, "dynamics": dynamics})
    with pytest.raises(ValidationError, match="finite data set"):
        parse_spec({**SIMULATE, "dynamics": dynamics, "data": {"kind": "gaussian"}})


@pytest.mark.parametrize(
    ("change", "path", "allowed"),
    [
        ({"temperature": -1}, "temperature", ">= 0"),
        ({"temperature": 1e-40}, "temperature", "0 or at least 1e-30"),
        ({"temperature": 1e12}, "temperature", "<= 1e+09"),
        ({"data": {"kind": "gaussian", "noise_std": "a"}}, "data.noise_std", "a number"),
        ({"data": {"kind": "samples", "x": [1, "a"], "y": [1, 2]}}, "data.x.1", "a number"),
        ({"data": {"kind": "samples", "x": [1, 2], "y": [1]}}, "data.y", "at least 2 entries"),
        ({"data": {"kind": "dataset", "id": "ds_1"}}, "data.id", "text of the form ^ds_"),
        ({"data": {}}, "data", "a field 'kind'"),
        ({"model": None}, "model", "an object"),
        ({"model": {"kind": "diagonal", "gaussian": 1}}, "model.gaussian", "only the documented fields"),
        ({"data": MOMENTS | {"alpha2": 9.0}}, "data", "alpha2^2 <= alpha1 * alpha3"),
    ],
)
def test_refusals_speak_of_the_spec_as_written(change: dict[str, Any], path: str, allowed: str) -> None:
    """Paths have no tags of unions, and what is allowed is said as in JSON."""
    spec = {**STATIONARY, **change}
    with pytest.raises(ValidationError) as refusal:
        parse_spec(spec)
    error = refusal.value.errors()[0]
    assert written_path(spec, error["loc"]) == path
    assert allowed_by(error).startswith(allowed)
