"""The rest of the way to a steep end: E[exp(-z*tau)] from where the line is cut, where drift rules.

With f = E[exp(-z*tau)] and w = f'/f outwards, L f = z f is the Riccati equation w' + w**2 - sigma*w = 2 z q,
sigma = d(log s_y)/dy, q = (dz/dy)**2. Next to an exit that drift drives into, sigma is negative and large and
w is its slow solution, found by iteration on w': each round gains a factor of order |sigma|.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.coordinates import Line
from equipoise_solver.diffusion.operator_line import FARTHEST
from equipoise_solver.diffusion.operator_panels import DIFFERENTIATE, WEIGHTS, nodes_of

Complex = NDArray[np.complex128]

_STEEP = 10.0
_LENGTH, _MOST = 0.5, 100
_ROUNDS = 12
_NEGLIGIBLE = 1e-17


def rest_of_way(line: Line, cut: float, outward: float, z: Complex) -> Complex | None:
    """E[exp(-z*tau)] of the time tau from the cut to the end, shape of z; None if the end is not steep.

    Args:
        line: the diffusion.
        cut: y where the way begins.
        outward: 1 to the upper end, -1 to the lower.
        z: off the negative real axis.
    """
    steps = np.arange(_MOST + 1) * _LENGTH
    steps = steps[np.abs(cut + outward * steps) < FARTHEST]
    away = nodes_of(steps)
    half = 0.5 * _LENGTH
    with np.errstate(all="ignore"):
        slope, log_rate = line.both(cut + outward * away)
        log_jacobian = line.log_jacobian(cut + outward * away)
        sigma = outward * slope + log_jacobian @ DIFFERENTIATE.T / half
        square = 0.5 * np.exp(log_rate + log_jacobian)
        good = np.all(np.isfinite(sigma) & np.isfinite(square) & (sigma < -_STEEP), axis=1)
    last = int(np.argmin(good)) if not np.all(good) else good.size
    if last == 0:
        return None
    delay = (square[:last] / -sigma[:last]).max(axis=1)
    last = min(last, 1 + int(np.sum(delay * np.abs(z).max() > _NEGLIGIBLE)))
    sigma, source = sigma[:last], 2.0 * np.multiply.outer(z, square[:last])
    bend = np.zeros_like(source)
    for _ in range(_ROUNDS):
        driven = source - bend
        growth = 2.0 * driven / (np.sqrt(sigma * sigma + 4.0 * driven) - sigma)
        bend = growth @ DIFFERENTIATE.T / half
    return np.asarray(np.exp(-half * np.sum(growth @ WEIGHTS, axis=-1)))
