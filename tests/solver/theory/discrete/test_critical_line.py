"""The critical line of the two-layer network: roots to rounding, and bracketed by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.solver.theory.discrete.chains import few_points, minibatches

from equipoise_solver.theory import stationary_law
from equipoise_solver.theory.discrete import (
    GaussianData,
    SampleData,
    critical_line,
    discrete_law,
    lyapunov_exponent,
)

WEAK = GaussianData(0.2, 1.0)


@pytest.mark.parametrize(
    ("data", "batch_size"),
    [(WEAK, 1), (GaussianData(-0.1, 0.8, 1.3), 1), (GaussianData(0.05, 1.0), 2), (few_points(0.25, 1.2), 1)],
)
def test_simulated_growth_changes_sign_across_the_line(
    data: GaussianData | SampleData, batch_size: int, rng: np.random.Generator
) -> None:
    """The mean of log|1 + 2 eta B| over sampled minibatches is positive below the line, negative above it."""
    first = critical_line(data, batch_size=batch_size).learning_rates[0]
    sign = 1.0 if data.moments().beta2 > 0 else -1.0
    _, products = minibatches(data, batch_size, 1_500_000, rng)
    for share, side in ((0.8, 1.0), (1.15, -1.0)):
        growth = np.log(np.abs(1 + 2 * share * first * sign * products))
        error = float(growth.std()) / math.sqrt(growth.size)
        exact = 0.5 * lyapunov_exponent(data, learning_rate=share * first, batch_size=batch_size)
        assert side * float(growth.mean()) > 5 * error
        assert abs(float(growth.mean()) - exact) <= 5 * error


@pytest.mark.parametrize("batch_size", [1, 2])
def test_lyapunov_exponent_vanishes_at_every_root(batch_size: int) -> None:
    """And the phase of the law changes there."""
    data = GaussianData(0.1, 1.0)
    line = critical_line(data, batch_size=batch_size)
    assert len(line.learning_rates) == 2
    for root in line.learning_rates:
        assert lyapunov_exponent(data, learning_rate=root, batch_size=batch_size) == pytest.approx(
            0, abs=1e-12
        )
    low, high = line.learning_rates
    phases = [
        discrete_law(data, depth=1, learning_rate=rate, batch_size=batch_size).phase
        for rate in (0.5 * low, 0.5 * (low + high), 1.2 * high)
    ]
    assert phases == ["learning", "sparse", "learning"]


def test_weak_signals_follow_the_second_order_line() -> None:
    """As E[xy] -> 0 the first root tends to S b2/(a3 + S b2^2), quadratically: the third moment is odd."""
    off = []
    for slope in (0.02, 0.01, 0.005):
        line = critical_line(GaussianData(slope, 1.0), batch_size=3)
        assert line.second_order is not None
        off.append(line.learning_rates[0] / line.second_order - 1)
    assert abs(off[2]) < 2e-3
    assert off[0] / off[1] == pytest.approx(4, rel=0.1)
    assert off[1] / off[2] == pytest.approx(4, rel=0.1)


def test_comparison_lines_are_the_closed_forms() -> None:
    """The SDE's line is its critical temperature times S; second order has S b2^2 more in the denominator."""
    moments = WEAK.moments()
    line = critical_line(WEAK, batch_size=4, weight_decay=0.05)
    law = stationary_law(moments, depth=1, temperature=0.01, weight_decay=0.05)
    assert line.continuous == pytest.approx(4 * float(law.critical_temperature or 0), rel=1e-12)
    assert line.second_order == pytest.approx(4 * 0.15 / (moments.alpha3 + 4 * 0.15**2), rel=1e-14)


def test_strong_signals_have_no_sparse_phase_at_any_step() -> None:
    """k = s = 1: the SDE has Tc = 1/3, but E log|1 + 2 eta B| > 0 for every eta, on a fine scan."""
    for batch_size in (1, 2, 8):
        assert critical_line(GaussianData(1.0, 1.0), batch_size=batch_size).learning_rates == ()
        values = [
            lyapunov_exponent(GaussianData(1.0, 1.0), learning_rate=float(rate), batch_size=batch_size)
            for rate in np.geomspace(1e-3, 1e3, 25)
        ]
        assert min(values) > 0


@pytest.mark.parametrize("batch_size", [1, 2])
def test_empirical_roots_are_all_the_sign_changes(batch_size: int) -> None:
    """Each root is one of the sum of logarithms, and between roots its sign alternates."""
    data = few_points(0.25, 1.2)
    line = critical_line(data, batch_size=batch_size)
    assert line.is_complete
    products = data.x * data.y
    if batch_size == 2:
        products = 0.5 * (products[:, None] + products).ravel()

    def growth(rate: float) -> float:
        return float(np.mean(np.log(np.abs(1 + 2 * rate * products))))

    roots = np.array(line.learning_rates)
    assert roots.size % 2 == 0
    for i, root in enumerate(roots):
        # Pairs of roots lie close together on both sides of a pole.
        apart = min(abs(other / root - 1) for j, other in enumerate(roots) if j != i)
        off = min(1e-9, 0.2 * apart)
        assert growth(root * (1 - off)) * growth(root * (1 + off)) < 0
    grid = np.linspace(1e-3, 1.2 * float(roots[-1]), 40_001)
    values = np.log(np.abs(1 + 2 * grid[:, None] * products)).mean(axis=1)
    expected = np.where(np.searchsorted(roots, grid) % 2 == 0, 1.0, -1.0)
    near = np.min(np.abs(grid[:, None] / roots - 1), axis=1) < 1e-6
    assert np.all(near | (np.sign(values) == expected))


def test_weight_decay_shifts_the_drive() -> None:
    """B - gamma stands for B; beyond gamma = E[xy] the state v = 0 attracts from the smallest step on."""
    data = few_points(0.4, 0.6)
    drive = float(np.mean(data.x * data.y))
    line = critical_line(data, batch_size=1, weight_decay=1.1 * drive)
    assert (line.second_order, line.continuous) == (None, None)
    assert lyapunov_exponent(data, learning_rate=1e-3, batch_size=1, weight_decay=1.1 * drive) < 0
    shifted = np.mean(np.log(np.abs(1 + 0.2 * (data.x * data.y - 0.3))))
    assert lyapunov_exponent(data, learning_rate=0.1, batch_size=1, weight_decay=0.3) == pytest.approx(
        2 * float(shifted), rel=1e-12
    )


def test_data_whose_products_never_push_down_have_no_line() -> None:
    """x y >= 0 for every sample: v = 0 repels at any step."""
    data = SampleData.from_lists([1.0, 0.5, 2.0], [0.3, 0.7, 0.1])
    assert critical_line(data, batch_size=2).learning_rates == ()
