"""Moments of the factor of a step: against closed forms and 20-digit quadrature."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest

from equipoise_solver.theory.discrete import GaussianData, Training
from equipoise_solver.theory.discrete.growth import Factor
from equipoise_solver.theory.discrete.minibatch import GaussianDisplacement

CASES = [
    (0.7, 1, 0.7, 1.3, 0.1),
    (0.5, 4, 1.0, 2.0, 0.0),
    (2.0, 16, 0.2, 2.0, 0.02),
]


def _gaussian(eta: float, size: int, slope: float, noise: float, decay: float) -> tuple[Factor, Training]:
    run = Training(eta, size, decay)
    return Factor.of_gaussian(
        GaussianDisplacement.of(GaussianData(slope, noise), run), 0.0, run.retention
    ), run


@pytest.mark.parametrize("case", CASES)
def test_mean_logarithm_has_12_digits(case: tuple[float, int, float, float, float]) -> None:
    """E log|delta + 2 eta B|: the mean over A of the closed form of E log|N(mu, sigma^2)|, by mpmath."""
    eta, size, slope, noise, _ = case
    factor, run = _gaussian(*case)
    with mp.workdps(20):
        half = mp.mpf(size) / 2

        def integrand(w: mp.mpf) -> mp.mpf:
            mu = run.retention + 2 * eta * slope * w / size
            sigma = 2 * eta * noise * mp.sqrt(w) / size
            z = mu**2 / (2 * sigma**2)
            mean = mp.log(sigma) - (mp.euler + mp.log(2)) / 2
            mean += z * mp.hyp2f2(1, 1, mp.mpf(3) / 2, 2, -z)
            return w ** (half - 1) * mp.exp(-w / 2) / (2**half * mp.gamma(half)) * mean

        exact = mp.quad(integrand, [0, 0.1, 1, 3, 10, 30, 100])
    assert factor.mean_log() == pytest.approx(float(exact), abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_second_moment_is_the_closed_form(case: tuple[float, int, float, float, float]) -> None:
    """E (delta + 2 eta B)^2 from E B and E B^2."""
    eta, size, slope, noise, _ = case
    factor, run = _gaussian(*case)
    square = slope**2 + (2 * slope**2 + noise**2) / size
    exact = run.retention**2 + 4 * eta * run.retention * slope + 4 * eta**2 * square
    assert 2 * factor.excess(2.0) + 1 == pytest.approx(exact, rel=1e-13)


def test_exponent_of_a_two_point_factor_is_the_closed_form() -> None:
    """|F| = 2 with probability p, else 1/2: E|F|^-q = 1 at 2^q = p/(1 - p)."""
    factor = Factor.of_atoms(np.array([2.0, -0.5]), np.array([0.7, 0.3]))
    assert factor.mean_log() == pytest.approx(0.4 * math.log(2), rel=1e-15)
    assert factor.negative_exponent() == pytest.approx(math.log2(7 / 3), rel=1e-12)
    swapped = Factor.of_atoms(np.array([2.0, -0.5]), np.array([0.3, 0.7]))
    assert swapped.positive_exponent() == pytest.approx(math.log2(7 / 3), rel=1e-12)


def test_a_factor_that_never_shrinks_has_no_exponent() -> None:
    """|F| >= 1 always: no power of it has mean 1, and v stays away from 0."""
    assert Factor.of_atoms(np.array([1.1, 2.0]), np.array([0.5, 0.5])).negative_exponent() is None


@pytest.mark.parametrize(("unit", "degrees"), [(0.1, 1), (0.4, 1), (0.9, 3), (0.02, 40), (0.002, 1)])
def test_kesten_exponent_solves_its_equation(unit: float, degrees: int) -> None:
    """E|1 - unit W|^kappa = 1 at the exponent found, by mpmath; and E log by mpmath."""
    factor = Factor.of_chi_square(unit, degrees, 1.0)
    kappa = factor.positive_exponent()
    assert kappa is not None

    def mean(function: object) -> mp.mpf:
        half, zero = mp.mpf(degrees) / 2, 1 / mp.mpf(unit)
        far = degrees + 20 * math.sqrt(degrees) + 4 * kappa + 200
        points = sorted({0.0, 1e-8, 1e-3, 0.1, 1.0, float(zero), *np.linspace(2, far, 14)})
        return mp.quad(
            lambda w: w ** (half - 1) * mp.exp(-w / 2) / (2**half * mp.gamma(half)) * function(w),  # type: ignore[operator]
            [p for p in points if p <= far],
        )

    with mp.workdps(20):
        grown = mean(lambda w: abs(1 - unit * w) ** mp.mpf(kappa))
        logarithm = mean(lambda w: mp.log(abs(1 - unit * w)))
    # The error of kappa is that of E|M|^kappa over its slope, at least of the size of |E log|M||.
    assert float(grown) == pytest.approx(1.0, abs=1e-7)
    assert factor.mean_log() == pytest.approx(float(logarithm), abs=1e-8)
