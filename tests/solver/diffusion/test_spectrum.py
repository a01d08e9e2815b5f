"""Relaxation rates, modes, continua and autocorrelations against closed forms and other computations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.integrate import cumulative_simpson, quad, simpson
from scipy.linalg import eigh_tridiagonal
from scipy.special import eval_hermitenorm, jn_zeros

from equipoise_solver.diffusion.operator_segments import Behaviours
from equipoise_solver.diffusion.problem import from_expressions
from equipoise_solver.diffusion.spectrum import spectrum
from equipoise_solver.errors import InvalidModelError, LimitExceededError

INF = math.inf
REFLECTING: Behaviours = ("reflecting", "reflecting")
ABSORBING: Behaviours = ("absorbing", "absorbing")
N = np.arange(1, 6)


@dataclass(frozen=True)
class Case:
    """A diffusion whose five slowest rates are known."""

    drift: str
    noise: str
    interval: tuple[float, float]
    rates: np.ndarray
    behaviours: Behaviours = REFLECTING


CASES = {
    "Ornstein-Uhlenbeck": Case("-1.3*(x - 0.4)", "0.7", (-INF, INF), 1.3 * N),
    "Ornstein-Uhlenbeck far from 0": Case("-1.3*(x - 1e4)", "0.01", (-INF, INF), 1.3 * N),
    "unstable Ornstein-Uhlenbeck": Case("1.3*x", "0.7", (-INF, INF), 1.3 * N),
    "CIR above": Case("0.5*(1.7 - x)", "0.9*sqrt(x)", (0, INF), 0.5 * N),
    "CIR reflected": Case("0.1*(1.7 - x)", "0.9*sqrt(x)", (0, INF), 0.1 * N),
    "CIR absorbed": Case(
        "0.1*(1.7 - x)", "0.9*sqrt(x)", (0, INF), 0.1 * (N - 2 * 0.17 / 0.81), ("absorbing", "reflecting")
    ),
    "Jacobi": Case("0.5*(0.3 - x)", "0.4*sqrt(x*(1 - x))", (0, 1), 0.5 * N + 0.08 * N * (N - 1)),
    "Brownian reflected": Case("0", "1.3", (-0.5, 1.5), 1.69 / 8 * (np.pi * N) ** 2),
    "Brownian absorbed": Case("0", "1.3", (-0.5, 1.5), 1.69 / 8 * (np.pi * N) ** 2, ABSORBING),
    "Brownian mixed": Case(
        "0", "1.3", (-0.5, 1.5), 1.69 / 8 * (np.pi * (N - 0.5)) ** 2, ("absorbing", "reflecting")
    ),
    "Brownian with drift": Case(
        "0.8", "1.3", (-0.5, 1.5), 1.69 / 8 * (np.pi * N) ** 2 + 0.64 / (2 * 1.69), ABSORBING
    ),
    "Bessel of dimension 2": Case("1/(2*x)", "1", (0, 1), jn_zeros(0, 5) ** 2 / 2, ABSORBING),
    "Bessel of dimension 4": Case("3/(2*x)", "1", (0, 1), jn_zeros(1, 5) ** 2 / 2, ABSORBING),
    "Bessel of dimension 3": Case("1/x", "1", (0, 1), (np.pi * N) ** 2 / 2, ABSORBING),
}


@pytest.mark.parametrize("name", CASES)
def test_five_rates(name: str) -> None:
    """The five slowest rates agree with their closed forms to 1e-9."""
    case = CASES[name]
    diffusion = from_expressions(case.drift, case.noise, interval=case.interval)
    result = spectrum(diffusion, behaviours=case.behaviours)
    assert result.complete
    assert result.continuum == INF
    np.testing.assert_allclose(result.rates, case.rates, rtol=1e-9)
    assert np.all(result.errors < 1e-6)


def test_levels_absorb() -> None:
    """Levels inside the interval absorb like ends."""
    result = spectrum(from_expressions("0", "1.3"), below=-0.5, above=1.5)
    np.testing.assert_allclose(result.rates, 1.69 / 8 * (np.pi * N) ** 2, rtol=1e-10)
    assert not result.conservative


def _schroedinger_rates(count: int, noise: float) -> np.ndarray:
    """Rates of dx = (x - x**3) dt + noise dW by extrapolated differences of the Schroedinger form."""

    def rates(n: int) -> np.ndarray:
        x = np.linspace(-3.2, 3.2, n)
        h, d = x[1] - x[0], 0.5 * noise**2
        drift, slope = x - x**3, 1 - 3 * x**2
        diagonal = 2 * d / h**2 + drift**2 / (4 * d) + slope / 2
        off = np.full(n - 1, -d / h**2)
        return np.asarray(eigh_tridiagonal(diagonal, off, select="i", select_range=(0, count))[0])

    # Errors in h**2 and h**4 are taken out.
    one, two, four = rates(2001), rates(4001), rates(8001)
    first, second = (4 * two - one) / 3, (4 * four - two) / 3
    return np.asarray((16 * second - first) / 15)[1:]


def test_double_well() -> None:
    """Five rates of a double well agree with finite differences of its Schroedinger form."""
    result = spectrum(from_expressions("x - x^3", "0.8"))
    np.testing.assert_allclose(result.rates, _schroedinger_rates(5, 0.8), rtol=1e-8)


def test_escape_over_a_high_barrier() -> None:
    """A rate of 4e-16 keeps nine digits beside rates of order 1.

    Its mode is odd: with G the inverse of -L on x > 0, absorbed at 0, the rate is <1, G 1>/<G 1, G 1> but
    for exp(-34).
    """
    x = np.linspace(0.0, 1.8, 20_001)
    potential = 2 / 0.12**2 * (x**4 / 4 - x**2 / 2 + 0.25)
    speed = 2 / 0.12**2 * np.exp(-potential)
    above = cumulative_simpson(speed[::-1], x=-x[::-1], initial=0)[::-1]
    response = cumulative_simpson(np.exp(potential) * above, x=x, initial=0)
    exact = simpson(speed * response, x=x) / simpson(speed * response**2, x=x)
    result = spectrum(from_expressions("x - x^3", "0.12"))
    assert result.rates[0] == pytest.approx(exact, rel=1e-9)
    assert result.rates[0] == pytest.approx(3.7e-16, rel=0.01)


def test_student_has_two_rates_below_a_continuum() -> None:
    """The Student diffusion has rates n*(a - c*(n - 1)/2) below (a + c/2)**2/(2*c), and no others."""
    result = spectrum(from_expressions("-1.1*x", "sqrt(0.4*(1 + x^2))"))
    exact = np.array([n * (1.1 - 0.2 * (n - 1)) for n in (1, 2, 3)])
    assert exact[-1] < (1.1 + 0.2) ** 2 / 0.8 < 4 * (1.1 - 0.6) + 0.2
    np.testing.assert_allclose(result.rates, exact, rtol=1e-8)
    assert result.continuum == pytest.approx((1.1 + 0.2) ** 2 / 0.8, rel=1e-8)
    assert result.complete


@pytest.mark.parametrize(
    ("drift", "noise", "interval", "onset"),
    [
        ("0.1*x", "0.3*x", (0, INF), (0.1 - 0.045) ** 2 / 0.18),
        ("0.7", "1.1", (-INF, INF), 0.49 / 2.42),
        ("-0.7*tanh(x)", "1.1", (-INF, INF), 0.49 / 2.42),
        ("-1.3*sign(x)", "0.7", (-INF, INF), 1.69 / 0.98),
        ("0", "1", (-INF, INF), 0.0),
        ("1 - exp(x)", "1", (-INF, INF), 0.5),
    ],
)
def test_a_continuum_is_no_list_of_numbers(
    drift: str, noise: str, interval: tuple[float, float], onset: float
) -> None:
    """Where all relaxation is continuous its lower edge is given, and no rates."""
    result = spectrum(from_expressions(drift, noise, interval=interval))
    assert result.rates.size == 0
    assert result.continuum == pytest.approx(onset, rel=1e-8, abs=1e-15)
    assert result.gap == result.continuum


def test_modes_are_hermite_polynomials() -> None:
    """Modes of an Ornstein-Uhlenbeck process are normalised Hermite polynomials, also six deviations out."""
    result = spectrum(from_expressions("-1.3*x", "0.7"))
    z = result.x * math.sqrt(2.6) / 0.7
    inside = np.abs(z) < 6
    for n in range(5):
        exact = eval_hermitenorm(n + 1, z) / math.sqrt(math.factorial(n + 1))
        np.testing.assert_allclose(result.modes[inside, n], exact[inside], rtol=1e-8, atol=1e-8)


def test_autocorrelation() -> None:
    """An Ornstein-Uhlenbeck process decorrelates as one exponential, reflected noise as a series."""
    ornstein = spectrum(from_expressions("-1.3*x", "0.7"), 1).autocorrelation
    assert ornstein is not None
    times = np.array([0.0, 0.1, 1.0, 5.0])
    np.testing.assert_allclose(ornstein(times), np.exp(-1.3 * times), rtol=1e-10)
    brownian = spectrum(from_expressions("0", "1", interval=(0, 1)), 1).autocorrelation
    assert brownian is not None
    odd = np.arange(1, 4000, 2)[:, None]
    series = np.sum(96 / (np.pi * odd) ** 4 * np.exp(-((np.pi * odd) ** 2) / 2 * times[1:]), axis=0)
    np.testing.assert_allclose(brownian(times[1:]), series, rtol=1e-9)
    assert brownian.time == pytest.approx(0.2, rel=1e-10)


def test_autocorrelation_beside_a_continuum() -> None:
    """With continuous relaxation the autocorrelation time is still the integral of the two measures."""
    result = spectrum(from_expressions("-0.7*tanh(x)", "1.1"), 1).autocorrelation
    assert result is not None
    power = 1.4 / 1.21

    def speed(x: float) -> float:
        return float(math.cosh(x) ** -power)

    def flow(x: float) -> float:
        return float(quad(lambda u: u * speed(u), x, 60, epsabs=0, epsrel=1e-11)[0])

    top = 2 * quad(lambda x: 2 / 1.21 * flow(x) ** 2 / speed(x), 0, 30, epsabs=0, epsrel=1e-9, limit=200)[0]
    bottom = 2 * quad(lambda x: x**2 * speed(x), 0, 60, epsabs=0, epsrel=1e-11)[0]
    assert result.time == pytest.approx(top / bottom, rel=1e-7)


def test_no_autocorrelation_without_variance() -> None:
    """Where x has no variance, or no stationary law, there is no autocorrelation."""
    assert spectrum(from_expressions("-0.1*x", "sqrt(0.4*(1 + x^2))"), 1).autocorrelation is None
    assert spectrum(from_expressions("1.3*x", "0.7"), 1).autocorrelation is None


def test_refusals() -> None:
    """Counts and levels out of range, and noise on too many scales, are refused."""
    ornstein = from_expressions("-x", "1")
    with pytest.raises(InvalidModelError, match="count"):
        spectrum(ornstein, 0)
    with pytest.raises(InvalidModelError, match="above"):
        spectrum(ornstein, below=1.0, above=0.0)
    with pytest.raises(LimitExceededError):
        spectrum(from_expressions("sin(x)", "1"))
    with pytest.raises(LimitExceededError, match="barriers"):
        spectrum(from_expressions("x - x^3", "0.01"))
