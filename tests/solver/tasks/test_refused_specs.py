"""What is no spec is refused in the solver's own words, before anything is computed."""

import json
from typing import Any

import numpy as np
import pytest

from equipoise_solver import prepare, solve
from equipoise_solver.errors import SolverError

GAUSSIAN = {"kind": "gaussian", "slope": 0.7, "noise_std": 1.3}
STATIONARY: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1},
    "data": GAUSSIAN,
    "temperature": 0.05,
}
MOMENTS = {"kind": "moments", "alpha1": 1.0, "alpha2": 9.0, "alpha3": 1.0, "beta1": 1.0, "beta2": 1.0}


def refusal(spec: Any) -> SolverError:
    with pytest.raises(SolverError) as caught:
        solve(spec)
    return caught.value


@pytest.mark.parametrize(
    ("change", "field", "given", "says"),
    [
        ({"temperature": -1}, "temperature", -1, "temperature=-1: need >= 0.0."),
        ({"temperature": "warm"}, "temperature", "warm", "temperature='warm': need a valid number."),
        ({"temperature": 1e-40}, "temperature", 1e-40, "need 0 or at least 1e-30."),
        ({"temprature": 1}, "temprature", 1, "need only fields that exist"),
        ({"data": {"kind": "gauss"}}, "data", "gauss", "data='gauss': need a kind among 'gaussian',"),
        ({"data": {}}, "data", None, "need a field 'kind'"),
        ({"data": {**GAUSSIAN, "noise_std": "a"}}, "data.noise_std", "a", "need a valid number."),
        ({"data": {"kind": "samples", "x": [1, "a"], "y": [1, 2]}}, "data.x.1", "a", "need a valid number."),
        ({"data": {"kind": "samples", "x": [1, 2], "y": [1]}}, "data.y", "[1]", "at least 2 items"),
        ({"data": MOMENTS}, "data.alpha2", 9.0, "alpha1 * alpha3 = 1 (Cauchy-Schwarz). No data"),
        ({"model": None}, "model", None, "model=None: need an object."),
        ({"model": {"kind": "diagonal", "depth": 1.5}}, "model.depth", 1.5, "need a valid integer."),
        ({"task": "dance"}, "spec", "dance", "spec='dance': need a task among 'stationary', 'simulate'"),
    ],
)  # fmt: skip
def test_the_refused_field_is_named_as_written(
    change: dict[str, Any], field: str, given: object, says: str
) -> None:
    """The error carries the field's path without tags of unions, what was given and what is allowed."""
    error = refusal(STATIONARY | change)
    assert (error.field, error.given, error.code) == (field, given, "invalid_spec")
    assert error.allowed
    assert says in str(error)
    assert "union" not in str(error)
    json.dumps([error.field, error.given, error.allowed, error.remedy])


def test_a_missing_field_is_named() -> None:
    """A field that is not there was given nothing."""
    error = refusal({name: value for name, value in STATIONARY.items() if name != "temperature"})
    assert (error.field, error.given, error.allowed) == ("temperature", None, "a value")


def test_further_fields_are_named_too() -> None:
    """The first refused field is the error's; the message names the others."""
    error = refusal(
        STATIONARY | {"temperature": -1, "weight_decay": "a", "model": {"kind": "diagonal", "d": 1}}
    )
    assert error.field == "model.d"
    assert "temperature" in error.remedy
    assert "weight_decay" in str(error)


@pytest.mark.parametrize("spec", [None, 3, "stationary", [], {}, object(), {"task": []}, {1: 2}])
def test_anything_at_all_may_be_given(spec: Any) -> None:
    """What is no spec is refused as a whole, by both functions."""
    assert refusal(spec).field == "spec"
    with pytest.raises(SolverError):
        prepare(spec)


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000, 10**5000, [[0] * 500] * 500, np.zeros(1000), {"a": "b" * 999}],
    ids=["text", "number", "lists", "array", "object"],
)
def test_messages_are_short_whatever_was_given(value: Any) -> None:
    """A message never repeats megabytes."""
    assert len(str(refusal(STATIONARY | {"temperature": value}))) < 500


def test_no_trace_of_the_library_below() -> None:
    """The validation error of the library below is not shown beside the refusal."""
    error = refusal(STATIONARY | {"temperature": -1})
    assert error.__suppress_context__
    assert error.__cause__ is None
