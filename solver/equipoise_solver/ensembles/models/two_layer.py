"""The reduced SDE of the two-layer network (D = 1), relative to v; p = (b1, b2, T a1, T a2, T a3, gamma)."""

import math
from typing import Any

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import fma, like

IS_RELATIVE = True
N_NUMBERS = 6


@inlined
def coefficients(v: Any, p: Any) -> Any:
    """Drift -4 sgn(v) (b1 v - b2) + 4 T g - 4 gamma and noise 4 sqrt(T g), over v."""
    half = fma(p[2], v, -p[3])
    heat = fma(v, half - p[3], p[4])
    off = fma(p[0], v, -p[1])
    off = off if v > like(v, 0.0) else -off
    four = like(v, 4.0)
    return four * ((heat - off) - p[5]), four * math.sqrt(heat)
