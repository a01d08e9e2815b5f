"""Parts of a work: which there are, and what is refused."""

from typing import Any

import pytest

from equipoise_solver import prepare, solve
from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.solving import Work
from equipoise_solver.specs import SimulateNetworkSolution

STATIONARY: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1},
    "data": {"kind": "gaussian", "slope": 1.2, "noise_std": 0.7},
    "temperature": 0.1,
}

SIMULATE: dict[str, Any] = {
    "task": "simulate",
    "model": {"kind": "diagonal", "depth": 1},
    "data": {"kind": "gaussian", "slope": 1.2, "noise_std": 0.7},
    "dynamics": {"kind": "sgd", "learning_rate": 0.03, "batch_size": 2},
    "n_paths": 2 * 65536 + 1,
    "n_steps": 20,
    "n_records": 5,
}
COMPARE: dict[str, Any] = {
    **{name: SIMULATE[name] for name in ("model", "data", "n_paths")},
    "task": "compare",
    "dynamics": {"kind": "sgf", "temperature": 0.1, "step_size": 0.02},
    "duration": 0.4,
    "n_records": 4,
}

PAIRS = {"kind": "samples", "x": [[0.5, 1.0], [-1.0, 0.3], [0.2, -0.7]], "y": [[1.0], [0.2], [-0.4]]}
TRAINED: dict[str, Any] = {
    "task": "simulate",
    "model": {"kind": "linear", "widths": [2, 3, 1]},
    "data": PAIRS,
    "dynamics": {"kind": "sgd", "learning_rate": 0.5, "batch_size": 2, "momentum": 0.5},
    "n_paths": 70,
    "n_steps": 80,
    "n_records": 4,
    "n_snapshots": 20,
    "observables": ["loss", "norm"],
    "seed": 4,
}
BY_TORCH: dict[str, Any] = {
    **TRAINED,
    "model": {"kind": "attention", "tokens": 2, "dim": 1, "head_dim": 1},
    "data": {"kind": "samples", "x": PAIRS["x"], "y": PAIRS["x"]},
    "dynamics": {"kind": "gd", "learning_rate": 0.05},
    "n_paths": 35,
    "n_steps": 6,
}


def computed(work: Work, part: tuple[int, int] | None) -> Checkpoint:
    """The end of a part, or of the whole, through the bytes of checkpoints."""
    state = work.begin(part)
    while not state.is_done:
        state = Checkpoint.from_bytes(work.advance(state, 2_000_000, threads=2).to_bytes())
    return state


@pytest.mark.parametrize("spec", [SIMULATE, COMPARE], ids=["simulate", "compare"])
def test_an_ensemble_can_be_computed_in_parts(spec: dict[str, Any]) -> None:
    """One part for every 65536 paths, or fewer; from any of them comes the solution of the undivided spec."""
    whole = solve(spec, threads=1, device="cpu").model_dump_json()
    assert prepare(spec).n_shards == 3
    for of in range(1, 4):
        # Every part by a work of its own, as on another machine.
        parts = [computed(prepare(spec), (number, of)) for number in range(of)]
        work = prepare(spec)
        assert work.finish(work.merge(parts)).model_dump_json() == whole


@pytest.mark.parametrize("spec", [TRAINED, BY_TORCH], ids=["compiled", "torch"])
def test_networks_can_be_trained_in_parts(spec: dict[str, Any]) -> None:
    """One part for every 16 networks, or fewer; merged, and through chunks, they are the undivided run."""
    work = prepare(spec)
    assert work.n_shards == -(-spec["n_paths"] // 16)
    whole = computed(work, None)
    for of in (1, 2, work.n_shards):
        parts = [computed(prepare(spec), (number, of)) for number in range(of)]
        assert all(part.is_done for part in parts)
        assert work.merge(parts).to_bytes() == whole.to_bytes()
    with pytest.raises(ValueError, match="merge all parts first"):
        work.finish(parts[0])
    for wrong in (
        parts[1:],
        parts[::-1],
        [*parts[:-1], computed(prepare({**spec, "seed": 5}), (of - 1, of))],
    ):
        with pytest.raises(InvalidModelError) as caught:
            work.merge(wrong)
        assert caught.value.field == "checkpoints"


def test_some_networks_that_are_trained_in_parts_diverge() -> None:
    """The numbers that parts merge hold networks that are lost, and snapshots over more than one group."""
    solution = solve(TRAINED, device="cpu")
    assert isinstance(solution, SimulateNetworkSolution)
    assert 0 < solution.n_diverged < 70
    assert solution.model_dump()["observables"]["loss"]["mean"][-1] > 0


def test_parts_of_another_spec_are_refused() -> None:
    """A part of another seed, and of the comparison of the same dynamics, are refused by name."""
    work = prepare(SIMULATE)
    own = [computed(work, (number, 2)) for number in range(2)]
    for other in ({**SIMULATE, "seed": 5}, COMPARE):
        with pytest.raises(InvalidModelError) as caught:
            work.merge([own[0], computed(prepare(other), (1, 2))])
        assert caught.value.field == "checkpoints"
    assert work.merge(own).is_done


def test_small_ensembles_are_one_part() -> None:
    """Up to 65536 paths there is nothing to share out."""
    work = prepare({**SIMULATE, "n_paths": 65536, "n_steps": 2})
    assert work.n_shards == 1
    with pytest.raises(InvalidModelError) as caught:
        work.begin((0, 2))
    assert caught.value.field == "shard"


def test_a_closed_form_is_one_part() -> None:
    """Its one part is the whole, and merges to itself."""
    work = prepare(STATIONARY)
    assert work.n_shards == 1
    done = work.advance(work.begin((0, 1)), 1, threads=1)
    assert done.to_bytes() == work.advance(work.begin(), 1, threads=1).to_bytes()
    whole = work.finish(work.merge([done])).model_dump_json()
    assert whole == work.finish(done).model_dump_json()


@pytest.mark.parametrize("part", [(0, 2), (1, 1), (-1, 1), (0, 0), (0, 1.0), (0, True), (0,), (0, 1, 1)])
def test_parts_that_there_are_not_are_refused(part: Any) -> None:
    """A part beyond those that the work has, or anything but two integers, is refused by name."""
    with pytest.raises(InvalidModelError) as caught:
        prepare(STATIONARY).begin(part)
    assert caught.value.field == "shard"


def test_a_closed_form_merges_its_one_part_only() -> None:
    """No part, two parts, and a part that is not done are refused by name."""
    work = prepare(STATIONARY)
    begun = work.begin()
    done = work.advance(begun, 1, threads=1)
    for parts in ([], [done, done], [begun]):
        with pytest.raises(InvalidModelError) as caught:
            work.merge(parts)
        assert caught.value.field == "checkpoints"
