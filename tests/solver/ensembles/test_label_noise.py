"""Label noise: identities, closed forms of the discrete recursion, and all shuffles of an epoch."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from tests.solver.ensembles.runs import final_states
from tests.support.statistics import assert_mean, assert_variance

from equipoise_solver.ensembles import (
    Balanced,
    EnsemblePlan,
    GaussianPairs,
    Gd,
    MomentsOnly,
    SamplePairs,
    Sgd,
)
from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError

X = np.array([1.0, -0.4, 1.7, 0.2, -1.1])
Y = np.array([0.8, -0.1, 1.1, 0.5, -1.3])
SAMPLES = SamplePairs(X, Y)
STD = 0.7


def plan_of(dynamics: Sgd | Gd, **changes: Any) -> EnsemblePlan:
    parts: dict[str, Any] = {"depth": 0, "data": SAMPLES, "n_paths": 40_000, "seed": 5, "n_records": 1}
    return EnsemblePlan(**{**parts, **changes}, dynamics=dynamics)


@pytest.mark.parametrize("batch_size", [2, 40])
def test_gaussian_labels_take_the_sum_of_both_variances(batch_size: int) -> None:
    """On Gaussian data label noise is the data's own noise, to the bit."""
    apart, together = (
        final_states(
            plan_of(
                Sgd(0.05, batch_size, label_noise=label_noise),
                depth=1,
                data=GaussianPairs(0.9, noise_std, 1.2),
                n_paths=512,
                n_steps=30,
            )
        )
        for noise_std, label_noise in ((0.3, 0.4), (0.5, 0.0))
    )
    np.testing.assert_array_equal(apart, together)


def test_no_label_noise_changes_no_bit() -> None:
    """A standard deviation next to 0 gives the paths of one that is 0, to rounding."""
    none, hardly = (
        final_states(plan_of(Gd(0.05, label_noise=std), n_paths=4, n_steps=20, init=Balanced(0.2)))
        for std in (0.0, 1e-14)
    )
    np.testing.assert_allclose(none, hardly, rtol=1e-12)


def test_full_batches_follow_the_affine_recursion(seed: int) -> None:
    """For depth 0 gd with label noise is v' = v - 2 eta (b1 v - b2 - std sqrt(b1/n) z), in closed form."""
    eta, n_steps, start = 0.1, 12, 2.0
    v = final_states(plan_of(Gd(eta, label_noise=STD), n_steps=n_steps, seed=seed, init=Balanced(start)))[0]
    power, centre = float(np.mean(X * X)), float(np.mean(X * Y) / np.mean(X * X))
    rate = 1 - 2 * eta * power
    variance = (2 * eta * STD) ** 2 * power / X.size * (1 - rate ** (2 * n_steps)) / (1 - rate**2)
    assert_mean(v, centre + (start - centre) * rate**n_steps, resolves=0.1 * variance**0.5)
    assert_variance(v, variance, resolves=0.1 * variance)


def test_batches_with_replacement_follow_the_recursion(seed: int) -> None:
    """For depth 0 mean and variance follow from Var A, Cov(A, B) and Var B + std^2 b1/S."""
    eta, n_steps, start, size = 0.08, 15, 2.0, 3
    m = SAMPLES.moments
    v = final_states(
        plan_of(Sgd(eta, size, label_noise=STD), n_steps=n_steps, seed=seed, init=Balanced(start))
    )[0]
    mean, second = start, start**2
    for _ in range(n_steps):
        keep, square = 1 - 2 * eta * m.beta1, 4 * eta**2 / size
        second = (
            second * (keep**2 + square * m.alpha1)
            + 2 * mean * (keep * 2 * eta * m.beta2 - square * m.alpha2)
            + 4 * eta**2 * m.beta2**2
            + square * (m.alpha3 + STD**2 * m.beta1)
        )
        mean = keep * mean + 2 * eta * m.beta2
    assert_mean(v, mean, resolves=0.02)
    assert_variance(v, second - mean**2, resolves=0.1 * (second - mean**2))


def test_an_epoch_disturbs_every_label_once(seed: int) -> None:
    """After one epoch mean and variance are those of all shuffles; the last batch, smaller, is noisier."""
    eta, start, size = 0.1, 2.0, 2
    v = final_states(
        plan_of(Sgd(eta, size, sampling="epoch", label_noise=STD), n_steps=3, seed=seed, init=Balanced(start))
    )[0]
    means, variances = [], []
    for order in permutations(range(X.size)):
        mean, variance = start, 0.0
        for i in range(0, X.size, size):
            batch = list(order[i : i + size])
            a, b = np.mean(X[batch] ** 2), np.mean(X[batch] * Y[batch])
            mean = mean - 2 * eta * (a * mean - b)
            variance = (1 - 2 * eta * a) ** 2 * variance + (2 * eta * STD) ** 2 * a / len(batch)
        means.append(mean)
        variances.append(variance)
    exact = float(np.var(means) + np.mean(variances))
    assert_mean(v, float(np.mean(means)), resolves=0.02)
    assert_variance(v, exact, resolves=0.1 * exact)


def test_the_law_of_the_sde_knows_label_noise() -> None:
    """Label noise of sgd raises Var[xy] by std^2 E[x^2], as fresh labels of Gaussian data do."""
    pairs, noisier = GaussianPairs(0.9, 0.3, 1.2), GaussianPairs(0.9, 0.5, 1.2)
    given = plan_of(Sgd(0.05, label_noise=0.4), data=pairs, n_steps=1).moments
    assert given.alpha3 == pytest.approx(noisier.moments.alpha3, rel=1e-14)
    assert given.delta == pytest.approx(noisier.moments.delta, rel=1e-14)
    assert given.root == noisier.moments.root


def test_refusals() -> None:
    """A population has infinitely many labels, whose noise averages out; a deviation is not negative."""
    for data in (GaussianPairs(0.9, 0.3), MomentsOnly(SAMPLES.moments)):
        with pytest.raises(UnsupportedCombinationError) as refused:
            plan_of(Gd(0.05, label_noise=0.1), data=data, n_steps=3)
        assert refused.value.field == "dynamics.label_noise"
        assert "averages out" in str(refused.value)
    for kind in (Sgd, Gd):
        with pytest.raises(InvalidModelError, match="label_noise"):
            kind(0.05, label_noise=-0.1)
