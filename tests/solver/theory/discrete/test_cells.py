"""Laws of empirical data on cells, against drawing indices and against what a step must keep."""

import math

import numpy as np
import pytest
from tests.solver.theory.discrete.chains import Array, few_points, simulated
from tests.support.statistics import assert_fraction, assert_law, assert_mean, assert_variance

from equipoise_solver.errors import LimitExceededError
from equipoise_solver.theory.discrete import DiscreteLaw, SampleData, Training, discrete_law
from equipoise_solver.theory.discrete.cells import refined
from equipoise_solver.theory.discrete.minibatch import empirical_atoms

FIVE = SampleData.from_lists([1.0, -2.0, 0.5, 1.5, -0.8], [0.7, -1.1, 0.9, 1.9, -0.1])
MIRRORED = SampleData.from_lists(-FIVE.x, FIVE.y)


def law_on_cells(
    data: SampleData, *, learning_rate: float, depth: int = 1, batch_size: int = 1
) -> DiscreteLaw:
    """The law with its distribution function from cells, whether its panels are resolved or not."""
    law = discrete_law(data, depth=depth, learning_rate=learning_rate, batch_size=batch_size)
    ahead = data.mirrored() if depth == 1 and data.moments().beta2 < 0 else data
    return refined(law, empirical_atoms(ahead, batch_size))


@pytest.mark.parametrize(
    ("data", "learning_rate", "batch_size"), [(FIVE, 0.2, 1), (MIRRORED, 0.2, 2), (few_points(), 0.15, 1)]
)
def test_law_where_a_step_may_land_at_zero_is_that_of_simulated_sgd(
    data: SampleData, learning_rate: float, batch_size: int, rng: np.random.Generator
) -> None:
    """Mean, variance and distribution function, also where panels are off by 3 per cent."""
    law = law_on_cells(data, learning_rate=learning_rate, batch_size=batch_size)
    run = Training(learning_rate, batch_size)
    start = math.copysign(0.5, data.moments().beta2)
    # The mirrored network has u = -w, whose v follows the chain of the mirrored data.
    ahead = data if start > 0 else SampleData(data.x, -data.y)
    v = simulated(ahead, run, depth=1, start=0.5, n_paths=60_000, n_steps=150, rng=rng)
    v = math.copysign(1.0, start) * v[v < (law.ceiling or math.inf)]
    assert law.mean is not None
    assert law.variance is not None
    deviation = math.sqrt(law.variance)
    assert_mean(v, law.mean, resolves=0.05 * deviation, bias=1e-3 * deviation)
    assert_variance(v, law.variance, resolves=0.1 * law.variance, bias=2e-3 * law.variance)
    v = np.sort(v)
    assert_law(v, law.cdf(v), resolves=0.03, bias=2e-3)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_a_step_keeps_the_means_of_the_law(power: float) -> None:
    """E f(V') = E f(V), with V' enumerated."""
    law = law_on_cells(FIVE, learning_rate=0.2)

    def after(v: Array) -> Array:
        pulled = FIVE.x**2 * v[:, None] - FIVE.x * FIVE.y
        result: Array = np.mean((v[:, None] * (1 - 0.4 * pulled) ** 2) ** power, axis=1)
        return result

    def before(v: Array) -> Array:
        return v**power

    assert law.expectation(after) == pytest.approx(law.expectation(before), rel=1e-4)


def test_explosions_come_at_the_rate_of_the_cells(rng: np.random.Generator) -> None:
    """Of runs that survive 100 steps, (1 - rate)^100 survive 100 more."""
    data, run = few_points(), Training(0.3, 1)
    law = law_on_cells(data, learning_rate=0.3)
    assert law.explosion_rate is not None
    first = simulated(data, run, depth=1, start=0.6, n_paths=100_000, n_steps=100, rng=rng)
    alive = first[np.isfinite(first)]
    later = simulated(data, run, depth=1, start=alive, n_paths=alive.size, n_steps=100, rng=rng)
    survivors = int(np.count_nonzero(np.isfinite(later)))
    exact = (1 - law.explosion_rate) ** 100
    assert_fraction(survivors, alive.size, exact, resolves=0.04, bias=2e-3)


def test_smooth_panels_keep_their_moments() -> None:
    """Where no minibatch takes v to 0 the moments of the panels stay, and the cells agree with them."""
    data = few_points()
    panels = discrete_law(data, depth=1, learning_rate=0.02, batch_size=1)
    cells = law_on_cells(data, learning_rate=0.02)
    assert cells.mean == panels.mean
    assert cells.variance == panels.variance
    assert cells.mean is not None
    levels = (np.arange(20_000) + 0.5) / 20_000
    assert float(np.mean(cells.quantile(levels))) == pytest.approx(cells.mean, rel=1e-4)


def test_laws_of_linear_regression_keep_their_closed_moments() -> None:
    """v' = v/2 +- 1/2 is uniform on (-1, 1) on cells too, and an atom stays an atom."""
    data = SampleData.from_lists([1.0, 1.0], [1.0, -1.0])
    law = law_on_cells(data, depth=0, learning_rate=0.25)
    v = np.linspace(-0.99, 0.99, 67)
    np.testing.assert_allclose(law.cdf(v), (v + 1) / 2, atol=1e-3)
    assert law.variance == pytest.approx(1 / 3, rel=1e-14)
    exact = SampleData.from_lists([1.0, 2.0], [-0.6, -1.2])
    point = discrete_law(exact, depth=0, learning_rate=0.05, batch_size=1)
    assert refined(point, empirical_atoms(exact, 1)) is point


@pytest.mark.parametrize(
    ("x", "y", "learning_rate", "batch_size"),
    [([1.0, 1.0], [1.5, 0.5], 0.49, 1), ([1.0, -1.0], [1.5, -0.5], 0.5, 2)],
)
def test_moments_that_hang_on_the_cells_are_refused(
    x: list[float], y: list[float], learning_rate: float, batch_size: int
) -> None:
    """Next to a law of two atoms steps stretch the width of the cells; means would be 0.2 and 3 % off."""
    data = SampleData.from_lists(x, y)
    with pytest.raises(LimitExceededError, match="is resolved"):
        discrete_law(data, depth=1, learning_rate=learning_rate, batch_size=batch_size)


@pytest.mark.parametrize(("x", "learning_rate"), [([1.0, 1.0], 0.4), ([1.0, 1.01], 0.5)])
def test_moments_next_to_refused_ones_are_those_of_simulated_sgd(
    x: list[float], learning_rate: float, rng: np.random.Generator
) -> None:
    """Where both numbers of cells agree, so does drawing indices, to 1e-3 of the standard deviation."""
    data = SampleData.from_lists(x, [1.5, 0.5])
    law = discrete_law(data, depth=1, learning_rate=learning_rate, batch_size=1)
    n = 300_000
    v = simulated(
        data,
        Training(learning_rate, 1),
        depth=1,
        start=rng.uniform(0.4, 1.5, n),
        n_paths=n,
        n_steps=120,
        rng=rng,
    )
    assert law.mean is not None
    assert law.variance is not None
    assert np.all(np.isfinite(v))
    deviation = math.sqrt(law.variance)
    assert_mean(v, law.mean, resolves=0.02 * deviation, bias=1e-3 * deviation)
