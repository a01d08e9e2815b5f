"""Quasi-stationary laws against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import eigh_tridiagonal

from equipoise_solver.diffusion.problem import from_expressions
from equipoise_solver.diffusion.quasi_stationary import quasi_stationary_law
from equipoise_solver.errors import InvalidModelError

INF = math.inf


@pytest.mark.parametrize("by_level", [False, True])
def test_brownian_motion_between_killing_ends(by_level: bool) -> None:
    """Killed at both ends Brownian motion survives as a sine."""
    if by_level:
        law = quasi_stationary_law(from_expressions("0", "1.3", interval=(-5, 7)), below=0.0, above=2.0)
    else:
        inside = from_expressions("0", "1.3", interval=(0, 2))
        law = quasi_stationary_law(inside, behaviours=("absorbing", "absorbing"))
    assert law.rate == pytest.approx(1.69 * math.pi**2 / 8, rel=1e-12)
    assert law.next_rate == pytest.approx(4 * law.rate, rel=1e-10)
    assert law.mean == pytest.approx(1.0, rel=1e-12)
    assert law.shares == pytest.approx((0.5, 0.5), rel=1e-10)
    np.testing.assert_allclose(law.density, np.pi / 4 * np.sin(np.pi * law.x / 2), atol=1e-11)
    x = np.array([-1.0, 0.0, 0.3, 0.5, 1.4, 2.0, 3.0])
    exact = (1 - np.cos(np.pi * np.clip(x, 0, 2) / 2)) / 2
    np.testing.assert_allclose(law.cdf(x), exact, atol=1e-12)


def test_ornstein_uhlenbeck_killed_at_its_mean() -> None:
    """Killed at the mean it survives as a Rayleigh law and dies at the rate of reversion."""
    law = quasi_stationary_law(from_expressions("-1.3*x", "0.7"), above=0.0)
    width = 0.7 / math.sqrt(2.6)
    assert law.rate == pytest.approx(1.3, rel=1e-11)
    assert law.mean == pytest.approx(-width * math.sqrt(math.pi / 2), rel=1e-11)
    assert law.shares == pytest.approx((0.0, 1.0))
    x = np.array([-2.0, -1.0, -0.3, -0.01])
    np.testing.assert_allclose(law.cdf(x), np.exp(-0.5 * (x / width) ** 2), rtol=1e-9)


def test_square_root_process_absorbed_at_0() -> None:
    """CIR absorbed at 0 survives as an exponential law, at the rate a - 2*a**2*b/noise**2."""
    diffusion = from_expressions("0.1*(1.7 - x)", "0.9*sqrt(x)", interval=(0, INF))
    law = quasi_stationary_law(diffusion, behaviours=("absorbing", "reflecting"))
    assert law.rate == pytest.approx(0.1 * (1 - 2 * 0.17 / 0.81), rel=1e-11)
    assert law.mean == pytest.approx(0.81 / 0.2, rel=1e-11)
    x = np.array([1e-6, 0.3, 5.0, 30.0])
    np.testing.assert_allclose(law.cdf(x), -np.expm1(-0.2 / 0.81 * x), rtol=1e-9)


def test_branching_diffusion_dies_at_an_exit() -> None:
    """Feller's diffusion needs no behaviour at 0, an exit, and survives as Yaglom's exponential law."""
    law = quasi_stationary_law(from_expressions("-0.6*x", "sqrt(1.1*x)", interval=(0, INF)))
    assert law.rate == pytest.approx(0.6, rel=1e-11)
    assert law.mean == pytest.approx(1.1 / 1.2, rel=1e-11)


@pytest.mark.parametrize("level", [6.0, 12.0, 15.0, 20.0])
def test_the_next_rate_stands_beside_a_tiny_first_one(level: float) -> None:
    """Killed far out an OU process of rate 1 has rates level*exp(-level^2/2)/sqrt(2 pi) and 1, nearly."""
    law = quasi_stationary_law(from_expressions("-x", "sqrt(2)"), above=level)
    slowest = level * math.exp(-(level**2) / 2) / math.sqrt(2 * math.pi)
    assert law.rate == pytest.approx(slowest, rel=1.5 / level**2)
    # The change of the next one is about level^2 times the first.
    assert law.next_rate == pytest.approx(1.0, rel=max(1e-11, 2 * level**2 * slowest))


def test_the_next_rate_in_a_deep_well() -> None:
    """Killed on the saddle at T = 0.002: finite differences of -T d2/dx2 + V'^2/(4 T) - V''/2."""
    law = quasi_stationary_law(from_expressions("x - x^3", "sqrt(0.004)"), above=0.0)
    x, step = np.linspace(-1.7, -0.3, 8000, retstep=True)
    potential = (x - x**3) ** 2 / 0.008 + (1.0 - 3.0 * x**2) / 2.0
    off = np.full(x.size - 1, -0.002 / step**2)
    rates = eigh_tridiagonal(
        potential + 0.004 / step**2, off, select="i", select_range=(0, 1), eigvals_only=True
    )
    assert law.rate < 1e-54
    assert law.next_rate == pytest.approx(rates[1], rel=5e-6)


@pytest.mark.parametrize(
    ("drift", "interval", "reason"),
    [("x", (-INF, INF), "finite mass"), ("-0.3", (0, INF), "continuous"), ("-x", (-INF, INF), "absorb")],
)
def test_no_law(drift: str, interval: tuple[float, float], reason: str) -> None:
    """Without absorption, without a gap or without a finite mass the request is refused with the reason."""
    diffusion = from_expressions(drift, "1", interval=interval)
    with pytest.raises(InvalidModelError, match=reason):
        quasi_stationary_law(diffusion, behaviours=("absorbing", "reflecting"))
