"""Explicit schemes: weak order 1, laws at a small step, and lost paths, which are counted."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.solver.ensembles.exact import stationary_grid
from tests.solver.ensembles.runs import LAST_SAMPLE_ONLY, final_states, result
from tests.support.statistics import assert_fraction

from equipoise_solver.ensembles import Balanced, EnsemblePlan, GaussianPairs, Given, Sgf

DATA = GaussianPairs(1.0, 1.0)
SCHEMES = [
    ("euler", "euler", 1, "model"),
    ("euler", "euler", 2, "model"),
    ("tamed_euler", "tamed_euler", 1, "model"),
    ("tamed_euler", "tamed_euler", 2, "model"),
    ("log_euler", "log_euler", 1, "model"),
    ("log_euler", "log_euler", 2, "model"),
    ("euler", "two_layer_euler", 1, "parameters"),
]


def plan_of(**parts: Any) -> EnsemblePlan:
    base: dict[str, Any] = {
        "depth": 1,
        "data": DATA,
        "n_paths": 65536,
        "duration": 0.5,
        "n_records": 1,
        "seed": 0,
        "init": Balanced(0.4),
        "coordinate": "model",
    }
    return EnsemblePlan(**{**base, **parts})


def values(plan: EnsemblePlan) -> NDArray[np.float64]:
    """v at the end, shape (paths,): the state, or the product of the parameters."""
    return np.asarray(np.prod(final_states(plan), axis=0))


def smoothed(v: NDArray[np.float64]) -> NDArray[np.float64]:
    """A bounded function of v, of every sign."""
    return np.asarray(1 / (1 + v**2))


def dynamics_of(depth: int, **parts: Any) -> Sgf:
    """Cool enough that Euler loses no path in the time."""
    return Sgf(0.02 if depth == 1 else 0.005, 0.05, **parts)


def ends(step_size: float, seed: int, *, scheme: str, **parts: Any) -> tuple[Any, Any]:
    """1/(1 + v^2) at the end at twice the step and at the step, on the same Brownian paths."""
    found = []
    for i in range(2):
        dynamics = dynamics_of(parts["depth"], scheme=scheme, step_size=step_size)
        plans = [plan_of(**parts, dynamics=dynamics, seed=seed + i, coarsening=k) for k in (2, 1)]
        found.append([smoothed(values(plan)) for plan in plans])
    coarse, fine = (np.concatenate(each) for each in zip(*found, strict=True))
    return coarse, fine


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "name", "depth", "coordinate"), SCHEMES, ids=lambda value: str(value))
def test_weak_order_is_one(scheme: str, name: str, depth: int, coordinate: str, seed: int) -> None:
    """The bias of E[1/(1 + v^2)] falls with the step: by the pairs (1/32, 1/64) and (1/64, 1/128)."""
    parts: dict[str, Any] = {"scheme": scheme, "depth": depth, "coordinate": coordinate}
    plan = plan_of(dynamics=Sgf(0.02, scheme=scheme), depth=depth, coordinate=coordinate)
    assert plan.scheme.name == name
    assert plan.scheme.weak_order == 1
    (coarse, middle), (half, fine) = ends(1 / 64, seed, **parts), ends(1 / 128, seed + 2, **parts)
    wide, narrow = coarse - middle, half - fine
    assert np.isfinite(wide).all()
    assert np.isfinite(narrow).all()
    errors = [float(x.std()) / math.sqrt(x.size) / abs(float(x.mean())) for x in (wide, narrow)]
    order = math.log2(wide.mean() / narrow.mean())
    error = math.hypot(*errors) / math.log(2)
    assert 9.75 * error + 2 * 0.2 < 1
    assert abs(order - 1) <= 0.2 + 5 * error, f"order {order:.2f}, error {error:.2f}"
    # The limit of small steps is the SDE's: the extrapolated mean is that of a scheme of order 2.
    peer = plan_of(depth=depth, dynamics=dynamics_of(depth, scheme="taylor"), seed=seed + 4)
    state = final_states(peer)
    exact = smoothed(state[1] * np.exp(state[0]))
    limit = fine - narrow
    spread = math.hypot(
        float(limit.std()) / math.sqrt(limit.size), float(exact.std()) / math.sqrt(exact.size)
    )
    assert 9.75 * spread + 2 * 5e-4 < 0.01
    assert abs(float(limit.mean() - exact.mean())) <= 5e-4 + 5 * spread


HOT: dict[str, Any] = {"n_paths": 5000, "duration": 6.0, "n_records": 12, "observables": ("value", "norm")}


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("coordinate", ["model", "parameters"])
def test_euler_loses_paths_and_counts_them(coordinate: Any, precision: Any) -> None:
    """At T = 0.1 Euler loses paths: they are counted, listed with their steps, and kept out of averages."""
    dynamics = Sgf(0.1, scheme="euler", step_size=0.02)
    plan = plan_of(**HOT, dynamics=dynamics, coordinate=coordinate, precision=precision)
    found = result(plan)
    assert 100 < found.n_diverged < 4500
    assert found.n_averaged == 5000 - found.n_diverged
    assert found.path_steps < 5000 * plan.flow_steps
    assert np.isfinite([found.mean, found.variance, *found.observables["norm"].mean]).all()
    count = found.observables["value"].count
    assert count[0] == 5000
    assert (np.diff(count) <= 0).all()
    assert count[-1] == found.n_averaged
    assert len(found.lost) == 16
    per_interval = plan.intervals[1]
    assert all(0 < lost.steps <= plan.flow_steps and lost.steps % per_interval == 0 for lost in found.lost)
    assert str(found.n_diverged) in found.notes[0]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("depth", [1, 2])
def test_the_logarithm_loses_no_path(depth: int, precision: Any) -> None:
    """Where Euler loses paths Euler of the logarithm loses none, and keeps the sign."""
    dynamics = Sgf(0.1, scheme="log_euler", step_size=0.01)
    plan = plan_of(**HOT, dynamics=dynamics, depth=depth, precision=precision)
    found = result(plan)
    assert found.n_diverged == found.n_absorbed == 0
    assert found.path_steps == 5000 * plan.flow_steps
    assert (values(plan) > 0).all()


def test_taming_loses_fewer_paths_and_counts_them() -> None:
    """Tamed paths that run off are lost at the bound from which they do not come back, fewer than Euler's."""
    euler, tamed = (
        result(plan_of(**HOT, dynamics=Sgf(0.1, scheme=scheme, step_size=0.02)))
        for scheme in ("euler", "tamed_euler")
    )
    assert 100 < tamed.n_diverged < 0.8 * euler.n_diverged
    assert np.isfinite([tamed.mean, tamed.variance]).all()


@pytest.mark.parametrize(("scheme", "coordinate"), [("euler", "model"), ("euler", "parameters")])
def test_paths_on_their_way_out_are_lost(scheme: str, coordinate: Any) -> None:
    """From the bound on a step changes v by 10^4 times itself; averages and series hold nothing beyond."""
    plan = plan_of(**HOT, dynamics=Sgf(0.1, scheme=scheme, step_size=0.02), coordinate=coordinate)
    heat = 0.1 * DATA.moments.alpha1 * plan.step_size
    assert 4 * math.sqrt(heat) * plan.scheme.bound == pytest.approx(1e4)
    found = result(plan)
    assert abs(found.mean) < plan.scheme.bound
    assert (np.abs(found.observables["value"].mean) < plan.scheme.bound).all()
    assert all(lost.value is None or abs(lost.value) >= plan.scheme.bound for lost in found.lost)
    flat = plan_of(dynamics=Sgf(0.0, scheme="euler", step_size=0.02))
    assert 4 * DATA.moments.beta1 * flat.step_size * flat.scheme.bound == pytest.approx(1e4)
    assert plan_of(depth=0, dynamics=Sgf(0.1, scheme="euler")).scheme.bound == 1e150
    assert plan_of(dynamics=Sgf(0.1, scheme="log_euler")).scheme.bound == 1e150


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "width"), [(1, 1), (2, 1), (2, 3)])
def test_the_logarithm_has_the_law_at_the_default_step(depth: int, width: int, seed: int) -> None:
    """Quantiles of the stationary law at T = 0.03, up to a bias of 0.5 % that weak order 1 leaves."""
    law = stationary_grid(DATA.moments, depth=depth, width=width, temperature=0.03)
    levels = (0.05, 0.2, 0.5, 0.8, 0.95)
    plan = plan_of(
        depth=depth,
        width=width,
        dynamics=Sgf(0.03, scheme="log_euler"),
        n_paths=100_000,
        duration=4.0,
        init=Balanced(0.9),
        seed=seed,
        burn_in=LAST_SAMPLE_ONLY,
        edges=np.array([law.quantile(level) for level in levels]),
    )
    found = result(plan)
    assert found.n_diverged == 0
    below = found.underflow + np.concatenate([[0], np.cumsum(found.counts)])
    for level, count in zip(levels, below.tolist(), strict=True):
        assert_fraction(count, plan.n_paths, level, bias=5e-3, resolves=0.03)


def test_euler_damps_the_imbalance_of_every_path() -> None:
    """Euler multiplies u^2 - w^2 by 1 - force^2 in each step: every path keeps its sign, and loses of it."""
    start = 0.4**2 - 1.3**2
    plans = [
        plan_of(
            dynamics=Sgf(0.01, scheme="euler", step_size=step),
            init=Given(((0.4, 1.3),)),
            coordinate="parameters",
            n_paths=2000,
        )
        for step in (1 / 64, 1 / 256)
    ]
    charges = [np.subtract(*(final_states(plan) ** 2)) for plan in plans]
    for charge in charges:
        assert (np.sign(charge) == np.sign(start)).all()
        assert (np.abs(charge) < abs(start)).all()
        assert (np.abs(charge) > 0.5 * abs(start)).all()
