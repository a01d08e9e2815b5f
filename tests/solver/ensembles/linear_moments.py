"""Mean and second moment of linear regression (D = 0): of the SDE, and of a scheme without sampling.

Both move (1, E v, E v^2) by a matrix of 3 rows: the drift is linear and g quadratic. For a scheme the
matrix comes from its plain reference, averaged over the increment by quadrature.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from equipoise_solver.ensembles.reference.fused import Reals
from equipoise_solver.theory.moments import DataMoments

Array = NDArray[np.float64]


def exact_moments(
    moments: DataMoments, *, width: int, temperature: float, weight_decay: float, start: float, time: float
) -> Array:
    """(1, E v, E v^2) of dv = -2 (d b1 + gamma) v dt + 2 d b2 dt + 2 d sqrt(T g) dW at a time."""
    pull, heat = 2 * (width * moments.beta1 + weight_decay), 4 * width**2 * temperature
    push = 2 * width * moments.beta2
    generator = np.array(
        [
            [0.0, 0.0, 0.0],
            [push, -pull, 0.0],
            [heat * moments.alpha3, 2 * push - 2 * heat * moments.alpha2, heat * moments.alpha1 - 2 * pull],
        ]
    )
    return np.asarray(expm(generator * time) @ np.array([1.0, start, start**2]))


NORMAL = tuple(np.polynomial.hermite_e.hermegauss(40))
THREE_POINT = (np.array([-np.sqrt(3), 0.0, np.sqrt(3)]), np.array([1, 4, 1]) / 6)
TWO_POINT = (np.array([-1.0, 1.0]), np.array([0.5, 0.5]))


def scheme_moments(
    step: Callable[[Reals, Reals, Array], Reals],
    numbers: Array,
    *,
    law: tuple[Array, Array],
    start: float,
    n_steps: int,
) -> Array:
    """(1, E v, E v^2) after steps of a scheme, exactly, for increments of that law (points, weights)."""
    points, weights = law[0], law[1] / law[1].sum()
    at = np.array([-1.0, 0.3, 2.0])
    rows = []
    for v in at:
        moved = step(np.full((1, points.size), v), points, numbers)[0]
        rows.append([1.0, weights @ moved, weights @ moved**2])
    basis = np.stack([np.ones(3), at, at**2])
    matrix = np.array(rows).T @ np.linalg.inv(basis)
    return np.asarray(np.linalg.matrix_power(matrix, n_steps) @ np.array([1.0, start, start**2]))
