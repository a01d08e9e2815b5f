"""Laws of minibatches of empirical data: enumeration, few atoms with the same moments, and the lattice."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from tests.solver.theory.discrete.chains import few_points

from equipoise_solver.theory.discrete import SampleData
from equipoise_solver.theory.discrete.minibatch import MOST_ATOMS, empirical_atoms, is_enumerated
from equipoise_solver.theory.discrete.origin import mean_products
from equipoise_solver.theory.discrete.recombination import DEGREE, Atoms, mean_of_independent


def test_multisets_are_all_minibatches_with_their_probabilities() -> None:
    """Any function of (A, B) has the mean over all n^S ordered minibatches."""
    data = SampleData.from_lists([0.4, -1.1, 1.7, 2.0], [1.0, 0.3, -0.2, 0.9])
    atoms = empirical_atoms(data, 3)
    assert atoms.is_exact
    assert atoms.weights.size == math.comb(6, 3)
    batches = np.array(list(itertools.product(range(4), repeat=3)))
    squares, products = (data.x**2)[batches].mean(axis=1), (data.x * data.y)[batches].mean(axis=1)
    exact = float(np.mean(np.cos(3 * squares) * np.exp(products)))
    found = float(atoms.weights @ (np.cos(3 * atoms.squares) * np.exp(atoms.products)))
    assert found == pytest.approx(exact, rel=1e-14)


def test_few_atoms_have_the_moments_of_all_minibatches() -> None:
    """Mixed moments up to total degree 8 agree with enumeration, all weights positive."""
    data = few_points()
    exact = empirical_atoms(data, 4)
    assert exact.weights.size == math.comb(15, 4)
    few = mean_of_independent(empirical_atoms(data, 1), 4)
    assert few.degree == DEGREE
    assert few.weights.size <= 45**2
    assert np.all(few.weights > 0)
    for i, j in itertools.product(range(DEGREE + 1), repeat=2):
        if i + j <= DEGREE:
            expected, scale = _moment(exact, i, j), _moment(exact, i, j, absolute=True)
            assert _moment(few, i, j) == pytest.approx(expected, abs=1e-11 * scale)


def _moment(atoms: Atoms, i: int, j: int, *, absolute: bool = False) -> float:
    products = np.abs(atoms.products) if absolute else atoms.products
    return float(atoms.weights @ (atoms.squares**i * products**j))


@pytest.mark.parametrize("batch_size", [7, 64, 300])
def test_few_atoms_of_large_minibatches_have_central_moments_in_closed_form(batch_size: int) -> None:
    """The mean of S draws has the variance and third moment of one over S and S^2, and its kurtosis."""
    data = few_points()
    atoms = empirical_atoms(data, batch_size)
    single = data.x * data.y - np.mean(data.x * data.y)
    central = atoms.products - float(atoms.weights @ atoms.products)
    second, third, fourth = (float(np.mean(single**k)) for k in (2, 3, 4))
    assert float(atoms.weights @ central**2) == pytest.approx(second / batch_size, rel=1e-10)
    assert float(atoms.weights @ central**3) == pytest.approx(third / batch_size**2, rel=1e-8)
    exact = fourth / batch_size**3 + 3 * (batch_size - 1) / batch_size**3 * second**2
    assert float(atoms.weights @ central**4) == pytest.approx(exact, rel=1e-9)


def test_enumeration_stops_at_the_stated_number() -> None:
    """Up to MOST_ATOMS multisets are enumerated, and not one more."""
    x = np.linspace(0.1, 2.0, MOST_ATOMS + 1)
    assert is_enumerated(SampleData.from_lists(x[:-1], x[:-1] ** 2), 1)
    assert not is_enumerated(SampleData.from_lists(x, x**2), 1)


def test_lattice_has_the_logarithmic_mean_of_all_minibatches() -> None:
    """E log|1 + B| over 20 draws of 5 pairs: the lattice against all 10626 multisets, singularity inside."""
    data = SampleData.from_lists([0.7, -1.2, 1.5, 0.3, -2.0], [-4.01, 1.13, -3.37, 2.03, 0.29])
    products = data.x * data.y
    assert not is_enumerated(data, 20)
    values, weights = mean_products(data, 20)
    exact = 0.0
    for counts in itertools.product(range(21), repeat=4):
        if sum(counts) <= 20:
            every = np.array([*counts, 20 - sum(counts)])
            probability = math.factorial(20) / np.prod([math.factorial(c) for c in every]) / 5.0**20
            exact += float(probability * math.log(abs(1 + every @ products / 20)))
    # Splitting moves each of the 10626 values by up to a lattice width, 1e-4, some of them next to the pole.
    assert float(weights @ np.log(np.abs(1 + values))) == pytest.approx(exact, abs=1e-4)
    assert float(weights @ values) == pytest.approx(float(products.mean()), rel=1e-12)
