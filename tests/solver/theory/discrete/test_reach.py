"""How far narrow laws reach, which steps are too small, and data without any noise."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise_solver.errors import LimitExceededError
from equipoise_solver.theory.discrete import GaussianData, SampleData, discrete_law
from equipoise_solver.theory.discrete.reach import edges_about, moment_reach, tail_reach


def test_reach_by_moments_is_that_of_the_uniform_law() -> None:
    """v' = v/2 +- 1/2 is uniform on (-1, 1), E v^k = 1/(k + 1): the least (1e16/(k + 1))^(1/k), k <= 24."""
    found = moment_reach(np.array([0.5, 0.5]), np.array([0.5, -0.5]), np.array([0.5, 0.5]))
    exact = min((1e16 / (k + 1)) ** (1 / k) for k in range(2, 25, 2))
    assert found == pytest.approx(exact, rel=1e-10)


def test_reach_of_a_power_tail_leaves_what_it_says() -> None:
    """Beyond 12 e^(36/kappa) deviations a tail (d/12)^-kappa has e^-36; without a tail 12 are enough."""
    assert (tail_reach(4.0) / 12.0) ** -4.0 == pytest.approx(np.exp(-36), rel=1e-12)
    assert tail_reach(None) == 12.0


def test_edges_cover_the_interval_in_steps_about_the_centre() -> None:
    """Even steps to 12 of them, then growing; the ends are those asked for."""
    edges = edges_about(0.3, -1.0, 4.0, 0.05)
    assert (edges[0], edges[-1]) == (-1.0, 4.0)
    assert np.all(np.diff(edges) > 0)
    near = np.abs(edges - 0.3) < 0.5
    np.testing.assert_allclose(np.diff(edges[near]), 0.05, rtol=1e-9)


@pytest.mark.parametrize(
    ("learning_rate", "batch_size"), [(1e-3, 100), (0.01, 4000), (2e-4, 1), (0.2, 50_000)]
)
def test_narrow_laws_have_the_variance_of_the_linearised_chain(learning_rate: float, batch_size: int) -> None:
    """Var[v]/v*^2 = 16 eta^2 g/S / (1 - E(1 - 4 eta A)^2) at v* = 1, but for relative terms of that size."""
    law = discrete_law(GaussianData(1.0, 1.0), depth=1, learning_rate=learning_rate, batch_size=batch_size)
    pull = 4 * learning_rate
    noise = 16 * learning_rate**2 / batch_size
    linear = noise / (pull * (2 - pull) - 2 * pull**2 / batch_size)
    assert law.variance == pytest.approx(linear, rel=20 * linear)
    assert law.mean == pytest.approx(1.0, abs=5 * linear)
    assert law.explosion_rate == 0.0
    assert any("outside its support" in note for note in law.notes)


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize(
    "data", [GaussianData(1.0, 1.0), SampleData.from_lists([1, 2, -1], [0.5, 1.7, -0.4])]
)
def test_steps_too_small_to_resolve_are_refused(depth: int, data: GaussianData | SampleData) -> None:
    """The error names the learning rate and points to the SDE limit."""
    with pytest.raises(LimitExceededError, match="SDE") as caught:
        discrete_law(data, depth=depth, learning_rate=1e-7, batch_size=1)
    assert caught.value.field == "learning_rate"


def test_laws_too_narrow_by_want_of_noise_are_refused_for_that() -> None:
    """At a step of usual size the reason is the noise, not the step."""
    with pytest.raises(LimitExceededError, match="noise at the minimum") as caught:
        discrete_law(GaussianData(1.0, 1e-7), depth=1, learning_rate=0.1, batch_size=1)
    assert "SDE" not in str(caught.value)


@pytest.mark.parametrize("depth", [0, 1])
def test_one_pair_with_weight_decay_rests_where_descent_does(depth: int) -> None:
    """The atom is the fixed point of gradient descent, found by iterating it."""
    law = discrete_law(
        SampleData.from_lists([1.5], [-1.1]), depth=depth, learning_rate=0.05, batch_size=4, weight_decay=0.2
    )
    u, w = 0.5, -0.5
    v = 0.0
    for _ in range(4000):
        slope = 2 * 1.5 * (u * w * 1.5 + 1.1)
        u, w = u - 0.05 * (slope * w + 0.4 * u), w - 0.05 * (slope * u + 0.4 * w)
        v = v - 0.05 * (2 * 1.5 * (v * 1.5 + 1.1) + 0.4 * v)
    assert law.mean == pytest.approx(v if depth == 0 else u * w, rel=1e-10)
    assert law.variance == 0.0
