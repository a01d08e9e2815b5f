"""Numerical inversion of Laplace transforms that are analytic off the negative real axis.

The Bromwich line is bent to the hyperbola z = mu*(1 + sin(i*u - angle)) around the negative axis, and the
midpoint rule on it converges as exp(-1.36*N). One contour serves times within a factor of 4. Where drift
carries the process, transforms F = exp(-z*delay) grow on the left before the delay has passed, and the rule
loses its digits; the trapezoidal rule on a straight line does not, and there F falls off fast enough.

References: J. A. C. Weideman and L. N. Trefethen, Math. Comp. 76 (2007) 1341, section 4, with Lambda = 4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.near_end import Array

Complex = NDArray[np.complex128]

WINDOW = 4.0
NODES = 24  # The error of exp(-1.36*24) = 1e-14 meets that of rounding.
_ANGLE = 1.0969084509532354  # maximises B(angle) of the reference for Lambda = 4
_SPACING = 2.1944343604913277  # A(angle)
_SIZE = 1.7838554636627002  # (4*pi*angle - pi**2)/A(angle)


def window_of(times: Array) -> NDArray[np.int64]:
    """Number k of the window [4**k, 4**(k+1)) of each time > 0."""
    return np.asarray(np.floor(np.log(times) / np.log(WINDOW)), dtype=np.int64)


def line(window: int, first: int, count: int) -> tuple[Complex, Complex]:
    """Nodes and weights first, ..., first + count - 1 of the trapezoidal rule on Re z = 8/4**(k + 1).

    With period 4*t1, t1 = 4**(k + 1), the rule adds f(t + 4*t1)*exp(-32) + ... = 1e-14, and rounding is
    multiplied by at most exp(8).
    """
    latest = WINDOW ** (window + 1)
    spacing = np.pi / (2.0 * latest)
    k = np.arange(first, first + count)
    weights = np.where(k == 0, 0.5, 1.0) * (1j * spacing / np.pi)
    return np.asarray(8.0 / latest + 1j * spacing * k), weights


def contour(window: int) -> tuple[Complex, Complex]:
    """Nodes z in the upper half plane and weights w: f(t) = Im sum exp(z*t)*F(z)*w for t in the window."""
    u = (np.arange(NODES) + 0.5) * (_SPACING / NODES)
    size = _SIZE * NODES / WINDOW ** (window + 1)
    z = size * (1.0 + np.sin(1j * u - _ANGLE))
    return z, (_SPACING / (NODES * np.pi)) * 1j * size * np.cos(1j * u - _ANGLE)
