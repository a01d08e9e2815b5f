"""The two-layer chain for Gaussian data: its fixed point, its ends, and simulation sample by sample."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.polynomial import hermite_e
from scipy.special import roots_genlaguerre
from tests.solver.theory.discrete.chains import Array, minibatches, simulated
from tests.support.statistics import assert_fraction, assert_law, assert_mean

from equipoise_solver.theory import stationary_law
from equipoise_solver.theory.discrete import (
    DiscreteLaw,
    GaussianData,
    SampleData,
    Training,
    critical_line,
    discrete_law,
    lyapunov_exponent,
)
from equipoise_solver.theory.discrete.data import Data
from equipoise_solver.theory.discrete.minibatch import GaussianDisplacement
from equipoise_solver.theory.discrete.panels import Panels
from equipoise_solver.theory.discrete.transfer import gaussian_transfer, leading
from equipoise_solver.theory.discrete.two_layer import LogCoordinate

EXAMPLE = GaussianData(1.0, 1.0)
OTHER = GaussianData(0.7, 1.3, 1.1)


def _law(data: Data, learning_rate: float, batch_size: int, weight_decay: float = 0.0) -> DiscreteLaw:
    return discrete_law(
        data, depth=1, learning_rate=learning_rate, batch_size=batch_size, weight_decay=weight_decay
    )


@pytest.mark.parametrize(
    ("learning_rate", "batch_size", "mean", "variance"),
    [(0.05, 1, 0.923, 0.139), (0.1, 4, 0.963, 0.0709), (0.2, 16, 0.977, 0.0455)],
)
def test_moments_of_the_example_are_those_of_long_simulations(
    learning_rate: float, batch_size: int, mean: float, variance: float
) -> None:
    """Three digits of mean and variance measured in long runs of SGD, k = s = 1."""
    law = _law(EXAMPLE, learning_rate, batch_size)
    assert law.mean == pytest.approx(mean, abs=6e-4)
    assert law.variance == pytest.approx(variance, abs=4e-4)


@pytest.mark.parametrize(
    ("data", "learning_rate", "batch_size", "weight_decay"),
    [
        (EXAMPLE, 0.05, 1, 0.0),
        (OTHER, 0.03, 1, 0.2),
        (OTHER, 0.05, 2, 0.0),
        (EXAMPLE, 0.1, 4, 0.0),
        (OTHER, 0.08, 9, 0.1),
        (EXAMPLE, 0.2, 40, 0.0),
        (OTHER, 0.01, 64, 0.1),
    ],
)
def test_law_is_kept_by_a_step(
    data: GaussianData, learning_rate: float, batch_size: int, weight_decay: float
) -> None:
    """E f(V') = E f(V) for f = v exp(-v^2/4) and v/(4 + v^2), a step being integrated over A and the noise.

    The quadrature is Gauss-Laguerre over chi-square times Gauss-Hermite, which knows nothing of the closed
    form of the kernel.
    """
    law = _law(data, learning_rate, batch_size, weight_decay)
    run = Training(learning_rate, batch_size, weight_decay)
    power, weight = roots_genlaguerre(60, batch_size / 2 - 1)
    normal, share = hermite_e.hermegauss(60)
    weights = np.outer(weight / weight.sum(), share / share.sum())
    squares = (data.input_std**2 * 2 * power / batch_size)[:, None]
    spread = data.noise_std * np.sqrt(squares / batch_size)

    def stepped(v: float) -> Array:
        residual = squares * (v - data.slope) + spread * normal
        result: Array = v * (run.retention - 2 * learning_rate * residual) ** 2
        return result

    def after(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
        return lambda v: np.array([float(np.sum(weights * function(stepped(float(u))))) for u in v])

    functions: tuple[Callable[[Array], Array], ...] = (
        lambda v: v * np.exp(-v * v / 4),
        lambda v: v / (4 + v * v),
    )
    for function in functions:
        before = law.expectation(function)
        assert before is not None
        # What lies above the ceiling, or passes it, is of the size of the explosion rate.
        allowed = 1e-8 + 10 * law.mass_above_ceiling
        assert law.expectation(after(function)) == pytest.approx(before, abs=allowed)


@pytest.mark.parametrize(("learning_rate", "batch_size"), [(0.3, 1), (0.3, 2), (0.5, 4), (0.2, 16)])
def test_refined_panels_change_nothing_beyond_8_digits(learning_rate: float, batch_size: int) -> None:
    """The chain on an unrelated, finer grid that ends elsewhere has the same rate, mean and variance."""
    law = _law(EXAMPLE, learning_rate, batch_size)
    assert law.ceiling is not None
    rim = math.log(law.ceiling)
    edges = np.concatenate([np.arange(-80, -20, 6.0), np.arange(-20, -4, 1.6), np.linspace(-4, rim, 24)])
    panels = Panels(np.unique(np.concatenate([edges, np.arange(rim, rim + 60 / batch_size, 1.3)])))
    displacement = GaussianDisplacement.of(EXAMPLE, Training(learning_rate, batch_size))
    assert law.lower_exponent is not None
    fine = leading(gaussian_transfer(panels, LogCoordinate(1.0), displacement, tail_rate=law.lower_exponent))
    own = panels.nodes < rim
    v, masses = np.exp(panels.nodes[own]), fine.masses[own]
    mean = float(masses @ v) / float(masses.sum() + fine.below)
    variance = float(masses @ v**2) / float(masses.sum() + fine.below) - mean**2
    assert law.mean == pytest.approx(mean, rel=1e-8)
    assert law.variance == pytest.approx(variance, rel=1e-8)
    # The finer grid ends higher for one sample, where a return has a chance of 1e-10.
    assert law.explosion_rate == pytest.approx(fine.loss, rel=1e-7)


@pytest.mark.parametrize(("learning_rate", "batch_size", "n_steps"), [(0.25, 1, 60), (0.4, 4, 50)])
def test_simulated_sgd_follows_the_chain_and_not_the_sde(
    learning_rate: float, batch_size: int, n_steps: int, rng: np.random.Generator
) -> None:
    """Runs below the ceiling have the chain's distribution function; the SDE's is off by many bounds."""
    run = Training(learning_rate, batch_size, 0.0)
    v = simulated(EXAMPLE, run, depth=1, start=0.5, n_paths=150_000, n_steps=n_steps, rng=rng)
    law = _law(EXAMPLE, learning_rate, batch_size)
    assert law.ceiling is not None
    v = np.sort(v[v < law.ceiling])
    assert_law(v, law.cdf(v), resolves=0.025, bias=1e-3)
    continuous = stationary_law(EXAMPLE.moments(), depth=1, temperature=run.temperature)
    bound = math.sqrt(math.log(2e6) / (2 * v.size))
    assert float(np.max(np.abs(continuous.cdf(v) - np.arange(v.size) / v.size))) > 5 * bound


@pytest.mark.parametrize(("learning_rate", "batch_size"), [(0.25, 1), (0.4, 4)])
def test_explosions_come_at_the_computed_rate(
    learning_rate: float, batch_size: int, rng: np.random.Generator
) -> None:
    """Of the runs that survive 40 steps, (1 - rate)^40 survive 40 more."""
    run = Training(learning_rate, batch_size, 0.0)
    law = _law(EXAMPLE, learning_rate, batch_size)
    assert law.explosion_rate is not None
    n, steps = 200_000, 40
    first = simulated(EXAMPLE, run, depth=1, start=0.5, n_paths=n, n_steps=steps, rng=rng)
    alive = first[np.isfinite(first)]
    later = simulated(EXAMPLE, run, depth=1, start=alive, n_paths=alive.size, n_steps=steps, rng=rng)
    survivors = int(np.count_nonzero(np.isfinite(later)))
    exact = (1 - law.explosion_rate) ** steps
    assert_fraction(survivors, alive.size, exact, resolves=0.02, bias=1e-3)
    assert law.expected_steps_to_explosion == pytest.approx(1 / law.explosion_rate)


def test_lower_tail_is_the_stated_power(rng: np.random.Generator) -> None:
    """P(V < v) ~ v^s where s solves E|1 + 2 eta B|^(-2 s) = 1 - explosion rate, by samples of B."""
    data = GaussianData(0.2, 1.0)
    first = critical_line(data, batch_size=1).learning_rates[0]
    for share, digits in ((0.5, 3e-4), (0.8, 1e-7)):
        law = _law(data, share * first, 1)
        assert law.lower_exponent is not None
        # Between the two the density is that of the panels; corrections are of size v**(1/2 - s).
        below = law.cdf([1e-24, 1e-16])
        assert math.log10(below[1] / below[0]) / 8 == pytest.approx(law.lower_exponent, rel=digits)
    # The power has a variance while 4 s < 1.
    _, products = minibatches(data, 1, 1_000_000, rng)
    power = np.abs(1 + 2 * 0.8 * first * products) ** (-2 * float(law.lower_exponent or 0))
    assert_mean(power, 1.0 - float(law.explosion_rate or 0), resolves=3e-3)


def test_learning_vanishes_linearly_at_the_critical_line() -> None:
    """The mean is proportional to the Lyapunov exponent next to the line, and the phase turns sparse."""
    data = GaussianData(0.2, 1.0)
    first = critical_line(data, batch_size=1).learning_rates[0]
    ratios = []
    for off in (1e-3, 1e-4, 1e-6):
        law = _law(data, first * (1 - off), 1)
        assert law.phase == "learning"
        assert law.mean is not None
        ratios.append(law.mean / law.lyapunov_exponent)
    assert ratios[1] == pytest.approx(ratios[2], rel=1e-3)
    assert ratios[0] == pytest.approx(ratios[2], rel=1e-2)
    sparse = _law(data, first * (1 + 1e-6), 1)
    assert sparse.phase == "sparse"
    assert sparse.lyapunov_exponent < 0
    assert (sparse.mean, sparse.variance, sparse.explosion_rate) == (0.0, 0.0, 0.0)
    assert sparse.atoms[0].at == 0.0
    assert math.isinf(sparse.expected_steps_to_explosion or 0)


def test_mirrored_data_have_the_mirrored_law() -> None:
    """y -> -y maps v to -v."""
    law, mirrored = _law(OTHER, 0.05, 2), _law(OTHER.mirrored(), 0.05, 2)
    v = np.array([-0.3, 0.2, 0.6, 1.4])
    np.testing.assert_allclose(mirrored.pdf(-v), law.pdf(v), rtol=1e-12)
    np.testing.assert_allclose(mirrored.cdf(-v), 1 - law.cdf(v), atol=1e-13)
    np.testing.assert_allclose(mirrored.quantile([0.1, 0.8]), -law.quantile([0.9, 0.2]), rtol=1e-9)
    assert mirrored.mean == pytest.approx(-float(law.mean or 0), rel=1e-14)
    assert mirrored.support == (-law.support[1], -law.support[0])


def test_density_cdf_and_quantiles_belong_together() -> None:
    """The cdf is the integral of the density and the quantile its inverse."""
    law = _law(OTHER, 0.05, 2)
    v = np.linspace(0.05, 2.0, 40_001)
    area = np.concatenate([[0.0], np.cumsum(0.5 * (law.pdf(v)[1:] + law.pdf(v)[:-1]) * np.diff(v))])
    np.testing.assert_allclose(area, law.cdf(v) - law.cdf(v[0]), atol=1e-7)
    q = np.array([1e-6, 0.1, 0.5, 0.99])
    np.testing.assert_allclose(law.cdf(law.quantile(q)), q, rtol=1e-9)
    assert np.isnan(law.quantile(1.5))
    assert law.pdf([-1.0, 0.0]) == pytest.approx([0, 0])


def test_the_chain_tends_to_the_sde_at_small_steps() -> None:
    """At T = eta the differences of mean and variance shrink in proportion to eta, relative to T."""
    gaps = []
    for learning_rate in (4e-3, 2e-3, 1e-3):
        law = _law(EXAMPLE, learning_rate, 1)
        continuous = stationary_law(EXAMPLE.moments(), depth=1, temperature=learning_rate)
        assert law.variance is not None
        assert continuous.variance is not None
        gaps.append(law.variance / continuous.variance - 1)
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.05)
    assert gaps[1] / gaps[2] == pytest.approx(2, rel=0.03)


def test_noiseless_networks_end_where_the_noise_vanishes() -> None:
    """y = k x: at small steps v = 0 repels and k attracts."""
    for data in (GaussianData(-0.8, 0.0), SampleData.from_lists([1.0, 0.5], [-0.8, -0.4])):
        law = _law(data, 0.05, 2)
        assert law.phase == "interpolating"
        assert law.lyapunov_exponent == pytest.approx(
            lyapunov_exponent(data, learning_rate=0.05, batch_size=2), rel=1e-14
        )
        (atom,) = law.atoms
        assert atom.at == pytest.approx(-0.8)
        assert atom.mass == 1.0
