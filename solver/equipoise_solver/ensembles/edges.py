"""Edges of the histogram of v where the request names none."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.problem import Langevin

if TYPE_CHECKING:
    from equipoise_solver.ensembles.plan import EnsemblePlan


def default_edges(plan: "EnsemblePlan") -> NDArray[np.float64]:
    """Edges on the scale of the fluctuations about the minimum, and logarithmic about 0 and outwards.

    Args:
        plan: the ensemble.

    Returns:
        increasing, shape (n + 1,).
    """
    centre = plan.moments.minimum
    variance = plan.temperature / (2 * plan.moments.beta1)
    if not isinstance(plan.dynamics, Langevin):
        pull = plan.pull_at(max(abs(centre), 1e-3))
        variance = pull * plan.temperature * plan.moments.noise(centre) / plan.moments.beta1
    # The law's own scale: a start far out is reached by logarithmic bins, and blurs nothing else.
    typical = plan.typical_value if centre != 0 else min(abs(plan.start_value), 1.0)
    scale = max(typical, math.sqrt(variance), 1e-6)
    spread = min(max(math.sqrt(variance), 1e-4 * scale), scale)
    about_centre = centre + spread * np.sinh(np.linspace(-1, 1, 601) * math.asinh(1e4 * scale / spread))
    top = math.log10(max(10.0, 10 * abs(plan.start_value) / scale))
    decades = scale * np.logspace(-9, top, 20 * math.ceil(9 + top) + 1)
    if plan.depth > 0 and plan.temperature * plan.moments.noise(0.0) > 0.5 * abs(plan.moments.beta2):
        # Close to where 0 attracts, paths spread over hundreds of decades.
        decades = np.concatenate([np.logspace(-300, math.log10(decades[0]), 300)[:-1], decades])
    return np.unique(np.concatenate([about_centre, decades, -decades]))
