"""Random expressions mean what Python means by them; random texts are read or refused, and nothing else."""

import ast
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.expressions import COMPARISONS, MAX_DEPTH, MAX_LENGTH, Node, parse

X = np.array([-3.0, -1.0, -0.2, 0.0, 0.7, 1.0, 40.0])
NAMES = {"k": 0.7, "m": -1.2}
MEANING: dict[str, Any] = {
    **{
        name: getattr(np, name)
        for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "abs", "sign", "where")
    },
    "atan": np.arctan,
    "power": np.power,
    "min": lambda *values: reduce(np.minimum, values),
    "max": lambda *values: reduce(np.maximum, values),
}


class _Numbers(ast.NodeTransformer):
    """Makes numbers and powers of NumPy out of those in the text: Python's own raise where there is none."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Call(ast.Name("number", ast.Load()), [node], [])

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """NumPy's ** of single numbers may differ from its power of arrays in the last bit."""
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow):
            return ast.Call(ast.Name("power", ast.Load()), [node.left, node.right], [])
        return node


def by_python(text: str) -> Any:
    """Value of a text that this file has made up, by Python itself."""
    tree = ast.fix_missing_locations(
        _Numbers().visit(ast.parse(text.strip().replace("^", "**"), mode="eval"))
    )
    values = {"number": np.float64, "x": X, **{name: np.float64(value) for name, value in NAMES.items()}}
    with np.errstate(all="ignore"):
        return eval(compile(tree, "text", "eval"), {"__builtins__": {}}, {**MEANING, **values})


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts made of texts, with few brackets: what binds to what is for the reader to find."""
    single = st.sampled_from(["({})", "-{}", "+{}", "({} )", *(f"{name}({{}})" for name in SINGLE)])
    double = st.sampled_from(["{}+{}", "{} - {}", "{}*{}", "{} / {}", "{}**{}", "{}^{}", "min({},{})"])
    triple = st.sampled_from(
        ["max({},{} , {})", *(f"where({{}}{sign}{{}}, {{}}, k)" for sign in COMPARISONS)]
    )
    return st.one_of(
        st.builds(str.format, single, inner),
        st.builds(str.format, double, inner, inner),
        st.builds(str.format, triple, inner, inner, inner),
    )


SINGLE = ("exp", "log", "sqrt", "sin", "cos", "tanh", "atan", "abs", "sign")
NUMBERS = st.floats(min_value=0, max_value=1e300).map(repr) | st.sampled_from(["0", "1", "2.", ".5", "3E+1"])
TEXTS = st.recursive(NUMBERS | st.sampled_from(["x", "k", "m"]), grown, max_leaves=12)


@given(TEXTS)
@example("0.015625**k")
def test_expressions_mean_what_python_means(text: str) -> None:
    """Signs, powers, products, sums, brackets, branches: bit for bit what Python and NumPy make of it."""
    value = np.broadcast_to(parse(text, parameters=tuple(NAMES)).evaluate({"x": X, **NAMES}), X.shape)
    np.testing.assert_array_equal(value, np.broadcast_to(by_python(text), X.shape))


@given(TEXTS, st.sampled_from(X.tolist()))
def test_culprits_stand_at_their_places(text: str, x: float) -> None:
    """Where a value is not finite, the culprit is a part whose operator or function stands at its place."""
    tree = parse(text, parameters=tuple(NAMES))
    part = tree.culprit({"x": x, **NAMES})
    assert (part is None) == bool(np.isfinite(tree.evaluate({"x": x, **NAMES})))
    if part is not None:
        assert text[part.place - 1 :].startswith((part.kind, "^" if part.kind == "**" else part.kind))


def size(node: Node) -> int:
    return 1 + sum(size(part) for part in node.parts)


def reads_or_refuses(text: str) -> None:
    try:
        tree = parse(text, parameters=tuple(NAMES), field="drift")
    except InvalidModelError as error:
        refused = error
    else:
        check_tree(tree, text)
        return
    assert refused.field == "drift"
    assert "character " in refused.allowed


def check_tree(tree: Node, text: str) -> None:
    assert tree.depth <= MAX_DEPTH
    assert size(tree) <= len(text)
    assert tree.names() <= {"x", *NAMES}
    assert tree.evaluate({"x": X, **NAMES}).shape in ((), X.shape)


@given(st.text(max_size=80))
@example("1e999")
@example("9" * 400)
@example("1e-999*x")
@example("\x00")
@example("x\u2028+1")
@example("１+x")
@example("ｅxp(x)")
@example("\ud800")
def test_any_unicode_is_read_or_refused(text: str) -> None:
    """Any text at all is an expression, or refused with the character."""
    reads_or_refuses(text)


@given(
    st.lists(
        st.sampled_from([*SINGLE, *COMPARISONS, *"xkm1.e+-*/^(),=! \t", "where(", "min(", "**"]), max_size=60
    )
)
def test_any_tokens_are_read_or_refused(tokens: list[str]) -> None:
    """Any heap of tokens is an expression, or refused with the character."""
    reads_or_refuses("".join(tokens))


@given(TEXTS, st.data())
def test_a_slip_of_the_hand_is_read_or_refused(text: str, data: st.DataObject) -> None:
    """One character of an expression lost, doubled or exchanged gives an expression, or a refusal."""
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(["", text[at] * 2, *"x()+,<=.^_@"]))
    reads_or_refuses(text[:at] + other + text[at + 1 :])


@given(
    st.sampled_from(["(", "-", "+", "x^", "2**-", "exp(", "min(x,", "where(x<", "where(x<1,", "x+(", "x*("]),
    st.data(),
)
def test_attacks_by_size_are_refused(unit: str, data: st.DataObject) -> None:
    """However often something opens, and whether or not it closes, nothing overflows."""
    n = data.draw(st.integers(1, 2 * MAX_LENGTH // len(unit)))
    closed = ")" * n if "(" in unit and data.draw(st.booleans()) else ""
    reads_or_refuses(unit * n + "x" + closed)


@pytest.mark.parametrize("text", ["x " * 500, "1" * 1000, "x+" * 499 + "x", "x" + " " * 999])
def test_long_texts_are_read_or_refused(text: str) -> None:
    """Texts of the greatest length are read or refused."""
    reads_or_refuses(text)
