"""What the start decides: atoms and the learned law, against closed forms of the scale function."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betainc

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory import DataMoments, stationary_law
from equipoise_solver.theory.reduced.memory import long_run_mixture

GAUSSIAN = DataMoments.from_gaussian(1.3, 0.7)
WALL = DataMoments.from_values(0.5, 0.25, 0.125, 1.2, 0.9)  # g vanishes at 1/2, where the force is not 0.
SLOPE = 1.3


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("temperature", [0.4, 0.8, 5.0])
def test_interpolating_two_layers_split_by_an_incomplete_beta_function(
    temperature: float, sign: float
) -> None:
    """y = k x, T > beta1/(alpha1 k): the mass at k from v is I_{v/k}(1/2 - c, 1 + c), c = 1/(4 T k).

    From the scale density s(v) = (k - v)^c v^(-c - 1/2), alpha1 = 2, beta1 = 1.
    """
    data = DataMoments.from_gaussian(sign * SLOPE, 0.0)
    c = 1.0 / (4.0 * temperature * SLOPE)
    for share in (0.01, 0.3, 0.8, 0.999):
        found = long_run_mixture(data, sign * share * SLOPE, depth=1, temperature=temperature)
        exact = betainc(0.5 - c, 1.0 + c, share)
        assert found.mass_at(sign * SLOPE) == pytest.approx(exact, rel=1e-9)
        assert found.mass_at(0.0) == pytest.approx(1.0 - exact, rel=1e-7)
        assert found.learned == 0.0


def test_interpolating_networks_below_the_threshold_keep_their_slope() -> None:
    """For T < beta1/(alpha1 k) v = 0 repels, so every start of the right sign ends at k; the others at 0."""
    data = DataMoments.from_gaussian(SLOPE, 0.0)
    found = long_run_mixture(data, [0.01, 1.0, SLOPE, 3.0, -0.5], depth=1, temperature=0.3)
    assert found.mass_at(SLOPE) == pytest.approx(0.8, abs=1e-15)
    assert found.mass_at(0.0) == pytest.approx(0.2, abs=1e-15)


def test_linear_regression_forgets_its_start() -> None:
    """Depth 0 ends in the one law there is, whatever the start: a density, or an atom if data interpolate."""
    starts = [-2.0, 0.0, 0.5, SLOPE, 7.0]
    assert long_run_mixture(GAUSSIAN, starts, depth=0, temperature=0.1).learned == pytest.approx(1.0)
    interpolating = long_run_mixture(DataMoments.from_gaussian(SLOPE, 0.0), starts, depth=0, temperature=0.1)
    assert interpolating.mass_at(SLOPE) == pytest.approx(1.0)


@pytest.mark.parametrize("depth", [1, 2])
def test_the_atom_weighs_what_the_wrong_sign_weighed(depth: int, rng: np.random.Generator) -> None:
    """In the learning phase z = P(v(0) <= 0) for positive slope: the memory effect."""
    starts, weights = rng.normal(0.2, 1.0, 40), rng.uniform(0.1, 1.0, 40)
    found = long_run_mixture(GAUSSIAN, starts, weights=weights, depth=depth, temperature=0.1)
    wrong = float(np.sum(weights[starts <= 0]) / np.sum(weights))
    assert 0.1 < wrong < 0.9
    assert found.mass_at(0.0) == pytest.approx(wrong, rel=1e-12)
    assert found.learned == pytest.approx(1.0 - wrong, rel=1e-12)


@pytest.mark.parametrize(("depth", "temperature", "decay"), [(1, 0.5, 0.0), (1, 0.1, 1.4), (2, 0.1, 0.01)])
def test_where_zero_attracts_nothing_is_learned_for_ever(
    depth: int, temperature: float, decay: float
) -> None:
    """Beyond Tc, with too much decay, or with any decay at depth >= 2, every start ends at 0."""
    found = long_run_mixture(
        GAUSSIAN, [0.1, 1.0, 5.0, -1.0], depth=depth, temperature=temperature, weight_decay=decay
    )
    assert found.mass_at(0.0) == pytest.approx(1.0)
    law = stationary_law(GAUSSIAN, depth=depth, temperature=temperature, weight_decay=decay)
    assert [atom.at for atom in law.atoms] == [0.0]


def test_a_wall_is_crossed_one_way() -> None:
    """From below a wall that pushes outwards paths reach the learned law, or 0 where that attracts too."""
    assert long_run_mixture(WALL, [0.2, 0.5, 0.7], depth=1, temperature=1.0).learned == pytest.approx(1.0)
    hot = 20.0
    law = stationary_law(WALL, depth=1, temperature=hot)
    assert [(atom.at, atom.mass) for atom in law.atoms] == [(0.0, None)]
    beyond = long_run_mixture(WALL, [0.5, 0.7, 3.0], depth=1, temperature=hot)
    assert beyond.learned == pytest.approx(1.0)
    below = [long_run_mixture(WALL, v, depth=1, temperature=hot).mass_at(0.0) for v in (0.05, 0.2, 0.4)]
    assert 1.0 > below[0] > below[1] > below[2] > 0.0


def test_a_wall_that_pushes_inwards_keeps_the_law_below() -> None:
    """With weight decay the force at the wall points to 0: starts beyond it come to the law below."""
    law = stationary_law(WALL, depth=1, temperature=0.2, weight_decay=0.4)
    assert law.support == (0.0, 0.5)
    found = long_run_mixture(WALL, [0.2, 0.5, 3.0], depth=1, temperature=0.2, weight_decay=0.4)
    assert found.learned == pytest.approx(1.0)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, np.nan]])
def test_weights_must_be_probabilities(weights: list[float]) -> None:
    """Weights that are no measure on the starts are refused."""
    with pytest.raises(InvalidModelError) as refused:
        long_run_mixture(GAUSSIAN, [0.1, 0.2], weights=weights, depth=1, temperature=0.1)
    assert refused.value.field == "weights"
