"""Laws of first passage times against closed forms, from first arrivals to late tails."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr

from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.passage_law import PassageLaw, passage_law
from equipoise_solver.diffusion.problem import from_expressions
from equipoise_solver.errors import InvalidModelError

INF = math.inf


def _inverse_gaussian(times: Array, way: float, speed: float, noise: float) -> Array:
    """P(tau <= t) of Brownian motion with drift towards a level at a distance."""
    spread = noise * np.sqrt(times)
    images = 2 * speed * way / noise**2 + log_ndtr((-speed * times - way) / spread)
    return np.asarray(ndtr((speed * times - way) / spread) + np.exp(images))


@pytest.mark.parametrize(("speed", "way"), [(0.7, 1.7), (-0.4, 1.7), (0.0, 1.7), (20.0, 20.0), (0.7, 1e-4)])
def test_brownian_motion_with_drift(speed: float, way: float) -> None:
    """The passage of a level is inverse Gaussian; drift away from it leaves a defect; drift may be fast."""
    law = passage_law(from_expressions(str(speed), "1.1"), 0.3, above=0.3 + way)
    times = np.geomspace(1e-4 * way**2, 1e4, 80)
    exact = _inverse_gaussian(times, way, speed, 1.1)
    assert law.probability == pytest.approx(min(1.0, math.exp(2 * speed * way / 1.21)), rel=1e-12)
    np.testing.assert_allclose(law.cdf(times), exact, atol=2e-12)
    assert law.error(times) < 1e-11
    exact = way / 1.1 / np.sqrt(2 * np.pi * times**3) * np.exp(-((way - speed * times) ** 2) / (2.42 * times))
    np.testing.assert_allclose(law.density(times), exact, atol=1e-10 * exact.max())


def test_quantiles() -> None:
    """Quantiles invert the distribution, reach into both tails, and are infinite beyond a defect."""
    law = passage_law(from_expressions("-0.4", "1.1"), 0.3, above=2.0)
    wanted = np.array([1e-9, 0.01, 0.2, 0.9]) * law.probability
    found = law.quantiles(wanted)
    np.testing.assert_allclose(_inverse_gaussian(found, 1.7, -0.4, 1.1), wanted, atol=1e-11)
    assert law.quantiles(np.array([0.0, 0.99])).tolist() == [0.0, INF]
    surely = passage_law(from_expressions("-1.3*x", "0.7"), 1.0, below=0.0)
    assert surely.quantiles(np.array([1.0])).tolist() == [INF]


@pytest.mark.parametrize("start", [1e-3, 2.1, 25.0])
def test_ornstein_uhlenbeck_to_its_mean(start: float) -> None:
    """The mean is reached by t with probability 2*Phi(-x*sqrt(2a)/(noise*sqrt(exp(2at) - 1)))."""
    law = passage_law(from_expressions("-1.3*x", "0.7"), start, below=0.0)
    times = np.geomspace(1e-7, 30.0, 80)
    exact = 2 * ndtr(-start * math.sqrt(2.6) / 0.7 / np.sqrt(np.expm1(2.6 * times)))
    np.testing.assert_allclose(law.cdf(times), exact, atol=2e-12)


def test_bessel_process_out_of_its_ball() -> None:
    """A three-dimensional Bessel process leaves the unit ball by Ciesielski and Taylor's series."""
    law = passage_law(from_expressions("1/x", "1", interval=(0, INF)), 0.4, above=1.0)
    times, n = np.geomspace(0.01, 5.0, 40), np.arange(1, 400)[:, None]
    decay = np.exp(-((n * np.pi) ** 2) / 2 * times)
    exact = 1 + 2 / 0.4 * np.sum((-1.0) ** n / (n * np.pi) * np.sin(0.4 * n * np.pi) * decay, axis=0)
    np.testing.assert_allclose(law.cdf(times), exact, atol=1e-12)


def test_out_of_an_interval_through_either_side() -> None:
    """Out of an interval the passage splits into its sides, each a sum over modes."""
    diffusion, times = from_expressions("0", "1"), np.geomspace(0.005, 6.0, 40)
    n = np.arange(1, 300)[:, None]
    decay = np.sin(0.3 * n * np.pi) / (n * np.pi) * np.exp(-((n * np.pi) ** 2) / 2 * times)
    low = passage_law(diffusion, 0.3, below=0.0, above=1.0, side="low")
    both = passage_law(diffusion, 0.3, below=0.0, above=1.0)
    assert low.probability == pytest.approx(0.7, rel=1e-13)
    np.testing.assert_allclose(low.cdf(times), 0.7 - 2 * decay.sum(axis=0), atol=1e-12)
    exact = 1 - 2 * np.sum((1 - (-1.0) ** n) * decay, axis=0)
    np.testing.assert_allclose(both.cdf(times), exact, atol=1e-12)


def test_extinction_at_an_exit() -> None:
    """Feller's branching diffusion dies out by t with probability exp(-2 a x/(c (exp(a t) - 1)))."""
    law = passage_law(from_expressions("-0.6*x", "sqrt(1.1*x)", interval=(0, INF)), 1.5)
    times = np.geomspace(0.01, 60.0, 40)
    exact = np.exp(-2 * 0.6 * 1.5 / 1.1 / np.expm1(0.6 * times))
    np.testing.assert_allclose(law.cdf(times), exact, atol=1e-12)


def test_explosion_in_finite_time() -> None:
    """The time to infinity of dx = x**3 dt + dW is that to 6 and 1/72 more, but for the noise there."""
    diffusion, times = from_expressions("x^3", "1"), np.array([0.5, 1.0, 2.0, 6.0])
    law = passage_law(diffusion, 0.0)
    near = passage_law(diffusion, 0.0, below=-6.0, above=6.0)
    assert law.probability == pytest.approx(1.0, rel=1e-12)
    assert law.error(times) < 1e-11
    np.testing.assert_allclose(law.cdf(times), near.cdf(times - 1 / 72), atol=2e-5)


def test_escape_after_a_long_time() -> None:
    """A barrier of exp(34) is crossed after an exponential time, with the rate of the spectrum."""
    law = passage_law(from_expressions("x - x^3", "0.12"), -1.0, above=0.0)
    rate = 3.705623685916e-16
    times = np.geomspace(1e12, 1e17, 12)
    np.testing.assert_allclose(law.cdf(times), -np.expm1(-rate * times), atol=1e-10)


def _ornstein() -> PassageLaw:
    return passage_law(from_expressions("-x", "1"), 0.0, above=0.5)


REFUSED: dict[str, Callable[[], object]] = {
    "start": lambda: passage_law(from_expressions("-x", "1"), 1.0, above=0.5),
    "side": lambda: passage_law(from_expressions("-x", "1"), 0.0, above=0.5, side="low"),
    "above": lambda: passage_law(from_expressions("-x", "x", interval=(0, INF)), 1.0, above=-0.5),
    "probabilities": lambda: _ornstein().quantiles(np.array([2.0])),
    "times": lambda: _ornstein().cdf(np.array([math.nan])),
}


@pytest.mark.parametrize("field", REFUSED)
def test_refusals(field: str) -> None:
    """Starts outside, sides without exit, levels outside, probabilities above 1 and nan times are refused."""
    with pytest.raises(InvalidModelError, match=field):
        REFUSED[field]()
