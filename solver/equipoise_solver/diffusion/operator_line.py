"""A diffusion on the line y as operators see it: slope of the scale, size of the noise, and where to cut.

With x = x(y), scale density s = exp(S) and speed density m = 2/(variance*s) of x, the generator is

    L f = (1/m_y) d/dy (f_y / s_y),   s_y = s * dx/dy,   m_y = m * dx/dy = 2 * (dx/dy)**2 / (variance * s_y),

and the metric length of dy is z_y = (dx/dy)/noise = sqrt(m_y * s_y / 2): along z the noise is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.coordinates import Line
from equipoise_solver.diffusion.near_end import Array

FARTHEST = 345.0
"""Beyond |y| = 345 squares of exp(y) leave the floating-point numbers."""
_STEP = 0.125
_STRAIGHT = 0.01  # change of an exponent that still counts as its asymptotic value.
_DEAD = 75.0  # exp(-75) of the speed density leaves room for eigenfunctions that grow.
_LARGEST = 250.0  # log of the largest speed or scale that is kept.
_DEPTH = 32.0  # exp(-32) = 1e-14: relative distance to an end where its power law is exact.


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of the line that is computed on.

    Attributes:
        low, high: ends of the part, in y.
        at_level: (left, right), True where that end is a point given by the caller and not a cut.
        infinite: (left, right), True where the end of the line is infinitely far in the metric z.
    """

    low: float
    high: float
    at_level: tuple[bool, bool]
    infinite: tuple[bool, bool]


def cut_line(
    line: Line,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    width: float = 1.0,
    inside: tuple[float, ...] = (),
) -> Cut:
    """Where nothing that matters is left out: speed and scale beyond follow power laws, or have died out.

    Args:
        line: the diffusion.
        low, high: levels in y where the part of interest ends, or infinite.
        inside: points in y to stay away from.
        width: how generous, 1 is for 1e-14; results that change with it have not converged.
    """
    if np.isfinite(low) and np.isfinite(high):
        return Cut(low, high, (True, True), (False, False))
    y = np.arange(-FARTHEST, FARTHEST + _STEP / 2, _STEP)
    y = y[(y > low - 2.0) & (y < high + 2.0)]
    with np.errstate(all="ignore"):
        slope, log_rate = line.both(y)
        log_stretch = line.log_jacobian(y)
        log_variance = np.log(2.0) + log_stretch - log_rate
    good = np.isfinite(slope) & np.isfinite(log_stretch) & np.isfinite(log_variance)
    first, last = _around_middle(good, y, low, high)
    part = slice(first, last + 1)
    y, slope = y[part], slope[part]
    z_rate = np.gradient(log_stretch[part] - 0.5 * log_variance[part], y)
    h_rate = -slope - 0.5 * np.gradient(log_variance[part], y)
    least, most = min(inside, default=np.inf), max(inside, default=-np.inf)
    right = _outermost(y, h_rate, z_rate, width, most)
    left, left_infinite = _outermost(-y[::-1], -h_rate[::-1], -z_rate[::-1], width, -least)
    at_level = (bool(np.isfinite(low)), bool(np.isfinite(high)))
    return Cut(
        low if at_level[0] else min(-left, high - 1.0),
        high if at_level[1] else max(right[0], low + 1.0),
        at_level,
        (left_infinite and not at_level[0], right[1] and not at_level[1]),
    )


def _around_middle(good: NDArray[np.bool_], y: Array, low: float, high: float) -> tuple[int, int]:
    """First and last index of the run of good points around the middle of the part."""
    middle = int(np.argmin(np.abs(y - np.clip(0.0, low, high))))
    bad = np.flatnonzero(~good)
    below, above = bad[bad <= middle], bad[bad >= middle]
    first = int(below[-1]) + 1 if below.size else 0
    last = int(above[0]) - 1 if above.size else y.size - 1
    return min(first, middle), max(last, middle)


def _outermost(y: Array, h_rate: Array, z_rate: Array, width: float, beyond: float) -> tuple[float, bool]:
    """The right cut, and whether the end is infinitely far: log m_z has died out, or all is a power law."""
    turns = np.flatnonzero(np.abs(np.diff(np.sign(np.where(np.abs(h_rate) < 1e-9, 0.0, h_rate)))) > 0)
    begin = int(turns[-1]) if turns.size else int(np.argmin(np.abs(y)))
    begin = max(begin, min(int(np.searchsorted(y, beyond)), y.size - 1))
    with np.errstate(over="ignore"):
        tail = np.abs(np.cumsum(0.5 * (h_rate[begin + 1 :] + h_rate[begin:-1]) * np.diff(y[begin:])))
    with np.errstate(over="ignore"):
        size = np.cumsum(0.5 * np.abs(z_rate[begin + 1 :] + z_rate[begin:-1]) * np.diff(y[begin:])) + tail
    dead = np.flatnonzero((tail > _DEAD * width) | (size > _LARGEST))
    best = y[begin + 1 + dead[0]] if dead.size else max(float(y[-1]), beyond + 1.0)
    infinite = bool(z_rate[-1] > -1e-9)
    if not infinite:
        bent = (np.abs(h_rate - h_rate[-1]) > _STRAIGHT) | (np.abs(z_rate - z_rate[-1]) > _STRAIGHT)
        bend = np.flatnonzero(bent)
        start = max(y[bend[-1]] if bend.size else 0.0, beyond)
        best = min(best, start + _DEPTH * width)
    return float(best), infinite
