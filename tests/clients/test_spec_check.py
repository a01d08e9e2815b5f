"""Specs are checked before they are sent, and the message speaks of the spec as it was written."""

from typing import Any

import pytest
from tests.clients.examples import COMPARE, SIMULATE, STATIONARY

from equipoise import InvalidSpecError, specs
from equipoise.spec_check import checked


def refusal(spec: Any) -> InvalidSpecError:
    with pytest.raises(InvalidSpecError) as caught:
        checked(spec)
    return caught.value


@pytest.mark.parametrize("spec", [STATIONARY, SIMULATE, COMPARE])
def test_good_specs_pass(spec: dict[str, Any]) -> None:
    """A dictionary and its model give the same."""
    assert checked(spec) == checked(specs.parse_spec(spec))


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"temperature": -0.5}, "temperature", "greater than or equal to 0. Given: -0.5."),
        ({"temperature": "warm"}, "temperature", "a valid number. Given: 'warm'."),
        ({"temperature": float("nan")}, "temperature", "finite"),
        ({"data": {"kind": "gaussian", "noise_std": -1}}, "data.noise_std", "Given: -1."),
        (
            {"data": {"kind": "gaussian", "noise": 1}},
            "data.noise",
            "no such field. Given: 1. Allowed: noise_std",
        ),
        (
            {"data": {"kind": "gauss"}},
            "data",
            "no such kind. Given: 'gauss'. Allowed: 'gaussian', 'moments', 'samples', 'dataset'.",
        ),
        ({"data": {}}, "data", "'kind' is missing. Allowed: 'gaussian', 'moments', 'samples', 'dataset'."),
        ({"data": {"kind": "samples", "x": [1, "a"], "y": [1, 2]}}, "data.x.1", "Given: 'a'."),
        ({"data": {"kind": "samples", "x": [1, 2], "y": [1]}}, "data.y", "2 items"),
        ({"model": {"kind": "diagonal", "dept": 2}}, "model.dept", "Allowed: depth"),
        ({"grid": {"n_points": 1}}, "grid.n_points", "16"),
        ({"temprature": 1}, "temprature", "Allowed: temperature"),
        (
            {"task": "stationery"},
            "spec",
            "no such task. Given: 'stationery'. Allowed: 'stationary', 'simulate', 'compare'.",
        ),
    ],
)
def test_refused_fields_are_named_as_written(changes: dict[str, Any], field: str, says: str) -> None:
    """The path has no tags of unions, and the message says what was given and what is allowed."""
    error = refusal(STATIONARY | changes)
    assert field in [found.field for found in error.errors]
    assert says in str(error)
    assert (error.status, error.code) == (422, "invalid_spec")


def test_values_that_do_not_fit_together_are_named() -> None:
    """A rule between fields names the field to change."""
    error = refusal({name: value for name, value in SIMULATE.items() if name != "duration"})
    assert [found.field for found in error.errors] == ["duration"]
    assert "duration=None: need a positive number" in str(error)


@pytest.mark.parametrize("spec", [None, 3, "stationary", [], {}])
def test_what_is_no_spec_is_refused(spec: Any) -> None:
    """Anything at all may be given without a crash."""
    assert refusal(spec).errors
