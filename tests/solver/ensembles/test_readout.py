"""What is shown near the end y = 0 of the reciprocal of v has the law of the process, not of the scheme.

In units of sqrt(16 T a1 h) a step near the end is sqrt(y^2 + 3/4), |. + Z|, sqrt(.^2 + 3/4). With r after
the noise, y^2 = r^2 + 3/4 and r' = |sqrt(r^2 + 3/2) + Z|; its invariant measure comes from the transfer
operator on a grid, and the process' own is y^1.5 dy, a Bessel process of dimension 2.5.
"""

from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from equipoise_solver.ensembles.schemes import reciprocal_splitting

REACH = 14.0
"""Largest r of the grid; beyond it the measure is taken for y^1.5 dy, which it is to 2e-6 there."""
GRID = 0.01


def _show_all(square: Any, unit: Any, shown: Any) -> None:
    for i in range(square.shape[0]):
        shown[i] = reciprocal_splitting.readout(square[i], unit)


show_all = numba.njit(error_model="numpy")(_show_all)


def shown_of(square: NDArray[np.float64], unit: float = 1.0) -> NDArray[np.float64]:
    """The kernel's readout."""
    out = np.empty(square.shape)
    show_all(square, unit, out)
    return out


def invariant_measure() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges of cells in r, and the invariant measure of [0, edge]; asymptotically y^2.5/2.5."""
    edges = np.arange(0, REACH + GRID / 2, GRID)
    r = edges[:-1] + GRID / 2
    beyond = np.arange(REACH + GRID / 2, REACH + 9, GRID)

    def kernel(start: NDArray[np.float64]) -> NDArray[np.float64]:
        centre = np.sqrt(start**2 + 1.5)
        density = stats.norm.pdf(r[:, None] - centre) + stats.norm.pdf(r[:, None] + centre)
        return np.asarray(density * GRID)

    source = kernel(beyond) @ (beyond * (beyond**2 + 0.75) ** 0.25)
    density = np.linalg.solve(np.eye(r.size) - kernel(r), source)
    return edges, np.concatenate([[0.0], np.cumsum(density) * GRID])


def gap(shift: float = 0.0) -> float:
    """Largest distance between what is shown and the image of the invariant measure under y^1.5 dy."""
    edges, measure = invariant_measure()
    # At r = 0 the kernel keeps a little of the edge, lest it divide by 0.
    near = (edges > 0) & (edges < 10)
    shown = np.sqrt(shown_of(edges**2 + 0.75 + shift))
    return float(np.abs(shown - (2.5 * measure) ** 0.4)[near].max())


def test_the_shown_measure_is_that_of_the_process() -> None:
    """The image of the invariant measure is y^1.5 dy to 1e-4 of the width of the layer."""
    assert gap() < 1e-4
    # The map matters: y itself is 0.87 away, and a layer that is 1 % narrower is seen.
    assert abs(np.sqrt(0.75) - shown_of(np.array([0.75]))[0]) > 0.8
    assert gap(shift=0.0075) > 1e-3


def test_far_from_the_end_the_map_is_the_identity() -> None:
    """For u = unit/y^2 -> 0 the shown y^2 is y^2 (1 - u^2/16 + O(u^3)), in any unit."""
    unit = 0.37
    u = np.array([1e-2, 3e-3, 1e-3])
    change = shown_of(unit / u, unit) / (unit / u) - 1
    assert (np.abs(change + u**2 / 16) < 0.6 * u**3 + 1e-15).all()
    assert shown_of(np.array([2.0]), 0.0)[0] == 2.0


def test_the_map_is_increasing_from_the_edge_on_and_is_inverted() -> None:
    """What is shown grows from 0 at the least y that a step can end at; `unseen` is the inverse."""
    square = 0.75 + np.logspace(-7, 3, 4000)
    shown = shown_of(square)
    assert (np.diff(shown) > 0).all()
    assert shown[0] < 3e-3
    own = [reciprocal_splitting.unseen(y2, 1.0) for y2 in shown.tolist()]
    np.testing.assert_allclose(own, square, rtol=1e-10)


@pytest.mark.parametrize("square", [0.75, 0.7499, 0.1, 0.0])
def test_squares_no_step_can_reach_are_shown_as_finite(square: float) -> None:
    """At the edge, or by rounding below it, 1/v is small but no division by 0."""
    shown = shown_of(np.array([max(square, 1e-300)]))[0]
    assert np.isfinite(1 / np.sqrt(shown)) or square == 0.0
