"""Products of lane arrays, held against NumPy's."""

from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise_solver.networks.training.tiles import LANES, aligned_lanes, multiply

SHAPES = [(4, 3, 4), (5, 7, 3), (1, 1, 1), (9, 2, 6), (3, 5, 8)]


@numba.njit
def _product(a: Any, b: Any, c: Any, rows: Any, terms: Any, columns: Any, adds: Any) -> None:
    multiply(
        a, 0, terms, 1,
        b, 0, columns, 1,
        c, 0, columns, 1,
        rows, terms, columns, adds,
    )  # fmt: skip


def _lanes(values: NDArray[Any]) -> NDArray[Any]:
    lanes = aligned_lanes(values.size // LANES, values.dtype)
    lanes[:] = values.ravel()
    return lanes


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_products_are_those_of_each_lane(precision: str, rng: np.random.Generator) -> None:
    """Whole tiles and edges give the product of each network's own matrices, written or added."""
    for rows, terms, columns in SHAPES:
        a = rng.standard_normal((rows, terms, LANES)).astype(precision)
        b = rng.standard_normal((terms, columns, LANES)).astype(precision)
        c = rng.standard_normal((rows, columns, LANES)).astype(precision)
        wanted = np.einsum("ikl,kjl->ijl", a.astype(np.float64), b.astype(np.float64))
        bound = 4 * terms * np.finfo(precision).eps * np.einsum("ikl,kjl->ijl", abs(a), abs(b)).max()
        for adds in (0, 1):
            held = _lanes(c)
            _product(_lanes(a), _lanes(b), held, rows, terms, columns, adds)
            gap = held.reshape(c.shape) - (wanted + adds * c.astype(np.float64))
            assert np.abs(gap).max() <= bound


@pytest.mark.slow
def test_entries_do_not_depend_on_the_tile(rng: np.random.Generator) -> None:
    """An entry has the same bits in a whole tile, in an edge and alone."""
    a, b = rng.standard_normal((6, 5, LANES)), rng.standard_normal((5, 7, LANES))
    whole = aligned_lanes(42, np.float64)
    _product(_lanes(a), _lanes(b), whole, 6, 5, 7, 0)
    for i, j in ((0, 0), (3, 3), (5, 2), (1, 6), (5, 6)):
        alone = aligned_lanes(1, np.float64)
        _product(_lanes(a[i : i + 1]), _lanes(b[:, j : j + 1]), alone, 1, 5, 1, 0)
        assert np.array_equal(alone, whole.reshape(6, 7, LANES)[i, j])
