"""First passage times against closed forms and quadrature, and escape against Kramers' formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from equipoise_solver.diffusion.ends import Behaviour
from equipoise_solver.diffusion.escape import escape, fixed_points
from equipoise_solver.diffusion.passage import PassageTime, passage_time
from equipoise_solver.diffusion.problem import from_expressions
from equipoise_solver.diffusion.profile import Profile, profile_of
from equipoise_solver.errors import InvalidModelError, LimitExceededError

INF = math.inf
LINE, HALF = (-INF, INF), (0.0, INF)
Array = NDArray[np.float64]


def ready(
    drift: str,
    noise: str,
    interval: tuple[float, float] = LINE,
    *,
    behaviour: Behaviour = "reflecting",
    **parameters: float,
) -> Profile:
    problem = from_expressions(drift, noise, parameters=parameters, interval=interval)
    return profile_of(problem, low_behaviour=behaviour, high_behaviour=behaviour)


def check(found: PassageTime, mean: float, variance: float, probability: float = 1.0) -> None:
    assert found.probability == pytest.approx(probability, rel=1e-11)
    assert found.mean == pytest.approx(mean, rel=1e-11)
    assert found.variance == pytest.approx(variance, rel=1e-11)


@pytest.mark.parametrize("distance", [1.5, 500.0])
def test_brownian_motion_with_drift(distance: float) -> None:
    """With the drift the inverse Gaussian law; against it the same law, given that the level is reached."""
    mean, variance = distance / 0.6, distance * 1.69 / 0.216
    check(passage_time(ready("0.6", "1.3"), -0.4, high=-0.4 + distance), mean, variance)
    check(passage_time(ready("-0.6", "1.3"), 0.4, low=0.4 - distance), mean, variance)
    lost = passage_time(ready("-0.6", "1.3"), -0.4, high=-0.4 + distance)
    check(lost, mean, variance, math.exp(-1.2 * distance / 1.69))


def test_brownian_motion_between_walls_of_all_kinds() -> None:
    """Free motion out of an interval, from a reflecting wall, and to a wall itself."""
    free = ready("0", "1.3")
    check(passage_time(free, 0.3, low=-1.0, high=1.1), 1.04 / 1.69, 1.04 * (1.69 + 0.64) / 3 / 1.69**2)
    assert passage_time(free, 0.3, high=1.1).mean == INF
    wall = ready("0", "1.3", HALF)
    reflected = (1.21 - 0.09) / 1.69, 2 / 3 * (1.1**4 - 0.3**4) / 1.69**2
    check(passage_time(wall, 0.3, high=1.1), *reflected)
    box = ready("0", "1.3", (-1.1, 0.0))
    check(passage_time(box, -0.3, low=-1.1), *reflected)
    check(passage_time(box, -0.3, low=-1.1, high=0.0), 0.24 / 1.69, 0.24 * (0.09 + 0.64) / 3 / 1.69**2)
    absorbed = passage_time(ready("0", "1.3", HALF, behaviour="absorbing"), 0.3, high=1.1)
    # Given that it leaves at b, free motion is Bessel's process of dimension 3.
    check(absorbed, 1.12 / 3 / 1.69, 2 * (1.1**4 - 0.3**4) / 45 / 1.69**2, 0.3 / 1.1)


@pytest.mark.parametrize("dimension", [0.5, 1.5, 2.0, 3.0, 4.7])
def test_bessel_processes(dimension: float) -> None:
    """Up to a radius: (b^2 - x^2)/d, variance 2 (b^4 - x^4)/(d^2 (d + 2)); 0 reflects or is entered."""
    profile = ready("(d - 1)/(2*x)", "1", HALF, d=dimension)
    mean, variance = 1.12 / dimension, 2 * (1.1**4 - 0.3**4) / dimension**2 / (dimension + 2)
    check(passage_time(profile, 0.3, high=1.1), mean, variance)


def test_a_transient_process_may_never_arrive() -> None:
    """Bessel in three dimensions comes down to a with probability a/x, and then in infinite mean time."""
    found = passage_time(ready("1/x", "1", HALF), 2.0, low=0.7)
    assert found.probability == pytest.approx(0.35, rel=1e-12)
    assert found.mean == INF


def test_annulus_in_the_plane() -> None:
    """Out of a ring: the harmonic mean of b^2 and a^2 less x^2, over two."""
    u = math.log(2.0) / math.log(4.0)
    found = passage_time(ready("1/(2*x)", "1", HALF), 1.0, low=0.5, high=2.0)
    assert found.mean == pytest.approx((u * 4 + (1 - u) * 0.25 - 1) / 2, rel=1e-12)


@pytest.mark.parametrize(("start", "level"), [(2.0, 0.5), (2.0, 1e-30), (2.0, 5.0), (2.0, 1e9)])
def test_geometric_brownian_motion(start: float, level: float) -> None:
    """log x is Brownian motion with drift -0.12, over 30 decades as well."""
    profile = ready("0.2*x", "0.8*x", HALF)
    distance = abs(math.log(level / start))
    mean, variance = distance / 0.12, distance * 0.64 / 0.12**3
    up = level > start
    probability = math.exp(-0.24 * distance / 0.64) if up else 1.0
    found = passage_time(profile, start, high=level if up else None, low=None if up else level)
    check(found, mean, variance, probability)


NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def integral(function: Callable[[Array], Array], low: Array | float, high: Array | float) -> Array:
    """The integral between arrays of limits, by 40 nodes: 1e-13 for what is smooth on the interval."""
    low, high = np.broadcast_arrays(np.asarray(low, dtype=float), np.asarray(high, dtype=float))
    half = 0.5 * (high - low)
    points = 0.5 * (high + low)[..., None] + half[..., None] * NODES
    return np.asarray((function(points) @ WEIGHTS) * half)


def test_ornstein_uhlenbeck_to_a_level() -> None:
    """Mean and variance to one level against nested integrals of error functions."""
    root = math.sqrt(1.3) / 0.9

    def scale(x: Array) -> Array:
        return np.exp((root * x) ** 2)

    def below(x: Array) -> Array:
        return math.sqrt(math.pi) / (0.81 * root) * special.erfc(-root * x)

    def inner(x: Array) -> Array:
        cuts: tuple[Array | float, ...] = (-12.0, -6.0, -3.0, -1.0, x)
        parts = [integral(lambda y: scale(y) * below(y) ** 2, a, b) for a, b in pairwise(cuts)]
        return np.asarray(parts[0] + parts[1] + parts[2] + parts[3])

    found = passage_time(ready("-1.3*x", "0.9"), 0.3, high=2.1)
    check(
        found,
        float(integral(lambda x: scale(x) * below(x), 0.3, 2.1)),
        2 * float(integral(lambda x: scale(x) * inner(x), 0.3, 2.1)),
    )


def test_out_of_an_interval_with_state_dependent_noise() -> None:
    """CIR out of (0.2, 2): mean and second moment with Green's function."""
    low, start, high = 0.2, 0.9, 2.0
    shape, slope = 2 * 1.3 * 0.7 / 0.81, 2 * 1.3 / 0.81

    def scale(x: Array) -> Array:
        return x**-shape * np.exp(slope * x)

    def green(weight: Callable[[Array], Array], x: Array | float) -> Array:
        def speed(y: Array) -> Array:
            return weight(y) * 2 / (0.81 * y * scale(y))

        left = integral(lambda y: integral(scale, low, y) * speed(y), low, x)
        right = integral(lambda y: integral(scale, y, high) * speed(y), x, high)
        upper, lower = integral(scale, x, high), integral(scale, low, x)
        return np.asarray((upper * left + lower * right) / (upper + lower))

    def mean(x: Array) -> Array:
        return green(np.ones_like, x)

    first, second = float(mean(np.array(start))), 2 * float(green(mean, start))
    found = passage_time(ready("1.3*(0.7 - x)", "0.9*sqrt(x)", HALF), start, low=low, high=high)
    check(found, first, second - first**2)


def test_explosion() -> None:
    """dx = x^2 dt + s dW crosses the line in the mean time sqrt(2 pi)/(3 s) (6 s^2)^(1/6) Gamma(1/6).

    The variance is a third of its square (Lindner, Longtin and Bulsara, Neural Computation 15 (2003) 1761).
    """
    start = -1e9  # Reached from -infinity after the time 1e-9.
    found = passage_time(ready("x^2", "0.7"), start, high=INF)
    mean = math.sqrt(2 * math.pi) / 2.1 * (6 * 0.49) ** (1 / 6) * math.gamma(1 / 6)
    assert found.mean + 1e-9 == pytest.approx(mean, rel=1e-11)
    assert found.variance == pytest.approx(mean**2 / 3, rel=1e-11)


def test_explosion_on_both_sides() -> None:
    """Out of (-inf, inf) is out of (-b, b) and then to infinity, which takes 1/(2 b^2) for large b."""
    profile = ready("x^3 - x", "1")
    whole = passage_time(profile, 0.2, low=-INF, high=INF)
    part = passage_time(profile, 0.2, low=-1e3, high=1e3)
    assert whole.mean - part.mean == pytest.approx(0.5e-6, rel=1e-5)
    assert whole.variance == pytest.approx(part.variance, rel=1e-8)
    to_one_side = passage_time(profile, 0.2, high=INF)
    other = passage_time(profile, 0.2, low=-INF)
    assert to_one_side.probability + other.probability == pytest.approx(1.0, rel=1e-13)
    total = to_one_side.probability * to_one_side.mean + other.probability * other.mean
    assert total == pytest.approx(whole.mean, rel=1e-11)
    second = sum(t.probability * (t.variance + t.mean**2) for t in (to_one_side, other))
    assert second - total**2 == pytest.approx(whole.variance, rel=1e-10)


def test_passages_add_up() -> None:
    """Times to b from x are those to any level between plus those from there, variances too."""
    profile = ready("x - x^3 + 0.1", "0.25*sqrt(1 + x^2)")
    whole = passage_time(profile, -1.1, high=1.3)
    parts = [passage_time(profile, a, high=b) for a, b in ((-1.1, -0.2), (-0.2, 0.4), (0.4, 1.3))]
    assert whole.mean == pytest.approx(sum(part.mean for part in parts), rel=1e-11)
    assert whole.variance == pytest.approx(sum(part.variance for part in parts), rel=1e-11)


def test_far_starts_relax_as_without_noise() -> None:
    """From x = 100 a cubic force brings paths down to 10 in the noise-free time, the noise's share small."""
    found = passage_time(ready("-x^3", "0.1"), 100.0, low=10.0)
    assert found.mean == pytest.approx(0.5 * (1e-2 - 1e-4), rel=1e-6)
    # To lowest order the variance is the integral of noise^2/|drift|^3 over the path.
    assert found.variance == pytest.approx(0.01 / 8 * (1e-8 - 1e-16), rel=1e-5)


@pytest.mark.parametrize(
    ("low", "high", "field"),
    [(None, None, "low"), (-INF, None, "low"), (None, INF, "high"), (0.5, None, "low"), (None, 0.1, "high")],
)
def test_levels_that_make_no_sense_are_refused(low: float | None, high: float | None, field: str) -> None:
    """No level, ends that are never reached, and levels on the wrong side are refused by name."""
    with pytest.raises(InvalidModelError) as caught:
        passage_time(ready("-x", "1"), 0.3, low=low, high=high)
    assert caught.value.field == field


@pytest.mark.parametrize("noise", [0.2, 0.1, 0.05, 0.02])
def test_kramers_rate_is_approached(noise: float) -> None:
    """In the quartic double well exact over Kramers is 1 + 0.75 s^2 + O(s^4), the next Laplace order."""
    found = escape(ready("x - x^3", "s", s=noise), -0.9, direction="high")
    assert (found.well, found.saddle, found.target) == pytest.approx((-1.0, 0.0, 1.0), abs=1e-12)
    assert found.barrier == pytest.approx(0.5 / noise**2, rel=1e-11)
    assert found.log_kramers_time == pytest.approx(
        math.log(math.sqrt(2) * math.pi) + 0.5 / noise**2, rel=1e-11
    )
    assert found.ratio - 1 == pytest.approx(0.75 * noise**2, rel=3.5 * noise**2, abs=1e-9)


def test_kramers_with_state_dependent_noise() -> None:
    """The prefactor for multiplicative noise is right too: the ratio tends to 1 linearly in s^2."""
    ratios = [
        escape(ready("x - x^3 + 0.1", "s*(2 + x)", (-1.9, INF), s=s), -0.9, direction="high").ratio - 1
        for s in (0.04, 0.02, 0.01)
    ]
    assert abs(ratios[2]) < 5e-3
    assert ratios[0] / ratios[1] == pytest.approx(4.0, rel=0.05)
    assert ratios[1] / ratios[2] == pytest.approx(4.0, rel=0.02)


def test_escape_to_an_end() -> None:
    """Of two ways out of a well to explosion each has the rate of Kramers, and half of the paths."""
    found = escape(ready("x^3 - x", "0.1"), 0.0, direction="low")
    assert found.target == -INF
    assert found.passage.probability == pytest.approx(0.5, rel=1e-10)
    assert found.ratio == pytest.approx(1.0, abs=0.01)


def test_fixed_points_of_a_drift() -> None:
    """Zeros and slopes of the drift, and refusals where there is no well or no saddle."""
    points = fixed_points(ready("x*(1 - x)*(x - 3)", "0.2", (-1.0, 5.0)))
    assert [point.x for point in points] == pytest.approx([0.0, 1.0, 3.0], abs=1e-12)
    assert [point.slope for point in points] == pytest.approx([-3.0, 2.0, -6.0], rel=1e-10)
    with pytest.raises(InvalidModelError, match="saddle"):
        escape(ready("-x", "0.2"), 0.0, direction="high")
    with pytest.raises(InvalidModelError, match="well"):
        escape(ready("1 + x^2", "0.2"), 0.0, direction="high")


def test_starts_beyond_all_numbers_next_to_an_entrance() -> None:
    """With drift 1 - e^x the mean time from x down to 1 is 1/e - e^-x + (e^-2 - e^-2x)/4, from anywhere."""
    profile = profile_of(from_expressions("1 - exp(x)", "1"))
    found = [passage_time(profile, x, low=1.0) for x in (2.0, 700.0, 1000.0, 1e5)]
    assert found[0].mean == pytest.approx(
        math.exp(-1) - math.exp(-2) + (math.exp(-2) - math.exp(-4)) / 4, rel=1e-12
    )
    for one in found[1:]:
        assert one.mean == pytest.approx(math.exp(-1) + math.exp(-2) / 4, rel=1e-12)
        assert one.variance == pytest.approx(found[1].variance, rel=1e-12)


def test_starts_beyond_all_numbers_are_refused_elsewhere() -> None:
    """Next to an exit paths do not come back from there."""
    profile = profile_of(from_expressions("exp(x)", "1"))
    with pytest.raises(LimitExceededError, match="start=1000"):
        passage_time(profile, 1000.0, low=1.0)
