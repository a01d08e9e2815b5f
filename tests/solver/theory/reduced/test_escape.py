"""Escape of deep networks with weight decay: Kramers' limit, the rate of survival, independent quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import cumulative_simpson, simpson

from equipoise_solver.errors import UnsupportedCombinationError
from equipoise_solver.theory import DataMoments, stationary_law
from equipoise_solver.theory.reduced.escape import Escape, escape
from equipoise_solver.theory.reduced.problem import network_diffusion

GAUSSIAN = DataMoments.from_gaussian(1.3, 0.7)
DECAY = 0.35


def escape_at(temperature: float) -> Escape:
    return escape(GAUSSIAN, depth=2, temperature=temperature, weight_decay=DECAY)


def test_mean_escape_time_agrees_with_simpsons_rule() -> None:
    """E T = int_level^start s(y) int_y^inf m(z) dz dy by Simpson's rule in log v, to 1e-6."""
    t = 0.05
    found = escape_at(t)
    problem = network_diffusion(GAUSSIAN, depth=2, temperature=t, weight_decay=DECAY).diffusion()
    log_v = np.linspace(math.log(found.level), math.log(200.0), 200_001)
    v = np.exp(log_v)
    tilt = -2.0 * problem.drift(v) / problem.variance(v) * v
    log_scale = cumulative_simpson(tilt, x=log_v, initial=0.0)
    speed = 2.0 / problem.variance(v) * np.exp(-log_scale) * v
    mass = cumulative_simpson(speed, x=log_v, initial=0.0)
    inner = np.exp(log_scale) * (mass[-1] - mass) * v
    below = log_v <= math.log(found.learned)
    mean = simpson(inner[below], x=log_v[below])
    assert found.passage.mean == pytest.approx(float(mean), rel=1e-6)


def test_kramers_formula_is_approached_in_proportion_to_the_temperature() -> None:
    """The relative gap between formula and mean escape time falls like T."""
    gaps = [found.kramers_time / found.passage.mean - 1.0 for found in map(escape_at, (0.02, 0.01, 0.005))]
    assert abs(gaps[2]) < 0.03
    assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.1)
    assert gaps[1] / gaps[2] == pytest.approx(2.0, rel=0.05)


def test_survival_falls_at_one_over_the_mean_time_when_cold() -> None:
    """The rate of the quasi-stationary law is 1/mean, and its mean that of the local equilibrium."""
    t = 0.01
    found = escape_at(t)
    assert found.law is not None
    assert found.law.rate * found.passage.mean == pytest.approx(1.0, rel=1e-6)
    law = stationary_law(GAUSSIAN, depth=2, temperature=t, weight_decay=DECAY)
    assert law.phase == "metastable"
    assert found.law.mean == pytest.approx(law.mean, rel=1e-6)


def test_times_beyond_the_largest_number_keep_their_logarithm() -> None:
    """Behind a barrier of more than exp(709) times are infinite, their logarithms are not, and agree."""
    found = escape(GAUSSIAN, depth=3, width=2, temperature=2e-3, weight_decay=0.02)
    assert (found.passage.mean, found.kramers_time, found.law) == (math.inf, math.inf, None)
    assert 709.0 < found.passage.log_mean < math.inf
    assert found.log_kramers_time == pytest.approx(found.passage.log_mean, abs=0.1)


def test_escapes_are_alike_in_both_signs() -> None:
    """The sign of E[xy] changes nothing."""
    t = 0.03
    other = escape(GAUSSIAN.mirrored(), depth=2, temperature=t, weight_decay=DECAY)
    found = escape_at(t)
    assert (other.learned, other.barrier) == (found.learned, found.barrier)
    assert other.passage.log_mean == found.passage.log_mean


def test_the_escape_time_falls_with_weight_decay_and_temperature() -> None:
    """More decay or more noise means an earlier collapse."""
    base = escape_at(0.03).passage.log_mean
    assert escape_at(0.04).passage.log_mean < base
    more = escape(GAUSSIAN, depth=2, temperature=0.03, weight_decay=1.1 * DECAY)
    assert more.passage.log_mean < base


@pytest.mark.parametrize(("depth", "decay"), [(1, 0.1), (2, 0.0), (2, 50.0), (3, 50.0)])
def test_without_a_barrier_there_is_no_escape(depth: int, decay: float) -> None:
    """Two layers, no decay, or so much that there is no learned state: refused by field."""
    with pytest.raises(UnsupportedCombinationError) as refused:
        escape(GAUSSIAN, depth=depth, temperature=0.05, weight_decay=decay)
    assert refused.value.field == "weight_decay"
