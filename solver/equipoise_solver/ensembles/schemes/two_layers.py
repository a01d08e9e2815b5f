"""What is shown of the parameters (u, w) of a two-layer network with one neuron."""

from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import LANES, inlined


@inlined
def product_of(u: Any, w: Any, floor: Any) -> Any:
    """The product v, and whether both are so small that it is absorbed at 0."""
    u, w = np.float64(u), np.float64(w)
    return u * w, (abs(u) < floor) & (abs(w) < floor)


@inlined
def extra_of(u: Any, w: Any, v: Any, numbers: Any) -> Any:
    """|theta|^2 and the imbalance |u^2 - w^2|."""
    u, w = np.float64(u), np.float64(w)
    return u * u + w * w, abs(u * u - w * w)


def extra(state: Any, numbers: Any, out: Any) -> None:
    """Put |theta|^2 and the imbalance into `out`, which holds v."""
    for j in range(LANES):
        out[1, j], out[2, j] = extra_of(state[0, j], state[1, j], out[0, j], numbers)
