"""Hitting probabilities against closed forms, down to probabilities of 1e-300 and below."""

from __future__ import annotations

import math

import pytest
from scipy import special

from equipoise_solver.diffusion.ends import Behaviour
from equipoise_solver.diffusion.hitting import Hitting, hitting_probability
from equipoise_solver.diffusion.problem import from_expressions
from equipoise_solver.diffusion.profile import profile_of
from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError

INF = math.inf
LINE, HALF, UNIT = (-INF, INF), (0.0, INF), (0.0, 1.0)


def hit(
    drift: str,
    noise: str,
    interval: tuple[float, float],
    start: float,
    low: float | None,
    high: float | None,
    *,
    behaviour: Behaviour = "reflecting",
    **parameters: float,
) -> Hitting:
    problem = from_expressions(drift, noise, parameters=parameters, interval=interval)
    ready = profile_of(problem, low_behaviour=behaviour, high_behaviour=behaviour)
    return hitting_probability(ready, start, low=low, high=high)


@pytest.mark.parametrize("rate", [0.6, -0.6, 0.001, -25.0])
def test_brownian_motion_with_drift(rate: float) -> None:
    """P(b before a) = (1 - e^(-c (x - a)))/(1 - e^(-c (b - a))), c = 2 mu/sigma^2, and both add up to 1."""
    found = hit("m", "s", LINE, 0.3, -1.0, 1.1, m=rate, s=1.3)
    c = 2 * rate / 1.69
    assert found.high == pytest.approx(math.expm1(-c * 1.3) / math.expm1(-c * 2.1), rel=1e-12)
    assert found.low == pytest.approx(math.expm1(c * 0.8) / math.expm1(c * 2.1), rel=1e-12)
    assert found.low + found.high == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("distance", [10.0, 1e3, 1e6])
def test_tiny_probabilities_keep_their_digits(distance: float) -> None:
    """Brownian motion with drift -0.6 ever rises by b with log probability -2 mu b/sigma^2, here to -7e5."""
    found = hit("-0.6", "1.3", LINE, 0.2, None, 0.2 + distance)
    assert found.log_high == pytest.approx(-1.2 * distance / 1.69, rel=1e-12)


def test_geometric_brownian_motion() -> None:
    """P = (x^k - a^k)/(b^k - a^k), k = 1 - 2 mu/sigma^2; and (x/b)^k without the lower level."""
    k = 1 - 0.4 / 0.64
    found = hit("0.2*x", "0.8*x", HALF, 2.0, 0.5, 5.0)
    assert found.high == pytest.approx((2**k - 0.5**k) / (5**k - 0.5**k), rel=1e-12)
    assert hit("0.2*x", "0.8*x", HALF, 2.0, None, 1e9).high == pytest.approx((2e-9) ** k, rel=1e-11)


@pytest.mark.parametrize("dimension", [0.5, 1.5, 2.0, 3.0, 4.7])
def test_bessel_processes(dimension: float) -> None:
    """Between two radii by the harmonic function r^(2 - d), log r for d = 2."""
    found = hit("(d - 1)/(2*x)", "1", HALF, 1.2, 0.7, 2.5, d=dimension)

    def harmonic(r: float) -> float:
        return math.log(r) if dimension == 2 else r ** (2 - dimension)

    exact = (harmonic(1.2) - harmonic(0.7)) / (harmonic(2.5) - harmonic(0.7))
    assert found.high == pytest.approx(exact, rel=1e-12)


def test_ornstein_uhlenbeck() -> None:
    """By erfi, and far up a well of 600 units the ratio of Dawson's functions."""
    root = math.sqrt(1.3) / 0.9
    found = hit("-1.3*x", "0.9", LINE, 0.3, -1.2, 2.1)
    exact = (special.erfi(0.3 * root) - special.erfi(-1.2 * root)) / (
        special.erfi(2.1 * root) - special.erfi(-1.2 * root)
    )
    assert found.high == pytest.approx(exact, rel=1e-12)
    far = hit("-1.3*x", "0.9", LINE, 0.0, -20.0, 25.0)
    log_erfi = [(b * root) ** 2 + math.log(special.dawsn(b * root)) for b in (20.0, 25.0)]
    assert far.log_high == pytest.approx(log_erfi[0] - log_erfi[1], rel=1e-12)


def test_fixation_of_a_gene() -> None:
    """Wright-Fisher with selection: (1 - e^(-4 N s x))/(1 - e^(-4 N s)), both ends exits, tiny ones too."""
    for strength in (3.0, -40.0):
        found = hit("c*x*(1 - x)/2", "sqrt(x*(1 - x))", UNIT, 0.2, None, None, c=strength)
        exact = math.expm1(-strength * 0.2) / math.expm1(-strength)
        assert found.high == pytest.approx(exact, rel=1e-11)


def test_ends_that_send_back_are_never_the_place() -> None:
    """What is open and does not take paths leaves the other level certain."""
    assert hit("-1.3*x", "0.9", LINE, 0.3, None, 2.1).high == 1.0
    assert hit("0.1", "1", HALF, 0.3, None, 2.1).high == 1.0
    assert hit("0", "1", LINE, 0.3, -4.0, None).low == 1.0
    absorbed = hit("0", "1", HALF, 0.3, None, 2.1, behaviour="absorbing")
    assert absorbed.high == pytest.approx(0.3 / 2.1, rel=1e-12)
    assert absorbed.low == pytest.approx(1.8 / 2.1, rel=1e-12)


@pytest.mark.parametrize(
    ("start", "low", "high", "field"),
    [(0.3, 0.5, 2.0, "low"), (0.3, 0.1, 0.2, "high"), (-1.0, None, 2.0, "start"), (0.3, 0.1, -2.0, "high")],
)
def test_points_out_of_order_are_refused(
    start: float, low: float | None, high: float | None, field: str
) -> None:
    """Levels on the wrong side and points outside are refused by name."""
    with pytest.raises(InvalidModelError) as caught:
        hit("0.2*x", "0.8*x", HALF, start, low, high)
    assert caught.value.field == field


def test_what_hangs_on_an_undecided_end_is_refused() -> None:
    """Levels inside have an answer where the end has none."""
    problem = ("0.5/x*(1 + 1/log(1/x))", "1", (0.0, 0.5))
    with pytest.raises(UnsupportedCombinationError, match="settled"):
        hit(*problem, 0.1, None, 0.3)
    assert 0 < hit(*problem, 0.1, 0.01, 0.3).high < 1
