"""The reduced SDE of the two-layer network (D = 1) over a step h, relative to v.

p = (4 h b1, 4 h b2, 4 h gamma, a1/G, 2 a2/G, a3/G, 4 h T G, 4 sqrt(h T G)), G a typical g. The square root of
g/G is taken in float32: it multiplies a normal number of that precision, and costs a third.
"""

import math
from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.theory.moments import DataMoments

IS_RELATIVE = True


@inlined
def coefficients(v: Any, p: Any) -> Any:
    """Drift 4 h (T g - sgn(v) (b1 v - b2) - gamma) and noise 4 sqrt(h T g)."""
    noise = fma(v, fma(p[3], v, -p[4]), p[5])
    pull = fma(p[0], v, -p[1])
    pull = -pull if v > like(v, 0.0) else pull
    return fma(p[6], noise, -p[2]) + pull, p[7] * like(v, math.sqrt(np.float32(noise)))


def numbers(
    moments: DataMoments, *, depth: int, width: int, temperature: float, weight_decay: float, step_size: float
) -> tuple[float, ...]:
    """p of `coefficients`; the width drops out."""
    pull, typical = 4 * step_size, typical_noise(moments)
    heat = pull * temperature * typical
    return (
        pull * moments.beta1,
        pull * moments.beta2,
        pull * weight_decay,
        moments.alpha1 / typical,
        2 * moments.alpha2 / typical,
        moments.alpha3 / typical,
        heat,
        2 * math.sqrt(heat),
    )


def typical_noise(moments: DataMoments) -> float:
    """A size of g about the least-squares solution; 1 where there is no noise."""
    v = abs(moments.minimum)
    return moments.alpha1 * v * v + 2 * abs(moments.alpha2) * v + moments.alpha3 or 1.0
