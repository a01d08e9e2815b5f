"""The reduced SDE of a balanced network of depth D >= 2 over a step h, relative to v.

q = 2D/(D+1), a = (D+1) d^(2/(D+1)-1),
p = (2 a h b1, 2 a h b2, 2 (D+1) h gamma, 4 a^2 h T a1, 8 a^2 h T a2, 4 a^2 h T a3, q/4, q - 1).
"""

import math
from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.elementary import exponential, logarithm
from equipoise_solver.theory.moments import DataMoments

IS_RELATIVE = True


@inlined
def coefficients(v: Any, p: Any) -> Any:
    """Drift h (-2 a w sgn(v) (b1 v - b2) + q a^2 w^2 T g - 2 (D+1) gamma), noise 2 a w sqrt(h T g).

    w = |v|^(q-1).
    """
    heat = fma(v, fma(p[3], v, -p[4]), p[5])
    pull = fma(p[0], v, -p[1])
    pull = -pull if v > like(v, 0.0) else pull
    w = like(v, exponential(np.float64(p[7]) * logarithm(max(np.float64(abs(v)), 1e-300))))
    return fma(p[6] * w * w, heat, fma(w, pull, -p[2])), w * math.sqrt(heat)


def numbers(
    moments: DataMoments, *, depth: int, width: int, temperature: float, weight_decay: float, step_size: float
) -> tuple[float, ...]:
    """p of `coefficients`."""
    layers = depth + 1
    amplitude = layers * width ** (2 / layers - 1)
    pull, heat = 2 * amplitude * step_size, 4 * amplitude**2 * step_size * temperature
    return (
        pull * moments.beta1,
        pull * moments.beta2,
        2 * layers * weight_decay * step_size,
        heat * moments.alpha1,
        2 * heat * moments.alpha2,
        heat * moments.alpha3,
        depth / (2 * layers),
        (depth - 1) / layers,
    )
