"""Feller's classification against the textbook's list."""

from __future__ import annotations

import math

import pytest

from equipoise_solver.diffusion.ends import end_of
from equipoise_solver.diffusion.problem import from_expressions
from equipoise_solver.diffusion.profile import profile_of
from equipoise_solver.diffusion.stationary import long_run

INF = math.inf
LINE, HALF, UNIT = (-INF, INF), (0.0, INF), (0.0, 1.0)
CLASSES = [
    ("-1.3*x", "0.7", LINE, "natural", False, "natural", False),
    ("1.3*(0.7 - x)", "0.9*sqrt(x)", HALF, "entrance", False, "natural", False),
    ("1.3*(0.2 - x)", "0.9*sqrt(x)", HALF, "regular", True, "natural", False),
    ("-1.3*x", "0.9*sqrt(x)", HALF, "exit", True, "natural", False),
    ("0.2*x", "0.8*x", HALF, "natural", True, "natural", False),
    ("0.6*x", "0.8*x", HALF, "natural", False, "natural", True),
    ("0.32*x", "0.8*x", HALF, "natural", False, "natural", False),
    ("0.3 - x", "0.7*sqrt(x*(1 - x))", UNIT, "entrance", False, "entrance", False),
    ("0.1*(0.3 - x)", "0.7*sqrt(x*(1 - x))", UNIT, "regular", True, "regular", True),
    ("0", "0.7*sqrt(x*(1 - x))", UNIT, "exit", True, "exit", True),
    ("0", "0.7*x*(1 - x)", UNIT, "natural", True, "natural", True),
    ("(0 - 1)/(2*x)", "1", HALF, "exit", True, "natural", False),
    ("(0.5 - 1)/(2*x)", "1", HALF, "regular", True, "natural", False),
    ("(1.5 - 1)/(2*x)", "1", HALF, "regular", True, "natural", False),
    ("(2 - 1)/(2*x)", "1", HALF, "entrance", False, "natural", False),
    ("(3 - 1)/(2*x)", "1", HALF, "entrance", False, "natural", True),
    ("0.4", "1", LINE, "natural", False, "natural", True),
    ("0.4", "1", (-INF, 2.0), "natural", False, "regular", True),
    ("0", "1", LINE, "natural", False, "natural", False),
    ("0", "x^1.5", HALF, "natural", True, "entrance", False),
    ("-1.1*x", "sqrt(0.5 + 0.7*x^2)", LINE, "natural", False, "natural", False),
    ("x - x^3", "0.3", LINE, "entrance", False, "entrance", False),
    ("x^2", "1", LINE, "entrance", False, "exit", True),
    ("x*abs(x)^0.5", "1", LINE, "exit", True, "exit", True),
    ("exp(x)", "1", HALF, "regular", True, "exit", True),
    ("1/x^2", "1", HALF, "entrance", False, "natural", False),
    ("-1/x^2", "1", HALF, "exit", True, "natural", False),
    ("0.001*x", "sqrt(x)*(2 + sin(log(x)))", UNIT, "regular", True, "regular", True),
    ("-x*log(x)", "x", HALF, "natural", False, "natural", False),
]


@pytest.mark.parametrize(("drift", "noise", "interval", "low", "low_takes", "high", "high_takes"), CLASSES)
def test_classes(
    drift: str,
    noise: str,
    interval: tuple[float, float],
    low: str,
    low_takes: bool,
    high: str,
    high_takes: bool,
) -> None:
    """Both ends have Feller's class, attract or not, and say why."""
    profile = profile_of(from_expressions(drift, noise, interval=interval))
    found = profile.low, profile.high
    assert [end.kind for end in found] == [low, high]
    assert [end.attracting for end in found] == [low_takes, high_takes]
    assert all(end.reason.endswith(".") for end in found)


@pytest.mark.parametrize("shift", [2.5, -1e6])
def test_classes_do_not_depend_on_where_the_interval_lies(shift: float) -> None:
    """Jacobi on a shifted interval and CIR turned around have the classes of the plain ones."""
    a, b = shift, shift + 1.0
    jacobi = from_expressions(
        "0.1*(a + 0.3 - x)", "0.7*sqrt((x - a)*(b - x))", parameters={"a": a, "b": b}, interval=(a, b)
    )
    assert end_of(jacobi, "low").kind == end_of(jacobi, "high").kind == "regular"
    turned = from_expressions("1.3*(a - 0.2 - x)", "0.9*sqrt(a - x)", parameters={"a": a}, interval=(-INF, a))
    high = end_of(turned, "high")
    assert high.kind == "regular"
    assert high.scale_rate == pytest.approx(2 * 1.3 * 0.2 / 0.81 - 1, rel=1e-9)
    assert high.speed_rate == pytest.approx(-2 * 1.3 * 0.2 / 0.81, rel=1e-9)


@pytest.mark.parametrize(
    ("noise", "interval"),
    [("sqrt(x)*log(x)", (0.0, 0.5)), ("x*sqrt(-log(x))", (0.0, 0.5))],
)
def test_what_has_not_settled_is_undecided(noise: str, interval: tuple[float, float]) -> None:
    """Logarithms on a border are not decided, with the reason."""
    problem = from_expressions("0.001*x", noise, interval=interval)
    end = end_of(problem, "low")
    assert end.kind == "undecided"
    assert "settle" in end.reason


def test_an_undecided_end_leaves_the_long_run_undecided() -> None:
    """No law is stated where an end decides and is not decided."""
    law = long_run(profile_of(from_expressions("-1/x/log(1/x)", "1", interval=(0.0, 0.5))))
    assert law.kind in ("undecided", "density")
    undecided = profile_of(from_expressions("0.5/x*(1 + 1/log(1/x))", "1", interval=(0.0, 0.5)))
    assert undecided.low.kind == "undecided"
    assert long_run(undecided).kind == "undecided"


def test_regular_ends_behave_as_told() -> None:
    """A regular end reflects by default, absorbs on demand, and an exit absorbs whatever is asked."""
    problem = from_expressions("0", "1", interval=(0.0, 1.0))
    assert not end_of(problem, "low").absorbs
    assert end_of(problem, "low", behaviour="absorbing").absorbs
    exit_end = end_of(from_expressions("-x", "sqrt(x)", interval=HALF), "low", behaviour="reflecting")
    assert exit_end.absorbs
