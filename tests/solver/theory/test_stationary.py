"""Phases, atoms, walls, noise-free limits, and refusals of stationary_law."""

from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory import Atom, DataMoments, infinite_depth_law, stationary_law

GAUSSIAN = DataMoments.from_gaussian
VALUES = DataMoments.from_values


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_zero_temperature_is_an_atom_at_the_least_squares_point(depth: int) -> None:
    """T = 0 gives the fixed point of gradient flow with certainty."""
    law = stationary_law(GAUSSIAN(-0.7, 1.3), depth=depth, temperature=0.0)
    assert (law.phase, law.atoms, law.mean, law.variance) == ("learning", (Atom(-0.7, 1.0),), -0.7, 0.0)


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_low_temperature_approaches_its_gaussian(depth: int) -> None:
    """As T -> 0 the mean goes to beta2/beta1 and Var/T to a v^q g/(beta1) there (Laplace)."""
    m, t = GAUSSIAN(0.7, 1.3, 0.9), 1e-9
    law = stationary_law(m, depth=depth, width=3, temperature=t)
    a = (depth + 1) * 3 ** (2 / (depth + 1) - 1)
    laplace = a * m.minimum ** (2 * depth / (depth + 1)) * m.noise(m.minimum) / m.beta1
    assert law.mean == pytest.approx(0.7, abs=1e-6)
    assert (law.variance or 0.0) / t == pytest.approx(laplace, rel=1e-6)


def test_no_correlation_means_sparse_at_every_depth() -> None:
    """beta2 = 0: Tc = 0, all mass at 0, for depth >= 1."""
    for depth in (1, 2, 5):
        law = stationary_law(VALUES(2.0, 0.1, 1.0, 1.0, 0.0), depth=depth, temperature=1e-3)
        assert (law.phase, law.critical_temperature, law.mean) == ("sparse", 0.0, 0.0)


def test_deep_networks_have_no_critical_temperature() -> None:
    """Depth >= 2 without decay keeps a density at any temperature."""
    law = stationary_law(GAUSSIAN(0.7, 1.3), depth=2, temperature=1e9)
    assert (law.phase, law.critical_temperature) == ("learning", None)
    assert law.density is not None
    assert law.mean is not None
    assert 0 < law.mean < 1e-20


def test_interpolation_is_one_atom_below_tc_and_two_above() -> None:
    """y = k x, depth 1: an atom at k; beyond T = beta1/(alpha1 k) one at 0 as well, by the start."""
    below = stationary_law(GAUSSIAN(-0.8, 0.0), depth=1, temperature=0.62)
    above = stationary_law(GAUSSIAN(-0.8, 0.0), depth=1, temperature=0.63)
    assert (below.phase, below.atoms, below.mean) == ("interpolating", (Atom(-0.8, 1.0),), -0.8)
    assert (above.atoms, above.mean) == ((Atom(-0.8, None), Atom(0.0, None)), None)
    np.testing.assert_array_equal(above.cdf([-1.0, -0.5, 0.0]), [0.0, np.nan, 1.0])
    np.testing.assert_array_equal(below.cdf([-0.9, -0.8, 0.0]), [0.0, 1.0, 1.0])
    assert stationary_law(GAUSSIAN(0.8, 0.0), depth=0, temperature=9.0).atoms == (Atom(0.8, 1.0),)
    assert stationary_law(GAUSSIAN(0.8, 0.0), depth=3, temperature=9.0).atoms == (Atom(0.8, 1.0),)


def test_decay_pulls_interpolating_networks_below_the_wall() -> None:
    """y = k x with decay, depth 1: a density on (0, k), a limit of ever less noise; sparse from Tc on."""
    exact = stationary_law(GAUSSIAN(0.8, 0.0), depth=1, temperature=0.2, weight_decay=0.1)
    close = stationary_law(GAUSSIAN(0.8, 1e-5), depth=1, temperature=0.2, weight_decay=0.1)
    assert exact.support == (0.0, 0.8)
    assert close.mean == pytest.approx(exact.mean, rel=1e-7)
    assert close.variance == pytest.approx(exact.variance, rel=1e-7)
    assert stationary_law(GAUSSIAN(0.8, 0.0), depth=1, temperature=0.55, weight_decay=0.1).phase == "sparse"


@pytest.mark.parametrize(("depth", "beta2"), [(1, 1.3), (1, 0.8), (2, 1.3), (4, 0.8), (0, 1.3)])
def test_walls_are_the_limit_of_vanishing_delta(depth: int, beta2: float) -> None:
    """With Delta -> 0 the law moves to the side of the wall that the force points to."""
    exact = stationary_law(VALUES(2.0, 2.0, 2.0, 1.0, beta2), depth=depth, temperature=0.1)
    close = stationary_law(VALUES(2.0, 2.0, 2.0 + 1e-9, 1.0, beta2), depth=depth, temperature=0.1)
    assert exact.support[0 if beta2 > 1 else 1] == 1.0
    assert close.mean == pytest.approx(exact.mean, rel=1e-6)
    assert close.variance == pytest.approx(exact.variance, rel=1e-6)
    np.testing.assert_allclose(close.quantile([0.1, 0.9]), exact.quantile([0.1, 0.9]), rtol=1e-6)


def test_law_beyond_a_wall_may_share_the_line_with_an_atom_at_zero() -> None:
    """Delta = 0, force outwards, T > Tc: 0 attracts from below the wall, the density stays above it."""
    law = stationary_law(VALUES(2.0, 2.0, 2.0, 1.0, 1.3), depth=1, temperature=1.0)
    assert (law.phase, law.atoms, law.support) == ("learning", (Atom(0.0, None),), (1.0, math.inf))


def test_decay_makes_deep_networks_metastable() -> None:
    """Depth 2 with decay: an atom at 0, and a learned state beyond a barrier, up to a temperature T*."""
    m, decay = GAUSSIAN(1.0, 1.0), 0.05
    law = stationary_law(m, depth=2, temperature=0.1, weight_decay=decay)
    assert (law.phase, law.atoms) == ("metastable", (Atom(0.0, 1.0),))
    barrier = law.support[0]
    assert law.mode is not None
    assert law.mode > barrier > 0
    around = law.log_pdf(
        np.array([barrier * 1.0001, barrier * 1.001, law.mode * 0.99, law.mode, law.mode * 1.01])
    )
    assert around[0] < around[1] < around[2] < around[3] > around[4]
    star = law.mode_vanishes_at
    assert star is not None
    for factor, phase in ((0.999, "metastable"), (1.001, "sparse")):
        assert stationary_law(m, depth=2, temperature=star * factor, weight_decay=decay).phase == phase


def test_little_decay_changes_little() -> None:
    """The learned state of a metastable law tends to the law without decay."""
    free = stationary_law(GAUSSIAN(1.0, 1.0), depth=2, temperature=0.05)
    held = stationary_law(GAUSSIAN(1.0, 1.0), depth=2, temperature=0.05, weight_decay=1e-8)
    assert held.phase == "metastable"
    assert held.mean == pytest.approx(free.mean, rel=1e-6)


def test_zero_temperature_with_decay_is_bistable() -> None:
    """Depth 2, T = 0: both 0 and the root of b1 v - b2 + pull*v^e are stable."""
    law = stationary_law(GAUSSIAN(1.0, 1.0), depth=2, temperature=0.0, weight_decay=0.05)
    assert law.mean is not None
    assert law.mean - 1.0 + 0.05 * law.mean ** (-1 / 3) == pytest.approx(0.0, abs=1e-14)
    assert [atom.mass for atom in law.atoms] == [None, None]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"depth": -1, "temperature": 0.1}, "model.depth"),
        ({"depth": 1.5, "temperature": 0.1}, "model.depth"),
        ({"depth": 1, "temperature": 0.1, "width": 0}, "model.width"),
        ({"depth": 1, "temperature": -0.1}, "temperature"),
        ({"depth": 1, "temperature": math.inf}, "temperature"),
        ({"depth": 1, "temperature": 0.1, "weight_decay": -1.0}, "weight_decay"),
    ],
)
def test_nonsense_is_refused_by_field(arguments: dict[str, float], field: str) -> None:
    """Arguments outside their range are refused, naming the field of the spec."""
    with pytest.raises(InvalidModelError) as refused:
        stationary_law(GAUSSIAN(1.0, 1.0), **arguments)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_infinite_depth_needs_width() -> None:
    """width_per_depth must be positive."""
    with pytest.raises(InvalidModelError):
        infinite_depth_law(GAUSSIAN(1.0, 1.0), width_per_depth=0.0, temperature=0.1)
