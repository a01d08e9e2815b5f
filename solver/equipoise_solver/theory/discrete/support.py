"""Where the two-layer chain of empirical data can go: f(v) = v (P - Q v)**2 for every minibatch (P, Q).

f rises to 4 P**3/(27 Q) at P/(3 Q), falls to 0 at P/Q and then rises for good.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROUNDS = 10_000
_TINY = 1e-200


def upper_end(offset: Array, slope: Array, start: float) -> float | None:
    """The least level from `start` on that no minibatch passes; None if some lead on to infinity."""
    moving = slope > 0
    p, q = offset[moving], slope[moving]
    fixed = np.where((p > 1.0) & (p <= 1.5), (p - 1.0) / q, 0.0)  # Reached from below without overshoot.
    level = max(start, float(np.max(fixed)))
    for _ in range(_ROUNDS):
        peaks = np.where((p > 0) & (p / (3.0 * q) < level), 4.0 * np.maximum(p, 0.0) ** 3 / (27.0 * q), 0.0)
        highest = max(float(np.max(peaks)), float(np.max(level * (offset - slope * level) ** 2)))
        if highest <= level * (1.0 + 1e-13):
            return level * (1.0 + 1e-12)
        if highest > float(np.max((np.abs(p) + 1.0) / q)):
            return None
        level = highest
    return None


def lower_end(offset: Array, slope: Array, bound: float | None) -> float | None:
    """The greatest level below which no minibatch leads from the support; None if that is 0."""
    if bound is None or np.any(offset <= 1.0) or np.any(offset - slope * bound <= 0):
        return None
    fixed = float(np.min((offset - 1.0) / np.maximum(slope, _TINY)))
    return min(fixed, float(np.min(bound * (offset - slope * bound) ** 2))) * (1.0 - 1e-12)


def certain_escape(offset: Array, slope: Array) -> float:
    """log v from which every minibatch that moves v raises it for good."""
    moving = slope > 0
    return math.log(float(np.max((np.abs(offset[moving]) + 1.0) / slope[moving]))) + 2.0
