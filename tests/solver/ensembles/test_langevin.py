"""Langevin dynamics: the exact law of depth 0, the Gibbs law of depth 1, identities beyond, order in time."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from tests.solver.ensembles.runs import final_states, result
from tests.support.statistics import assert_law, assert_mean, assert_variance

from equipoise_solver.ensembles import (
    Balanced,
    EnsemblePlan,
    GaussianPairs,
    Given,
    Langevin,
    Normal,
)
from equipoise_solver.ensembles.compiled import LANES, compiled, step_signature
from equipoise_solver.ensembles.schemes import langevin_layers

PAIRS = GaussianPairs(0.9, 0.6, 1.1)
B1, B2 = PAIRS.moments.beta1, PAIRS.moments.beta2


def plan_of(dynamics: Langevin, **changes: Any) -> EnsemblePlan:
    parts: dict[str, Any] = {"depth": 1, "data": PAIRS, "n_paths": 40_000, "seed": 3, "n_records": 1}
    return EnsemblePlan(**{**parts, **changes}, dynamics=dynamics)


@pytest.mark.parametrize("duration", [0.15, 4.0])
@pytest.mark.parametrize("step_size", [1e-2, 10.0])
def test_depth_0_is_exact_at_all_times_and_step_sizes(duration: float, step_size: float, seed: int) -> None:
    """For depth 0 v is an Ornstein-Uhlenbeck process, without any bias of the step; the rest is another."""
    width, heat, gamma, start = 3, 0.7, 0.25, 2.0
    plan = plan_of(
        Langevin(heat, gamma, step_size),
        depth=0,
        width=width,
        duration=duration,
        seed=seed,
        init=Balanced(start),
    )
    u = final_states(plan)
    rate, centre = 2 * (width * B1 + gamma), width * B2 / (width * B1 + gamma)
    keep = np.exp(-rate * duration)
    assert_mean(u.sum(axis=0), centre + (start - centre) * keep, resolves=0.06)
    variance = width * heat / rate * (1 - keep**2)
    assert_variance(u.sum(axis=0), variance, resolves=0.1 * variance)
    free = 2 * heat * (1 - np.exp(-4 * gamma * duration)) / (2 * gamma)
    assert_mean(u[0] - u[2], 0.0, resolves=0.1 * np.sqrt(free))
    assert_variance(u[0] - u[2], free, resolves=0.1 * free)


def gibbs_law(v: NDArray[np.float64], *, temperature: float, weight_decay: float) -> NDArray[np.float64]:
    """CDF of v = u w at sorted v under exp(-(L + gamma (u^2 + w^2))/T), by quadrature in v and in ln u.

    With r = ln u - ln |v|/2 the penalty is 2 gamma |v| cosh(2 r), and v = s |s| spreads the cusp at 0.
    """
    s = np.linspace(-2.5, 2.5, 20_001)
    grid = s * np.abs(s)
    r = np.linspace(-12.0, 12.0, 1201)
    penalty = 2 * weight_decay / temperature * np.abs(grid)[:, None] * np.cosh(2 * r)[None, :]
    inner = np.exp(-np.minimum(penalty, 700.0)).sum(axis=1)
    density = np.exp(-(B1 * grid**2 - 2 * B2 * grid) / temperature) * inner * 2 * np.abs(s)
    cumulated = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return np.asarray(np.interp(v, grid, cumulated / cumulated[-1]))


@pytest.mark.parametrize("step_size", [0.1, 3.0])
def test_depth_1_follows_the_gibbs_law_at_every_step_size(step_size: float, seed: int) -> None:
    """The law of v after a long run is the marginal of exp(-(L + gamma |theta|^2)/T), also at huge steps."""
    heat, gamma = 0.5, 0.4
    plan = plan_of(
        Langevin(heat, gamma, step_size), duration=max(30.0, 60 * step_size), seed=seed, init=Normal(0.8)
    )
    u, w = final_states(plan)
    v = np.sort(u * w)
    assert_law(v, gibbs_law(v, temperature=heat, weight_decay=gamma), resolves=0.03)


def test_another_temperature_would_be_seen(seed: int) -> None:
    """The same assertion fails for the Gibbs law of a temperature that is lower by three tenths."""
    u, w = final_states(plan_of(Langevin(0.5, 0.4, 0.5), duration=30.0, seed=seed, init=Normal(0.8)))
    v = np.sort(u * w)
    with pytest.raises(AssertionError):
        assert_law(v, gibbs_law(v, temperature=0.35, weight_decay=0.4), resolves=0.03)


@pytest.mark.parametrize("step_size", [0.05, 1.0])
def test_every_layer_holds_its_share_of_heat(step_size: float, seed: int) -> None:
    """E[u . grad U] = d T for the parameters u of each layer, for depth 2, width 2 at any step."""
    width, heat, gamma = 2, 0.6, 0.5
    plan = plan_of(
        Langevin(heat, gamma, step_size), depth=2, width=width, duration=30.0, seed=seed, init=Normal(0.7)
    )
    theta = final_states(plan).reshape(width, 3, -1)
    v = theta.prod(axis=1).sum(axis=0)
    for k in range(3):
        share = 2 * (B1 * v**2 - B2 * v) + 2 * gamma * (theta[:, k] ** 2).sum(axis=0)
        assert_mean(share, width * heat, resolves=0.1)


def test_order_2_in_time() -> None:
    """At T = 0 the steps follow the gradient flow: the error goes as the square of the step."""
    start = np.array([0.5, 1.2, 0.9, 0.7, -0.4, 0.8])
    gamma, duration = 0.2, 1.0

    def slope(_: float, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        u = theta.reshape(2, 3)
        others = np.stack([u[:, 1] * u[:, 2], u[:, 0] * u[:, 2], u[:, 0] * u[:, 1]], axis=1)
        return np.asarray(-(2 * (B1 * u.prod(axis=1).sum() - B2) * others + 2 * gamma * u).ravel())

    exact = solve_ivp(slope, (0, duration), start, rtol=1e-11, atol=1e-12).y[:, -1]
    scaled = []
    for step_size in (0.06, 0.03, 0.015):
        plan = plan_of(
            Langevin(0.0, gamma, step_size),
            depth=2,
            width=2,
            n_paths=1,
            duration=duration,
            init=Given((tuple(start[:3]), tuple(start[3:]))),
        )
        scaled.append(np.max(np.abs(final_states(plan)[:, 0] - exact)) / plan.step_size**2)
    np.testing.assert_allclose(scaled[1:], scaled[0], rtol=0.15)


def test_without_weight_decay_the_spread_is_named() -> None:
    """Two layers without weight decay have no Gibbs law, and the result says so; v itself stays finite."""
    answer = result(plan_of(Langevin(0.3), n_paths=512, duration=5.0))
    assert answer.n_diverged == 0
    assert any("spread" in note for note in answer.notes)
    quiet = result(plan_of(Langevin(0.3, 0.1), n_paths=512, duration=5.0))
    assert not any("spread" in note for note in quiet.notes)


def test_precision_of_the_state() -> None:
    """The same noise gives the same paths in float32, to its rounding."""
    double, single = (
        final_states(plan_of(Langevin(0.5, 0.4), n_paths=512, duration=1.0, precision=precision))
        for precision in ("float64", "float32")
    )
    np.testing.assert_allclose(single, double, atol=2e-5)
    assert np.any(single != double)


def layer_by_matrices(
    theta: NDArray[np.float64], layer: int, noise: NDArray[np.float64], *, h: float, heat: float, gamma: float
) -> NDArray[np.float64]:
    """A layer's exact step of one path by functions of the matrix 2 b1 a a' + 2 gamma."""
    a = np.prod(np.delete(theta, layer, axis=1), axis=1)
    rates, turn = np.linalg.eigh(2 * B1 * np.outer(a, a) + 2 * gamma * np.eye(a.size))
    keep = np.exp(-rates * h)
    centre = turn.T @ (2 * B2 * a) / rates
    moved = theta.copy()
    spread = np.sqrt(heat * (1 - keep**2) / rates)
    moved[:, layer] = turn @ (centre + keep * (turn.T @ theta[:, layer] - centre) + spread * (turn.T @ noise))
    return moved


def test_a_pair_of_steps_is_a_chain_of_matrix_functions(rng: np.random.Generator) -> None:
    """Kernels agree to 1e-11 with the layers' exact steps by eigenvectors, forwards and then backwards."""
    depth, width, h, heat, gamma = 2, 3, 0.21, 0.5, 0.3
    n = width * (depth + 1)
    made = langevin_layers.scheme(
        PAIRS.moments,
        depth=depth,
        width=width,
        temperature=heat,
        weight_decay=gamma,
        step_size=h,
        typical_rate=1.0,
    )
    state, noise = rng.normal(size=(n, LANES)), rng.normal(size=(2 * n, LANES)).astype(np.float32)
    wanted = []
    for j in range(20):
        theta = state[:, j].reshape(width, depth + 1)
        first, second = noise[:, j].astype(np.float64).reshape(2, width, depth + 1)
        for half, order in ((first, range(depth + 1)), (second, range(depth, -1, -1))):
            for layer in order:
                theta = layer_by_matrices(theta, layer, half[:, layer], h=h, heat=heat, gamma=gamma)
        wanted.append(theta.ravel())
    step = compiled(made.step, step_signature("float64", "float32"))
    step(state, noise, 0, np.zeros(LANES, dtype=np.int32), made.numbers, np.zeros((made.n_work, LANES)))
    np.testing.assert_allclose(state[:, :20].T, wanted, rtol=1e-11, atol=1e-13)
