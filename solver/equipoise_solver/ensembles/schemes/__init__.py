"""Schemes: how a state moves by one step. To add one: a file, and a line here."""

from collections.abc import Callable

from equipoise_solver.ensembles.schemes import (
    balanced_flow,
    linear_flow,
    product_flow,
    product_update,
    two_layer_flow,
)
from equipoise_solver.ensembles.schemes.scheme import Scheme

FLOWS: dict[str, Callable[..., Scheme]] = {
    "balanced_flow": balanced_flow.scheme,
    "linear_flow": linear_flow.scheme,
    "two_layer_flow": two_layer_flow.scheme,
    "product_flow": product_flow.scheme,
}
UPDATES: dict[str, Callable[..., Scheme]] = {"product_update": product_update.scheme}


def flow_name(*, coordinate: str, depth: int) -> str:
    """Name of the scheme for the SDE of a network of that depth in that coordinate."""
    if coordinate == "model":
        return "balanced_flow" if depth >= 1 else "linear_flow"
    return "two_layer_flow" if depth == 1 else "product_flow"


__all__ = ["FLOWS", "UPDATES", "Scheme", "flow_name"]
