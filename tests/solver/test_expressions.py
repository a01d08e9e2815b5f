"""Expressions mean what arithmetic means, and anything else is refused where it stands."""

import math
import operator
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.expressions import MAX_LENGTH, check_names, parse

X = np.array([-1.7, -0.3, 0.0, 0.4, 2.5])

MEANS: list[tuple[str, Any]] = [
    ("-x**2", -(X**2)),
    ("-x^2", -(X**2)),
    ("2**-x", 2.0**-X),
    ("2**3**2 + 0*x", np.full(5, 512.0)),
    ("x - 1 - 2", X - 3),
    ("8/4/2*x", X),
    ("k*(x - m)/2", 0.7 * (X + 1.2) / 2),
    ("+-+x", -X),
    (" ( x ) * .5e1 + 1.", 5 * X + 1),
    ("min(x, 1, k) - max(x, 0)", np.minimum(np.minimum(X, 1), 0.7) - np.maximum(X, 0)),
    ("exp(x)*tanh(x) + sin(x)*cos(x)", np.exp(X) * np.tanh(X) + np.sin(X) * np.cos(X)),
    ("where(x < k, atan(x), x/0)*0 + atan(x)", np.where(X < 0.7, np.arctan(X), np.nan)),
    ("where(x - 1 <= -1, 1, 2) + 10*where(x >= 2*k + 1.1, 1, 2)", np.array([21, 21, 21, 22, 12])),
    ("where(x == 0, k, where(x != 0.4, m, 3))", np.array([-1.2, -1.2, 0.7, 3, -1.2])),
    ("where(x > 0, log(x), -x)", [1.7, 0.3, 0, math.log(0.4), math.log(2.5)]),
    ("where(log(x) < 9, 1, 2) + where(log(x) != 9, 10, 20)", np.array([12, 12, 11, 11, 11])),
    ("sign(x)*sqrt(abs(x)) + log(x*x + 1)", np.sign(X) * np.sqrt(np.abs(X)) + np.log(X**2 + 1)),
]


@pytest.mark.parametrize(("text", "value"), MEANS)
def test_meaning(text: str, value: Any) -> None:
    """The usual precedence: powers bind first and to the right, differences and quotients go left."""
    tree = parse(text, parameters=("k", "m"))
    np.testing.assert_allclose(tree.evaluate({"x": X, "k": 0.7, "m": -1.2}), value, rtol=1e-14)


def test_any_arithmetic_evaluates() -> None:
    """The same tree is evaluated to 40 digits when the operations are those of mpmath."""
    operations = {
        "+": operator.add,
        "*": operator.mul,
        "/": operator.truediv,
        "**": operator.pow,
        "negative": operator.neg,
        "min": min,
        "exp": mpmath.exp,
    }
    tree = parse("exp(-k*x)**2/3 + min(x, 5, k)", parameters=("k",))
    with mpmath.workdps(40):
        value = tree.evaluate_with(
            operations, {"x": mpmath.mpf(2), "k": mpmath.mpf(1) / 3}, number=mpmath.mpf
        )
        assert abs(value - (mpmath.exp(-mpmath.mpf(4) / 3) / 3 + mpmath.mpf(1) / 3)) < mpmath.mpf(10) ** -39


def test_names_are_listed() -> None:
    """A tree knows the names that occur in it."""
    assert parse("k*x + exp(b)", parameters=("k", "b", "c")).names() == {"x", "k", "b"}


def test_nothing_is_raised_where_there_is_no_value() -> None:
    """Where an expression has no value it is NaN or infinite, without a warning."""
    values = parse("log(x) + 1/x").evaluate({"x": np.array([-1.0, 0.0])})
    assert not np.any(np.isfinite(values))


REFUSED: list[tuple[str, int]] = [
    ("", 1),
    ("x +", 4),
    ("x negative x", 3),
    ("positive x", 1),
    ("x y", 3),
    ("2x", 2),
    ("(x", 3),
    ("x)", 2),
    ("x + q", 5),
    ("exp x", 5),
    ("exp(x, x)", 9),
    ("min(x)", 6),
    ("x.real", 2),
    ("x[0]", 2),
    ("x if x else x", 3),
    ("lambda: 0", 1),
    ("__import__('os')", 1),
    ("exp.__class__", 4),
    ("x == 1", 3),
    ("x < 1", 3),
    ("(x < 1)*2", 4),
    ("min(x < 1, 2)", 7),
    ("where(x, 1, 2)", 8),
    ("where(0 < x < 1, 1, 2)", 13),
    ("where((x < 1), 1, 2)", 10),
    ("where(x < 1, 1)", 15),
    ("where(x < 1, x > 1, 2)", 16),
    ("where(x < 1, 1, 2, 3)", 21),
    ("where(x = 1, 1, 2)", 9),
    ("where(! x, 1, 2)", 7),
    ("where x < 1", 7),
    ("x <> 1", 3),
    ("x\x1c", 2),
    ("  \t\nx q", 7),
    ("1e999", 1),
    ("x ** ", 5),
    ("x // 2", 4),
    ("1_000", 2),
    ("0x10", 2),
    ("x; x", 2),
    ("x\\n", 2),
]


@pytest.mark.parametrize(("text", "place"), REFUSED)
def test_refusals_name_the_place(text: str, place: int) -> None:
    """What is no expression is refused with the field and the number of the character."""
    with pytest.raises(InvalidModelError) as refused:
        parse(text, field="drift")
    assert refused.value.field == "drift"
    assert f"character {place};" in refused.value.allowed


def test_a_refused_comparison_says_where_it_may_stand() -> None:
    """A chain of comparisons is refused with what would be accepted."""
    with pytest.raises(
        InvalidModelError, match=r"first argument of where, one in each: where\(x < 1, a, b\)"
    ):
        parse("where(0 < x < 1, 1, 2)")


def test_foreign_characters_are_counted() -> None:
    """The first character that is not ASCII is named."""
    with pytest.raises(InvalidModelError, match="character 5 is one too many"):
        parse("2 * α + β")


def test_the_culprit_is_named() -> None:
    """Where an expression has no value, the part that takes it away is found with its place."""
    tree = parse("1 + where(x < 0, sqrt(x), 2 / (x - 1)) * exp(x)")
    found = [tree.culprit({"x": x}) for x in (-1.0, 0.5, 1.0, 1e3)]
    places = [(part.kind, part.place) if part else None for part in found]
    assert places == [("sqrt", 18), None, ("/", 29), ("exp", 42)]


def test_deep_callers_have_room() -> None:
    """The deepest texts are read and evaluated with half of Python's stack in use."""

    def called(depth: int) -> float:
        if depth:
            return called(depth - 1)
        with pytest.raises(InvalidModelError):
            parse("1+x*where(" * 100)
        return float(parse("min(1+x*" * 33 + "x" + ",2)" * 33).evaluate({"x": 0.5}))

    assert called(400) == 2 - 1.5 * 2.0**-33


@pytest.mark.parametrize(
    "text",
    [
        "(" * 200 + "x" + ")" * 200,
        "-" * 500 + "x",
        "x^" * 300 + "x",
        "x+" * 400 + "x",
        "x" * (MAX_LENGTH + 1),
        "α*x",
    ],
)
def test_size_is_bounded(text: str) -> None:
    """Deep, long and foreign texts are refused before they cost anything."""
    with pytest.raises(InvalidModelError):
        parse(text)


@pytest.mark.parametrize("name", ["x", "exp", "1k", "a b", "", "é", "a" * 41, "a.b"])
def test_names_of_parameters_are_plain(name: str) -> None:
    """A parameter has a name of its own."""
    with pytest.raises(InvalidModelError):
        check_names((name,))


@given(st.text(alphabet="x1.e+-*/^(), abkminexp", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Any text is an expression with a value, or refused: nothing else happens."""
    try:
        tree = parse(text, parameters=("a", "b"))
    except InvalidModelError:
        return
    value = float(tree.evaluate({"x": 0.3, "a": 1.1, "b": -0.4}))
    assert isinstance(value, float) or math.isnan(value)
