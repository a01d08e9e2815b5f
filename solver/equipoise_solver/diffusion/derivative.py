"""Expressions made from expressions: the derivative with respect to x, and constants computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from equipoise_solver.expressions import VARIABLE, Node

ZERO, ONE, TWO = Node("number", value=0.0), Node("number", value=1.0), Node("number", value=2.0)


def derivative(tree: Node) -> Node:
    """d/dx; at a kink it is the mean of both sides, and jumps have derivative 0.

    Parts of the tree are shared, not copied: an evaluator that remembers shared parts needs a time
    proportional to the length of the expression.
    """
    return _derivative(tree, {})


def folded(tree: Node, parameters: Mapping[str, float]) -> Node:
    """The same expression with every part that does not contain x replaced by its value, if it has one."""
    known: dict[int, Node] = {}

    def fold(part: Node) -> Node:
        if id(part) not in known:
            known[id(part)] = fresh(part)
        return known[id(part)]

    def fresh(part: Node) -> Node:
        if part.kind == "name":
            return part if part.name == VARIABLE else Node("number", value=float(parameters[part.name]))
        if not part.parts:
            return part
        parts = tuple(fold(operand) for operand in part.parts)
        whole = Node(part.kind, parts=parts, depth=part.depth, place=part.place)
        if any(operand.kind != "number" for operand in parts):
            return whole
        value = float(whole.evaluate({}))
        return Node("number", value=value, place=part.place) if math.isfinite(value) else whole

    return fold(tree)


def operation(kind: str, *parts: Node) -> Node:
    """A tree of one operation, without the zeros and ones that would change nothing."""
    first, *others = parts
    if kind == "+" and others:
        if first == ZERO:
            return others[0]
        if others[0] == ZERO:
            return first
    if kind == "-" and others and others[0] == ZERO:
        return first
    if kind == "*" and ZERO in parts:
        return ZERO
    if kind == "*" and first == ONE:
        return others[0]
    if (kind in ("/", "negative")) and first == ZERO:
        return ZERO
    return Node(kind, parts=parts, depth=1 + max(part.depth for part in parts))


def _derivative(tree: Node, known: dict[int, Node]) -> Node:
    if id(tree) not in known:
        known[id(tree)] = _fresh(tree, known)
    return known[id(tree)]


def _fresh(tree: Node, known: dict[int, Node]) -> Node:
    if tree.kind == "number":
        return ZERO
    if tree.kind == "name":
        return ONE if tree.name == VARIABLE else ZERO
    parts = tree.parts
    slopes = tuple(_derivative(part, known) for part in parts)
    if all(slope == ZERO for slope in slopes):
        return ZERO
    match tree.kind:
        case "+" | "-" | "negative":
            return operation(tree.kind, *slopes)
        case "*":
            left, right = operation("*", slopes[0], parts[1]), operation("*", slopes[1], parts[0])
            return operation("+", left, right)
        case "/":
            inner = operation("-", slopes[0], operation("*", slopes[1], tree))
            return operation("/", inner, parts[1])
        case "**":
            return _power(tree, slopes)
        case "min" | "max":
            return _extreme(tree.kind, parts, slopes)
        case "where":
            return operation("where", parts[0], slopes[1], slopes[2])
        case kind if kind in _CHAIN:
            return operation("*", slopes[0], _CHAIN[kind](tree))
        case _:
            return ZERO


def _power(tree: Node, slopes: tuple[Node, ...]) -> Node:
    base, exponent = tree.parts
    if slopes[1] == ZERO:
        lower = operation("**", base, operation("-", exponent, ONE))
        return operation("*", slopes[0], operation("*", exponent, lower))
    by_base = operation("/", operation("*", slopes[0], exponent), base)
    by_exponent = operation("*", slopes[1], operation("log", base))
    return operation("*", operation("+", by_base, by_exponent), tree)


def _extreme(kind: str, parts: tuple[Node, ...], slopes: tuple[Node, ...]) -> Node:
    """Of min and max, pair by pair: the mean of both slopes, and half their difference by sign."""
    value, slope = parts[0], slopes[0]
    for part, other in zip(parts[1:], slopes[1:], strict=True):
        which = operation("sign", operation("-", value, part))
        mean = operation("/", operation("+", slope, other), TWO)
        half = operation("/", operation("*", which, operation("-", slope, other)), TWO)
        slope = operation("+" if kind == "max" else "-", mean, half)
        value = operation(kind, value, part)
    return slope


def _of_sqrt(tree: Node) -> Node:
    return operation("/", ONE, operation("*", TWO, tree))


def _of_tanh(tree: Node) -> Node:
    return operation("-", ONE, operation("*", tree, tree))


def _of_atan(tree: Node) -> Node:
    inner = tree.parts[0]
    return operation("/", ONE, operation("+", ONE, operation("*", inner, inner)))


_CHAIN: dict[str, Callable[[Node], Node]] = {
    "exp": lambda tree: tree,
    "log": lambda tree: operation("/", ONE, tree.parts[0]),
    "sqrt": _of_sqrt,
    "sin": lambda tree: operation("cos", tree.parts[0]),
    "cos": lambda tree: operation("negative", operation("sin", tree.parts[0])),
    "tanh": _of_tanh,
    "atan": _of_atan,
    "abs": lambda tree: operation("sign", tree.parts[0]),
}
