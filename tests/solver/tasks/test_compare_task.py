"""The tasks `simulate` and `compare`, from spec to solution."""

from typing import Any

import numpy as np
import pytest

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.solving import prepare, solve
from equipoise_solver.specs import CompareSolution, SimulateSolution, effective_seed, parse_solution

FLOW: dict[str, Any] = {
    "task": "compare",
    "model": {"kind": "diagonal", "depth": 1},
    "data": {"kind": "gaussian", "slope": 1.3, "noise_std": 0.9},
    "dynamics": {"kind": "sgf", "temperature": 0.1},
    "n_paths": 3000,
    "duration": 12.0,
    "coordinate": "model",
}
DESCENT: dict[str, Any] = {
    "task": "simulate",
    "model": {"kind": "diagonal", "depth": 1, "width": 2},
    "data": {"kind": "samples", "x": [1.0, -2.0, 0.5, 1.5], "y": [0.7, -1.5, 0.2, 1.9]},
    "dynamics": {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2},
    "n_paths": 700,
    "n_steps": 600,
    "observables": ["value", "loss", "imbalance"],
    "seed": 11,
}


def compare(**fields: Any) -> CompareSolution:
    """The solution of a `compare` spec with some fields changed."""
    solution = solve({**FLOW, **fields}, threads=2)
    assert isinstance(solution, CompareSolution)
    return solution


def test_the_flow_follows_its_law(seed: int) -> None:
    """The SDE's ensemble stays within the Kolmogorov-Smirnov bound of its own law, and loses no path."""
    solution = compare(seed=seed)
    assert solution.simulation.n_diverged == 0
    assert solution.distance.ks is not None
    assert solution.distance.ks_bound is not None
    assert solution.distance.ks < solution.distance.ks_bound
    assert solution.distance.n_effective == 3000


def test_a_wrong_law_is_seen(seed: int) -> None:
    """The law of a temperature 1.7 times as high is outside the bound, so the check can fail."""
    solution = compare(seed=seed, temperature=0.17)
    assert solution.distance.ks is not None
    assert solution.distance.ks_bound is not None
    assert solution.distance.ks > solution.distance.ks_bound


def test_wasserstein_to_an_atom_is_the_mean_distance(seed: int) -> None:
    """At temperature 0 the law is an atom at the slope, and W1 is the mean distance of the sample to it."""
    solution = compare(seed=seed, temperature=0.0)
    histogram = solution.simulation.histogram
    middles = (histogram.edges[1:] + histogram.edges[:-1]) / 2
    widths = np.diff(histogram.edges)
    shares = histogram.counts / histogram.counts.sum()
    expected = float(np.sum(shares * np.abs(middles - 1.3)))
    assert solution.distance.wasserstein == pytest.approx(expected, abs=float(np.sum(shares * widths)))


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"kind": "gaussian", "slope": 0.7, "noise_std": 0.0}, "duration": 60.0},
        {"dynamics": {"kind": "sgf", "temperature": 0.0}, "duration": 30.0},
    ],
    ids=["interpolation", "no noise"],
)
def test_rounding_at_an_atom_is_no_distance(change: dict[str, Any]) -> None:
    """Paths that end at an atom of the law but for rounding agree with it."""
    solution = compare(**change, init={"kind": "balanced", "value": 0.3}, n_paths=200, burn_in=0.9)
    assert solution.distance.ks == 0.0
    assert solution.distance.mean_z is not None
    assert abs(solution.distance.mean_z) < 1


def test_mean_z_is_the_shift_in_standard_errors(seed: int) -> None:
    """mean_z is (simulated - exact) / standard error: positive against the law of a hotter, lower mean."""
    solution = compare(seed=seed, temperature=0.2)
    law, ensemble = solution.stationary, solution.simulation
    assert law.mean is not None
    assert ensemble.mean is not None
    assert ensemble.standard_error is not None
    expected = (ensemble.mean - law.mean) / ensemble.standard_error
    assert expected > 5
    assert solution.distance.mean_z == pytest.approx(expected, rel=1e-6)


def test_notes_say_where_sgd_leaves_the_law() -> None:
    """SGD carries the note on its finite step, epochs one more; the last says which law is followed."""
    epoch = {"kind": "sgd", "learning_rate": 0.02, "sampling": "epoch"}
    fields = {"data": DESCENT["data"], "duration": None, "n_steps": 50, "coordinate": "parameters"}
    assert len(compare(dynamics=epoch, **fields).notes) == 3
    assert len(compare(dynamics={**epoch, "sampling": "iid"}, **fields).notes) == 2
    assert len(compare(n_paths=8, duration=0.5).notes) == 1


def test_chunks_threads_and_restarts_do_not_matter() -> None:
    """One chunk on two threads, or many on one with a restart after each, give the same bytes."""
    work = prepare(DESCENT)
    whole = work.advance(work.begin(), 10**9, threads=2)
    assert whole.is_done
    state = work.begin()
    n_chunks = 0
    while not state.is_done:
        state = Checkpoint.from_bytes(prepare(DESCENT).advance(state, 1, threads=1).to_bytes())
        n_chunks += 1
    assert n_chunks > 1
    assert work.finish(state).model_dump_json() == work.finish(whole).model_dump_json()
    assert work.cost.path_steps == 700 * 600


def test_solution_survives_the_wire() -> None:
    """The JSON of a simulation is read back to the same simulation, and carries the seed that was used."""
    solution = solve({**DESCENT, "seed": None})
    assert isinstance(solution, SimulateSolution)
    assert solution.seed == effective_seed(solution.spec)
    assert parse_solution(solution.model_dump(mode="json")).model_dump_json() == solution.model_dump_json()
    assert set(solution.observables) == {"value", "loss", "imbalance"}
    assert int(solution.histogram.counts.sum()) + solution.histogram.below + solution.histogram.above > 0


def test_divergence_is_an_answer() -> None:
    """A learning rate that explodes gives a solution that counts every lost path, with null averages."""
    solution = solve({**DESCENT, "dynamics": {"kind": "sgd", "learning_rate": 50.0}})
    assert isinstance(solution, SimulateSolution)
    assert solution.outcome == "DIVERGED"
    assert solution.n_diverged == 700
    assert solution.mean is None
    assert 0 < len(solution.diverged) <= 16


def test_progress_is_reported() -> None:
    """Progress ends at 1 and never goes back."""
    fractions: list[float] = []
    solve(FLOW, on_progress=lambda fraction, live: fractions.append(fraction))
    assert fractions[-1] == 1.0
    assert fractions == sorted(fractions)


def test_a_checkpoint_is_read_back() -> None:
    """Equal checkpoints have equal bytes; other bytes are refused."""
    state = Checkpoint(
        fraction=0.25,
        arrays={"b": np.arange(6, dtype=np.uint32).reshape(2, 3), "a": np.array([np.nan, -0.0])},
        scalars={"x": [1, {"y": None}]},
        live={"mean": 0.5},
    )
    again = Checkpoint.from_bytes(state.to_bytes())
    assert again.to_bytes() == state.to_bytes()
    assert again.arrays["b"].dtype == np.uint32
    np.testing.assert_array_equal(again.arrays["a"], state.arrays["a"])
    with pytest.raises(ValueError, match="no checkpoint"):
        Checkpoint.from_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="no checkpoint"):
        Checkpoint.from_bytes(state.to_bytes()[:-30])
