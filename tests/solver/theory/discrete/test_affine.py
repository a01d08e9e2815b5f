"""Linear regression at finite step: closed forms, exactly known laws, and simulation sample by sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.solver.theory.discrete.chains import few_points, simulated
from tests.support.statistics import assert_law, assert_mean, assert_variance

from equipoise_solver.theory import stationary_law
from equipoise_solver.theory.discrete import (
    GaussianData,
    SampleData,
    Training,
    affine_moments,
    discrete_law,
)

GAUSSIAN = GaussianData(0.7, 1.3, 1.1)


@pytest.mark.parametrize(
    ("learning_rate", "batch_size", "weight_decay"),
    [(0.02, 1, 0.0), (0.05, 1, 0.3), (0.1, 16, 0.0), (0.4, 200, 0.1), (0.001, 1, 0.0)],
)
def test_quadrature_of_the_gaussian_law_has_the_closed_moments(
    learning_rate: float, batch_size: int, weight_decay: float
) -> None:
    """Mean and variance of the density by the transfer operator are those of the recursion."""
    law = discrete_law(
        GAUSSIAN, depth=0, learning_rate=learning_rate, batch_size=batch_size, weight_decay=weight_decay
    )
    closed = affine_moments(GAUSSIAN.moments(), Training(learning_rate, batch_size, weight_decay))
    assert closed.variance is not None
    mean = law.expectation(lambda v: v)
    spread = law.expectation(lambda v: (v - closed.mean) ** 2)
    assert mean == pytest.approx(closed.mean, abs=1e-9 * math.sqrt(closed.variance))
    assert spread == pytest.approx(closed.variance, rel=1e-8)
    assert (law.mean, law.variance) == (closed.mean, closed.variance)


@pytest.mark.parametrize(("learning_rate", "batch_size"), [(0.15, 1), (0.25, 3)])
def test_gaussian_law_is_that_of_simulated_sgd(
    learning_rate: float, batch_size: int, rng: np.random.Generator
) -> None:
    """The distribution function within its 1e-6 bound, while the SDE's law is told apart."""
    run = Training(learning_rate, batch_size, 0.05)
    v = simulated(GAUSSIAN, run, depth=0, start=0.7, n_paths=150_000, n_steps=100, rng=rng)
    law = discrete_law(
        GAUSSIAN, depth=0, learning_rate=learning_rate, batch_size=batch_size, weight_decay=0.05
    )
    v = np.sort(v)
    # Twice the 1e-6 bound is what the sample resolves; the transient is below exp(-100*0.2).
    assert_law(v, law.cdf(v), resolves=0.02, bias=1e-7)
    continuous = stationary_law(
        GAUSSIAN.moments(), depth=0, temperature=learning_rate / batch_size, weight_decay=0.05
    )
    bound = math.sqrt(math.log(2e6) / (2 * v.size))
    assert float(np.max(np.abs(continuous.cdf(v) - np.arange(v.size) / v.size))) > 2 * bound


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_moments_of_empirical_data_are_those_of_simulated_sgd(
    batch_size: int, rng: np.random.Generator
) -> None:
    """Closed mean and variance against drawing indices, for all minibatches and for few atoms."""
    data, run = few_points(), Training(0.05, batch_size, 0.1)
    v = simulated(data, run, depth=0, start=0.6, n_paths=100_000, n_steps=120, rng=rng)
    law = discrete_law(data, depth=0, learning_rate=0.05, batch_size=batch_size, weight_decay=0.1)
    assert law.mean is not None
    assert law.variance is not None
    deviation = math.sqrt(law.variance)
    assert_mean(v, law.mean, resolves=0.04 * deviation, bias=1e-6 * deviation)
    assert_variance(v, law.variance, resolves=0.07 * law.variance, bias=1e-6 * law.variance)
    assert law.expectation(lambda u: u) == pytest.approx(law.mean, abs=1e-11)
    mean = law.mean
    assert law.expectation(lambda u: (u - mean) ** 2) == pytest.approx(law.variance, rel=1e-9)
    v = np.sort(v)
    assert_law(v, law.cdf(v), resolves=0.03, bias=2e-3)


def test_halving_map_gives_the_uniform_law() -> None:
    """x^2 = 1, xy = +-1, eta = 1/4: v' = v/2 +- 1/2 with equal odds, whose law is uniform on (-1, 1)."""
    law = discrete_law(SampleData.from_lists([1, 1], [1, -1]), depth=0, learning_rate=0.25, batch_size=1)
    v = np.linspace(-0.99, 0.99, 67)
    np.testing.assert_allclose(law.cdf(v), (v + 1) / 2, atol=2e-5)
    assert law.variance == pytest.approx(1 / 3, rel=1e-14)
    assert law.expectation(lambda u: u**6) == pytest.approx(1 / 7, rel=1e-12)
    assert law.expectation(np.cos) == pytest.approx(math.sin(1.0), rel=1e-12)
    assert law.support == pytest.approx((-1, 1), rel=1e-9)


def test_third_map_gives_the_cantor_law() -> None:
    """eta = 1/3: v' = v/3 +- 2/3, whose law is Cantor's: flat over each gap, and no density."""
    law = discrete_law(SampleData.from_lists([1, 1], [1, -1]), depth=0, learning_rate=1 / 3, batch_size=1)
    gaps = np.array([-0.3, 0.0, 0.3, 7 / 9 - 0.1, 5 / 9 + 0.01, -7 / 9 + 0.1])
    np.testing.assert_allclose(law.cdf(gaps), [0.5, 0.5, 0.5, 0.75, 0.75, 0.25], atol=1e-5)
    assert law.variance == pytest.approx(0.5, rel=1e-14)
    # The law is that of sum_k 3^-k 2 B_k: its transform is a product of cosines.
    exact = math.prod(math.cos(2 * 3.0**-k) for k in range(1, 40))
    assert law.expectation(np.cos) == pytest.approx(exact, rel=1e-11)
    assert any("fractal" in note for note in law.notes)


@pytest.mark.parametrize(("learning_rate", "scale"), [(0.2, 1.0), (0.3, 1.0), (0.6, 0.9)])
def test_tails_fall_with_the_kesten_exponent(learning_rate: float, scale: float) -> None:
    """P(V > v) v^kappa levels off far out, on both sides together."""
    law = discrete_law(GaussianData(0.7, 1.3, scale), depth=0, learning_rate=learning_rate, batch_size=1)
    kappa = law.kesten_exponent
    assert kappa is not None
    far = np.array([1.0, 10.0]) * float(law.quantile(1 - 1e-6))
    outside = 1 - law.cdf(far) + law.cdf(-far)
    assert -math.log10(outside[1] / outside[0]) == pytest.approx(kappa, rel=2e-3)
    assert law.tail_exponent == -1 - kappa
    assert (law.variance is None) == (kappa <= 2)


def test_bounded_data_have_a_bounded_law_where_the_sde_has_power_tails() -> None:
    """While 0 <= 2 eta A <= 2 always, |M| <= 1: no Kesten exponent, and the support is an interval."""
    data = few_points()
    law = discrete_law(data, depth=0, learning_rate=0.05, batch_size=1)
    continuous = stationary_law(data.moments(), depth=0, temperature=0.05)
    assert law.kesten_exponent is None
    assert continuous.tail_exponent is not None
    low, high = law.support
    ratios = data.y / data.x
    # v moves towards y_i/x_i of the sample drawn, so it ends between the least and the greatest of them.
    assert float(ratios.min()) - 1e-9 <= low < high <= float(ratios.max()) + 1e-9
    assert float(law.cdf(low)) == pytest.approx(0, abs=1e-6)
    assert float(law.cdf(high)) == 1.0


def test_steps_beyond_stability_have_no_law() -> None:
    """E log|M| > 0: the answer is divergent, without moments, and cdf is unknown."""
    law = discrete_law(few_points(), depth=0, learning_rate=3.0, batch_size=2)
    assert law.phase == "divergent"
    assert law.lyapunov_exponent > 0
    assert (law.mean, law.variance, law.explosion_rate, law.density) == (None, None, None, None)
    assert law.expected_steps_to_explosion is None
    assert np.isnan(law.cdf(0.0))


def test_noiseless_regression_stays_at_its_solution() -> None:
    """y = k x: all mass at k while E log|1 - 2 eta A| < 0."""
    for data in (GaussianData(-0.6, 0.0), SampleData.from_lists([1.0, 2.0], [-0.6, -1.2])):
        law = discrete_law(data, depth=0, learning_rate=0.1, batch_size=2)
        assert law.phase == "interpolating"
        assert law.mean == pytest.approx(-0.6, rel=1e-15)
        assert law.variance == 0.0
        assert law.cdf([-0.61, -0.59]) == pytest.approx([0, 1])
