"""Linear regression (D = 0), absolute; p = (d b1 + gamma, d b2, d^2 T a1, d^2 T a2, d^2 T a3)."""

import math
from typing import Any

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import fma, like

IS_RELATIVE = False
N_NUMBERS = 5


@inlined
def coefficients(v: Any, p: Any) -> Any:
    """Drift -2 (p0 v - p1), noise 2 sqrt(p2 v^2 - 2 p3 v + p4)."""
    half = fma(p[2], v, -p[3])
    heat = max(fma(v, half - p[3], p[4]), like(v, 0.0))
    two = like(v, 2.0)
    return -two * fma(p[0], v, -p[1]), two * math.sqrt(heat)
