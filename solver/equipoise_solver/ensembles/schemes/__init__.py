"""Schemes: how a state moves by one step. To add one: a file, and a line here.

"splitting" (`reciprocal_splitting`, `linear_splitting`): a fixed step, weak order 2, no path is lost; the
default where it exists, which is for depth 0 and 1 from a balanced start. "taylor" (`balanced_flow`,
`linear_flow`, `two_layer_flow`, `product_flow`): steps that follow the state, weak order 2 (1 with two-point
increments), no path is lost. "log_euler", "tamed_euler" and "euler" (`explicit`, `two_layer_euler`): weak
order 1; plain Euler loses paths.
"""

from collections.abc import Callable

from equipoise_solver.ensembles.schemes import (
    balanced_flow,
    explicit,
    linear_flow,
    linear_splitting,
    product_flow,
    product_update,
    reciprocal_splitting,
    two_layer_euler,
    two_layer_flow,
    two_layer_update,
)
from equipoise_solver.ensembles.schemes.scheme import Scheme

FLOWS: dict[str, Callable[..., Scheme]] = {
    "balanced_flow": balanced_flow.scheme,
    "linear_flow": linear_flow.scheme,
    "two_layer_flow": two_layer_flow.scheme,
    "product_flow": product_flow.scheme,
}


def flow_name(*, coordinate: str, depth: int) -> str:
    """Name of the scheme for the SDE of a network of that depth in that coordinate."""
    if coordinate == "model":
        return "balanced_flow" if depth >= 1 else "linear_flow"
    return "two_layer_flow" if depth == 1 else "product_flow"


__all__ = [
    "FLOWS",
    "Scheme",
    "balanced_flow",
    "explicit",
    "flow_name",
    "linear_splitting",
    "product_update",
    "reciprocal_splitting",
    "two_layer_euler",
    "two_layer_update",
]
