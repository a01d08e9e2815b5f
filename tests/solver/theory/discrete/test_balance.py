"""The law of balance at finite step: an identity of every step, and its mean."""

from __future__ import annotations

import numpy as np
import pytest
from tests.solver.theory.discrete.chains import minibatches
from tests.support.statistics import assert_mean

from equipoise_solver.theory.discrete import (
    GaussianData,
    Training,
    balance_rates,
    discrete_law,
    imbalance_factor,
    mean_balance_rates,
)

DATA = GaussianData(0.7, 1.3, 1.1)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_every_step_multiplies_the_imbalance_by_the_factor(
    weight_decay: float, rng: np.random.Generator
) -> None:
    """u^2 - w^2 after a step of SGD on both layers, from per-sample gradients, to 1e-14 of u^2 + w^2."""
    run = Training(0.07, 5, weight_decay)
    for _ in range(50):
        u, w = rng.normal(size=2)
        x = DATA.input_std * rng.standard_normal(run.batch_size)
        y = DATA.slope * x + DATA.noise_std * rng.standard_normal(run.batch_size)
        error = u * w * x - y
        u_next = u - run.learning_rate * (np.mean(2 * error * w * x) + 2 * weight_decay * u)
        w_next = w - run.learning_rate * (np.mean(2 * error * u * x) + 2 * weight_decay * w)
        factor = imbalance_factor(float(np.mean(error * x)), run)
        scale = u_next**2 + w_next**2 + u**2 + w**2
        assert u_next**2 - w_next**2 == pytest.approx(factor * (u**2 - w**2), abs=1e-14 * scale)


@pytest.mark.parametrize("v", [-0.4, 0.0, 0.7, 2.1])
def test_mean_decay_is_that_of_sampled_minibatches(v: float, rng: np.random.Generator) -> None:
    """1 - E[C'/C] at a fixed v, and its gap to the SDE's rate in closed form."""
    run = Training(0.1, 3, 0.2)
    rates = balance_rates(DATA.moments(), run, v)
    squares, products = minibatches(DATA, 3, 400_000, rng)
    decay = 1 - np.asarray(imbalance_factor(squares * v - products, run))
    assert_mean(decay, rates.discrete, resolves=0.05 * rates.discrete)
    moments = DATA.moments()
    gap = 4 * 0.1**2 * ((moments.beta1 * v - moments.beta2) ** 2 - 0.2**2)
    assert rates.gap == pytest.approx(gap, abs=1e-15)
    assert rates.continuous == pytest.approx(0.1 * (4 * 0.2 + (0.1 / 3) * 4 * moments.noise(v)), rel=1e-14)


def test_mean_over_the_law_is_the_mean_of_the_rates() -> None:
    """Rates are quadratic in v, so the mean over the law follows from its first two moments."""
    law = discrete_law(DATA, depth=1, learning_rate=0.04, batch_size=2, weight_decay=0.1)
    run, moments = Training(0.04, 2, 0.1), DATA.moments()
    rates = mean_balance_rates(moments, law)
    assert rates is not None
    exact = law.expectation(lambda v: np.array([balance_rates(moments, run, float(u)).discrete for u in v]))
    assert rates.discrete == pytest.approx(exact, rel=1e-11)
    heavy = discrete_law(DATA, depth=0, learning_rate=0.6, batch_size=1)
    assert mean_balance_rates(moments, heavy) is None
