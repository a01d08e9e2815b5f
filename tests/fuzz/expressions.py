"""Fuzzes the parser of expressions, led by coverage: `python tests/fuzz/expressions.py -max_total_time=600`.

Needs atheris and numpy, and solver/ on PYTHONPATH; no part of `make test`. Each text is read or refused with
InvalidModelError. One that is read has the tree that Python's own parser gives it, and is evaluated and
compiled into nothing: an audit hook sees to it that reading and evaluating open, import and run nothing.
"""

import ast
import importlib
import sys
import warnings
from typing import Any

import numpy as np

atheris: Any = importlib.import_module("atheris")  # Installed for this script alone, without types.

with atheris.instrument_imports(include=["equipoise_solver.expressions"]):
    from equipoise_solver.errors import InvalidModelError
    from equipoise_solver.expressions import FUNCTIONS, MAX_DEPTH, OPERATORS, Node, parse

NAMES = ("k", "longer_name")
TOKENS = (
    *FUNCTIONS,
    *OPERATORS,
    *NAMES,
    *("(", ")", ",", "^", "<", "<=", ">", ">=", "==", "!=", "=", "x", " ", "where(x<", "min(x,", "((", "))"),
    *(
        "1",
        "0.5",
        ".5",
        "2.",
        "1e3",
        "1e999",
        "1e-999",
        "3E+1",
        "_",
        "__import__",
        "lambda",
        ".",
        "[",
        "\n",
        "é",
    ),
)
VALUES: dict[str, Any] = {"x": np.array([-1.5, 0.0, 0.7]), "k": 0.3, "longer_name": -2.0}
SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
watching = False


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse everything that Python announces while an expression is read."""
    if watching and event not in ("sys._getframe", "object.__getattr__"):
        raise AssertionError(f"{event} {arguments!r}")


def ours(node: Node) -> Any:
    """A tree as tuples."""
    if node.kind in ("number", "name"):
        return node.value if node.kind == "number" else node.name
    return (node.kind, *(ours(part) for part in node.parts))


def pythons(node: ast.AST) -> Any:
    """A tree of Python's as the same tuples."""
    match node:
        case ast.Constant(int() | float() as value):
            return float(value)
        case ast.Name(name):
            return name
        case ast.UnaryOp(ast.USub(), inner):
            return ("negative", pythons(inner))
        case ast.UnaryOp(ast.UAdd(), inner):
            return pythons(inner)
        case ast.BinOp(left, sign, right) | ast.Compare(left, [sign], [right]):
            return (SIGNS[type(sign)], pythons(left), pythons(right))
        case ast.Call(ast.Name(name), parts, []):
            return (name, *(pythons(part) for part in parts))
    raise AssertionError(ast.dump(node))


def has_python_numbers(text: str) -> bool:
    """Python refuses numbers such as 007."""
    digits = "".join(c if c.isalnum() or c == "." else " " for c in text).split()
    return not any(word[0] == "0" and word[1:2].isdigit() for word in digits)


def try_text(text: str) -> None:
    """Read, evaluate, compare."""
    global watching
    watching = True
    try:
        tree = parse(text, parameters=NAMES, field="drift")
        value = tree.evaluate(VALUES)
        tree.culprit({name: float(np.ravel(number)[0]) for name, number in VALUES.items()})
    except InvalidModelError as refused:
        watching = False
        if refused.field != "drift" or "character " not in refused.allowed:
            raise AssertionError(refused) from refused
        return
    finally:
        watching = False
    if tree.depth > MAX_DEPTH or value.shape not in ((), (3,)):
        raise AssertionError(text)
    if has_python_numbers(text):
        plain = "".join(" " if c.isspace() else c for c in text).replace("^", "**")
        if ours(tree) != pythons(ast.parse(f"({plain})", mode="eval").body):
            raise AssertionError(text)


def one_input(data: bytes) -> None:
    """An input is a text, or tokens of the grammar and others, one for each byte."""
    if data[:1] < b"\x80":
        try_text(data.decode(errors="surrogateescape"))
    else:
        try_text("".join(TOKENS[byte % len(TOKENS)] for byte in data[1:]))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    try_text("where(x < 1, min(k, x, 2), exp(x)**-2) + log(x)")
    sys.addaudithook(watch)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
