"""SGD at its own finite step in the task `compare`: the law it follows, explosions, and where none is."""

import math
from typing import Any

import numpy as np
import pytest

from equipoise_solver.solving import solve
from equipoise_solver.specs import Compare, CompareSolution, Distance
from equipoise_solver.tasks.compare import which_law
from equipoise_solver.tasks.finite_step import MOST_SAMPLES, finite_step_law

TWO_LAYERS: dict[str, Any] = {
    "task": "compare",
    "model": {"kind": "diagonal", "depth": 1},
    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
    "dynamics": {"kind": "sgd", "learning_rate": 0.05, "batch_size": 1},
    "n_paths": 20_000,
    "n_steps": 600,
}
SAMPLES = {"kind": "samples", "x": [1.0, -2.0, 0.5, 1.5, -0.8], "y": [0.7, -1.1, 0.9, 1.9, -0.1]}


def compare(**fields: Any) -> CompareSolution:
    """The solution of TWO_LAYERS with some fields changed."""
    solution = solve({**TWO_LAYERS, **fields}, threads=2)
    assert isinstance(solution, CompareSolution)
    return solution


def sgd(learning_rate: float, batch_size: int = 1, **others: Any) -> dict[str, Any]:
    """Dynamics of SGD."""
    return {"kind": "sgd", "learning_rate": learning_rate, "batch_size": batch_size, **others}


MIRRORED = {"kind": "gaussian", "slope": -1.3, "noise_std": 0.9, "input_std": 0.8}
CASES: dict[str, dict[str, Any]] = {
    "batch 1": {},
    "batch 16": {"dynamics": sgd(0.2, 16)},
    "three units from a random start": {
        "model": {"kind": "diagonal", "depth": 1, "width": 3},
        "init": {"kind": "normal", "std": 0.6},
    },
    "slope below 0, signs mixed at the start": {
        "data": MIRRORED,
        "model": {"kind": "diagonal", "depth": 1, "width": 2},
        "init": {"kind": "parameters", "u": [[0.9, 0.4], [-0.3, 0.8]]},
        "dynamics": sgd(0.12, 2, weight_decay=0.1),
    },
    "narrow": {"dynamics": sgd(0.1, 10**6), "init": {"kind": "balanced", "value": 1.0}},
    "label noise": {"dynamics": sgd(0.04, 1, label_noise=0.8)},
    "linear regression of width 3": {
        "model": {"kind": "diagonal", "depth": 0, "width": 3},
        "dynamics": sgd(0.04, 1, weight_decay=0.3),
    },
    "five samples": {"data": SAMPLES, "dynamics": sgd(0.1)},
    "batches of two of five samples": {"data": SAMPLES, "dynamics": sgd(0.12, 2)},
    "five samples at a step that may land at 0": {"data": SAMPLES, "dynamics": sgd(0.2)},
    "regression on five samples": {
        "data": SAMPLES,
        "model": {"kind": "diagonal", "depth": 0},
        "dynamics": sgd(0.12),
    },
}


@pytest.mark.parametrize("case", CASES)
def test_sgd_follows_its_own_law_and_not_the_limit(case: str, seed: int) -> None:
    """At a step where the SDE is wrong beyond its bound, SGD is within the bound of its chain's law."""
    solution = compare(**CASES[case], seed=seed)
    limit, own = solution.distance, solution.finite_step_distance
    assert own is not None
    assert own.ks is not None
    assert own.ks_bound is not None
    assert limit.ks is not None
    assert own.ks < own.ks_bound < limit.ks
    assert (own.mean_z is None) == any("lie beyond |v|" in note for note in solution.notes)
    assert own.mean_z is None or abs(own.mean_z) < 5
    assert "follows its law at finite step and not the limit's" in solution.notes[-1]


def test_sgd_follows_a_law_of_two_atoms(seed: int) -> None:
    """The simulation lies at the atoms of its finite chain, 1/2 with 2/3 and 2 with 1/3."""
    samples = {"kind": "samples", "x": [1.0, 1.0], "y": [1.5, 0.5]}
    solution = compare(data=samples, dynamics=sgd(0.5), seed=seed)
    law, own = solution.finite_step, solution.finite_step_distance
    assert law is not None
    assert law.mean == pytest.approx(1.0, abs=1e-9)
    assert law.quantiles.values.tolist() == pytest.approx(
        [0.5 if q < 2 / 3 else 2 for q in law.quantiles.levels]
    )
    assert own is not None
    assert own.ks is not None
    assert own.ks_bound is not None
    assert own.ks < own.ks_bound
    assert "follows its law at finite step and not the limit's" in solution.notes[-1]


def test_explosions_come_at_the_rate_of_the_chain(seed: int) -> None:
    """Of the paths alive at step 100 as many are lost by step 600 as the chain says."""
    fields: dict[str, Any] = {"dynamics": sgd(0.12), "n_paths": 60_000, "seed": seed}
    early, late = (compare(n_steps=n_steps, **fields) for n_steps in (100, 600))
    law = late.finite_step
    assert law is not None
    assert law.explosion_rate is not None
    assert law.expected_steps_to_explosion == pytest.approx(1 / law.explosion_rate)
    alive = 60_000 - early.simulation.n_diverged
    lost = late.simulation.n_diverged - early.simulation.n_diverged
    share = -math.expm1(500 * math.log1p(-law.explosion_rate))
    error = math.sqrt(alive * share * (1 - share))
    assert 10 * error < alive * share  # A rate wrong by its half would be seen.
    assert abs(lost - alive * share) <= 5 * error


@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_paths_on_their_way_to_infinity_are_not_compared(slope: float, seed: int) -> None:
    """The distance is given |v| <= ceiling, as the law is; a note says how much of the sample lies beyond."""
    data = {"kind": "gaussian", "slope": slope, "noise_std": 1.0}
    solution = compare(data=data, dynamics=sgd(0.1), n_paths=60_000, n_steps=300, burn_in=0.9, seed=seed)
    own, law = solution.finite_step_distance, solution.finite_step
    assert own is not None
    assert law is not None
    assert law.ceiling == pytest.approx(11.0)
    assert solution.simulation.variance is not None
    assert law.variance is not None
    assert solution.simulation.variance > 2 * law.variance  # By the values beyond the ceiling.
    assert own.ks is not None
    assert own.ks_bound is not None
    assert own.wasserstein is not None
    assert own.ks < own.ks_bound
    assert own.wasserstein < 0.02
    assert own.mean_z is None
    assert 0.99 * solution.distance.n_effective < own.n_effective < solution.distance.n_effective
    beyond, verdict = solution.notes[-2:]
    assert "lie beyond |v| = 11" in beyond
    assert 0 < float(beyond.split()[0]) < 0.01
    assert "follows its law at finite step" in verdict


def test_the_density_is_that_of_the_quantiles() -> None:
    """Grid, density, distribution function and quantiles of the answer are of one law, with its moments."""
    law = compare(n_paths=16, n_steps=20, grid={"n_points": 2000}).finite_step
    assert law is not None
    v, p, cdf = law.density.v, law.density.p, law.density.cdf
    assert np.all(np.diff(v) > 0)
    assert np.interp(law.quantiles.values, v, cdf) == pytest.approx(law.quantiles.levels, abs=1e-4)
    assert law.mean is not None
    assert law.variance is not None
    bulk = (v > law.quantiles.values[1]) & (v < law.quantiles.values[-2])
    rise = np.trapezoid(p[bulk], v[bulk])
    assert rise == pytest.approx(cdf[bulk][-1] - cdf[bulk][0], abs=1e-4)
    assert np.sum(0.5 * (v[1:] + v[:-1]) * np.diff(cdf)) == pytest.approx(law.mean, abs=2e-3)


def test_a_law_that_may_be_fractal_has_means_over_cells() -> None:
    """On a finite data set p is the mean over the cells of the grid, and a note says so."""
    law = compare(
        data=SAMPLES, dynamics=sgd(0.1), n_paths=16, n_steps=20, grid={"v": [0.2, 0.6, 0.8, 1.1, 1.4]}
    ).finite_step
    assert law is not None
    assert law.density.v.tolist() == [0.2, 0.6, 0.8, 1.1, 1.4]
    cells = np.diff([0.2, 0.4, 0.7, 0.95, 1.25, 1.4])
    assert np.sum(law.density.p * cells) == pytest.approx(law.density.cdf[-1] - law.density.cdf[0], rel=1e-9)
    assert "density.p are means over the cells about density.v." in law.notes


NONE: dict[str, tuple[dict[str, Any], str]] = {
    "momentum": ({"dynamics": sgd(0.05, momentum=0.5)}, "momentum"),
    "epochs": ({"data": SAMPLES, "dynamics": sgd(0.05, sampling="epoch")}, "epoch"),
    "label noise on samples": ({"data": SAMPLES, "dynamics": sgd(0.05, label_noise=0.3)}, "label noise"),
    "depth 2": ({"model": {"kind": "diagonal", "depth": 2}}, "depth 0 and 1"),
    "start at 0": ({"init": {"kind": "balanced", "value": 0.0}}, "start and stay"),
    "start of the other sign": ({"init": {"kind": "balanced", "value": -0.5}}, "start and stay"),
    "parameters of the other sign": ({"init": {"kind": "parameters", "u": [[0.7, -0.7]]}}, "start and stay"),
    "narrow": ({"dynamics": sgd(1e-6, 10**6)}, "relaxation"),
    "chaos almost without noise": (
        {
            "data": {"kind": "gaussian", "slope": 1418.0, "noise_std": 0.1, "input_std": 37.8},
            "dynamics": sgd(0.53, 10**6),
        },
        "not resolved",
    ),
    "slow next to 0": (
        {
            "data": {"kind": "gaussian", "slope": 0.44, "noise_std": 30.0, "input_std": 0.256},
            "dynamics": sgd(6e-4, 1000),
        },
        "times as large",
    ),
    "next to two atoms": (
        {"data": {"kind": "samples", "x": [1.0, 1.0], "y": [1.5, 0.5]}, "dynamics": sgd(0.49)},
        "is resolved",
    ),
    "flow": ({"dynamics": {"kind": "sgf", "temperature": 0.05}, "n_steps": None, "duration": 0.1}, "'sgf'"),
    "descent": ({"dynamics": {"kind": "gd", "learning_rate": 0.05}}, "'gd'"),
    "decay beyond the step": ({"dynamics": sgd(0.5, weight_decay=1.0)}, "weight_decay"),
    "decay without noise": (
        {
            "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 0.0},
            "model": {"kind": "diagonal", "depth": 0},
            "dynamics": sgd(0.05, weight_decay=0.1),
        },
        "data.noise_std",
    ),
}


@pytest.mark.parametrize("case", NONE)
def test_what_has_no_chain_is_answered_with_the_reason(case: str) -> None:
    """Where there is no law at finite step the comparison is solved as ever, and its last note says why."""
    fields, reason = NONE[case]
    solution = compare(**{"n_paths": 8, "n_steps": 10, **fields})
    assert solution.finite_step is None
    assert solution.finite_step_distance is None
    assert solution.notes[-1].startswith("The law at finite step is not there")
    assert reason in solution.notes[-1]


def test_more_samples_than_can_be_matched_in_time_have_no_chain(rng: np.random.Generator) -> None:
    """A data set beyond the limit is named as the reason."""
    x, y = rng.normal(size=(2, MOST_SAMPLES + 1))
    spec = Compare.model_validate({**TWO_LAYERS, "data": {"kind": "dataset", "id": "ds_" + 32 * "0"}})
    reason = finite_step_law(spec, load_dataset=lambda _: (x, x + y))
    assert isinstance(reason, str)
    assert "samples" in reason


def test_phases_without_density_are_answers() -> None:
    """Too noisy for learning, an exact fit, and a step beyond stability: atoms, or no law and no distance."""
    noisy = {"kind": "gaussian", "slope": 0.2, "noise_std": 1.5}
    sparse = compare(data=noisy, n_paths=64, dynamics=sgd(0.3), n_steps=2000)
    assert sparse.finite_step is not None
    assert sparse.finite_step.phase == "sparse"
    assert [atom.mass for atom in sparse.finite_step.atoms] == [1.0]
    assert sparse.finite_step.explosion_rate == 0
    assert 1 < sparse.simulation.n_diverged < 40  # Before v dies out.
    assert any("before v has died out, runs may explode" in note for note in sparse.finite_step.notes)
    exact = compare(
        data={"kind": "gaussian", "slope": 0.7, "noise_std": 0.0},
        n_paths=64,
        init={"kind": "balanced", "value": 0.3},
        burn_in=0.9,
    )
    assert exact.finite_step is not None
    assert exact.finite_step.phase == "interpolating"
    assert exact.finite_step_distance is not None
    assert exact.finite_step_distance.ks == 0.0
    lost = compare(model={"kind": "diagonal", "depth": 0}, dynamics=sgd(3.0), n_paths=64, n_steps=3000)
    assert lost.finite_step is not None
    assert lost.finite_step.phase == "divergent"
    assert lost.finite_step.density.v.size == 0
    assert lost.finite_step_distance is not None
    assert lost.finite_step_distance.ks is None
    assert "not decided" in lost.notes[-1]


@pytest.mark.parametrize(
    ("limit", "own", "words"),
    [
        (0.2, 0.01, "follows its law at finite step and not the limit's"),
        (0.02, 0.01, "too small"),
        (0.01, 0.01, "as near to the law at finite step as to the limit's"),
        (0.01, 0.2, "follows the limit's law and not"),
        (0.4, 0.2, "neither law within chance, that at finite step is nearer"),
        (0.2, 0.4, "neither law within chance, the limit's is nearer"),
        (0.2, 0.25, "neither law within chance, both are equally far"),
        (0.2, 0.2, "neither law within chance, both are equally far"),
        (0.2, None, "not decided"),
    ],
)
def test_the_verdict_names_the_law(limit: float, own: float | None, words: str) -> None:
    """The sentence says which law the sample follows and gives both distances and the bound."""

    def away(ks: float | None) -> Distance:
        return Distance(ks=ks, ks_bound=0.1, n_effective=700, wasserstein=None, mean_z=None)

    sentence = which_law(away(limit), away(own))
    assert words in sentence
    assert own is None or all(f"{number:.3g}" in sentence for number in (limit, own, 0.1))
