"""The reduced SDE of a balanced network of depth D >= 2, relative to v.

p = (b1, b2, T a1, T a2, T a3, gamma, D + 1, a, q - 1), q = 2D/(D+1), a = (D+1) d^(2/(D+1)-1).
"""

import math
from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.elementary import exponential, logarithm

IS_RELATIVE = True
N_NUMBERS = 9


@inlined
def coefficients(v: Any, p: Any) -> Any:
    """Drift -2 a w sgn(v) (b1 v - b2) + q a^2 w^2 T g - 2 (D+1) gamma, noise 2 a w sqrt(T g).

    Both over v; w = |v|^(q-1).
    """
    half = fma(p[2], v, -p[3])
    heat = fma(v, half - p[3], p[4])
    off = fma(p[0], v, -p[1])
    off = off if v > like(v, 0.0) else -off
    w = like(v, exponential(np.float64(p[8]) * logarithm(max(np.float64(abs(v)), 1e-300))))
    pull = p[7] * w
    two = like(v, 2.0)
    drift = fma((p[8] + like(v, 1.0)) * pull * pull, heat, -two * (pull * off + p[6] * p[5]))
    return drift, two * pull * math.sqrt(heat)
