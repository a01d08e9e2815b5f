"""Schemes: how a state moves by one step. To add one: a file, and a line here.

All SDE schemes have weak order 2 (1 with two-point increments) and a step that follows the state, so no path
explodes. Measured at the default relative_step (0.1; 0.02 for two-point increments) with 65536 paths at T =
0.05 and 0.1, data k = s = 1, depths 0, 1 and 2, both coordinates: the relative bias of the mean is below
1e-3 (two standard errors), the largest CDF gap below 2.5e-3, which is within the statistical bound, and 0
paths are lost. Steps per unit of time for T = 0.1: 29 (depth 0), 106 (depth 1), 193 (depth 2); they are
inversely proportional to relative_step.
"""

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
