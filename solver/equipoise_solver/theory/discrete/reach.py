"""How far from its centre a narrow law reaches: bounds for d' = M d + N, and panels for it.

A panel hands mass on to its neighbours only if a step from its outermost node leads there, and that node lies
0.009 of the panel's width from its edge. So panels may not be much wider than a step, which is
sqrt(2*pull) standard deviations of the law, pull = 1 - E M; below LEAST_PULL there would be too many.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb

from equipoise_solver.errors import LimitExceededError

Array = NDArray[np.float64]

LEAST_PULL = 1e-5
LEAST_SPREAD = 1e-6
MOST_PANELS = 100
_NEGLIGIBLE = 1e-16
_LEAST_LOG = 36.0
_MOST_MOMENT = 24
_BULK = 12.0


def require_resolvable(learning_rate: float, *, pull: float, relative_spread: float = 1.0) -> None:
    """Refuse steps whose law is the SDE's to all digits that panels could resolve.

    Raises:
        LimitExceededError: a relaxation of more than 1/LEAST_PULL steps, or a law narrower than LEAST_SPREAD.
    """
    if pull < LEAST_PULL:
        raise LimitExceededError(
            "learning_rate",
            given=learning_rate,
            allowed=f"relaxation within {1 / LEAST_PULL:.0e} steps",
            remedy="At so small a step the law is that of the SDE limit: use `stationary`.",
        )
    if relative_spread < LEAST_SPREAD:
        raise LimitExceededError(
            "learning_rate",
            given=learning_rate,
            allowed=f"fluctuations above {LEAST_SPREAD:g} of v",
            remedy="The noise at the minimum is so small that all v of the law are equal to six digits.",
        )


def require_few_panels(learning_rate: float, count: float) -> None:
    """Refuse steps so small next to v = 0 that a broad law takes too many panels.

    Raises:
        LimitExceededError: more than MOST_PANELS, which take seconds and half a gigabyte.
    """
    if count > MOST_PANELS:
        raise LimitExceededError(
            "learning_rate",
            given=learning_rate,
            allowed=f"steps of log v next to v = 0 at least {count / MOST_PANELS:.3g} times as large",
            remedy="At so small a step the law is close to that of the SDE limit: use `stationary`.",
        )


def tail_reach(exponent: float | None) -> float:
    """Standard deviations beyond which a bulk of 12 and a power tail |d|**-exponent leave 1e-16."""
    if exponent is None:
        return _BULK
    return _BULK * math.exp(min(_LEAST_LOG / exponent, 600.0))


def moment_reach(factors: Array, shifts: Array, weights: Array) -> float:
    """R with P(|d| > R) <= 1e-16 for the stationary d' = M d + N, by its even moments; inf if unknown.

    Moments follow from E d**k = sum_j C(k, j) E[M**j N**(k - j)] E d**j, in units of the spread of N.
    """
    scale = math.sqrt(float(weights @ shifts**2))
    moments, reach = [1.0], math.inf
    for k in range(1, _MOST_MOMENT + 1):
        room = 1.0 - float(weights @ factors**k)
        if (k % 2 == 0 and room <= 0) or scale == 0:
            break
        terms = [
            comb(k, j) * float(weights @ (factors**j * (shifts / scale) ** (k - j))) * moments[j]
            for j in range(k)
        ]
        moments.append(float(sum(terms)) / room)
        if k % 2 == 0 and moments[k] > 0:
            reach = min(reach, scale * math.exp((math.log(moments[k]) - math.log(_NEGLIGIBLE)) / k))
    return reach


def edges_about(centre: float, low: float, high: float, width: float) -> Array:
    """Edges from low to high, even steps of `width` to 12 of them about the centre and growing from there."""
    left = centre - _steps(width, centre - low)
    right = centre + _steps(width, high - centre)
    return np.unique(np.concatenate([[centre], left, right]))


def _steps(width: float, total: float) -> Array:
    steps = [width]
    while steps[-1] < total:
        steps.append(steps[-1] + width if len(steps) < _BULK else 1.3 * steps[-1])
    kept = [step for step in steps if step < total - 0.3 * width]
    return np.array([*kept, total])
