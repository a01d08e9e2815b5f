"""The bias that the step of an SDE leaves, from some paths run again at twice the step on the same noise.

Both runs follow the same Brownian paths, so their difference has little noise of its own; by Richardson's
extrapolation a step whose bias falls as h^p leaves 1/(2^p - 1) of it.

References:
    Talay and Tubaro, Expansion of the global error for numerical schemes solving stochastic differential
    equations (1990).
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.problem import Sgf
from equipoise_solver.ensembles.refusals import MAX_STEP_PER_RATE

SHARE = 64
"""One path in so many is run again, whole blocks of them."""
MAX_PATHS = 8192


@dataclass(frozen=True)
class StepBias:
    """Estimated bias of the mean that the step leaves.

    Attributes:
        mean: of the time-averaged v, the scheme's minus the SDE's.
        standard_error: of that, from independent paths.
        n_paths: paths behind it.
        coarse_step: step of the second run, [time].
    """

    mean: float
    standard_error: float
    n_paths: int
    coarse_step: float


@lru_cache(maxsize=4)
def pilot_of(plan: EnsemblePlan) -> EnsemblePlan | None:
    """The second run; None where the step leaves no bias, adapts, or cannot be doubled.

    One plan has one, so that tables that a plan derives are derived once.
    """
    flow = plan.dynamics
    if not isinstance(flow, Sgf) or not plan.has_fixed_clock or plan.coarsening != 1:
        return None
    if flow.noise != "gaussian" or 2 * plan.step_size * plan.typical_rate > MAX_STEP_PER_RATE:
        return None
    blocks = min(MAX_PATHS, plan.n_paths // SHARE) // LANES
    return replace(
        plan,
        n_paths=min(plan.n_paths, LANES * max(1, blocks)),
        coarsening=2,
        observables=(),
        n_snapshots=0,
        first_passage=None,
    )


def step_bias(
    plan: EnsemblePlan, fine: NDArray[np.float64], coarse: NDArray[np.float64], coarse_step: float
) -> StepBias | None:
    """The bias from time averages of the same paths at both steps, NaN where a path was lost.

    Args:
        plan: of the run at the step itself.
        fine: shape (paths,).
        coarse: shape (paths,).
        coarse_step: [time].
    """
    both = np.isfinite(fine) & np.isfinite(coarse)
    n = int(both.sum())
    order = plan.scheme.bias_order or plan.scheme.weak_order
    if n < 2 or order is None:
        return None
    gaps = (coarse[both] - fine[both]) / (2**order - 1)
    return StepBias(float(gaps.mean()), float(gaps.std(ddof=1) / np.sqrt(n)), n, coarse_step)
