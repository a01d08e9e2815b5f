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
        ({"temperature": -0.5}, "temperature", "temperature=-0.5: need >= 0."),
        ({"temperature": "warm"}, "temperature", "temperature='warm': need a number."),
        ({"temperature": float("nan")}, "temperature", "temperature=nan: need a finite number."),
        ({"data": {"kind": "gaussian", "noise_std": -1}}, "data.noise_std", "data.noise_std=-1: need >= 0."),
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
        (
            {"data": {"kind": "samples", "x": [1, "a"], "y": [1, 2]}},
            "data.x.1",
            "data.x.1='a': need a number.",
        ),
        (
            {"data": {"kind": "samples", "x": [1, 2], "y": [1]}},
            "data.y",
            "data.y=[1]: need at least 2 entries.",
        ),
        ({"model": {"kind": "diagonal", "dept": 2}}, "model.dept", "Allowed: depth"),
        ({"grid": {"n_points": 1}}, "grid.n_points", "grid.n_points=1: need >= 16."),
        ({"temprature": 1}, "temprature", "Allowed: temperature"),
        (
            {"task": "stationery"},
            "spec",
            "no such task. Given: 'stationery'. Allowed: 'stationary', 'simulate', 'compare', 'diffusion', "
            "'equilibrium', 'symmetries', 'sweep'.",
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


def test_each_refused_field_shows_what_is_allowed() -> None:
    """Every entry has given, allowed and, where there is more to say, a remedy; the text has each once."""
    moments = {"kind": "moments", "alpha1": 1, "alpha2": 9, "alpha3": 1, "beta1": 1, "beta2": 1}
    errors = refusal(STATIONARY | {"data": moments, "temperature": -1, "grid": {"n": 1}}).errors
    assert [(found.field, found.given) for found in errors] == [
        ("data.alpha2", 9.0),
        ("temperature", -1),
        ("grid.n", 1),
    ]
    assert all(found.allowed for found in errors)
    assert errors[0].remedy == "No data has these moments."
    assert str(errors[0]) == (
        "data.alpha2=9.0: need alpha2^2 <= alpha1 * alpha3 = 1 (Cauchy-Schwarz). No data has these moments."
    )
    missing = refusal({name: value for name, value in STATIONARY.items() if name != "temperature"}).errors
    assert str(missing[0]) == "temperature: missing. Allowed: a value."


def test_numbers_of_any_length_may_be_given() -> None:
    """Python refuses to write out the longest integers; the message does without."""
    assert len(str(refusal(STATIONARY | {"temperature": 10**5000}))) < 500


@pytest.mark.parametrize("spec", [None, 3, "stationary", [], {}])
def test_what_is_no_spec_is_refused(spec: Any) -> None:
    """Anything at all may be given without a crash."""
    assert refusal(spec).errors
