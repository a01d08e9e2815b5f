"""The tanh unit: its tangent, exact recursions, all batches of a step, all shuffles of an epoch, refusals."""

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from numba import types
from numpy.typing import NDArray
from tests.solver.ensembles.runs import final_states, result
from tests.support.statistics import assert_mean, assert_variance

from equipoise_solver.ensembles import (
    Balanced,
    EnsemblePlan,
    GaussianPairs,
    Gd,
    Given,
    Langevin,
    MomentsOnly,
    Normal,
    SamplePairs,
    Sgd,
    Sgf,
)
from equipoise_solver.ensembles.compiled import F4, F8, array_of, compiled
from equipoise_solver.ensembles.tangent import decay, hyperbolic_tangent, single_hyperbolic_tangent
from equipoise_solver.errors import SolverError

X = np.array([1.0, -0.4, 1.7, 0.2, -1.1])
Y = np.array([0.8, -0.1, 1.1, 0.5, -1.3])
SAMPLES = SamplePairs(X, Y)
PLAIN, HIDDEN = Given(((0.6,),)), Given(((0.7, 1.2),))
Array = NDArray[np.float64]


def _tangents(x: Any, out: Any) -> None:
    for j in range(x.shape[0]):
        out[j] = hyperbolic_tangent(x[j])


def _single_tangents(x: Any, out: Any) -> None:
    for j in range(x.shape[0]):
        out[j] = single_hyperbolic_tangent(x[j])


def _decays(x: Any, out: Any) -> None:
    for j in range(x.shape[0]):
        out[j] = decay(x[j])


def test_tangent(rng: np.random.Generator) -> None:
    """tanh and 1 - exp(-x) keep relative errors of 1e-14, of 1e-6 in float32, from 1e-30 to infinity."""
    x = np.concatenate([rng.normal(size=4000) * s for s in (1e-30, 1e-9, 1e-3, 0.3, 1, 5, 30, 1e4)])
    x = np.concatenate([x, [0.0, np.inf, -np.inf]])
    out = np.empty_like(x)
    compiled(_tangents, types.void(array_of(F8, 1), array_of(F8, 1)))(x, out)
    np.testing.assert_allclose(out, np.tanh(x), rtol=1e-14, atol=0)
    compiled(_decays, types.void(array_of(F8, 1), array_of(F8, 1)))(np.abs(x), out)
    np.testing.assert_allclose(out, -np.expm1(-np.abs(x)), rtol=1e-14, atol=0)
    few = x.astype(np.float32)
    short = np.empty_like(few)
    compiled(_single_tangents, types.void(array_of(F4, 1), array_of(F4, 1)))(few, short)
    np.testing.assert_allclose(short, np.tanh(few.astype(np.float64)), rtol=1e-6, atol=0)


def plan_of(dynamics: Any, init: Any = PLAIN, **changes: Any) -> EnsemblePlan:
    depth = 1 if init is HIDDEN else 0
    parts: dict[str, Any] = {"model": "tanh1d", "depth": depth, "data": SAMPLES, "n_paths": 40_000, "seed": 5}
    return EnsemblePlan(**{**parts, "n_records": 1, "init": init, **changes}, dynamics=dynamics)


def start_of(init: Given) -> Array:
    return np.array(init.u[0])


def slopes(theta: Array, x: Array) -> tuple[Array, Array]:
    """f at every x, and its gradient, shape (n, parameters)."""
    f = np.tanh(theta[0] * x)
    if theta.size == 1:
        return f, ((1 - f**2) * x)[:, None]
    return theta[1] * f, np.stack([theta[1] * (1 - f**2) * x, f], axis=1)


def gradient(theta: Array, x: Array, y: Array) -> Array:
    """Gradient of the mean of (f(x) - y)^2."""
    f, slope = slopes(theta, x)
    return np.asarray(2 * np.mean((f - y)[:, None] * slope, axis=0))


@pytest.mark.parametrize("init", [PLAIN, HIDDEN])
@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
def test_full_batches_follow_the_recursion(init: Given, precision: str, tolerance: float) -> None:
    """gd, and sgd with the whole data in a batch, are the same recursion with momentum and weight decay."""
    eta, gamma, mu, n_steps = 0.2, 0.03, 0.4, 40
    theta = start_of(init)
    held = np.zeros_like(theta)
    for _ in range(n_steps):
        held = mu * held + gradient(theta, X, Y) + 2 * gamma * theta
        theta = theta - eta * held
    for dynamics in (Gd(eta, gamma, mu), Sgd(eta, X.size, gamma, mu, "epoch")):
        states = final_states(plan_of(dynamics, init, n_steps=n_steps, n_paths=3, precision=precision))
        np.testing.assert_allclose(states[: theta.size, 1], theta, rtol=tolerance)
        np.testing.assert_allclose(states[theta.size :, 1], held, atol=tolerance)


@pytest.mark.parametrize("init", [PLAIN, HIDDEN])
def test_two_steps_of_batches_with_replacement(init: Given, seed: int) -> None:
    """After two steps mean and variance are those of all 25 x 25 batches of two."""
    eta = 0.3
    theta = final_states(plan_of(Sgd(eta, 2), init, n_steps=2, seed=seed))
    batches = [list(batch) for batch in product(range(X.size), repeat=2)]
    ends = []
    for first in batches:
        middle = start_of(init) - eta * gradient(start_of(init), X[first], Y[first])
        ends += [middle - eta * gradient(middle, X[batch], Y[batch]) for batch in batches]
    for exact, simulated in zip(np.array(ends).T, theta, strict=True):
        assert_mean(simulated, float(exact.mean()), resolves=0.1 * float(exact.std()))
        assert_variance(simulated, float(exact.var()), resolves=0.2 * float(exact.var()))


@pytest.mark.parametrize("init", [PLAIN, HIDDEN])
def test_an_epoch_is_one_of_all_shuffles(init: Given, seed: int) -> None:
    """After an epoch of batches of 2, 2 and 1 mean and variance are those of all 120 shuffles."""
    eta = 0.3
    theta = final_states(plan_of(Sgd(eta, 2, sampling="epoch"), init, n_steps=3, seed=seed))
    ends = []
    for order in permutations(range(X.size)):
        end = start_of(init)
        for i in range(0, X.size, 2):
            batch = list(order[i : i + 2])
            end = end - eta * gradient(end, X[batch], Y[batch])
        ends.append(end)
    for exact, simulated in zip(np.array(ends).T, theta, strict=True):
        assert_mean(simulated, float(exact.mean()), resolves=0.1 * float(exact.std()))
        assert_variance(simulated, float(exact.var()), resolves=0.2 * float(exact.var()))


@pytest.mark.parametrize("init", [PLAIN, HIDDEN])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_gaussian_batches_of_one_step(init: Given, precision: str, seed: int) -> None:
    """After a step mean and variance are those of the gradient, by quadrature over x; labels add theirs."""
    eta, size, slope, noise_std, label_noise, input_std = 0.3, 3, 0.9, 0.3, 0.4, 1.2
    theta = final_states(
        plan_of(
            Sgd(eta, size, label_noise=label_noise),
            init,
            data=GaussianPairs(slope, noise_std, input_std),
            n_steps=1,
            seed=seed,
            precision=precision,
        )
    )
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    x = input_std * nodes
    f, derivative = slopes(start_of(init), x)
    for i, simulated in enumerate(theta):
        g = 2 * (f - slope * x) * derivative[:, i]
        mean = float(weights @ g)
        noise = 4 * (noise_std**2 + label_noise**2) * float(weights @ derivative[:, i] ** 2)
        variance = eta**2 * (float(weights @ g**2) - mean**2 + noise) / size
        assert_mean(simulated, float(start_of(init)[i]) - eta * mean, resolves=0.1 * variance**0.5)
        assert_variance(simulated, variance, resolves=0.2 * variance)


@pytest.mark.parametrize("init", [PLAIN, HIDDEN])
def test_label_noise_on_the_whole_data_set(init: Given, seed: int) -> None:
    """After a step of gd the parameters have covariance (2 eta std/n)^2 sum df df', with its correlation."""
    eta, std = 0.3, 0.5
    theta = final_states(plan_of(Gd(eta, label_noise=std), init, n_steps=1, seed=seed))
    _, slope = slopes(start_of(init), X)
    covariance = (2 * eta * std / X.size) ** 2 * slope.T @ slope
    exact = start_of(init) - eta * gradient(start_of(init), X, Y)
    for i, simulated in enumerate(theta):
        assert_mean(simulated, float(exact[i]), resolves=0.1 * float(covariance[i, i]) ** 0.5)
        assert_variance(simulated, float(covariance[i, i]), resolves=0.1 * float(covariance[i, i]))
    total = float(covariance.sum())
    assert_variance(theta.sum(axis=0), total, resolves=0.1 * total)


@pytest.mark.parametrize("sampling", ["iid", "epoch"])
def test_label_noise_on_batches(sampling: Any, seed: int) -> None:
    """Over equal samples a batch is no chance, and a step has variance (2 eta std f')^2/S."""
    eta, std, size, x = 0.3, 0.5, 3, 0.8
    data = SamplePairs(np.full(4, x), np.full(4, 0.7))
    theta = final_states(
        plan_of(Sgd(eta, size, sampling=sampling, label_noise=std), data=data, n_steps=1, seed=seed)
    )[0]
    start = start_of(PLAIN)
    variance = (2 * eta * std * float(slopes(start, np.array([x]))[1][0, 0])) ** 2 / size
    exact = float(start[0] - eta * gradient(start, data.x, data.y)[0])
    assert_mean(theta, exact, resolves=0.1 * variance**0.5)
    assert_variance(theta, variance, resolves=0.1 * variance)


def test_what_is_shown() -> None:
    """v is the slope at the origin, w u with a hidden weight; |theta|^2 and the sign belong to it."""
    answer = result(
        plan_of(
            Gd(0.1),
            Given(((-0.7, 1.2),)),
            depth=1,
            n_paths=2,
            n_steps=1,
            observables=("value", "norm", "sign"),
        )
    )
    shown = {name: series.mean[0] for name, series in answer.observables.items()}
    assert shown == pytest.approx({"value": -0.84, "norm": 0.49 + 1.44, "sign": -1.0})


def test_a_balanced_start_and_a_normal_one() -> None:
    """A balanced start has w u = value with |w| = |u|; a normal one draws every parameter."""
    plan = plan_of(Gd(1e-9), Balanced(-0.49), depth=1, n_steps=1, n_paths=2)
    np.testing.assert_allclose(final_states(plan)[:, 0], [-0.7, 0.7], rtol=1e-6)
    spread = final_states(plan_of(Gd(1e-9), Normal(0.5), depth=1, n_steps=1, n_paths=4000))
    assert_variance(spread[1], 0.25, resolves=0.08)


def test_lost_paths_are_counted() -> None:
    """A learning rate beyond reason loses the paths of the hidden model, and they are counted."""
    answer = result(plan_of(Gd(40.0), Normal(2.0), depth=1, n_steps=400, n_paths=600))
    assert 0 < answer.n_diverged <= 600
    assert answer.path_steps < 600 * 400


MOMENTS = MomentsOnly(SAMPLES.moments)
GAUSSIAN = GaussianPairs(0.9, 0.3)
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"dynamics": Sgf(0.1), "n_steps": None, "duration": 1.0}, "dynamics.kind"),
    ({"dynamics": Langevin(0.1), "n_steps": None, "duration": 1.0}, "dynamics.kind"),
    ({"dynamics": Sgd(0.1), "data": MOMENTS}, "data.kind"),
    ({"dynamics": Gd(0.1), "data": MOMENTS}, "data.kind"),
    ({"dynamics": Gd(0.1), "data": GAUSSIAN}, "data.kind"),
    ({"dynamics": Sgd(0.1, 65), "data": GAUSSIAN}, "dynamics.batch_size"),
    ({"dynamics": Sgd(0.1, 65)}, "dynamics.batch_size"),
    ({"dynamics": Sgd(0.1), "depth": 2, "init": Balanced(1.0)}, "model.depth"),
    ({"dynamics": Sgd(0.1), "width": 2, "init": Balanced(1.0)}, "model.depth"),
    ({"dynamics": Gd(0.1), "data": SamplePairs(np.ones(70_000), np.ones(70_000))}, "data"),
    *(
        ({"dynamics": Gd(0.1), "observables": (name,)}, "observables")
        for name in ("loss", "excess_loss", "imbalance", "noise")
    ),
]


@pytest.mark.parametrize(("changes", "field"), REFUSED)
def test_refusals(changes: dict[str, Any], field: str) -> None:
    """What the tanh model does not offer is refused by the field that asks for it, with the reason."""
    with pytest.raises(SolverError) as refused:
        plan_of(**{"n_steps": 3, **changes})
    assert refused.value.field == field
    assert "need" in str(refused.value)
