"""Equal specs have equal canonical JSON, hash and seed; different ones do not."""

import json
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from equipoise_solver.specs import (
    SGD,
    Compare,
    Diagonal,
    GaussianData,
    SamplesData,
    Simulate,
    Stationary,
    canonical_json,
    effective_seed,
    json_schema,
    parse_spec,
    spec_hash,
)

SPEC: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 2, "width": 3},
    "data": {"kind": "gaussian", "slope": 1.3, "noise_std": 0.7},
    "temperature": 0.05,
}

real = st.floats(-1e9, 1e9)
size = st.just(0.0) | st.floats(1e-30, 1e9)
stationary = st.builds(
    Stationary,
    model=st.builds(Diagonal, depth=st.integers(0, 1000), width=st.integers(1, 10**6)),
    data=st.builds(GaussianData, slope=real, noise_std=size, input_std=st.floats(1e-9, 1e9)),
    temperature=size,
    weight_decay=size,
)


@given(stationary)
def test_canonical_json_is_read_back_to_the_same_spec(spec: Stationary) -> None:
    """Canonical JSON loses nothing, and is a fixed point."""
    again = parse_spec(json.loads(canonical_json(spec)))
    assert again == spec
    assert canonical_json(again) == canonical_json(spec)


def test_order_defaults_and_integers_do_not_matter() -> None:
    """Key order, spelled-out defaults and 1 for 1.0 leave the hash as it is."""
    spelled = {
        "temperature": np.float64(0.05),
        "weight_decay": 0,
        "data": {"noise_std": 0.7, "slope": 1.3, "input_std": 1, "kind": "gaussian"},
        "model": {"width": 3, "depth": np.int64(2), "kind": "diagonal"},
        "grid": {"n_points": 513},
        "task": "stationary",
    }
    assert spec_hash(parse_spec(spelled)) == spec_hash(parse_spec(SPEC))
    assert spec_hash(parse_spec({**SPEC, "weight_decay": -0.0})) == spec_hash(parse_spec(SPEC))


@given(st.floats(1e-6, 1e6))
def test_a_change_changes_the_hash(temperature: float) -> None:
    """Another temperature is another spec."""
    changed = {**SPEC, "temperature": temperature}
    assert (spec_hash(parse_spec(changed)) == spec_hash(parse_spec(SPEC))) == (temperature == 0.05)


def test_the_hash_is_that_of_the_text() -> None:
    """The hash is SHA-256 of the canonical text, pinned so that stored results stay valid."""
    assert canonical_json(parse_spec(SPEC)) == (
        '{"data":{"input_std":1.0,"kind":"gaussian","noise_std":0.7,"slope":1.3},'
        '"grid":{"n_points":513,"v":null},"model":{"depth":2,"kind":"diagonal","width":3},'
        '"task":"stationary","temperature":0.05,"weight_decay":0.0}'
    )
    assert spec_hash(parse_spec(SPEC)) == ("4bbf52e6720bd0d70cfa565d0566c47d21944c7b98acc65769090755932afb80")


def test_a_missing_seed_is_derived_from_the_spec() -> None:
    """Equal specs without a seed share one; a given seed is kept; another spec gets another."""
    spec = Simulate(model=Diagonal(), data=GaussianData(), dynamics=SGD(learning_rate=0.1), n_steps=10)
    assert 0 <= effective_seed(spec) < 2**63
    assert effective_seed(spec) == effective_seed(spec.model_copy())
    assert effective_seed(spec.model_copy(update={"n_steps": 11})) != effective_seed(spec)
    assert effective_seed(spec.model_copy(update={"seed": 5})) == 5


def test_specs_are_frozen_and_take_numpy() -> None:
    """A spec cannot be changed, and accepts NumPy arrays as columns."""
    data = SamplesData(x=np.arange(3.0), y=[1, 2, 3])
    assert data.x == (0.0, 1.0, 2.0)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(data, "standardize", True)  # noqa: B010 - plain assignment is refused by mypy already


@pytest.mark.parametrize("task", [Stationary, Simulate, Compare])
def test_schema_examples_are_valid(task: type[Stationary] | type[Simulate] | type[Compare]) -> None:
    """Each example of the JSON Schema passes the schema and the parser, and every field is described."""
    schema = json_schema()
    examples = task.model_json_schema()["examples"]
    assert examples
    for example in examples:
        jsonschema.validate(example, schema)
        assert isinstance(parse_spec(example), task)
    for name, definition in schema["$defs"].items():
        for field, content in definition.get("properties", {}).items():
            assert "description" in content or field in ("kind", "task"), f"{name}.{field} is not described"


def test_law_temperature_follows_the_dynamics() -> None:
    """compare takes T = learning_rate / (batch_size (1 - momentum)) unless one is given."""
    spec = Compare(
        model=Diagonal(),
        data=GaussianData(),
        dynamics=SGD(learning_rate=0.12, batch_size=3, momentum=0.5, weight_decay=0.01),
        n_steps=10,
    )
    assert spec.law_temperature == pytest.approx(0.08)
    assert spec.law_weight_decay == 0.01
    assert spec.model_copy(update={"temperature": 0.3}).law_temperature == 0.3


def test_the_schema_refuses_what_the_parser_refuses() -> None:
    """Bounds of numbers and lengths of lists stand in the JSON Schema under their standard names."""
    schema = json_schema()
    jsonschema.Draft202012Validator(schema).validate(SPEC)
    for change in (
        {"temperature": -1.0},
        {"temperature": 1e10},
        {"model": {"kind": "diagonal", "depth": 10**9}},
        {"data": {"kind": "samples", "x": [], "y": []}},
        {"data": {"kind": "gaussian", "noise_std": -1.0}},
        {"colour": "red"},
    ):
        assert not jsonschema.Draft202012Validator(schema).is_valid({**SPEC, **change}), change
