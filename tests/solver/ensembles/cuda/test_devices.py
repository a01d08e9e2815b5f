"""Which device is taken, and what is said where it cannot be."""

import itertools

import numpy as np
import pytest

from equipoise_solver.ensembles import EnsemblePlan, GaussianPairs, SamplePairs, Sgd, Sgf
from equipoise_solver.ensembles.cuda.launch import MAX_LAUNCH, pieces
from equipoise_solver.ensembles.devices import resolve_device, runs_on_card
from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.solving import solve

PAIRS = GaussianPairs(1.1, 0.8)
SPEC = {
    "task": "simulate",
    "model": {"kind": "diagonal", "depth": 1},
    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
    "dynamics": {"kind": "sgf", "temperature": 0.1},
    "n_paths": 10,
    "duration": 0.1,
    "seed": 1,
}


def plan_of(**changes: object) -> EnsemblePlan:
    parts: dict[str, object] = {
        "depth": 1,
        "data": PAIRS,
        "dynamics": Sgf(0.1),
        "duration": 1.0,
        "n_paths": 10,
        "seed": 1,
    }
    return EnsemblePlan(**{**parts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["gpu", "cuda", "cuda:", "cuda:-1", "CPU", ""])
def test_other_names_are_refused(name: str) -> None:
    """Only "cpu", "auto" and "cuda:N" are devices."""
    with pytest.raises(InvalidModelError, match="device="):
        solve(SPEC, device=name)
    with pytest.raises(InvalidModelError, match="device="):
        resolve_device(name, plan_of())


def test_a_stationary_law_takes_no_card() -> None:
    """Closed forms are computed on the CPU, and asking for a card is refused."""
    spec = {"task": "stationary", **{name: SPEC[name] for name in ("model", "data")}, "temperature": 0.1}
    with pytest.raises(UnsupportedCombinationError, match="device="):
        solve(spec, device="cuda:0")


def test_what_runs_on_a_card() -> None:
    """Fixed clocks with increments, and one neuron by large batches; nothing else."""
    samples = SamplePairs(np.arange(5.0), np.arange(5.0))
    assert runs_on_card(plan_of())
    assert runs_on_card(plan_of(depth=0))
    assert runs_on_card(plan_of(dynamics=Sgd(0.01, 16), n_steps=10, duration=None))
    assert not runs_on_card(plan_of(dynamics=Sgf(0.1, scheme="taylor")))
    assert not runs_on_card(plan_of(dynamics=Sgd(0.01, 4), n_steps=10, duration=None))
    assert not runs_on_card(plan_of(dynamics=Sgd(0.01, 16, momentum=0.5), n_steps=10, duration=None))
    assert not runs_on_card(plan_of(dynamics=Sgd(0.01, 16), data=samples, n_steps=10, duration=None))


def test_launches_cover_all_samples_once() -> None:
    """Each launch goes on from the last sample of the one before, with few records and not too many steps."""
    times, places = np.arange(0, 4000, 40), np.where(np.arange(100) % 3 == 0, np.arange(100) // 3, -1)
    found = pieces(times, places, n_paths=MAX_LAUNCH // 1000, max_places=5)
    assert found[0][0] == 0
    assert found[-1][1] == times.size
    assert all(later[0] == earlier[1] - 1 for earlier, later in itertools.pairwise(found))
    for number, (first, stop) in enumerate(found):
        own = places[first + (number > 0) : stop]
        assert (own >= 0).sum() <= 5
        assert times[stop - 1] - times[first] <= 1000
