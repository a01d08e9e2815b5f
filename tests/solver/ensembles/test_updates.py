"""SGD and GD: deterministic limits, exact identities, discrete closed forms, and a brute-force peer."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.solver.ensembles.runs import final_states, result
from tests.support.statistics import assert_mean, assert_same_fraction, assert_variance

from equipoise_solver.ensembles import (
    Balanced,
    EnsemblePlan,
    GaussianPairs,
    Gd,
    Given,
    Normal,
    SamplePairs,
    Sgd,
)

SLOPE, NOISE_STD, INPUT_STD = 0.9, 0.6, 1.1
PAIRS = GaussianPairs(SLOPE, NOISE_STD, INPUT_STD)


def test_charge_identity_of_every_step() -> None:
    """C' - C = eta^2 g' A g for C = u^2 - w^2 at every step of every path, to 1e-12."""

    def at(n_steps: int) -> NDArray[np.float64]:
        return final_states(
            EnsemblePlan(
                depth=1,
                data=PAIRS,
                dynamics=Sgd(0.05, 2),
                n_paths=300,
                n_steps=n_steps,
                seed=4,
                init=Given(((0.4, 1.3),)),
            )
        )

    for n_steps in (1, 7, 40):
        (u, w), (u_next, w_next) = at(n_steps), at(n_steps + 1)
        change = (u_next**2 - w_next**2) - (u**2 - w**2)
        np.testing.assert_allclose(change, (u_next - u) ** 2 - (w_next - w) ** 2, atol=1e-12)
        assert np.max(np.abs(change)) > 1e-4


def test_weight_decay_damps_the_charge() -> None:
    """The charge of GD with decay follows C' = (1 - 2 eta gamma)^2 C + eta^2 g' A g."""
    eta, gamma = 0.05, 0.3
    for n_steps in (1, 6):
        (u, w), (u_next, w_next) = (
            final_states(
                EnsemblePlan(
                    depth=1,
                    data=PAIRS,
                    dynamics=Gd(eta, gamma),
                    n_paths=1,
                    n_steps=n,
                    seed=0,
                    init=Given(((0.4, 1.3),)),
                )
            )
            for n in (n_steps, n_steps + 1)
        )
        keep = 1 - 2 * eta * gamma
        gradient = np.array([keep * u - u_next, keep * w - w_next])
        expected = keep**2 * (u**2 - w**2) + gradient[0] ** 2 - gradient[1] ** 2
        np.testing.assert_allclose(u_next**2 - w_next**2, expected, rtol=1e-12)


def test_noiseless_batches_are_gradient_descent() -> None:
    """SGD by epoch with one batch per epoch is full-batch GD, up to the order of the sums."""
    x, y = np.linspace(-1, 2, 7), np.sin(np.arange(7.0))
    sgd, gd = (
        final_states(
            EnsemblePlan(
                depth=2,
                data=SamplePairs(x, y),
                dynamics=dynamics,
                n_paths=3,
                n_steps=50,
                seed=0,
                init=Balanced(0.3),
            )
        )
        for dynamics in (Sgd(0.1, 7, 0.01, 0.4, "epoch"), Gd(0.1, 0.01, 0.4))
    )
    np.testing.assert_allclose(sgd, gd, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 6, 40])
def test_linear_regression_follows_the_affine_recursion(batch_size: int, seed: int) -> None:
    """For depth 0 mean and variance after 30 steps are those of v' = v - 2 eta (A v - B), in closed form."""
    eta, n_steps, start, power = 0.02, 30, 2.0, INPUT_STD**2
    plan = EnsemblePlan(
        depth=0,
        data=PAIRS,
        dynamics=Sgd(eta, batch_size),
        n_paths=40_000,
        n_steps=n_steps,
        seed=seed,
        init=Balanced(start),
        n_records=1,
    )
    rate = 1 - 2 * eta * power
    square = 1 - 4 * eta * power + 4 * eta**2 * power**2 * (1 + 2 / batch_size)
    source = 4 * eta**2 * NOISE_STD**2 * power / batch_size
    mean = (start - SLOPE) * rate**n_steps
    second = square**n_steps * (start - SLOPE) ** 2 + source * (1 - square**n_steps) / (1 - square)
    v = final_states(plan)[0]
    assert_mean(v, SLOPE + mean, resolves=0.02)
    assert_variance(v, second - mean**2, resolves=0.12 * (second - mean**2))


def brute_force(
    rng: np.random.Generator, *, eta: float, batch_size: int, n_paths: int, n_steps: int
) -> NDArray[np.float64]:
    """v = u w after steps of SGD that draw every pair; k = s = 1, start u = w = 1, inf once exploded."""
    u = np.ones(n_paths)
    w = np.ones(n_paths)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(n_steps):
            x = rng.standard_normal((batch_size, n_paths))
            y = x + rng.standard_normal((batch_size, n_paths))
            slope = 2 * np.mean((u * w * x - y) * x, axis=0)
            u, w = u - eta * slope * w, w - eta * slope * u
        return np.nan_to_num(u * w, nan=np.inf, posinf=np.inf)


@pytest.mark.slow
@pytest.mark.parametrize(("eta", "batch_size"), [(0.05, 1), (0.1, 4), (0.2, 20)])
def test_two_layer_chain_agrees_with_brute_force(
    eta: float, batch_size: int, seed: int, rng: np.random.Generator
) -> None:
    """The law of v after 200 steps agrees with SGD that draws every pair, at its quantiles."""
    n_steps = 200
    plan = EnsemblePlan(
        depth=1,
        data=GaussianPairs(1.0, 1.0),
        dynamics=Sgd(eta, batch_size),
        n_paths=40_000,
        n_steps=n_steps,
        seed=seed,
        init=Balanced(1.0),
        n_records=1,
    )
    v = np.prod(final_states(plan), axis=0)
    peer = brute_force(rng, eta=eta, batch_size=batch_size, n_paths=12_000, n_steps=n_steps)
    for level in (0.05, 0.3, 0.6, 0.9, 0.99):
        assert_same_fraction(v, peer, float(np.quantile(peer, level)), resolves=0.06)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("eta", "batch_size", "mean", "variance"),
    [(0.05, 1, 0.924, 0.139), (0.1, 4, 0.963, 0.0708), (0.2, 16, 0.976, 0.0456)],
)
def test_two_layer_chain_has_the_moments_of_its_transfer_operator(
    eta: float, batch_size: int, mean: float, variance: float, seed: int
) -> None:
    """Mean and variance are those that a transfer operator gives for v' = v (1 - 2 eta m)^2."""
    plan = EnsemblePlan(
        depth=1,
        data=GaussianPairs(1.0, 1.0),
        dynamics=Sgd(eta, batch_size),
        n_paths=8192,
        n_steps=1500,
        seed=seed,
        burn_in=0.3,
        n_records=20,
    )
    found = result(plan)
    assert abs(found.mean - mean) <= 0.002 + 5 * found.standard_error
    assert abs(found.variance - variance) <= 0.01 * variance + 5 * found.variance_standard_error
    assert 9.75 * found.standard_error + 0.004 < 0.012  # Resolves the SDE's mean, which is 0.01 away.


def test_explosions_are_counted_and_left_out() -> None:
    """At a large learning rate many paths explode: they are counted, shown and kept out of the averages."""
    plan = EnsemblePlan(
        depth=1,
        data=GaussianPairs(1.0, 1.0),
        dynamics=Sgd(0.3, 1),
        n_paths=512,
        n_steps=40,
        seed=1,
        n_records=10,
        observables=("value", "norm"),
    )
    found = result(plan)
    series = found.observables["value"]
    assert 100 < found.n_diverged < 512
    assert found.n_averaged == 512 - found.n_diverged
    assert found.path_steps < 512 * 40
    assert np.isfinite([found.mean, found.variance]).all()
    assert (np.diff(series.count) <= 0).all()
    assert series.count[-1] == found.n_averaged
    assert len(found.lost) == 16
    assert all(0 < lost.steps <= 40 for lost in found.lost)
    assert str(found.n_diverged) in found.notes[0]


@pytest.mark.parametrize("depth", [1, 2])
def test_escaping_paths_do_not_swamp_the_series(depth: int) -> None:
    """Series hold no sample beyond the bound, from which 1 in 10^4 paths at most would have come back."""
    plan = EnsemblePlan(
        depth=depth,
        data=GaussianPairs(1.0, 1.0),
        dynamics=Sgd(0.15, 1),
        n_paths=4096,
        n_steps=400,
        seed=1,
        observables=("value",),
    )
    found = result(plan)
    bound = plan.scheme.bound
    growth = 2 * 0.15 * (depth + 1) * bound ** (2 * depth / (depth + 1))
    assert growth == pytest.approx(1e4)
    assert found.n_diverged > 100
    series = found.observables["value"]
    assert (np.abs(series.mean) < 0.01 * bound).all()
    assert all(lost.value is None or abs(lost.value) >= bound for lost in found.lost)
    assert f"{bound:.3g}" in found.notes[0]


def test_linear_regression_has_no_escape_by_size() -> None:
    """For depth 0 the growth does not depend on v: only the farthest bound counts."""
    plan = EnsemblePlan(
        depth=0, data=PAIRS, dynamics=Sgd(0.1), n_paths=8, n_steps=20, seed=1, init=Balanced(1e20)
    )
    assert plan.scheme.bound == 1e30
    assert result(plan).n_diverged == 0


def test_normal_starts_have_their_moments(seed: int) -> None:
    """Normal starts have mean 0 and their variance in every parameter; the first record shows it."""
    plan = EnsemblePlan(
        depth=2,
        width=2,
        data=PAIRS,
        dynamics=Gd(1e-300),
        n_paths=20_000,
        n_steps=1,
        seed=seed,
        init=Normal(0.7),
        observables=("norm",),
    )
    theta = final_states(plan)
    for row in theta:
        assert_mean(row, 0.0, resolves=0.05)
        assert_variance(row, 0.49, resolves=0.06)
    assert_mean(theta[0] * theta[1], 0.0, resolves=0.04)
    assert result(plan).observables["norm"].mean[0] == pytest.approx(
        np.mean((theta**2).sum(axis=0)), rel=1e-12
    )


@pytest.mark.parametrize("batch_size", [1, 5, 15])
@pytest.mark.parametrize("gamma", [0.0, 0.2])
def test_one_neuron_is_the_general_update(batch_size: int, gamma: float) -> None:
    """Written out or general (forced by a momentum of 1e-300), the update moves as the same batches say."""
    plans = [
        EnsemblePlan(
            depth=1,
            data=PAIRS,
            dynamics=Sgd(0.05, batch_size, gamma, momentum),
            n_paths=600,
            n_steps=25,
            seed=9,
            init=Given(((0.4, 1.1),)),
        )
        for momentum in (0.0, 1e-300)
    ]
    assert [plan.scheme.name for plan in plans] == ["two_layer_update", "product_update"]
    own, general = (final_states(plan) for plan in plans)
    # The order of roundings differs, and 25 updates of size 0.05 enlarge a difference by less than 100.
    np.testing.assert_allclose(own, general[:2], rtol=0, atol=1e-12)
    assert (own != general[:2]).any()


@pytest.mark.parametrize("batch_size", [1, 17])
def test_escaped_paths_are_frozen_with_their_steps(batch_size: int) -> None:
    """Paths beyond the bound stop, their updates are counted, alike for one neuron and in general."""
    rate = {1: 0.3, 17: 0.9}[batch_size]
    found = [
        result(
            EnsemblePlan(
                depth=1,
                data=GaussianPairs(1.0, 1.0),
                dynamics=Sgd(rate, batch_size, momentum=momentum),
                n_paths=1000,
                n_steps=61,
                seed=1,
                n_records=10,
            )
        )
        for momentum in (0.0, 1e-300)
    ]
    for each in found:
        assert each.n_diverged > 50
        assert 0 < each.path_steps < 61 * 1000
        assert all(0 < lost.steps <= 61 for lost in each.lost)
        assert len({lost.steps for lost in each.lost}) > 1
        assert all(lost.value is not None and abs(lost.value) >= 1 for lost in each.lost)
    if batch_size == 1:  # The same batches: the same paths are lost, after the same updates.
        own, general = ([(lost.path, lost.steps) for lost in each.lost] for each in found)
        assert own == general
        assert found[0].n_diverged == found[1].n_diverged
        assert found[0].path_steps == found[1].path_steps


def test_updates_stop_where_the_state_says(seed: int) -> None:
    """A frozen path's state is that of the reference after its counted updates, and the first beyond."""
    plan = EnsemblePlan(
        depth=1, data=GaussianPairs(1.0, 1.0), dynamics=Sgd(0.3, 1), n_paths=512, n_steps=40, seed=seed
    )
    lost = result(plan).lost[0]
    bound = plan.scheme.bound
    at = {
        n: float(
            np.prod(
                final_states(
                    EnsemblePlan(
                        depth=1,
                        data=GaussianPairs(1.0, 1.0),
                        dynamics=Sgd(0.3, 1),
                        n_paths=512,
                        n_steps=n,
                        seed=seed,
                    )
                )[:, lost.path]
            )
        )
        for n in (max(1, lost.steps - 1), lost.steps, 40)
    }
    assert abs(at[lost.steps]) >= bound
    assert at[40] == at[lost.steps] == pytest.approx(lost.value)
    if lost.steps > 1:
        assert abs(at[lost.steps - 1]) < bound
