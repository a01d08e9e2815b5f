"""Reading problems: expressions next to ends, Stratonovich drifts, and what is refused."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from equipoise_solver.diffusion.coordinates import line_of
from equipoise_solver.diffusion.derivative import derivative
from equipoise_solver.diffusion.exact import Precise
from equipoise_solver.diffusion.hitting import hitting_probability
from equipoise_solver.diffusion.near_end import Near, evaluate_near
from equipoise_solver.diffusion.passage import passage_time
from equipoise_solver.diffusion.problem import from_expressions
from equipoise_solver.diffusion.profile import profile_of
from equipoise_solver.diffusion.stationary import long_run
from equipoise_solver.errors import InvalidModelError, LimitExceededError
from equipoise_solver.expressions import parse

INF = math.inf
EXPRESSIONS = (
    "sqrt(x*(1 - x))",
    "(1 - x)**0.3*exp(-2*x) - 0",
    "log(x)/(1 + x)",
    "sin(3*x)**2 + 1 - cos(x - 1)",
    "tanh(x) - tanh(1)",
    "atan(2*x) - atan(2)",
    "min(1 - x, 0.5)*max(x, 0.7)",
    "abs(x - 1)**1.5/(2 - x)",
    "where(x < 0.5, 3 - x, exp(x) - exp(1))",
    "(x**2 - 1)*(x**0.5 + 2)",
    "1/(1 - x) + x**x",
    "-sign(x - 0.3)*x",
)


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.parametrize("distance", [1e-3, 1e-20, 1e-150])
def test_values_next_to_an_end_keep_all_digits(text: str, distance: float) -> None:
    """At x = 1 - distance an expression is what mpmath says with 400 digits, to 1e-14."""
    tree = parse(text)
    rest = np.array([-distance])
    near = evaluate_near(tree, {}, Near(1.0, rest, np.zeros(1)))
    precise = Precise({}, decades=200)
    value = precise.value(tree, 1.0, precise.number(-distance))
    assert value is not None
    exact = float(value)
    assert abs(float(near.total[0]) - exact) <= 1e-14 * abs(exact)


def test_the_error_estimate_sees_digits_that_cancel() -> None:
    """exp(x) - 1 - x next to 0 is known to be lost."""
    rest = np.array([1e-9])
    near = evaluate_near(parse("exp(x) - 1 - x"), {}, Near(0.0, rest, np.zeros(1)))
    exact = 0.5e-18 + 1e-27 / 6
    assert near.safe_error[0] >= abs(float(near.total[0]) - exact) > 0
    assert near.safe_error[0] > 1e-9 * exact


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_derivatives_are_exact(text: str) -> None:
    """The derivative's value is mpmath's numerical derivative at 30 digits, to 1e-13."""
    tree, x = parse(text), 0.61
    precise = Precise({}, decades=40)

    def value(y: object) -> object:
        return precise.value(tree, 0.0, y)

    with mpmath.workdps(60):
        exact = float(mpmath.diff(value, mpmath.mpf(x)))
    found = float(derivative(tree).evaluate({"x": x}))
    assert found == pytest.approx(exact, rel=1e-13, abs=1e-15)


def test_stratonovich_adds_half_the_noise_times_its_slope() -> None:
    """dx = -x dt + s x^1.5 o dW has the Ito drift -x + 0.75 s^2 x^2."""
    problem = from_expressions(
        "-x", "s*x^1.5", parameters={"s": 0.7}, interval=(0, INF), interpretation="stratonovich"
    )
    x = np.array([0.3, 2.0])
    np.testing.assert_allclose(problem.drift(x), -x + 0.75 * 0.49 * x**2, rtol=1e-15)
    np.testing.assert_allclose(problem.variance(x), 0.49 * x**3, rtol=1e-15)


@pytest.mark.parametrize("interval", [(0.0, INF), (-INF, 3.0), (-2.0, 5.0), (-INF, INF)])
def test_coordinates_are_what_they_say(interval: tuple[float, float]) -> None:
    """Distances, inverse and Jacobian of a coordinate agree with the map itself."""
    coordinate = line_of(from_expressions("1.3 - x", "0.6", interval=interval)).coordinate
    y = np.linspace(-4, 4, 33)
    x = coordinate.value(y)
    np.testing.assert_allclose(coordinate.invert(x), y, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(np.log(coordinate.jacobian(y)), coordinate.log_jacobian(y), atol=1e-13)
    step = 1e-5
    slope = (coordinate.value(y + step) - coordinate.value(y - step)) / (2 * step)
    np.testing.assert_allclose(coordinate.jacobian(y), slope, rtol=1e-8)
    for point, here, rest in coordinate.anchored(y):
        whole = rest if math.isnan(point) else point + rest
        np.testing.assert_allclose(whole, x[here], rtol=1e-14, atol=1e-14)
    assert sum(np.count_nonzero(here) for _, here, _ in coordinate.anchored(y)) == y.size


@pytest.mark.parametrize(
    ("drift", "noise", "interval", "field", "given"),
    [
        ("-x", "1", (2.0, 1.0), "interval", "2.0"),
        ("-x", "1", (1.0, 1.0), "interval", "1.0"),
        ("-x", "1", (math.nan, 1.0), "interval", "nan"),
        ("-x", "1", (1.0, 1.0 + 4e-16), "interval", "1.0"),
        ("-x", "0", (0.0, 1.0), "noise", "0 at x = 0.5"),
        ("-x", "x", (-INF, INF), "noise", "0 at x = 0"),
        ("-x", "x*(1.7 - x)", (0.0, 3.0), "noise", "0 at x = 1.7"),
        ("-x", "abs(x - 1.7)", (0.0, 3.0), "noise", "0 at x = 1.7"),
        ("-x", "(x - 0.3)^4", (-INF, INF), "noise", "(-inf, 0.3) or (0.3, inf)"),
        ("-x", "x - 0.12345678", (0.1234567, 0.1234568), "noise", "(0.1234567, 0.12345678)"),
        ("-x", "(x - 1/3)^2", (-INF, INF), "noise", "(-inf, 0.33333333"),
        ("x^9^9^9^9", "1", (-INF, INF), "drift", "no finite number"),
        ("-x", "sqrt(abs(x - 1.7))", (0.0, INF), "noise", "0 at x = 1.7"),
        ("-x", "max(x - 1.7, 0)", (1.0, 3.0), "noise", "0 at x = 1."),
        ("1/(x - 1.7)", "1", (0.0, 3.0), "drift", "infinite at x = 1.7"),
        ("1/(x - 1.7)^2", "1", (0.0, INF), "drift", "infinite at x = 1.7"),
        ("1", "1/(x + 1.7)", (-INF, INF), "noise", "infinite at x = -1.7"),
        ("log(x - 1)", "1", (0.0, INF), "drift", "character 1"),
        ("2 + sqrt(x)", "1", (-1.0, INF), "drift", "character 5"),
    ],
)
def test_what_is_no_diffusion_is_refused(
    drift: str, noise: str, interval: tuple[float, float], field: str, given: str
) -> None:
    """Empty intervals, noise that vanishes inside, poles and gaps are refused, naming the place."""
    with pytest.raises(InvalidModelError) as caught:
        from_expressions(drift, noise, interval=interval)
    assert caught.value.field == field
    assert given in str(caught.value)


@pytest.mark.parametrize(
    ("drift", "noise", "interval"),
    [
        ("-x", "sqrt((x - 1)^2 + 1e-14)", (0.0, 3.0)),
        ("-x", "sqrt(2 - x^2)", (-math.sqrt(2), math.sqrt(2))),
        ("-x", "sqrt(x*(0.1 + 0.2 - x))", (0.0, 0.3)),
        ("exp(1/x)", "1", (0.0, INF)),
        ("exp(x)", "exp(-1/x)", (0.0, INF)),
        ("0", "1", (-INF, INF)),
    ],
)
def test_narrow_dips_and_large_numbers_are_no_zeros_and_poles(
    drift: str, noise: str, interval: tuple[float, float]
) -> None:
    """Noise that nearly vanishes, rounded ends and numbers that overflow near ends are accepted."""
    from_expressions(drift, noise, interval=interval)


def test_bad_values_are_refused() -> None:
    """Parameters that are not finite and unknown interpretations are refused by name."""
    with pytest.raises(InvalidModelError, match=r"params\.a"):
        from_expressions("a*x", "1", parameters={"a": math.nan})
    with pytest.raises(InvalidModelError, match="interpretation"):
        from_expressions("x", "1", interpretation="klimontovich")  # type: ignore[arg-type]


DRIFTS = ("-x^3 + x", "where(x < 0.5, 1, -1)", "exp(-x) - 0.5", "1/x - x", "max(0.3 - x, -1)", "0")
NOISES = ("1", "x^1.5", "exp(-x/5)", "0.3 + 0.2*tanh(20*(x - 0.5))", "sqrt(x*(1 - x))", "1e4")


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("noise", NOISES)
def test_any_combination_is_answered_or_refused(drift: str, noise: str) -> None:
    """Answers of many pairs hang together: probabilities add up, times are positive, refusals are ours."""
    answered = 0
    for interval in ((0.0, INF), (0.0, 1.0), (-INF, INF), (-INF, 0.7)):
        try:
            profile = profile_of(from_expressions(drift, noise, interval=interval))
        except InvalidModelError:
            continue
        law = long_run(profile, start=0.4)
        if law.density is not None:
            below, above = float(law.density.cdf(0.4)), float(law.density.survival(0.4))
            assert below + above == pytest.approx(1.0, rel=1e-11)
            assert law.density.variance > 0 or not math.isfinite(law.density.mean)
        hit = hitting_probability(profile, 0.4, low=0.1, high=0.6)
        assert hit.low + hit.high == pytest.approx(1.0, rel=1e-12)
        time = passage_time(profile, 0.4, low=0.1, high=0.6)
        assert time.mean > 0
        assert time.variance > 0
        answered += 1
    assert answered > 0


def test_a_drift_that_oscillates_for_ever_is_refused() -> None:
    """sin(x) on the whole line has no end that could be resolved."""
    with pytest.raises(LimitExceededError, match="change too fast"):
        profile_of(from_expressions("sin(x)", "1"))
