"""The reduced SDE of the two-layer network (D = 1) over a step h, relative to v.

p = (4 h b1, 4 h b2, 4 h gamma, 16 h T a1, 32 h T a2, 16 h T a3).
"""

import math
from typing import Any

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.theory.moments import DataMoments

IS_RELATIVE = True


@inlined
def coefficients(v: Any, p: Any) -> Any:
    """Drift 4 h (T g - sgn(v) (b1 v - b2) - gamma) and noise 4 sqrt(h T g)."""
    heat = fma(v, fma(p[3], v, -p[4]), p[5])
    pull = fma(p[0], v, -p[1])
    pull = -pull if v > like(v, 0.0) else pull
    return fma(like(v, 0.25), heat, -p[2]) + pull, math.sqrt(heat)


def numbers(
    moments: DataMoments, *, depth: int, width: int, temperature: float, weight_decay: float, step_size: float
) -> tuple[float, ...]:
    """p of `coefficients`; the width drops out."""
    pull, heat = 4 * step_size, 16 * step_size * temperature
    return (
        pull * moments.beta1,
        pull * moments.beta2,
        pull * weight_decay,
        heat * moments.alpha1,
        2 * heat * moments.alpha2,
        heat * moments.alpha3,
    )
