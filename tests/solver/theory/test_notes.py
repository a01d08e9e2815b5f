"""What laws say to their readers, held against the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise_solver.theory import DataMoments, stationary_law
from equipoise_solver.theory.reduced import escape, network_diffusion


def test_a_density_without_maximum_may_still_have_a_barrier_at_constant_noise() -> None:
    """The density of v falls everywhere, yet runs linger where the drift at constant noise is positive."""
    moments = DataMoments.from_gaussian(1.0, 1.0)
    law = stationary_law(moments, depth=2, temperature=0.05, weight_decay=0.35)
    assert law.phase == "sparse"
    problem = network_diffusion(moments, depth=2, temperature=0.05, weight_decay=0.35).diffusion()
    v = np.geomspace(1e-4, 1e2, 20_001)
    variance = problem.variance(v)
    steepness = np.gradient(variance, v)
    assert np.all(2.0 * problem.drift(v) - steepness < 0)
    constant_noise = problem.drift(v) - 0.25 * steepness
    found = escape(moments, depth=2, temperature=0.05, weight_decay=0.35)
    rises = v[constant_noise > 0]
    assert [rises[0], rises[-1]] == pytest.approx([found.barrier, found.learned], rel=1e-3)
    assert found.learned == pytest.approx(0.499, abs=1e-3)
    assert found.passage.mean == pytest.approx(16.7, abs=0.9)  # Simulated in log v: 16.8 +- 0.17.
    assert any("no maximum away from 0" in note and "linger" in note for note in law.notes)
