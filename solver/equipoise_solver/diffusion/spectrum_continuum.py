"""Where the continuous spectrum of a diffusion begins.

Along the metric coordinate z (dz = dx/noise) and with functions times sqrt(m_z) the generator is -L =
-(1/2) d2/dz2 + V(z), 2 V = q**2 + q', q = (1/2) d(log m_z)/dz. An end at infinite z adds [V(end), inf).
"""

from __future__ import annotations

import numpy as np

from equipoise_solver.diffusion.coordinates import Line
from equipoise_solver.diffusion.operator_line import FARTHEST, Cut
from equipoise_solver.diffusion.operator_panels import DIFFERENTIATE, NODES, WEIGHTS

_HALF = 0.25
_PLACES = 24
_STEADY = 1e-3
_NEAR = 0.05
_STEEPEST = 1e140  # its square is a number.


def continuum_onset(line: Line, cut: Cut) -> float | None:
    """The lower edge of the continuous spectrum, [1/time]; inf if there is none, None if it is not known."""
    onsets = [_end_potential(line, side) for side, far in zip((-1.0, 1.0), cut.infinite, strict=True) if far]
    known = [onset for onset in onsets if onset is not None]
    if len(known) < len(onsets):
        return None
    return min(known, default=np.inf)


def _end_potential(line: Line, side: float) -> float | None:
    """V at an end, from its values on the way there; None where they do not settle."""
    places = side * np.linspace(_NEAR, 1.0, _PLACES) * _reach(line, side)
    values = np.array([_potential(line, place) for place in places])
    values = values[np.isfinite(values)]
    if values.size < 4:
        return None
    last, earlier = values[-1], values[-4:-1]
    if abs(last - earlier[-1]) <= _STEADY * abs(last) + 1e-280:
        return max(float(last), 0.0)
    if np.all(np.diff(values[-4:]) > 0):
        return np.inf
    if np.all(np.diff(np.abs(values[-4:])) < 0) and abs(last) < 0.5 * abs(values[-4]):
        return 0.0
    return None


def _reach(line: Line, side: float) -> float:
    """How far out drift and noise are numbers."""
    away = np.arange(1.0, FARTHEST, 2.0 * _HALF)
    with np.errstate(all="ignore"):
        slope, log_rate = line.both(side * away)
        bad = np.flatnonzero(~(np.isfinite(slope) & np.isfinite(log_rate) & (np.abs(slope) < _STEEPEST)))
    return float(away[bad[0] - 1] if bad.size and bad[0] > 0 else away[-1]) - _HALF


def _potential(line: Line, place: float) -> float:
    """Mean of V over a short panel."""
    y = place + _HALF * NODES
    with np.errstate(all="ignore"):
        slope, log_rate = line.both(y)
        log_jacobian = line.log_jacobian(y)
        log_noise = 0.5 * (np.log(2.0) + log_jacobian - log_rate)
        metric = np.exp(log_jacobian - log_noise)
        q = -0.5 * (slope + DIFFERENTIATE @ log_noise / _HALF) / metric
        bend = DIFFERENTIATE @ q / (_HALF * metric)
        return float(0.25 * WEIGHTS @ (q * q + bend))
