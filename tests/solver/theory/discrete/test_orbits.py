"""Laws of finite data sets that are a few atoms, and data without noise but for inputs that are 0."""

from __future__ import annotations

import numpy as np
import pytest
from tests.solver.theory.discrete.chains import few_points, simulated

from equipoise_solver.theory.discrete import SampleData, Training, discrete_law
from equipoise_solver.theory.discrete.minibatch import empirical_atoms
from equipoise_solver.theory.discrete.orbits import StepMaps, finite_orbit

CASES: dict[str, tuple[list[float], list[float], int, float, list[float], list[float]]] = {
    # v (2.5 - v)**2 takes 1/2 to 2 and 2 to 1/2; v (1.5 - v)**2 takes both to 1/2.
    "two values of two layers": ([1.0, 1.0], [1.5, 0.5], 1, 0.5, [0.5, 2.0], [2 / 3, 1 / 3]),
    "mirrored": ([-1.0, 1.0], [1.5, -0.5], 1, 0.5, [-2.0, -0.5], [1 / 3, 2 / 3]),
    "each sample fitted in one step": ([1.0, 1.0], [1.0, -1.0], 0, 0.5, [-1.0, 1.0], [0.5, 0.5]),
    "and some that move nothing": (
        [1.0, 1.0, 0.0, 1.0],
        [1.0, -1.0, 3.0, 1.0],
        0,
        0.5,
        [-1, 1],
        [1 / 3, 2 / 3],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_finite_orbit_is_solved_as_a_finite_chain(case: str) -> None:
    """Places, masses, moments, distribution function and quantiles are those of the finite chain."""
    x, y, depth, learning_rate, places, masses = CASES[case]
    law = discrete_law(SampleData.from_lists(x, y), depth=depth, learning_rate=learning_rate, batch_size=1)
    mean = float(np.dot(places, masses))
    assert law.density is None
    assert [atom.at for atom in law.atoms] == pytest.approx(places, abs=1e-10)
    assert [atom.mass for atom in law.atoms] == pytest.approx(masses, abs=1e-12)
    assert law.mean == pytest.approx(mean, abs=1e-12)
    assert law.variance == pytest.approx(float(np.dot(masses, (np.array(places) - mean) ** 2)), abs=1e-10)
    assert law.expectation(lambda v: v**3) == pytest.approx(float(np.dot(masses, np.power(places, 3))))
    assert law.cdf([places[0] - 1e-6, places[0] + 1e-6, 9.0]) == pytest.approx([0.0, masses[0], 1.0])
    assert law.quantile([masses[0] - 1e-9, masses[0] + 1e-9]) == pytest.approx(places)
    assert np.isnan(law.quantile(1.5))


def test_simulated_runs_come_to_the_atoms(rng: np.random.Generator) -> None:
    """From a spread of starts all runs lie at the atoms, in the proportions of their masses."""
    data = SampleData.from_lists([1.0, 1.0], [1.5, 0.5])
    law = discrete_law(data, depth=1, learning_rate=0.5, batch_size=1)
    n = 20_000
    v = simulated(
        data, Training(0.5, 1), depth=1, start=rng.uniform(0.2, 2.2, n), n_paths=n, n_steps=300, rng=rng
    )
    v = v[np.isfinite(v)]
    assert v.size > n / 2
    assert law.mean is not None
    assert law.variance is not None
    assert np.max(np.min(np.abs(v[:, None] - [atom.at for atom in law.atoms]), axis=1)) < 1e-9
    assert abs(float(np.mean(v)) - law.mean) <= 5 * (law.variance / v.size) ** 0.5


def test_a_cantor_law_and_a_broad_one_have_no_atoms() -> None:
    """Steps that shrink by 0.1 instead of 0 leave a Cantor set; twelve samples leave a density."""
    cantor = SampleData.from_lists([1.0, 1.0], [1.0, -1.0])
    assert not discrete_law(cantor, depth=0, learning_rate=0.45, batch_size=1).atoms
    assert not discrete_law(few_points(), depth=1, learning_rate=0.05, batch_size=1).atoms


def test_a_fixed_point_that_repels_is_no_law() -> None:
    """v = 4 stays under v (3 - v)**2 and v (2 - v/4)**2, and 1 is taken there; but slopes are 9 and -1."""
    data = SampleData.from_lists([1.0, 0.5], [2.0, 2.0])
    maps = StepMaps(empirical_atoms(data, 1), 1.0, 1.0, 1)
    at = np.array([4.0])
    assert maps.images(at).tolist() == [[4.0, 4.0]]
    rise = (maps.images(at + 1e-6) - maps.images(at - 1e-6)) / 2e-6
    assert maps.slopes(at) == pytest.approx(rise, abs=1e-6)
    assert finite_orbit(maps, at) is None


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("x", [[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0, -1.0]])
def test_inputs_of_zero_are_no_noise(depth: int, x: list[float]) -> None:
    """A sample with x = 0 has no gradient whatever its y, so the common zero of the others is the law."""
    y = [0.5 * value if value else -0.5 for value in x]
    law = discrete_law(SampleData.from_lists(x, y), depth=depth, learning_rate=0.1, batch_size=1)
    assert law.phase == "interpolating"
    assert [(atom.at, atom.mass) for atom in law.atoms] == [(0.5, 1.0)]
    assert law.variance == 0.0
