"""Specs of networks: bad ones are refused with the field that is wrong, good ones are read back."""

import json
from math import prod
from typing import Any

import jsonschema
import numpy as np
import pytest
from pydantic import ValidationError

from equipoise_solver.specs import (
    Equilibrium,
    RowsData,
    Simulate,
    SimulateNetwork,
    Symmetries,
    canonical_json,
    json_schema,
    parse_spec,
)
from equipoise_solver.specs.refusals import written_path

LINEAR = {"kind": "linear", "widths": [2, 3, 1]}
TEACHER = {"kind": "teacher", "teacher": [[1.3, -0.4]], "input_cov": [[2.0, 0.3], [0.3, 0.5]]}
ROWS = {"kind": "samples", "x": [[1.0, 0.5], [0.2, -1.0], [-0.7, 0.1]], "y": [[1.0], [0.3], [-0.2]]}
EQUILIBRIUM: dict[str, Any] = {
    "task": "equilibrium",
    "model": LINEAR,
    "data": TEACHER,
    "temperature": 0.05,
}
SIMULATE: dict[str, Any] = {
    "task": "simulate",
    "model": LINEAR,
    "data": ROWS,
    "dynamics": {"kind": "sgd", "learning_rate": 0.05, "batch_size": 2},
    "n_paths": 16,
    "n_steps": 100,
}
SYMMETRIES: dict[str, Any] = {"task": "symmetries", "model": {"kind": "mlp", "widths": [3, 4, 2]}}
SINGULAR = [[1.0, 1.0], [1.0, 1.0]]
LOGISTIC = {**LINEAR, "loss": "logistic"}
CLASSES = {"kind": "mlp", "widths": [2, 3, 2], "loss": "cross_entropy"}
SKEW = {"kind": "custom", "matrix": [[0.0, 1.0], [2.0, 0.0]]}
SMALL = {"kind": "custom", "matrix": [[0.0, 1.0], [1.0, 0.0]]}


def weights(**changes: Any) -> dict[str, Any]:
    return {"W1": [[1, 2], [3, 4], [5, 6]], "W2": [[1, 2, 3]], **changes}


REFUSED = [
    (EQUILIBRIUM, {"colour": "red"}, "colour"),
    (EQUILIBRIUM, {"model": {"kind": "linear", "widths": [2]}}, "model.widths"),
    (EQUILIBRIUM, {"model": {"kind": "linear", "widths": [2, 0, 1]}}, "model.widths.1"),
    (EQUILIBRIUM, {"model": {"kind": "linear", "widths": [2, 900_000, 1]}}, "model"),
    (EQUILIBRIUM, {"model": {"kind": "tanh1d"}}, "model"),
    (EQUILIBRIUM, {"model": {"kind": "mlp", "widths": [2, 3, 1], "activation": "step"}}, "model.activation"),
    (EQUILIBRIUM, {"model": LOGISTIC}, "model.loss"),
    (EQUILIBRIUM, {"model": {**LINEAR, "loss": "cross_entropy"}, "data": ROWS}, "model.loss"),
    (EQUILIBRIUM, {"model": {"kind": "linear", "widths": [3, 3, 1]}}, "data.teacher"),
    (EQUILIBRIUM, {"model": {"kind": "linear", "widths": [2, 3, 2]}}, "data.teacher"),
    (EQUILIBRIUM, {"model": {"kind": "mlp", "widths": [2, 3, 1]}}, "data.n_samples"),
    (EQUILIBRIUM, {"data": {"kind": "gaussian"}}, "data"),
    (EQUILIBRIUM, {"data": {**TEACHER, "teacher": [[1.0, 2.0], [3.0]]}}, "data.teacher"),
    (EQUILIBRIUM, {"data": {**TEACHER, "teacher": []}}, "data.teacher"),
    (EQUILIBRIUM, {"data": {**TEACHER, "input_cov": [[1.0]]}}, "data.input_cov"),
    (EQUILIBRIUM, {"data": {**TEACHER, "input_cov": [[1.0, 0.1], [0.2, 1.0]]}}, "data.input_cov"),
    (EQUILIBRIUM, {"data": {**TEACHER, "input_cov": [[1.0, 2.0], [2.0, 1.0]]}}, "data.input_cov"),
    (EQUILIBRIUM, {"data": {**TEACHER, "noise_cov": [[-1.0]]}}, "data.noise_cov"),
    (EQUILIBRIUM, {"data": {**TEACHER, "n_samples": 1}}, "data.n_samples"),
    (EQUILIBRIUM, {"data": {**ROWS, "y": [[1.0], [0.3]]}}, "data.y"),
    (EQUILIBRIUM, {"data": {**ROWS, "x": [[1.0, 0.5], [0.2], [-0.7, 0.1]]}}, "data.x"),
    (EQUILIBRIUM, {"data": {**ROWS, "x": [[1.0], [0.2], [-0.7]]}}, "data.x"),
    (EQUILIBRIUM, {"data": {**ROWS, "x": [[1.0, "a"], [0.2, 1.0], [-0.7, 0.1]]}}, "data.x.0.1"),
    (EQUILIBRIUM, {"model": LOGISTIC, "data": ROWS}, "data.y"),
    (EQUILIBRIUM, {"model": CLASSES, "data": {**ROWS, "y": [[0], [1], [2]]}}, "data.y"),
    (EQUILIBRIUM, {"model": CLASSES, "data": {**ROWS, "y": [[0, 1], [1, 0], [1, 1]]}}, "data.y"),
    (EQUILIBRIUM, {"temperature": 0.0}, "temperature"),
    (EQUILIBRIUM, {"temperature": -1.0}, "temperature"),
    (EQUILIBRIUM, {"parameters": {"init": "zero"}}, "parameters.init"),
    (EQUILIBRIUM, {"parameters": {"init": "xavier", "scale": 0.0}}, "parameters.scale"),
    (EQUILIBRIUM, {"parameters": {"init": "global_minimum", "scale": 2.0}}, "parameters.scale"),
    (
        EQUILIBRIUM,
        {
            "model": {"kind": "mlp", "widths": [2, 3, 1]},
            "data": {**TEACHER, "n_samples": 10},
            "parameters": {"init": "global_minimum"},
        },
        "parameters.init",
    ),
    (EQUILIBRIUM, {"parameters": {"seed": -1}}, "parameters.seed"),
    (EQUILIBRIUM, {"parameters": [1.0]}, "parameters"),
    (EQUILIBRIUM, {"parameters": weights(W3=[[1.0]])}, "parameters.W3"),
    (EQUILIBRIUM, {"parameters": {"W1": weights()["W1"]}}, "parameters.W2"),
    (EQUILIBRIUM, {"parameters": weights(W2=[1, 2, 3])}, "parameters.W2"),
    (EQUILIBRIUM, {"parameters": weights(W2=[[1], [2], [3]])}, "parameters.W2"),
    (EQUILIBRIUM, {"parameters": weights(W1=[[1, 2], [3], [5, 6]])}, "parameters.W1"),
    (EQUILIBRIUM, {"parameters": weights(W2=[[1, None, 3]])}, "parameters.W2.0.1"),
    (EQUILIBRIUM, {"symmetries": "all"}, "symmetries"),
    (EQUILIBRIUM, {"symmetries": []}, "symmetries"),
    (EQUILIBRIUM, {"symmetries": [{"kind": "rotation"}]}, "symmetries.0"),
    (EQUILIBRIUM, {"symmetries": [{"kind": "rescaling", "per": "weight"}]}, "symmetries.0.per"),
    (EQUILIBRIUM, {"symmetries": [{"kind": "custom"}]}, "symmetries.0.matrix"),
    (EQUILIBRIUM, {"symmetries": [SKEW]}, "symmetries.0.matrix"),
    (EQUILIBRIUM, {"symmetries": [{"kind": "custom", "diagonal": [0.0] * 9}]}, "symmetries.0.diagonal"),
    (EQUILIBRIUM, {"symmetries": [SMALL]}, "symmetries.0.matrix"),
    (EQUILIBRIUM, {"symmetries": [{**SMALL, "blocks": ["W3"]}]}, "symmetries.0.blocks"),
    (EQUILIBRIUM, {"symmetries": [{**SMALL, "blocks": ["W1", "W1"]}]}, "symmetries.0.blocks"),
    (EQUILIBRIUM, {"flow": {"n_points": 1}}, "flow.n_points"),
    (EQUILIBRIUM, {"flow": {"schedule": {"kind": "warmup"}}}, "flow.schedule.duration"),
    (SIMULATE, {"n_steps": None}, "n_steps"),
    (SIMULATE, {"duration": 1.0}, "duration"),
    (SIMULATE, {"n_paths": 10**6}, "n_paths"),
    (SIMULATE, {"data": {"kind": "gaussian"}}, "data"),
    (SIMULATE, {"observables": []}, "observables"),
    (SIMULATE, {"observables": ["value"]}, "observables.0"),
    (SIMULATE, {"data": TEACHER, "dynamics": {"kind": "gd", "learning_rate": 0.1}}, "data.n_samples"),
    (
        SIMULATE,
        {"data": TEACHER, "dynamics": {"kind": "sgd", "learning_rate": 0.1, "sampling": "epoch"}},
        "dynamics.sampling",
    ),
    (
        SIMULATE,
        {
            "model": {"kind": "linear", "widths": [2, 1000, 1]},
            "dynamics": {"kind": "sgf", "temperature": 0.1},
            "n_steps": None,
            "duration": 1.0,
        },
        "model",
    ),
    (SIMULATE, {"schedule": [{"kind": "step", "every": 10, "decay": 2.0}]}, "schedule.0.decay"),
    (SYMMETRIES, {"structure": "rows"}, "structure"),
    (SYMMETRIES, {"model": {"kind": "mlp", "widths": [30, 500, 20]}}, "model"),
    (SYMMETRIES, {"data": TEACHER}, "data.teacher"),
]


@pytest.mark.parametrize(("base", "change", "field"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_bad_field_is_refused_by_name(base: dict[str, Any], change: dict[str, Any], field: str) -> None:
    """Each planted defect is refused, and the first error has the path of its field as it was written."""
    parse_spec(base)
    spec = {**base, **change}
    with pytest.raises(ValidationError) as refusal:
        parse_spec(spec)
    error = refusal.value.errors()[0]
    rule = error.get("ctx", {}).get("field", "") if error["type"] == "does_not_fit" else ""
    assert ".".join(part for part in (written_path(spec, error["loc"]), rule) if part) == field
    if error["type"] == "does_not_fit":
        assert {"given", "allowed", "remedy"} <= error["ctx"].keys()


MODELS = [
    LINEAR,
    CLASSES,
    {"kind": "mlp", "widths": [2, 4, 4, 1], "activation": "tanh", "bias": False},
    {"kind": "matrix_factorization", "widths": [3, 2, 3]},
    {"kind": "attention", "tokens": 3, "dim": 2, "heads": 2, "head_dim": 4},
    {"kind": "normalized_mlp", "widths": [3, 4, 1], "normalization": "network"},
    {"kind": "diagonal", "depth": 2, "width": 5, "loss": "logistic"},
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model["kind"]))
def test_specs_are_read_back(model: dict[str, Any]) -> None:
    """Canonical JSON of a spec with given parameters and generators is read back to the same spec."""
    shapes = parse_spec({**SYMMETRIES, "model": model}).model.shapes  # type: ignore[union-attr]
    parameters = {name: np.full(shape, 0.5) for name, shape in shapes.items()}
    n = sum(prod(shape) for shape in shapes.values())
    network = parse_spec({**SYMMETRIES, "model": model}).model  # type: ignore[union-attr]
    classes = model.get("loss") in ("cross_entropy", "logistic")
    labels = np.ones((3, network.n_labels)) if classes else np.arange(3.0 * network.n_labels).reshape(3, -1)  # type: ignore[union-attr]
    data = {"kind": "samples", "x": np.ones((3, network.n_inputs)), "y": labels}  # type: ignore[union-attr]
    generators = [{"kind": "rescaling"}, {"kind": "custom", "diagonal": np.arange(n)}]
    specs = [
        {**EQUILIBRIUM, "model": model, "data": data, "parameters": parameters, "symmetries": generators},
        {**SIMULATE, "model": model, "data": data, "parameters": parameters},
        {**SYMMETRIES, "model": model, "data": data},
    ]
    for spec, kind in zip(specs, (Equilibrium, SimulateNetwork, Symmetries), strict=True):
        read = parse_spec(spec)
        assert isinstance(read, kind)
        again = parse_spec(json.loads(canonical_json(read)))
        assert again == read
        assert canonical_json(again) == canonical_json(read)


def test_a_singular_covariance_is_one() -> None:
    """Directions without variance are allowed: only negative variances are no covariance."""
    spec = parse_spec({**EQUILIBRIUM, "data": {**TEACHER, "input_cov": SINGULAR, "noise_cov": [[0.0]]}})
    assert isinstance(spec, Equilibrium)


def test_a_list_of_numbers_is_a_column() -> None:
    """Inputs of one number may be written as a list, and are rows of one number each."""
    assert RowsData(x=[1, 2], y=np.array([3.0, 4.0])) == RowsData(x=[[1], [2]], y=[[3], [4]])


@pytest.mark.parametrize(
    ("model", "data", "is_network"),
    [
        ({"kind": "diagonal"}, {"kind": "gaussian"}, False),
        ({"kind": "tanh1d"}, {"kind": "gaussian"}, False),
        ({"kind": "diagonal"}, {"kind": "samples", "x": [1, 2], "y": [1, 2]}, False),
        ({"kind": "diagonal", "width": 2}, {"kind": "samples", "x": [[1, 2], [3, 4]], "y": [1, 2]}, True),
        ({"kind": "diagonal", "width": 2}, {"kind": "samples", "x": np.eye(2), "y": [1, 2]}, True),
        ({"kind": "diagonal", "width": 2}, {"kind": "teacher", "teacher": [[1, 2]]}, True),
        ({"kind": "diagonal", "loss": "squared_error"}, {"kind": "dataset", "id": "ds_" + "0" * 32}, True),
        ({"kind": "linear", "widths": [1, 1]}, {"kind": "samples", "x": [1, 2], "y": [1, 2]}, True),
    ],
)
def test_the_model_tells_which_simulation(model: Any, data: Any, is_network: bool) -> None:
    """A simulation is one of networks if its model is one, or a diagonal one on vectors or with a loss."""
    fields = {"dynamics": {"kind": "sgd", "learning_rate": 0.1}, "n_steps": 10}
    spec = parse_spec({"task": "simulate", "model": model, "data": data, **fields})
    assert isinstance(spec, SimulateNetwork if is_network else Simulate)
    assert parse_spec(json.loads(canonical_json(spec))) == spec


@pytest.mark.parametrize("kind", ["linear", "mlp", "attention"])
def test_networks_have_no_law(kind: str) -> None:
    """Tasks about laws say that there is none of a network, and what to ask instead."""
    for task in ("stationary", "compare"):
        with pytest.raises(ValidationError, match="use task 'equilibrium'"):
            parse_spec({"task": task, "model": {"kind": kind}, "data": {"kind": "gaussian"}})


def test_an_unknown_model_is_told_all_there_are() -> None:
    """The models of networks are listed beside those of one coordinate."""
    with pytest.raises(ValidationError, match=r"'tanh1d'.*'attention'.*'mlp'"):
        parse_spec({**SIMULATE, "model": {"kind": "convolution"}})


def test_the_schema_has_the_bounds_of_lists() -> None:
    """What is too short is refused by the JSON Schema too."""
    schema = jsonschema.Draft202012Validator(json_schema())
    for spec in (EQUILIBRIUM, SIMULATE, SYMMETRIES):
        schema.validate(spec)
    changes: list[dict[str, Any]] = [
        {"symmetries": []},
        {"parameters": {"W1": []}},
        {"data": {**ROWS, "x": [[1.0, 2.0]]}},
    ]
    for change in changes:
        assert not schema.is_valid({**EQUILIBRIUM, **change}), change
