"""The task `sweep`: the solutions of its points, in any parts and chunks."""

import json
from typing import Any

import numpy as np
import pytest

from equipoise_solver import solve
from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.errors import InvalidModelError, SolverError
from equipoise_solver.solving import prepare
from equipoise_solver.specs import SweepSolution, parse_solution, parse_spec

LAW: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 1.3, "noise_std": 0.7},
    "temperature": 0.05,
}
ENSEMBLE: dict[str, Any] = {
    "task": "simulate",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 1.3, "noise_std": 0.7},
    "dynamics": {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2},
    "n_paths": 512,
    "n_steps": 4000,
    "n_records": 20,
    "seed": 7,
}


def sweep(base: dict[str, Any], axes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"task": "sweep", "base": base, "axes": axes, **more}


def solved(spec: dict[str, Any]) -> SweepSolution:
    solution = solve(spec, threads=1)
    assert isinstance(solution, SweepSolution)
    return solution


def test_every_point_is_the_solution_of_its_own_spec() -> None:
    temperatures, decays = [0.02, 0.2, 0.9], [0.0, 0.3]
    axes = {"weight_decay": decays, "temperature": temperatures}
    found = solved(sweep(LAW, axes, outputs=["mean", "phase", "variance"]))
    assert list(found.axes) == ["temperature", "weight_decay"]
    for i, temperature in enumerate(temperatures):
        for j, decay in enumerate(decays):
            alone: Any = solve({**LAW, "temperature": temperature, "weight_decay": decay})
            assert found.outputs["mean"][i, j] == alone.mean
            assert found.outputs["variance"][i, j] == alone.variance
            assert found.outputs["phase"][i, j] == alone.phase
    assert set(found.outputs["phase"].ravel()) == {"learning", "sparse"}


def test_the_mean_of_linear_regression_is_the_slope_at_every_point() -> None:
    """Without layers nothing shifts the mean, whatever the slope and the noise: a known answer."""
    base = {**LAW, "model": {"kind": "diagonal", "depth": 0, "width": 1}, "temperature": 0.01}
    slopes = {"start": -2.0, "stop": 2.0, "num": 5}
    found = solved(sweep(base, {"data.slope": slopes}, outputs=["mean"]))
    assert found.outputs["mean"] == pytest.approx(found.axes["data.slope"], abs=1e-9)
    assert found.axes["data.slope"].tolist() == [-2.0, -1.0, 0.0, 1.0, 2.0]


def test_counts_stay_counts_and_logarithms_are_even() -> None:
    temperatures = {"start": 0.01, "stop": 1, "num": 3, "scale": "log"}
    axes = {"model.depth": {"start": 0, "stop": 3, "num": 4}, "temperature": temperatures}
    spec: Any = parse_spec(sweep(LAW, axes))
    assert [spec.content_at(point)["model"]["depth"] for point in spec.points()[::3]] == [0, 1, 2, 3]
    assert np.diff(np.log(spec.values["temperature"])) == pytest.approx(np.log(10), rel=1e-12)


def test_all_numbers_and_words_are_there_unless_some_are_chosen() -> None:
    found = solved(sweep(LAW, {"temperature": [0.05, 0.1]}))
    assert {"phase", "mean", "variance", "mode", "critical_temperature"} <= set(found.outputs)
    assert not {"task", "spec_hash", "seconds", "density"} & set(found.outputs)


def test_parts_chunks_and_restarts_give_the_same_bytes() -> None:
    """Points that are cut in the middle, checkpoints that go through bytes, and any number of parts."""
    pieces = ENSEMBLE | {"n_paths": 8192, "n_steps": 200}
    spec = sweep(pieces, {"dynamics.batch_size": [1, 2, 4], "dynamics.learning_rate": [0.01, 0.02]})
    whole = solve(spec, threads=1).model_dump_json()
    work = prepare(spec)
    assert work.n_shards == 6
    for of, budget in ((1, 300_000), (2, 700_000), (4, 10**9), (6, 10**9)):
        parts = []
        for number in range(of):
            part, n_chunks = work.begin((number, of)), 0
            while not part.is_done:
                again = Checkpoint.from_bytes(work.advance(part, budget, threads=2).to_bytes())
                assert again.fraction > part.fraction
                part, n_chunks = again, n_chunks + 1
            assert n_chunks > 6 or of > 1
            parts.append(part)
        assert work.finish(work.merge(parts)).model_dump_json() == whole


def test_parts_that_are_not_all_are_not_merged() -> None:
    work = prepare(sweep(LAW, {"temperature": [0.05, 0.1, 0.2]}))
    parts = [work.advance(work.begin((number, 3)), 10**9, threads=1) for number in range(3)]
    for wrong in (parts[:2], parts[::-1], [parts[0], parts[0], parts[2]], [*parts[:2], work.begin((2, 3))]):
        with pytest.raises(InvalidModelError, match="checkpoints"):
            work.merge(wrong)
    with pytest.raises(InvalidModelError, match="shard"):
        work.begin((0, 4))


def test_a_refused_point_is_null_and_says_why() -> None:
    found = solved(sweep(LAW, {"model.depth": [0.0, 0.5, 1.0]}, outputs=["mean", "phase"]))
    assert np.isfinite(found.outputs["mean"]).tolist() == [True, False, True]
    assert found.outputs["phase"][1] == ""
    assert found.n_refused == 1
    assert found.refused[0].index == (1,)
    assert "model.depth=0.5" in found.refused[0].message


def test_arrays_survive_json() -> None:
    found = solved(sweep(LAW, {"model.depth": [0.0, 0.5, 1.0]}, outputs=["mean", "phase"]))
    content = json.loads(found.model_dump_json())
    assert content["outputs"]["phase"][1] is None
    again = parse_solution(content)
    assert isinstance(again, SweepSolution)
    assert again.model_dump_json() == found.model_dump_json()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": {"temperatur": [0.1]}}, ["axes.temperatur", "temperature"]),
        ({"axes": {"data.kind": [1.0]}}, ["axes.data.kind", "data.slope"]),
        ({"axes": {"temperature": []}}, ["axes.temperature", "at least 1"]),
        ({"axes": {}}, ["axes"]),
        ({"axes": {"temperature": {"start": 0.0, "stop": 1.0, "num": 3, "scale": "log"}}}, ["start", "> 0"]),
        ({"axes": {"temperature": {"start": 0.0, "stop": 1.0, "num": 20_001}}}, ["num", "20000"]),
        ({"axes": dict.fromkeys(("temperature", "weight_decay"), [0.1] * 200)}, ["200 x 200", "20000"]),
        ({"outputs": ["mean", "mean"]}, ["outputs", "'mean'", "once"]),
        ({"outputs": ["men"]}, ["outputs", "'men'", "mean"]),
        ({"outputs": ["density.p"]}, ["outputs", "'density.p'"]),
        ({"axes": {"model.depth": [0.5, 1.5]}}, ["model.depth=0.5"]),
        ({"base": {"task": "sweep"}}, ["base", "'stationary'"]),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SolverError) as refused:
        prepare({**sweep(LAW, {"temperature": [0.1, 0.2]}), **change})
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_nested_outputs_and_those_of_open_names() -> None:
    spec = sweep(ENSEMBLE | {"n_steps": 50}, {"dynamics.batch_size": [1, 2]})
    found = solved(spec | {"outputs": ["histogram.below", "outcome", "n_diverged"]})
    assert found.outputs["outcome"].tolist() == ["COMPLETED", "COMPLETED"]
    assert found.outputs["n_diverged"].tolist() == [0.0, 0.0]


def test_costs_add_up_over_the_points() -> None:
    one, all_ = prepare(ENSEMBLE).cost, prepare(sweep(ENSEMBLE, {"dynamics.batch_size": [1, 2, 4]})).cost
    assert all_.path_steps == pytest.approx(3 * one.path_steps)
    assert not all_.is_quick
    assert prepare(sweep(LAW, {"temperature": [0.1, 0.2]})).cost.is_quick
