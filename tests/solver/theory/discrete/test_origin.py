"""Means of minibatches too many to enumerate, against the closed forms of their moments."""

import numpy as np
import pytest

from equipoise_solver.theory.discrete import SampleData, discrete_law
from equipoise_solver.theory.discrete.origin import mean_products, mean_squares


@pytest.mark.parametrize(
    ("batch_size", "error"),
    [(3, 1e-7), (64, 1e-5), (1000, 1e-4), (30_000, 1e-3), (10**6, 1e-3), (10**9, 1e-3)],
)
def test_means_of_any_number_of_draws_have_their_moments(
    batch_size: int, error: float, rng: np.random.Generator
) -> None:
    """Mean to rounding, variance Var/S to the width of the lattice, nothing below the least number."""
    x = rng.standard_normal(300)
    data = SampleData.from_lists(x, 0.4 * x + rng.standard_normal(300))
    for single, (values, weights) in (
        (data.x * data.y, mean_products(data, batch_size)),
        (data.x**2, mean_squares(data, batch_size)),
    ):
        assert np.all(weights > 0)
        assert np.sum(weights) == pytest.approx(1.0, abs=1e-12)
        assert weights @ values == pytest.approx(np.mean(single), rel=1e-10)
        variance = weights @ (values - np.mean(single)) ** 2
        assert variance * batch_size == pytest.approx(np.var(single), rel=error)
        assert values.min() >= single.min()


def test_batches_beyond_the_lattice_have_a_law(rng: np.random.Generator) -> None:
    """A million samples in a minibatch leave the variance of linear regression in closed form."""
    x = rng.standard_normal(300)
    data = SampleData.from_lists(x, 0.4 * x + rng.standard_normal(300))
    law = discrete_law(data, depth=0, learning_rate=0.1, batch_size=10**6)
    moments = data.moments()
    factor = 1 - 0.2 * moments.beta1
    square = factor**2 + 0.04 * moments.alpha1 / 10**6
    exact = 0.04 * moments.noise(moments.minimum) / 10**6 / (1 - square)
    assert law.variance == pytest.approx(exact, rel=1e-9)
    assert law.kesten_exponent is None
