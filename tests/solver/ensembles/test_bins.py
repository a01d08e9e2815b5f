"""A row of numbers is counted in the bins that a binary search among the edges finds."""

from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise_solver.ensembles.accumulators import bins_of
from equipoise_solver.ensembles.accumulators.samples import count_row
from equipoise_solver.ensembles.compiled import LANES


def _find_all(
    values: Any, edges: Any, first_key: Any, ranges: Any, inner: Any, n_bins: Any, found: Any
) -> None:
    row, counts = np.full(LANES, np.nan), np.zeros(n_bins, dtype=np.int64)
    keys = np.empty(LANES, dtype=np.int64)
    for i in range(values.shape[0]):
        row[i % LANES] = values[i]
        counts[:] = 0
        count_row(row, edges, first_key, ranges, inner, counts, keys)
        row[i % LANES] = np.nan
        found[i] = np.argmax(counts) if counts.sum() == 1 else -1


find_all = numba.njit(error_model="numpy")(_find_all)


def clustered(rng: np.random.Generator) -> NDArray[np.float64]:
    """Many edges within a few units in the last place of 1, and a few elsewhere."""
    near = 1.0 + 2.0**-52 * rng.integers(-40, 400, 60)
    return np.concatenate([near, -near[:7], [-3.0, 0.5, 0.500001, 17.0]])


def spread(rng: np.random.Generator) -> NDArray[np.float64]:
    """Edges of both signs over all magnitudes, the least and the largest numbers among them."""
    size = 10.0 ** rng.uniform(-320, 308, 300)
    return np.concatenate([size * rng.choice([-1, 1], 300), [5e-324, -5e-324, 1.7976931348623157e308]])


EDGES: dict[str, Any] = {
    "clustered": clustered,
    "spread": spread,
    "with zero": lambda rng: np.concatenate([rng.normal(size=50), [0.0]]),
    "with minus zero": lambda rng: np.concatenate([rng.normal(size=5), [-0.0]]),
    "from zero": lambda rng: np.array([0.0, 1e-9, 2.5]),
    "up to zero": lambda rng: np.array([-2.5, -1e-9, 0.0]),
    "negative": lambda rng: -(10.0 ** rng.uniform(-3, 3, 80)),
    "positive": lambda rng: 10.0 ** rng.uniform(-3, 3, 80),
    "two": lambda rng: np.array([0.3, 0.7]),
    "two about zero": lambda rng: np.array([-1e-200, 1e200]),
    "two neighbours": lambda rng: np.array([1.0, np.nextafter(1.0, 2.0)]),
    "even": lambda rng: np.linspace(-1.3, 4.1, 2000),
    "default-like": lambda rng: np.concatenate(
        [1 + 0.2 * np.sinh(np.linspace(-12, 12, 601)), np.logspace(-9, 3, 241), -np.logspace(-9, 3, 241)]
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_bins_are_those_of_a_binary_search(name: str, rng: np.random.Generator) -> None:
    """At edges, beside them, at both zeros and infinities and anywhere, the bin is searchsorted's."""
    edges = np.unique(EDGES[name](rng))
    bins = bins_of(edges)
    anywhere = np.concatenate([rng.normal(size=1000), 10.0 ** rng.uniform(-323, 308, 1000)])
    between = edges[:-1] / 2 + edges[1:] / 2
    with np.errstate(over="ignore"):
        beside = [np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)]
        near = rng.choice(edges, 1000) * (1 + 1e-3 * rng.normal(size=1000))
    values = np.concatenate(
        [
            edges,
            -edges,
            *beside,
            between,
            near,
            anywhere,
            -anywhere,
            [0.0, -0.0, np.inf, -np.inf, 5e-324, -5e-324, np.finfo(float).max, -np.finfo(float).max],
        ]
    )
    found = np.empty(values.size, dtype=np.int64)
    find_all(values, bins.edges, bins.first_key, bins.ranges, bins.inner, edges.size + 1, found)
    np.testing.assert_array_equal(found, np.searchsorted(edges, values, side="right"))


def test_ranges_leave_little_to_search() -> None:
    """Where edges lie a per cent apart, leading bits alone tell most bins; one comparison tells the rest."""
    edges = np.logspace(-9, 3, 2000)
    bins = bins_of(edges)
    width = bins.ranges[1] - bins.ranges[0]
    assert (width >= 0).all()
    assert width.max() <= 1
    assert (width == 0).mean() > 0.9
    assert bins.inner.size == width.size
