"""The discrete law against the SDE's at one temperature."""

from __future__ import annotations

import numpy as np
import pytest
from tests.solver.theory.discrete.chains import few_points

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory.discrete import GaussianData, gaps_at_temperature, law_gap

EXAMPLE = GaussianData(1.0, 1.0)


@pytest.mark.parametrize("depth", [0, 1])
def test_gap_grows_with_the_step_at_fixed_temperature(depth: int) -> None:
    """All four measures grow from batch size 1 on, where the step is the temperature."""
    gaps = gaps_at_temperature(EXAMPLE, depth=depth, temperature=0.02, batch_sizes=[1, 4, 16])
    assert [gap.discrete.learning_rate for gap in gaps] == pytest.approx([0.02, 0.08, 0.32])
    for measure in ("variance", "ks", "total_variation"):
        values = np.abs([getattr(gap, measure) for gap in gaps])
        assert np.all(np.diff(values) > 0)
    for gap in gaps:
        assert gap.discrete.temperature == pytest.approx(0.02)
        assert gap.ks is not None
        assert gap.total_variation is not None
        assert 0 < gap.ks <= gap.total_variation < 1


def test_distances_are_those_of_the_densities() -> None:
    """Total variation by integrating |p - q|, and KS by a fine grid of the distribution functions."""
    gap = law_gap(EXAMPLE, depth=1, learning_rate=0.15, batch_size=4)
    v = np.concatenate([np.geomspace(1e-12, 1e-3, 4000), np.linspace(1e-3, 21, 400_001)[1:]])
    apart = np.abs(gap.discrete.pdf(v) - gap.continuous.pdf(v))
    integral = 0.5 * float(np.sum(0.5 * (apart[1:] + apart[:-1]) * np.diff(v)))
    assert gap.total_variation == pytest.approx(integral, abs=2e-5)
    ks = float(np.max(np.abs(gap.discrete.cdf(v) - gap.continuous.cdf(v))))
    assert gap.ks == pytest.approx(ks, abs=1e-6)
    assert gap.mean == pytest.approx(float(gap.discrete.mean or 0) - float(gap.continuous.mean or 0))


def test_regression_variance_gap_is_the_closed_form() -> None:
    """D = 0: variance of the recursion less that of the SDE, T g/(b1 - T a1)."""
    gap = law_gap(EXAMPLE, depth=0, learning_rate=0.1, batch_size=2)
    # g(1) = 1, b1 = 1, a1 = 2: 4 eta^2/S / (1 - (1 - 2 eta)^2 - 8 eta^2/S), and T/(1 - 2 T).
    discrete = 0.02 / (1 - 0.64 - 0.04)
    assert gap.mean == pytest.approx(0, abs=1e-12)
    assert gap.variance == pytest.approx(discrete - 0.05 / 0.9, rel=1e-9)


def test_phases_may_differ() -> None:
    """Where the SDE is sparse and the chain still learns, KS compares the density with the atom."""
    gap = law_gap(EXAMPLE, depth=1, learning_rate=0.4, batch_size=1)
    assert gap.continuous.phase == "sparse"
    assert gap.discrete.phase == "learning"
    assert gap.ks == pytest.approx(1.0, abs=0.02)


def test_fractal_laws_have_no_total_variation() -> None:
    """Twelve points, one at a time: KS is known, the density is not."""
    gap = law_gap(few_points(), depth=1, learning_rate=0.03, batch_size=1)
    assert gap.ks is not None
    assert gap.total_variation is None


def test_temperature_must_be_positive() -> None:
    """A temperature of 0 has no batch size."""
    with pytest.raises(InvalidModelError, match="temperature"):
        gaps_at_temperature(EXAMPLE, depth=1, temperature=0.0, batch_sizes=[1])
