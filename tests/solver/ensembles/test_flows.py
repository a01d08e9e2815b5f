"""Adaptive SDE schemes: deterministic limits and their order, balance, stationary laws without a lost path.

The stated bias of the default step is 2e-3 in the CDF at T = 0.1; see `ensembles.schemes`.
"""

import math
from typing import Any

import numpy as np
import pytest
from tests.solver.ensembles.exact import stationary_grid
from tests.solver.ensembles.runs import LAST_SAMPLE_ONLY, final_states, result
from tests.support.statistics import assert_fraction

from equipoise_solver.ensembles import (
    Balanced,
    EnsemblePlan,
    EnsembleResult,
    GaussianPairs,
    Given,
    MomentsOnly,
    Normal,
    Sgf,
)
from equipoise_solver.theory.moments import DataMoments

BIAS = 2e-3
"""Granted bias of a probability at the default step."""
LEVELS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
DATA = GaussianPairs(1.0, 1.0)


def flow_value(depth: int, time: float, *, relative_step: float, coordinate: Any) -> float:
    """v at a time at temperature 0 from v = 0.4, for k = 0.9, sx = 1.1."""
    plan = EnsemblePlan(
        depth=depth,
        data=GaussianPairs(0.9, 0.5, 1.1),
        dynamics=Sgf(0.0, relative_step=relative_step, scheme="taylor"),
        n_paths=1,
        duration=time,
        coordinate=coordinate,
        seed=0,
        init=Balanced(0.4),
        n_records=1,
        observables=("value",),
    )
    return float(result(plan).observables["value"].mean[-1])


@pytest.mark.parametrize("coordinate", ["model", "parameters"])
@pytest.mark.parametrize("depth", [0, 1])
def test_without_noise_schemes_follow_gradient_flow(depth: int, coordinate: str) -> None:
    """At T = 0 v follows gradient flow's closed form; the error falls as the square of the step."""
    time, start, k, power = 0.5, 0.4, 0.9, 1.21
    if depth == 0:
        exact = k + (start - k) * math.exp(-2 * power * time)
    else:
        exact = k / (1 + (k / start - 1) * math.exp(-4 * power * k * time))
    coarse, fine = (
        flow_value(depth, time, relative_step=step, coordinate=coordinate) - exact for step in (0.08, 0.02)
    )
    assert abs(fine) < 5e-5
    assert 8 < abs(coarse / fine) < 32


@pytest.mark.parametrize("noise", ["gaussian", "two_point"])
def test_law_of_balance_has_no_noise(noise: Any) -> None:
    """With constant g the imbalance |u|^2 - |w|^2 of every path decays as exp(-4 (T g + gamma) t)."""
    temperature, gamma, g = 0.07, 0.11, 0.5
    plan = EnsemblePlan(
        depth=1,
        width=2,
        data=MomentsOnly(DataMoments.from_values(0.0, 0.0, g, 1.2, 0.8)),
        dynamics=Sgf(temperature, gamma, noise, scheme="taylor"),
        n_paths=64,
        duration=3.0,
        seed=2,
        init=Given(((0.9, 0.2), (0.4, 0.6))),
        observables=("imbalance",),
    )
    series = result(plan).observables["imbalance"]
    start = 0.81 + 0.16 - 0.04 - 0.36
    np.testing.assert_allclose(
        series.mean, start * np.exp(-4 * (temperature * g + gamma) * series.time), rtol=1e-12
    )
    assert np.max(series.standard_error) < 1e-14


def stationary(temperature: float, seed: int, **parts: Any) -> EnsembleResult:
    """One late sample of each of 40000 paths, counted between the exact quantiles at T = 0.1."""
    depth, width, gamma = parts.get("depth", 1), parts.get("width", 1), parts.pop("weight_decay", 0.0)
    law = stationary_grid(DATA.moments, depth=depth, temperature=0.1, width=width, weight_decay=gamma)
    plan = EnsemblePlan(
        **{"depth": 1, "init": Balanced(0.7), **parts},
        data=DATA,
        dynamics=Sgf(temperature, gamma, scheme="taylor"),
        n_paths=40_000,
        duration=6.0,
        seed=seed,
        burn_in=LAST_SAMPLE_ONLY,
        n_records=10,
        edges=np.array([law.quantile(level) for level in LEVELS]),
    )
    return result(plan)


def check_law(found: EnsembleResult) -> None:
    """Counts below the exact quantiles are right up to the stated bias, and no path is lost."""
    assert found.n_diverged == 0
    assert found.n_absorbed == 0
    below = found.underflow + np.concatenate([[0], np.cumsum(found.counts)])
    for level, count in zip(LEVELS, below.tolist(), strict=True):
        assert_fraction(count, 40_000, level, bias=BIAS, resolves=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("coordinate", ["model", "parameters"])
@pytest.mark.parametrize(("depth", "width"), [(0, 1), (1, 1), (1, 3), (2, 1)])
def test_stationary_laws_are_exact_without_a_lost_path(
    depth: int, width: int, coordinate: str, seed: int
) -> None:
    """At T = 0.1, where explicit Euler loses a tenth, each scheme has the exact law and loses none."""
    check_law(stationary(0.1, seed, depth=depth, width=width, coordinate=coordinate))


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["three_point", "two_point"])
def test_weak_increments_have_the_same_law(noise: Any, seed: int) -> None:
    """Three-point and two-point increments give the same stationary law."""
    data_law = stationary_grid(DATA.moments, depth=1, temperature=0.1)
    plan = EnsemblePlan(
        depth=1,
        data=DATA,
        dynamics=Sgf(0.1, noise=noise, scheme="taylor"),
        n_paths=40_000,
        duration=4.0,
        coordinate="model",
        seed=seed,
        burn_in=LAST_SAMPLE_ONLY,
        n_records=5,
        edges=np.array([data_law.quantile(level) for level in LEVELS]),
    )
    check_law(result(plan))


@pytest.mark.slow
def test_weight_decay_shifts_the_law(seed: int) -> None:
    """Weight decay 0.1 gives the law of b2 - gamma, in the parameters."""
    check_law(stationary(0.1, seed, weight_decay=0.1))


@pytest.mark.slow
def test_a_wrong_temperature_is_caught(seed: int) -> None:
    """Twin of the laws above: a temperature that is off by 15 % fails."""
    with pytest.raises(AssertionError, match="standard errors"):
        check_law(stationary(0.115, seed, coordinate="model"))


def test_mirrored_data_give_mirrored_paths() -> None:
    """y -> -y and a start at -v give the same v with the other sign, bit for bit."""
    plus, minus = (
        result(
            EnsemblePlan(
                depth=1,
                data=GaussianPairs(sign * 0.9, 0.8),
                dynamics=Sgf(0.1, scheme="taylor"),
                n_paths=50,
                duration=2.0,
                coordinate="model",
                seed=3,
                init=Balanced(sign * 0.6),
                observables=("value", "sign"),
            )
        )
        for sign in (1, -1)
    )
    np.testing.assert_array_equal(plus.observables["value"].mean, -minus.observables["value"].mean)
    assert (plus.observables["sign"].mean == 1).all()
    assert (minus.observables["sign"].mean == -1).all()


def test_above_the_critical_temperature_paths_are_absorbed() -> None:
    """At T > Tc every path dies out: it is absorbed at 0, counted, and stays in the averages as 0."""
    plan = EnsemblePlan(
        depth=1,
        data=DATA,
        dynamics=Sgf(2.0, scheme="taylor"),
        n_paths=300,
        duration=150.0,
        coordinate="model",
        seed=5,
        observables=("value", "sign"),
        n_records=50,
    )
    found = result(plan)
    assert found.n_absorbed == 300
    assert found.n_diverged == 0
    assert found.n_averaged == 300
    assert found.observables["value"].mean[-1] == 0
    assert found.quantiles[0] >= 0
    assert found.observables["sign"].mean[-1] == 0
    assert "absorbed" in found.notes[0]


@pytest.mark.parametrize(("temperature", "repels"), [(0.3, True), (0.36, False)])
def test_the_floor_is_noted_below_the_critical_temperature(temperature: float, repels: bool) -> None:
    """Paths absorbed below Tc = b2/g(0) = 1/3 come with a note, as only the floor of numbers held them."""
    plan = EnsemblePlan(
        depth=1,
        data=DATA,
        dynamics=Sgf(temperature, scheme="taylor"),
        n_paths=4,
        duration=0.01,
        coordinate="model",
        init=Balanced(1e-305),
        seed=1,
        n_records=2,
    )
    found = result(plan)
    assert found.n_absorbed == 4
    assert any("floor" in note for note in found.notes) == repels


@pytest.mark.parametrize(
    ("depth", "temperature", "heavy"), [(1, 0.1, True), (1, 0.0, False), (0, 0.1, False), (0, 0.2, True)]
)
def test_heavy_tails_are_noted(depth: int, temperature: float, heavy: bool) -> None:
    """Where E[v^4] is infinite (depth 0: from T = b1/(3 d a1) = 1/6 on) a note names quantiles."""
    plan = EnsemblePlan(
        depth=depth, data=DATA, dynamics=Sgf(temperature), n_paths=4, duration=0.1, seed=1, n_records=2
    )
    assert any("Quantiles" in note for note in result(plan).notes) == heavy


def test_opposite_signs_relax_to_the_sector_of_beta2() -> None:
    """From normal starts, unbalanced and of both signs, two layers end in the sector of b2 and balanced."""
    plan = EnsemblePlan(
        depth=1,
        width=3,
        data=DATA,
        dynamics=Sgf(0.05, 0.05),
        n_paths=300,
        duration=40.0,
        seed=6,
        init=Normal(0.8),
        observables=("sign", "imbalance"),
        n_records=20,
    )
    found = result(plan)
    assert abs(found.observables["sign"].mean[0]) < 0.4
    assert found.observables["sign"].mean[-1] == 1
    assert found.observables["imbalance"].mean[-1] < 0.01 * found.observables["imbalance"].mean[0]


def test_a_given_step_size_bounds_the_step() -> None:
    """step_size bounds every step: a path takes at least duration/step_size of them."""
    plan = EnsemblePlan(
        depth=1,
        data=DATA,
        dynamics=Sgf(0.05, step_size=1e-3, scheme="taylor"),
        n_paths=10,
        duration=2.0,
        seed=1,
        n_records=4,
    )
    found = result(plan)
    assert 10 * 2000 <= found.path_steps < 10 * 2100
    assert np.isfinite(final_states(plan)).all()
