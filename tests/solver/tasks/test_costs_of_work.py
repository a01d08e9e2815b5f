"""What works say that they take: seconds on a reference machine, and the kind that calibrates them."""

import math
from typing import Any

import pytest

from equipoise_solver import prepare
from equipoise_solver.ensembles.seconds import NOISE_NS, SCHEME_NS
from equipoise_solver.solving import Cost

DIAGONAL: dict[str, Any] = {
    "model": {"kind": "diagonal", "depth": 1},
    "data": {"kind": "gaussian", "slope": 1.2, "noise_std": 0.7},
}
SGD: dict[str, Any] = {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2}
TANH = {"model": {"kind": "tanh1d"}}
SAMPLES = {"data": {"kind": "samples", "x": [1.0, 2.0, -0.5], "y": [1.1, 1.9, 0.2]}}
NORMAL = {"init": {"kind": "normal", "std": 0.5}}
DEEP = {"model": {"kind": "diagonal", "depth": 2}}
DEAR = {"sampling": "epoch", "label_noise": 0.1}
ENSEMBLES: dict[str, dict[str, Any]] = {
    "sgd": {"dynamics": SGD},
    "large batches": {"dynamics": {**SGD, "batch_size": 32}},
    "large batches, momentum": {"dynamics": {**SGD, "batch_size": 32, "momentum": 0.5}},
    "samples": {**SAMPLES, "dynamics": SGD},
    "samples, label noise": {**SAMPLES, "dynamics": {**SGD, "label_noise": 0.1}},
    "epoch": {**SAMPLES, "dynamics": {**SGD, "sampling": "epoch"}},
    "epoch, label noise": {**SAMPLES, "dynamics": {**SGD, **DEAR}},
    "gd": {**NORMAL, "dynamics": {"kind": "gd", "learning_rate": 0.02}},
    "gd, label noise": {**SAMPLES, "dynamics": {"kind": "gd", "learning_rate": 0.02, "label_noise": 0.1}},
    "tanh": {**TANH, "dynamics": SGD},
    "tanh, samples": {**TANH, **SAMPLES, "dynamics": SGD},
    "tanh, epoch": {**TANH, **SAMPLES, "dynamics": {**SGD, **DEAR}},
    "tanh, gd": {**TANH, **SAMPLES, "dynamics": {"kind": "gd", "learning_rate": 0.02, "label_noise": 0.1}},
    "splitting": {"dynamics": {"kind": "sgf", "temperature": 0.1}},
    "splitting, linear": {
        "model": {"kind": "diagonal", "depth": 0},
        "dynamics": {"kind": "sgf", "temperature": 0.1},
    },
    "three-point": {"dynamics": {"kind": "sgf", "temperature": 0.1}, "noise": "three_point"},
    "taylor": {"dynamics": {"kind": "sgf", "temperature": 0.1, "scheme": "taylor"}, "noise": "two_point"},
    "taylor, in model": {"coordinate": "model", "dynamics": {"kind": "sgf", "temperature": 0.1}, **DEEP},
    "taylor, linear": {
        "model": {"kind": "diagonal", "depth": 0},
        "coordinate": "model",
        "dynamics": {"kind": "sgf", "temperature": 0.1, "scheme": "taylor"},
    },
    "taylor, two layers": {**NORMAL, "dynamics": {"kind": "sgf", "temperature": 0.1}},
    "euler, deep": {**DEEP, "dynamics": {"kind": "sgf", "temperature": 0.1, "scheme": "euler"}},
    "taylor, deep": {**NORMAL, **DEEP, "dynamics": {"kind": "sgf", "temperature": 0.1}},
    "euler": {"dynamics": {"kind": "sgf", "temperature": 0.1, "scheme": "euler"}},
    "tamed": {"dynamics": {"kind": "sgf", "temperature": 0.1, "scheme": "tamed_euler"}},
    "logarithm": {"dynamics": {"kind": "sgf", "temperature": 0.1, "scheme": "log_euler"}, **DEEP},
    "langevin": {**NORMAL, "dynamics": {"kind": "langevin", "temperature": 0.1}},
}
RELU = {"model": {"kind": "mlp", "widths": [2, 3, 1], "activation": "relu"}}
TEACHER = {"data": {"kind": "teacher", "teacher": [[1.0, -0.5]], "n_samples": 20}}
WELLS = {"task": "diffusion", "drift": "x - x^3", "noise": "sqrt(2*T)", "params": {"T": 0.2}}
NETWORKS = {"task": "simulate", **TEACHER, **RELU, "n_paths": 4, "n_steps": 100, "dynamics": SGD}
BALANCE = {"task": "equilibrium", **RELU, **TEACHER, "temperature": 0.01}
LAW = {"task": "stationary", **DIAGONAL, "temperature": 0.1}
GROWING: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "grid": (LAW, {"grid": {"n_points": 50_000}}),
    "relaxation": (LAW, {"relaxation": True}),
    "escape": (LAW, {"escape": True, "weight_decay": 0.3}),
    "bayes": (LAW, {"bayes": True}),
    "rates": (WELLS, {"spectrum": {"n": 20}}),
    "starts": (WELLS, {"passage_time": {"start": [k / 10 for k in range(9)], "low": -1.0, "high": 1.0}}),
    "evolution": (WELLS, {"evolve": {"start": 0.2, "times": [1.0, 2.0]}}),
    "flow": ({**BALANCE, "flow": None}, {"flow": {}}),
    "network": ({"task": "symmetries", **RELU}, {"model": {"kind": "linear", "widths": [9, 9, 9]}}),
    "steps": (NETWORKS, {"n_steps": 10_000}),
    "paths": (NETWORKS, {"n_paths": 1000}),
    "curvature": (NETWORKS, {"observables": ["sharpness"]}),
    "attention": (
        {**NETWORKS, "data": {"kind": "samples", "x": [[0.1] * 4] * 3, "y": [[0.2] * 4] * 3}, "model": {}},
        {"n_steps": 10_000},
    ),
}
GROWING["attention"][0]["model"] = {"kind": "attention", "tokens": 2, "dim": 2, "head_dim": 1}


def ensemble(name: str, **changes: Any) -> dict[str, Any]:
    own = ENSEMBLES[name]
    is_flow = own["dynamics"]["kind"] in ("sgf", "langevin")
    length = {"duration": 10.0} if is_flow else {"n_steps": 2000}
    return {"task": "simulate", **DIAGONAL, "n_paths": 4096, **length, **own, **changes}


def cost(spec: dict[str, Any]) -> Cost:
    """The cost of a spec, which is a positive number of seconds of a kind with a short name."""
    found = prepare(spec).cost
    assert math.isfinite(found.seconds)
    assert found.seconds > 0
    assert 0 < len(found.kind) <= 64
    assert set(found.kind) <= set("abcdefghijklmnopqrstuvwxyz0123456789_/")
    return found


@pytest.mark.parametrize("name", ENSEMBLES)
def test_the_seconds_of_an_ensemble_grow_with_its_steps(name: str) -> None:
    """Four times the paths take four times the seconds, within what an ensemble takes however small."""
    few, many = (cost(ensemble(name, n_paths=n)) for n in (4096, 4 * 4096))
    assert few.kind == many.kind
    assert 3.5 < (many.seconds - 0.01) / (few.seconds - 0.01) < 4.001
    # Nothing costs less than a nanosecond a step, or more than a microsecond, of networks so small.
    assert 1e-9 < (many.seconds - few.seconds) / (many.path_steps - few.path_steps) < 1e-6


def test_every_kind_of_ensemble_is_measured() -> None:
    """The ensembles above use every scheme and source that has a measured number, and no other.

    Only second runs at twice the step draw from "coarse".
    """
    kinds = [cost(ensemble(name)).kind.split("/") for name in ENSEMBLES]
    assert {kind[1] for kind in kinds} == set(SCHEME_NS)
    assert {kind[2] for kind in kinds} == set(NOISE_NS) - {"coarse"}
    assert {kind[3] for kind in kinds} == {"float64"}


@pytest.mark.parametrize("name", GROWING)
def test_what_is_asked_more_takes_more_seconds(name: str) -> None:
    """More points, parts, rates, steps or networks are told from fewer."""
    less, more = GROWING[name]
    assert cost({**less, **more}).seconds > 1.5 * cost(less).seconds


def test_a_comparison_takes_longer_than_its_ensemble() -> None:
    """The laws come on top, and it is calibrated by itself."""
    spec = ensemble("sgd")
    alone, compared = cost(spec), cost({**spec, "task": "compare"})
    assert compared.seconds > alone.seconds
    assert compared.kind == alone.kind.replace("simulate", "compare")


def test_idle_lanes_count() -> None:
    """One path by a fixed clock takes as long as the block that it is in; precision makes another kind."""
    assert cost(ensemble("sgd", n_paths=1)).seconds > 0.99 * cost(ensemble("sgd", n_paths=512)).seconds - 0.01
    assert cost(ensemble("sgd", precision="float32")).kind != cost(ensemble("sgd")).kind
