"""The two-layer chain for empirical data: every minibatch enumerated, against drawing indices."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.solver.theory.discrete.chains import Array, few_points, simulated
from tests.support.statistics import assert_fraction, assert_law, assert_mean, assert_variance

from equipoise_solver.theory.discrete import SampleData, Training, discrete_law
from equipoise_solver.theory.discrete.minibatch import empirical_atoms
from equipoise_solver.theory.discrete.recombination import mean_of_independent
from equipoise_solver.theory.discrete.two_layer import empirical_chain


@pytest.mark.parametrize(
    ("learning_rate", "batch_size", "weight_decay"),
    [(0.02, 1, 0.0), (0.04, 1, 0.05), (0.08, 2, 0.0), (0.08, 3, 0.1), (0.15, 12, 0.0)],
)
def test_law_of_twelve_points_is_that_of_simulated_sgd(
    learning_rate: float, batch_size: int, weight_decay: float, rng: np.random.Generator
) -> None:
    """Mean, variance and distribution function, enumerated for S <= 3 and with few atoms for S = 12."""
    data, run = few_points(), Training(learning_rate, batch_size, weight_decay)
    law = discrete_law(
        data, depth=1, learning_rate=learning_rate, batch_size=batch_size, weight_decay=weight_decay
    )
    assert (law.minibatch_degree is None) == (batch_size <= 3)
    n_steps = round(12 / learning_rate) if batch_size < 4 else 100
    v = simulated(data, run, depth=1, start=0.6, n_paths=40_000, n_steps=n_steps, rng=rng)
    v = v[v < (law.ceiling or math.inf)]
    assert law.mean is not None
    assert law.variance is not None
    deviation = math.sqrt(law.variance)
    assert_mean(v, law.mean, resolves=0.06 * deviation, bias=1e-4 * deviation)
    assert_variance(v, law.variance, resolves=0.15 * law.variance, bias=1e-3 * law.variance)
    v = np.sort(v)
    assert_law(v, law.cdf(v), resolves=0.04, bias=4e-3)


def test_mean_of_a_step_is_that_of_the_law() -> None:
    """E f(V') = E f(V), with V' enumerated: to rounding for f whose panels are smooth."""
    data = few_points()
    law = discrete_law(data, depth=1, learning_rate=0.02, batch_size=1)
    squares, products = data.x**2, data.x * data.y

    def after(v: Array) -> Array:
        moved = v[:, None] * (1 - 0.04 * (squares * v[:, None] - products)) ** 2
        result: Array = np.mean(1 / (1 + moved), axis=1)
        return result

    before = law.expectation(lambda v: 1 / (1 + v))
    assert law.expectation(after) == pytest.approx(before, rel=1e-11)


def test_few_atoms_give_the_law_of_all_minibatches() -> None:
    """All 1365 minibatches of S = 4 and atoms with their moments agree to 8 digits of mean and variance."""
    data, run = few_points(), Training(0.05, 4)
    every = empirical_atoms(data, 4)
    assert every.degree is None
    few = mean_of_independent(empirical_atoms(data, 1), 4)
    exact, chain = (empirical_chain(atoms, data.moments(), run).chain for atoms in (every, few))
    mean = exact.mean(lambda v: v)
    assert chain.mean(lambda v: v) == pytest.approx(mean, rel=1e-8)
    variances = [each.mean(lambda v: (v - mean) ** 2) for each in (exact, chain)]
    assert variances[1] == pytest.approx(variances[0], rel=1e-7)


def test_small_steps_on_bounded_data_never_explode() -> None:
    """No minibatch leads out of the support, which holds every simulated run."""
    law = discrete_law(few_points(), depth=1, learning_rate=0.02, batch_size=1)
    assert law.ceiling is None
    assert law.explosion_rate == 0.0
    assert law.expected_steps_to_explosion == math.inf
    data, (low, high) = few_points(), law.support
    v = np.linspace(max(low, 1e-9), high, 1001)[:, None]
    moved = v * (1 - 0.04 * (data.x**2 * v - data.x * data.y)) ** 2
    assert float(moved.max()) <= high * (1 + 1e-9)
    assert float(moved.min()) >= low * (1 - 1e-9)


def test_large_steps_on_bounded_data_explode_at_the_computed_rate(rng: np.random.Generator) -> None:
    """Of runs that survive 100 steps, (1 - rate)^100 survive 100 more."""
    data, run = few_points(), Training(0.3, 1)
    law = discrete_law(data, depth=1, learning_rate=0.3, batch_size=1)
    assert law.explosion_rate is not None
    assert 1e-4 < law.explosion_rate < 0.05
    first = simulated(data, run, depth=1, start=0.6, n_paths=100_000, n_steps=100, rng=rng)
    alive = first[np.isfinite(first)]
    later = simulated(data, run, depth=1, start=alive, n_paths=alive.size, n_steps=100, rng=rng)
    exact = (1 - law.explosion_rate) ** 100
    # The survival of a run jumps where one more minibatch lets it escape, which panels resolve in part.
    bias = 0.03 * 100 * law.explosion_rate
    survivors = int(np.count_nonzero(np.isfinite(later)))
    assert_fraction(survivors, alive.size, exact, resolves=0.05, bias=bias)


def test_one_pair_is_gradient_descent() -> None:
    """A data set of one pair interpolates: all mass at y/x."""
    law = discrete_law(SampleData.from_lists([2.0], [-1.0]), depth=1, learning_rate=0.05, batch_size=3)
    assert law.phase == "interpolating"
    assert law.mean == pytest.approx(-0.5)
