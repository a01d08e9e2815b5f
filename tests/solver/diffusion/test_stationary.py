"""Stationary laws against closed forms and quadrature with 30 digits, and what there is without one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

from equipoise_solver.diffusion.ends import Behaviour
from equipoise_solver.diffusion.problem import from_expressions
from equipoise_solver.diffusion.profile import Profile, profile_of
from equipoise_solver.diffusion.stationary import StationaryDensity, long_run
from equipoise_solver.errors import InvalidModelError

INF = math.inf
LINE, HALF, UNIT = (-INF, INF), (0.0, INF), (0.0, 1.0)


def profile(
    drift: str,
    noise: str,
    interval: tuple[float, float] = LINE,
    *,
    low: Behaviour = "reflecting",
    high: Behaviour = "reflecting",
) -> Profile:
    problem = from_expressions(drift, noise, interval=interval)
    return profile_of(problem, low_behaviour=low, high_behaviour=high)


def density_of(
    drift: str, noise: str, interval: tuple[float, float] = LINE, **parameters: float
) -> StationaryDensity:
    law = long_run(profile_of(from_expressions(drift, noise, parameters=parameters, interval=interval)))
    assert law.kind == "density"
    assert law.density is not None
    return law.density


def ornstein_uhlenbeck() -> tuple[StationaryDensity, Any]:
    law = density_of("a*(m - x)", "s", a=1.3, m=0.4, s=0.7)
    return law, stats.norm(0.4, 0.7 / math.sqrt(2.6))


def cir(level: float) -> tuple[StationaryDensity, Any]:
    law = density_of("a*(b - x)", "s*sqrt(x)", HALF, a=1.3, b=level, s=0.9)
    return law, stats.gamma(2 * 1.3 * level / 0.81, scale=0.81 / 2.6)


def jacobi(a: float, b: float) -> tuple[StationaryDensity, Any]:
    rate = 0.5 * 0.64 * (a + b)
    law = density_of("r*(m - x)", "s*sqrt(x*(1 - x))", UNIT, r=rate, m=a / (a + b), s=0.8)
    return law, stats.beta(a, b)


def student() -> tuple[StationaryDensity, Any]:
    degrees = 1 + 2 * 1.1 / 0.7
    law = density_of("-a*x", "sqrt(b + c*x^2)", a=1.1, b=0.5, c=0.7)
    return law, stats.t(degrees, scale=math.sqrt(0.5 / 0.7 / degrees))


def laplace() -> tuple[StationaryDensity, Any]:
    return density_of("-w*sign(x - 0.2)", "s", w=3e3, s=1.1), stats.laplace(0.2, 1.21 / 6e3)


def drift_to_a_wall() -> tuple[StationaryDensity, Any]:
    return density_of("-w", "s", (1.5, INF), w=3.0, s=1.1), stats.expon(1.5, 1.21 / 6)


def free_between_walls() -> tuple[StationaryDensity, Any]:
    return density_of("0", "s", (2.0, 5.0), s=1.1), stats.uniform(2, 3)


def inverse_gamma() -> tuple[StationaryDensity, Any]:
    law = density_of("a*(b - x)", "s*x", HALF, a=1.3, b=0.7, s=0.6)
    return law, stats.invgamma(1 + 2.6 / 0.36, scale=2.6 * 0.7 / 0.36)


def half_normal() -> tuple[StationaryDensity, Any]:
    return density_of("-x", "s", HALF, s=1e4), stats.halfnorm(scale=1e4 / math.sqrt(2))


def sharp_gamma() -> tuple[StationaryDensity, Any]:
    law = density_of("a*(b - x)", "s*sqrt(x)", HALF, a=1.3, b=0.7, s=0.01)
    return law, stats.gamma(1.82 / 1e-4, scale=1e-4 / 2.6)


def sharp_normal() -> tuple[StationaryDensity, Any]:
    return density_of("a*(m - x)", "s", a=1.3, m=64.0, s=2.0**-8), stats.norm(64, 2.0**-8 / math.sqrt(2.6))


CASES: dict[str, Callable[[], tuple[StationaryDensity, Any]]] = {
    "Ornstein-Uhlenbeck": ornstein_uhlenbeck,
    "CIR, 0 is entered": lambda: cir(0.7),
    "CIR, 0 reflects": lambda: cir(0.2),
    "Jacobi, both ends regular": lambda: jacobi(0.1, 0.3),
    "Jacobi, b = 0.1": lambda: jacobi(3.0, 0.1),
    "Jacobi, both ends entered": lambda: jacobi(5.0, 2.0),
    "Student": student,
    "Laplace": laplace,
    "drift to a wall": drift_to_a_wall,
    "free between walls": free_between_walls,
    "inverse gamma": inverse_gamma,
    "half normal, far from its scale": half_normal,
    "sharp gamma": sharp_gamma,
    "sharp normal": sharp_normal,
}
PROBABILITIES = np.array([1e-9, 1e-3, 0.2, 0.77, 0.999, 1 - 1e-9])


@pytest.mark.parametrize("name", CASES)
def test_density_and_distribution(name: str) -> None:
    """log p, P(X <= x) and P(X > x) are the closed form's to 1e-10, relative also in the tails."""
    law, exact = CASES[name]()
    x = exact.ppf(np.array([1e-6, 0.01, 0.3, 0.6, 0.99, 1 - 1e-6]))
    low, high = law.profile.line.diffusion.low, law.profile.line.diffusion.high
    x = x[(x > low) & (x < high)]
    np.testing.assert_allclose(law.log_density(x), exact.logpdf(x), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(law.density(x), exact.pdf(x), rtol=1e-9)
    np.testing.assert_allclose(law.cdf(x), exact.cdf(x), rtol=1e-9)
    np.testing.assert_allclose(law.survival(x), exact.sf(x), rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_moments(name: str) -> None:
    """Mean, variance and the third moment are the closed form's to 1e-10."""
    law, exact = CASES[name]()
    assert law.mean == pytest.approx(exact.mean(), rel=1e-10, abs=1e-14)
    assert law.variance == pytest.approx(exact.var(), rel=1e-10)
    assert law.moment(3) == pytest.approx(exact.moment(3), rel=1e-10, abs=1e-13)
    assert law.moment(0) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_quantiles(name: str) -> None:
    """The distribution at a quantile is the probability that was asked, of the smaller side to 1e-9."""
    law, _ = CASES[name]()
    low, high = law.profile.line.diffusion.low, law.profile.line.diffusion.high
    x = law.quantile(PROBABILITIES)
    assert np.all(np.diff(x) >= 0)
    resolved = (x > low) & (x < high)  # A law piled up at x = 1 has quantiles that are 1 to all digits.
    if math.isfinite(high):
        resolved &= high - x > 1e-7 * abs(high)
    assert np.count_nonzero(resolved) >= 2
    smaller = np.minimum(law.cdf(x), law.survival(x))[resolved]
    np.testing.assert_allclose(smaller, np.minimum(PROBABILITIES, 1 - PROBABILITIES)[resolved], rtol=1e-7)


def test_far_tails_keep_their_digits() -> None:
    """400 decades out in the tail the logarithm of the density is exact, and so is the tail probability."""
    law, exact = ornstein_uhlenbeck()
    x = 0.4 + 43 * 0.7 / math.sqrt(2.6)
    assert float(law.log_density(x)) == pytest.approx(exact.logpdf(x), rel=1e-12)
    assert float(law.survival(0.4 + 37 * 0.7 / math.sqrt(2.6))) == pytest.approx(stats.norm.sf(37), rel=1e-9)


@pytest.mark.parametrize(
    ("text", "noise", "well"),
    [("x - x^3", "0.3", 1.0), ("x - x^3 + 0.2", "0.4*sqrt(1 + x^2)", 1.1), ("-sinh", "1.2", 0.0)],
)
def test_laws_by_quadrature_with_30_digits(text: str, noise: str, well: float) -> None:
    """Double wells and an exponential restoring force against mpmath's quadrature of their densities."""
    drift = "-(exp(x) - exp(-x))/2" if text == "-sinh" else text
    law = density_of(drift, noise)
    with mpmath.workdps(30):
        forms: dict[str, tuple[Any, Any]] = {
            "x - x^3": (lambda x: (x**2 - x**4 / 2) / mpmath.mpf("0.09"), lambda x: mpmath.mpf("0.09")),
            "-sinh": (lambda x: -2 * mpmath.cosh(x) / mpmath.mpf("1.44"), lambda x: mpmath.mpf("1.44")),
            # 2*(x - x^3 + 0.2)/(0.16 (1 + x^2)), integrated: x - x^3 = -x(1 + x^2) + 2x.
            "x - x^3 + 0.2": (
                lambda x: (
                    (-(x**2) / 2 + mpmath.log(1 + x**2) + mpmath.mpf("0.2") * mpmath.atan(x))
                    * 2
                    / mpmath.mpf("0.16")
                ),
                lambda x: mpmath.mpf("0.16") * (1 + x**2),
            ),
        }
        exponent, variance = forms[text]

        def weight(x: Any) -> Any:
            return mpmath.exp(exponent(x)) / variance(x)

        cuts = [-8, -4, -2, -1, 0, 1, 2, 4, 8]
        norm = mpmath.quad(weight, cuts)
        mean = mpmath.quad(lambda x: x * weight(x), cuts) / norm
        second = mpmath.quad(lambda x: (x - mean) ** 2 * weight(x), cuts) / norm
        below = mpmath.quad(weight, [-8, -4, -2, -1, 0, mpmath.mpf("0.3")]) / norm
        at_well = weight(mpmath.mpf(well)) / norm
        exact = [float(value) for value in (mean, second, below, at_well)]
    found = [law.mean, law.variance, float(law.cdf(0.3)), float(law.density(well))]
    np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-13)


NETWORKS = [
    (1, 1, 1.0, 1.0, 0.05, (0.937630829186, 0.119801794668, 1.253140728869, 0.617609566188)),
    (1, 1, 1.0, 1.0, 0.2, (0.580905119904, 0.372096681717, 0.466703267758, 0.800414607173)),
    (1, 3, 0.7, 0.5, 0.1, (0.631531424748, 0.087654930462, 1.478699133729, 0.646162255212)),
    (2, 1, 1.0, 1.0, 0.05, (0.870142810385, 0.154699258937, 0.981198360718, 0.690838274327)),
]


@pytest.mark.parametrize(("depth", "width", "slope", "variance", "temperature", "exact"), NETWORKS)
def test_diagonal_networks_through_the_general_tool(
    depth: int, width: int, slope: float, variance: float, temperature: float, exact: tuple[float, ...]
) -> None:
    """Mean, variance, density and distribution at the teacher of laws of depth 1 and 2, to 1e-9.

    The values are those of two independent quadratures to 12 digits.
    """
    noise = "(2*x^2 - 4*k*x + 2*k^2 + v)"
    law = density_of(
        f"-2*a*x^q*(x - k) + 2*D*(D + 1)*d^(4/(D + 1) - 2)*x^(3 - 4/(D + 1))*T*{noise}",
        f"2*a*x^q*sqrt(T*{noise})",
        HALF,
        a=(depth + 1) * width ** (2 / (depth + 1) - 1),
        q=2 * depth / (depth + 1),
        k=slope,
        v=variance,
        T=temperature,
        D=depth,
        d=width,
    )
    found = (law.mean, law.variance, float(law.density(slope)), float(law.cdf(slope)))
    np.testing.assert_allclose(found, exact, rtol=1e-9)
    assert law.highest_moment == pytest.approx(4 - 3 / (depth + 1), rel=1e-9)


@pytest.mark.parametrize(
    ("plain", "lossy"),
    [
        (("(1.5 - x)*(exp(x/2) - exp(-x/2))/2", "0.6*(exp(x/2) - exp(-x/2))"), None),
        (
            ("1.1/(sqrt(x^2 + 1) + x) - x/2/sqrt(1 + x^2)", "1"),
            ("1.1*sqrt(x^2 + 1) - 1.1*x - x/2/sqrt(1 + x^2)", "1"),
        ),
    ],
)
def test_digits_that_cancel_next_to_ends_are_found_again(
    plain: tuple[str, str], lossy: tuple[str, str] | None
) -> None:
    """Laws written with and without cancellation next to 0 and infinity are the same."""
    lossy = lossy or (plain[0], "0.6*sqrt(exp(x) + exp(-x) - 2)")
    one, other = (density_of(*text, HALF) for text in (plain, lossy))
    assert other.mean == pytest.approx(one.mean, rel=1e-11)
    assert other.variance == pytest.approx(one.variance, rel=1e-11)
    x = np.array([1e-30, 1e-5, 0.1, 3.0])
    np.testing.assert_allclose(other.cdf(x), one.cdf(x), rtol=1e-10)


def test_moments_that_do_not_exist() -> None:
    """Moments exist below the degrees of freedom; even ones beyond are infinite, odd ones none."""
    law, exact = student()
    degrees = 1 + 2 * 1.1 / 0.7
    assert law.highest_moment == pytest.approx(degrees, rel=1e-9)
    assert law.moment(4) == pytest.approx(exact.moment(4), rel=1e-9)
    assert law.moment(6) == INF
    assert math.isnan(law.moment(5))
    heavy = density_of("a*(b - x)", "s*x", HALF, a=0.1, b=0.7, s=0.6)
    assert heavy.mean == pytest.approx(0.7, rel=1e-10)
    assert heavy.variance == INF
    with pytest.raises(InvalidModelError, match="order"):
        law.moment(21)


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("Ornstein-Uhlenbeck", (0.4,)),
        ("CIR, 0 is entered", ((2 * 1.3 * 0.7 / 0.81 - 1) * 0.81 / 2.6,)),
        ("CIR, 0 reflects", (0.0,)),
        ("Jacobi, both ends regular", (0.0, 1.0)),
        ("Jacobi, both ends entered", (0.8,)),
        ("Laplace", (0.2,)),
        ("drift to a wall", (1.5,)),
        ("free between walls", ()),
        ("inverse gamma", (2.6 * 0.7 / 0.36 / (2 + 2.6 / 0.36),)),
    ],
)
def test_modes(name: str, modes: tuple[float, ...]) -> None:
    """Modes are those of the closed form, at ends and kinks too."""
    law, _ = CASES[name]()
    assert law.modes() == pytest.approx(modes, rel=1e-10, abs=1e-12)


def test_both_modes_of_a_double_well() -> None:
    """With constant noise the modes are the stable fixed points."""
    assert density_of("x - x^3", "0.3").modes() == pytest.approx((-1.0, 1.0), rel=1e-12)
    for variance in ("0.1", "0.2", "0.4", "1.0"):
        assert density_of("x - x^3", f"sqrt({variance})").modes() == pytest.approx((-1.0, 1.0), rel=1e-12)


@pytest.mark.parametrize(
    ("drift", "noise", "interval", "kind", "atoms"),
    [
        ("0", "1", LINE, "none", ()),
        ("0.32*x", "0.8*x", HALF, "none", ()),
        ("0", "1", HALF, "none", ()),
        ("0.5/x", "1", HALF, "none", ()),
        ("0.4", "1", LINE, "atoms", ((INF, 1.0),)),
        ("0.2*x", "0.8*x", HALF, "atoms", ((0.0, 1.0),)),
        ("-x", "sqrt(x)", HALF, "atoms", ((0.0, 1.0),)),
        ("x^2", "1", LINE, "atoms", ((INF, 1.0),)),
        ("1/x", "1", HALF, "atoms", ((INF, 1.0),)),
        ("x - x^3", "x", HALF, "density", ()),
    ],
)
def test_what_there_is_in_the_long_run(
    drift: str,
    noise: str,
    interval: tuple[float, float],
    kind: str,
    atoms: tuple[tuple[float, float], ...],
) -> None:
    """A density, an atom at the end that takes all, or nothing where paths spread for ever."""
    law = long_run(profile(drift, noise, interval))
    assert law.kind == kind
    assert law.atoms == atoms
    assert law.reason.endswith(".")


def test_two_ends_that_take_share_by_the_start() -> None:
    """Wright-Fisher without mutation fixes at 1 with probability x; a start is needed to say so."""
    neutral = profile("0", "0.7*sqrt(x*(1 - x))", UNIT)
    law = long_run(neutral, start=0.3)
    assert law.kind == "atoms"
    np.testing.assert_allclose(law.atoms, [(0.0, 0.7), (1.0, 0.3)], rtol=1e-12)
    with pytest.raises(InvalidModelError, match="start"):
        long_run(neutral)


def test_an_absorbing_wall_takes_what_a_reflecting_one_returns() -> None:
    """CIR at level 0.2 has a density if 0 reflects and an atom there if 0 absorbs."""
    drift, noise = "1.3*(0.2 - x)", "0.9*sqrt(x)"
    assert long_run(profile(drift, noise, HALF)).kind == "density"
    assert long_run(profile(drift, noise, HALF, low="absorbing")).atoms == ((0.0, 1.0),)
