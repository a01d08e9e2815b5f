"""Starts, divergence, cards and what is said about the numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from tests.solver.networks.training.ensembles import final_rows, run, train

from equipoise_solver.errors import UnsupportedCombinationError
from equipoise_solver.networks import GaussianTeacher, LinearNetwork, Pairs
from equipoise_solver.networks.initial import initial_parameters
from equipoise_solver.networks.parameters import flatten
from equipoise_solver.networks.training import (
    Gd,
    Given,
    Named,
    Sgd,
    Sgf,
    TrainingPlan,
    advance,
    begin,
    finish,
)
from equipoise_solver.networks.training.starts import initial_rows

pytestmark = pytest.mark.slow


def _plan(rng: np.random.Generator, name: str = "mlp tanh") -> TrainingPlan:
    network = NETWORKS[name]
    return TrainingPlan(
        network=network,
        data=random_pairs(network, rng, n=12),
        dynamics=Sgd(0.01, 2),
        n_paths=3,
        seed=5,
        n_steps=6,
        n_records=3,
        n_snapshots=3,
    )


def test_networks_start_where_they_are_told(rng: np.random.Generator) -> None:
    """Each path draws its own start, or all take that of path 0, or the one given."""
    plan = _plan(rng)
    network = plan.network
    drawn = [initial_parameters(network, "xavier", seed=5, path=path, scale=0.5) for path in range(3)]
    flat = np.stack([flatten(each, network.blocks).numpy() for each in drawn])
    own = initial_rows(replace(plan, initial=Named("xavier", 0.5)))
    assert own.shape == (1, 16, plan.n_parameters)
    assert np.array_equal(own[0, :3], flat)
    common = initial_rows(replace(plan, initial=Named("xavier", 0.5, is_common=True)))
    assert np.array_equal(common[0, :3], np.tile(flat[0], (3, 1)))
    given = random_parameters(network, rng)
    rows = initial_rows(replace(plan, initial=Given({name: v.numpy() for name, v in given.items()})))
    assert np.array_equal(rows[0, 1], flatten(given, network.blocks).numpy())


def test_networks_start_at_a_global_minimum(rng: np.random.Generator) -> None:
    """Every path starts in a gauge of its own at the same, smallest loss."""
    eye = torch.eye(3, dtype=torch.float64)
    teacher = GaussianTeacher(torch.from_numpy(rng.standard_normal((3, 3))), eye, 0.1 * eye)
    plan = TrainingPlan(
        network=LinearNetwork((3, 4, 3)),
        data=teacher,
        dynamics=Sgd(1e-9),
        n_paths=3,
        seed=1,
        n_steps=1,
        initial=Named("global_minimum"),
        n_snapshots=3,
    )
    assert train(plan).snapshots["loss"][:, 0] == pytest.approx([0.3] * 3, rel=1e-10)
    rows = initial_rows(plan)[0]
    assert np.abs(rows[0] - rows[1]).max() > 0.01


def test_diverged_networks_are_counted_and_left_out() -> None:
    """(w - y)^2 with eta = 1.5 doubles the gap at every step: those that start away from y are lost."""
    network = LinearNetwork((1, 1))
    one = torch.ones((1, 1), dtype=torch.float64)
    plan = TrainingPlan(
        network=network,
        data=Pairs(one, one),
        dynamics=Gd(1.5),
        n_paths=2,
        seed=0,
        n_steps=400,
        observables=("norm",),
        n_records=4,
        n_snapshots=2,
    )
    # One network of a group starts at its minimum, and stays.
    start = begin(plan)
    arrays = dict(start.arrays)
    arrays["parameters"] = np.full_like(arrays["parameters"], 0.9)
    arrays["parameters"][0, 1] = 1.0
    checkpoint = replace(start, arrays=arrays)
    while not checkpoint.is_done:
        checkpoint = advance(plan, checkpoint, budget=1)
    result = finish(plan, checkpoint)
    assert result.n_diverged == 1
    assert [(lost.path, lost.steps) for lost in result.lost] == [(0, 200)]
    assert result.observables["norm"].count.tolist() == [2, 2, 1, 1, 1]
    assert result.observables["norm"].mean[2:].tolist() == [1.0, 1.0, 1.0]
    assert np.isnan(result.observables["norm"].standard_error[2:]).all()
    assert np.isnan(result.snapshots["norm"][0, 2:]).all()
    assert np.isnan(result.parameters["W1"][0]).all()
    assert result.parameters["W1"][1].item() == 1.0
    assert "1 of 2 networks diverged" in result.notes[0]


@pytest.mark.parametrize("name", ["mlp relu", "net b"])
def test_when_all_diverge_the_run_ends_with_that(name: str, rng: np.random.Generator) -> None:
    """A learning rate far too large loses every network; there is no mean, and no error."""
    plan = replace(
        _plan(rng, name), dynamics=Sgd(1e4, 2, 1.0), n_steps=300, observables=("loss", "noise_trace", "norm")
    )
    result = train(plan)
    assert result.n_diverged == 3
    assert result.observables["loss"].count[-1] == 0
    assert np.isnan(result.observables["loss"].mean[-1])


def test_a_card_that_is_not_there_is_refused(rng: np.random.Generator) -> None:
    """A device that torch does not see is named, with those it does."""
    plan = _plan(rng)
    with pytest.raises(UnsupportedCombinationError) as caught:
        advance(plan, begin(plan), budget=1, device="cuda:99")
    assert caught.value.field == "device"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_a_card_agrees_with_the_processor(rng: np.random.Generator) -> None:
    """All networks at once on a card end where those on a CPU do, to rounding."""
    for name in ("mlp tanh", "net b"):
        plan = replace(_plan(rng, name), n_paths=40, n_steps=50)
        checkpoint = begin(plan)
        while not checkpoint.is_done:
            checkpoint = advance(plan, checkpoint, budget=1, device="cuda:0")
        rows = checkpoint.arrays["parameters"].reshape(-1, plan.n_parameters)[:40]
        assert np.abs(rows - final_rows(plan)).max() < 1e-10


def test_work_that_is_left_has_no_result(rng: np.random.Generator) -> None:
    """A checkpoint that is not done is refused."""
    plan = _plan(rng)
    with pytest.raises(ValueError, match="advance it"):
        finish(plan, begin(plan))


def test_notes_say_what_the_numbers_are(rng: np.random.Generator) -> None:
    """Samples left out, estimates, noise left out, and the scheme."""
    plan = _plan(rng)
    wide = replace(_plan(rng, "attention"), observables=("sharpness", "noise_trace"), n_observed=5)
    notes = train(replace(wide, dynamics=Sgd(0.01, 2, label_noise=0.1), n_records=1)).notes
    assert any("5 fixed samples out of 12" in note for note in notes)
    assert any("leave out the noise that is added to labels" in note for note in notes)
    flow = replace(plan, dynamics=Sgf(0.01, 0.1), n_steps=None, duration=0.5)
    assert any("weak order 1" in note for note in train(flow).notes)
    assert train(plan).notes == ()


def test_checkpoints_show_how_far_they_are(rng: np.random.Generator) -> None:
    """The mean shown is that of the first observable at the last record, and nothing diverged."""
    plan = _plan(rng)
    live = run(plan).live
    assert live["n_diverged"] == 0
    assert live["path_steps"] == 18
    assert live["mean"] == pytest.approx(float(train(plan).observables["loss"].mean[-1]))
