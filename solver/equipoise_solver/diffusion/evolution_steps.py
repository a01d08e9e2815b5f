"""One time step of a chain of cells: fourth order, L-stable, with mass and positivity kept.

The method is the SDIRK method of order 4 with an embedded one of order 3 (Hairer and Wanner, Solving Ordinary
Differential Equations II, table 6.5). Unknowns are the fluxes between cells, so that mass telescopes exactly.
No method of order above 1 is positive for every step. What comes out below 0, which is an error and so within
the tolerance, is set to 0 and taken from all other cells in proportion.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dgtsv, dgttrf, dgttrs

from equipoise_solver.diffusion.near_end import Array

GAMMA = 0.25
_STAGES = (
    (),
    (1 / 2,),
    (17 / 50, -1 / 25),
    (371 / 1360, -137 / 2720, 15 / 544),
    (25 / 24, -49 / 48, 125 / 16, -85 / 12),
)
_ERROR = (25 / 24 - 59 / 48, -49 / 48 + 17 / 96, 125 / 16 - 225 / 32, 0.0, 0.25)
"""Weights of order 4 minus those of order 3."""


def step(masses: Array, up: Array, down: Array, step_size: float) -> tuple[Array, float]:
    """Masses after one step, and the probability that it is estimated to misplace.

    Args:
        masses: of the absorbing place, the cells and the other absorbing place, shape (n+2,).
        up, down: rates between neighbours, shape (n+1,), [1/time].
        step_size: [time].
    """
    h = GAMMA * step_size
    factors = dgttrf(-h * up[1:], 1.0 + h * (up + down), -h * down[:-1])[:5]
    fluxes: list[Array] = []
    for weights in _STAGES:
        moved = _combined(weights, fluxes, step_size)
        now = masses if moved is None else _after(masses, moved)
        fluxes.append(dgttrs(*factors, up * now[:-1] - down * now[1:])[0])
    moved = _combined((*_STAGES[-1], GAMMA), fluxes, step_size)
    error = _combined(_ERROR, fluxes, step_size)
    if moved is None or error is None:
        raise AssertionError("stages have fluxes")
    result, misplaced = _after(masses, moved), _after(np.zeros_like(masses), error)
    wrong = 0.5 * float(np.abs(misplaced).sum())
    below = np.minimum(result, 0.0)
    if np.any(below):
        deficit = -float(below.sum())
        result = result - below
        inside = float(result[1:-1].sum())
        if inside <= deficit:
            return masses, 1.0
        result[1:-1] *= 1.0 - deficit / inside
        wrong = max(wrong, deficit)
    return result, wrong


def euler_step(masses: Array, up: Array, down: Array, step_size: float) -> Array:
    """Masses after one step of backward Euler, which keeps them positive; their sum is set right."""
    out = np.append(up, 0.0) + np.append(0.0, down)
    result = dgtsv(-step_size * up, 1.0 + step_size * out, -step_size * down, masses)[3]
    return np.asarray(result * (masses.sum() / result.sum()))


def _combined(weights: tuple[float, ...], fluxes: list[Array], step_size: float) -> Array | None:
    if not weights:
        return None
    total = weights[0] * fluxes[0]
    for weight, flux in zip(weights[1:], fluxes[1:], strict=False):
        total = total + weight * flux
    return np.asarray(step_size * total)


def _after(masses: Array, moved: Array) -> Array:
    result = masses.copy()
    result[:-1] -= moved
    result[1:] += moved
    return result
