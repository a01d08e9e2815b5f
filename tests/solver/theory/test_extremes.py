"""Laws at the ends of the number line: constant noise, great depth, temperatures next to nothing."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise_solver.errors import InvalidModelError, LimitExceededError
from equipoise_solver.theory import DataMoments, StationaryLaw, infinite_depth_law, stationary_law

Array = NDArray[np.float64]

CONSTANT = DataMoments.from_values(0.0, 0.0, 0.9, 1.1, 0.7)
"""Inputs of constant magnitude: g = 0.9 everywhere."""


def constant_noise_reference(depth: int, width: int, temperature: float, below: float) -> list[float]:
    """Mean, variance and P(V < below) by the trapezoidal rule in log v, exponentially accurate for laws that
    are analytic and die out at both ends; the integral of the force is a pair of powers."""
    n, m = depth + 1.0, CONSTANT
    strength = 1.0 / (n * width ** (2.0 / n - 1.0) * temperature * m.alpha3)

    def log_mass(x: Array) -> Array:
        rise, fall = np.exp(2.0 * x / n) * n / 2.0, np.exp(-(n - 2.0) * x / n) * n / (n - 2.0)
        result: Array = x * (1.0 - 3.0 * depth / n) - strength * (m.beta1 * rise + m.beta2 * fall)
        return result

    x, step = np.linspace(-30.0, 20.0 + 9.0 * depth, 64 * (50 + 9 * depth) + 1, retstep=True)
    peak = float(np.max(log_mass(x)))
    whole, first, second = (step * np.exp(log_mass(x) + j * x - peak).sum() for j in (0, 1, 2))
    # The cut at `below` is no place for the trapezoidal rule: Gauss-Legendre in pieces.
    nodes, weights = np.polynomial.legendre.leggauss(20)
    left = math.log(below) - 20.0 + 0.125 * np.arange(160)
    part = 0.0625 * (np.exp(log_mass(left[:, None] + 0.0625 * (nodes + 1.0)) - peak) @ weights).sum()
    return [first / whole, second / whole - (first / whole) ** 2, part / whole]


@pytest.mark.parametrize("width", [1, 100])
@pytest.mark.parametrize(
    ("depth", "temperature"), [(50, 1.0), (200, 1.0), (200, 0.05), (1000, 1.0), (1000, 0.05)]
)
def test_constant_noise_at_great_depth(depth: int, width: int, temperature: float) -> None:
    """alpha1 = 0: moments and distribution agree with quadrature, though the tail outruns 64-bit numbers."""
    law = stationary_law(CONSTANT, depth=depth, width=width, temperature=temperature)
    assert law.mode is not None
    expected = constant_noise_reference(depth, width, temperature, law.mode)
    assert [law.mean, law.variance, float(law.cdf(law.mode))] == pytest.approx(expected, rel=1e-9)
    assert law.tail_exponent is None


@pytest.mark.parametrize("temperature", [1e-3, 0.2, 2.0, 1e4])
def test_constant_noise_in_the_deep_limit_is_an_inverse_gamma_law(temperature: float) -> None:
    """alpha1 = 0, infinite depth: 1/v is Gamma distributed, with a power-law tail v^-(3 + k)."""
    m, ratio = CONSTANT, 0.5
    law = infinite_depth_law(m, width_per_depth=ratio, temperature=temperature)
    k, scale = (ratio * b / (temperature * m.alpha3) for b in (m.beta1, m.beta2))
    assert law.tail_exponent == pytest.approx(-3.0 - k, rel=1e-14)
    assert law.mode == pytest.approx(scale / (3.0 + k), rel=1e-12)
    assert law.mean == pytest.approx(scale / (1.0 + k), rel=1e-9)
    assert law.variance == pytest.approx(scale**2 / ((1.0 + k) ** 2 * k), rel=1e-8)
    assert law.mean is not None
    shape = 2 + mpmath.mpf(k)
    for v in (0.5 * law.mean, 1.5 * law.mean):
        below = mpmath.gammainc(shape, scale / v, regularized=True)
        assert float(law.cdf(v)) == pytest.approx(float(below), rel=1e-9, abs=1e-14)
    far = np.array([1e25, 1e50]) * law.mean
    if temperature > 0.1:
        log_slope = np.diff(law.log_pdf(far)) / np.diff(np.log(far))
        assert float(log_slope[0]) == pytest.approx(-3.0 - k, rel=1e-9)


def test_moments_beyond_numbers_are_left_out() -> None:
    """A variance that is finite but overflows is None, with a note."""
    m = DataMoments.from_values(0.0, 0.0, 1.0, 1e-125, 1e125)
    law = infinite_depth_law(m, width_per_depth=1e-25, temperature=1.0)
    assert law.mean == pytest.approx(1e100, rel=1e-9)
    assert (law.variance, law.second_moment) == (None, None)
    assert any("largest" in note for note in law.notes)


def test_noise_that_vanishes_at_zero_keeps_its_digits_at_low_temperature() -> None:
    """alpha3 = 0: the narrow law about the least-squares point, with the variance of its Laplace limit."""
    m, depth, width, t = (
        DataMoments.from_values(0.0024178502, 0.0, 0.0, 350779.986, 4.33286e-5),
        20,
        2,
        2.9e-7,
    )
    law = stationary_law(m, depth=depth, width=width, temperature=t)
    a = (depth + 1) * width ** (2 / (depth + 1) - 1)
    laplace = a * t * m.minimum ** (2 * depth / (depth + 1)) * m.noise(m.minimum) / m.beta1
    assert law.mean == pytest.approx(m.minimum, rel=1e-12)
    assert law.variance == pytest.approx(laplace, rel=1e-9)


GAUSSIAN = DataMoments.from_gaussian(1.3, 0.7)
WALL = DataMoments.from_values(2.0, 2.0, 2.0, 1.0, 1.3)
GAP = DataMoments.from_values(2.0, 2.0, 2.0, 1.0, 0.8)


@pytest.mark.parametrize("moments", [GAUSSIAN, CONSTANT, WALL, GAP], ids=["usual", "constant", "wall", "gap"])
@pytest.mark.parametrize("depth", [0, 1, 2, 20])
@pytest.mark.parametrize("temperature", [1e-20, 1e-30, 1e-100, 1e-249])
def test_low_temperatures_are_answered_or_refused(
    moments: DataMoments, depth: int, temperature: float
) -> None:
    """No crash and no warning: the law sits at the least-squares point, or is refused as too sharp."""
    try:
        law = stationary_law(moments, depth=depth, temperature=temperature)
    except LimitExceededError:
        return
    assert law.mean == pytest.approx(moments.minimum, rel=1e-12)
    assert law.variance is not None
    if temperature > 1e-200:
        a = depth + 1
        laplace = a * moments.minimum ** (2 * depth / (depth + 1)) * moments.noise(moments.minimum)
        assert law.variance / temperature == pytest.approx(laplace / moments.beta1, rel=1e-8)


def law_at(moments: DataMoments, depth: int | None, temperature: float) -> StationaryLaw:
    """Width 1, or half as wide as deep in the limit of infinite depth."""
    if depth is None:
        return infinite_depth_law(moments, width_per_depth=0.5, temperature=temperature)
    return stationary_law(moments, depth=depth, temperature=temperature)


@pytest.mark.parametrize("moments", [GAUSSIAN, CONSTANT, WALL, GAP], ids=["usual", "constant", "wall", "gap"])
@pytest.mark.parametrize("depth", [0, 1, 2, 20, None])
@pytest.mark.parametrize("temperature", [1e-300, 1e-320, 5e-324])
def test_temperatures_next_to_nothing_are_refused(
    moments: DataMoments, depth: int | None, temperature: float
) -> None:
    """Temperatures whose inverse overflows are refused by field."""
    with pytest.raises(InvalidModelError) as refused:
        law_at(moments, depth, temperature)
    assert refused.value.field == "temperature"


@pytest.mark.parametrize(
    ("depth", "decay"), [(0, 5e-324), (1, 5e-324), (2, 1e-20), (2, 1e-90), (20, 1e-20), (20, 1e-200)]
)
def test_little_decay_changes_nothing_in_the_bulk(depth: int, decay: float) -> None:
    """The learned state is that without decay."""
    free = stationary_law(GAUSSIAN, depth=depth, temperature=0.1)
    held = stationary_law(GAUSSIAN, depth=depth, temperature=0.1, weight_decay=decay)
    assert held.mean == pytest.approx(free.mean, rel=1e-9)


@pytest.mark.parametrize("depth", [2, 20])
@pytest.mark.parametrize("decay", [1e-300, 5e-324])
def test_barriers_below_the_smallest_number_are_refused(depth: int, decay: float) -> None:
    """Deep networks with a decay next to nothing are refused by field."""
    with pytest.raises(InvalidModelError) as refused:
        stationary_law(GAUSSIAN, depth=depth, temperature=0.1, weight_decay=decay)
    assert refused.value.field == "weight_decay"


@pytest.mark.parametrize("depth", [0, 1, 2, 20])
@pytest.mark.parametrize("noise", [1e-20, 1e-100, 1e-300, 5e-324])
def test_noise_next_to_nothing_is_answered_or_refused(depth: int, noise: float) -> None:
    """The law sits at the slope, or is refused as too sharp."""
    try:
        law: StationaryLaw = stationary_law(
            DataMoments.from_gaussian(1.3, noise), depth=depth, temperature=0.1
        )
    except LimitExceededError:
        assert noise > 1e-200
        return
    assert law.mean == pytest.approx(1.3, rel=1e-12)
    assert law.variance is not None
    assert 0 <= law.variance < 1e-20


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_supports_have_no_negative_zero(sign: float) -> None:
    """A wall at 0 on either side, at the corner of what is legal, without a warning."""
    m = DataMoments.from_values(945755.354, 0.0, 0.0, 0.0025028, sign * 6853.675)
    law = stationary_law(m, depth=0, width=10**6, temperature=1904.03)
    end = law.support[0 if sign > 0 else 1]
    assert end == 0.0
    assert all(math.copysign(1.0, at) > 0 for at in (end, *(b.at for b in law.boundaries if b.at == 0)))


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_grids_stay_usable_next_to_the_critical_temperature(gap: float, sign: float) -> None:
    """Below Tc by a hair almost all mass lies below the smallest number; the rest can still be plotted."""
    m = DataMoments.from_gaussian(sign, 1.0)
    law = stationary_law(m, depth=1, temperature=(1.0 - gap) / 3.0)
    grid = law.sample_grid(300)
    assert 100 < grid.size <= 300
    assert np.all(np.diff(grid) > 0)
    assert np.all(np.isfinite(law.pdf(grid)))
    assert np.all(law.pdf(grid) > 0)
    assert np.max(np.abs(grid)) > 0.5
