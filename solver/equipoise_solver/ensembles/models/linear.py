"""Linear regression (D = 0) over a step h, absolute.

p = (2 h (d b1 + gamma), 2 h d b2, 4 h d^2 T a1, 8 h d^2 T a2, 4 h d^2 T a3).
"""

import math
from typing import Any

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.theory.moments import DataMoments

IS_RELATIVE = False


@inlined
def coefficients(v: Any, p: Any) -> Any:
    """Drift -2 h ((d b1 + gamma) v - d b2) and noise 2 d sqrt(h T g)."""
    heat = max(fma(v, fma(p[2], v, -p[3]), p[4]), like(v, 0.0))
    return fma(-p[0], v, p[1]), math.sqrt(heat)


def numbers(
    moments: DataMoments, *, depth: int, width: int, temperature: float, weight_decay: float, step_size: float
) -> tuple[float, ...]:
    """p of `coefficients`."""
    pull, heat = 2 * step_size, 4 * step_size * width**2 * temperature
    return (
        pull * (width * moments.beta1 + weight_decay),
        pull * width * moments.beta2,
        heat * moments.alpha1,
        2 * heat * moments.alpha2,
        heat * moments.alpha3,
    )
