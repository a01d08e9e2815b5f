"""The noise of single steps and of long runs, held against its covariance and against exact laws."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.solver.ensembles.exact import stationary_grid
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from tests.solver.networks.training.ensembles import final_rows, train
from tests.support.statistics import assert_law, assert_mean

from equipoise_solver.networks import GaussianTeacher, LinearNetwork, Pairs
from equipoise_solver.networks.parameters import flatten
from equipoise_solver.networks.per_sample import mean_gradient
from equipoise_solver.networks.statistics import full_covariance
from equipoise_solver.networks.training import Given, Langevin, Sgd, Sgf, TrainingPlan
from equipoise_solver.theory.moments import DataMoments

pytestmark = pytest.mark.slow
N_PATHS = 4096


def _check_covariance(moves: NDArray[np.float64], wanted: NDArray[np.float64]) -> None:
    """Mean 0 and each entry of the covariance of Gaussian rows, to 5 standard errors; sees a quarter more."""
    n, spread = len(moves), np.sqrt(np.diag(wanted))
    assert (5 + 4.75 * 1.25) * math.sqrt(2 / n) <= 0.25, f"n={n} is too small"
    assert np.all(np.abs(moves.mean(axis=0)) <= 5 * spread / math.sqrt(n) + 1e-14)
    error = np.sqrt((np.outer(spread, spread) ** 2 + wanted**2) / n)
    assert np.all(np.abs(moves.T @ moves / n - wanted) <= 5 * error + 1e-14)


def test_noise_of_a_quarter_more_is_seen(rng: np.random.Generator) -> None:
    """The check refuses rows whose covariance is 1.25 times the one wanted, or off in one entry."""
    root = rng.standard_normal((5, 5))
    rows = rng.standard_normal((N_PATHS, 5)) @ root.T
    _check_covariance(rows, root @ root.T)
    with pytest.raises(AssertionError):
        _check_covariance(math.sqrt(1.25) * rows, root @ root.T)
    flipped = root @ root.T
    spread = np.sqrt(np.diag(flipped))
    flipped[0, 1] += 0.25 * spread[0] * spread[1]
    with pytest.raises(AssertionError):
        _check_covariance(rows, flipped)


@pytest.mark.parametrize("name", ["mlp tanh", "mlp cross entropy", "diagonal"])
def test_noise_of_a_flow_has_the_covariance_of_gradients(
    name: str, seed: int, rng: np.random.Generator
) -> None:
    """A step of SGF moves by -h (grad L + 2 gamma theta) plus noise of covariance T h Sigma."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=12)
    h, heat, gamma = 0.1, 0.3, 0.2
    plan = TrainingPlan(
        network=network,
        data=pairs,
        dynamics=Sgf(heat, h, gamma),
        n_paths=N_PATHS,
        seed=seed,
        duration=h,
        initial=Given(parameters),
        observables=(),
    )
    drift = flatten(mean_gradient(network, parameters, pairs, weight_decay=gamma), network.blocks).numpy()
    moves = final_rows(plan) - (flatten(parameters, network.blocks).numpy() - h * drift)
    _check_covariance(moves, heat * h * full_covariance(network, parameters, pairs).numpy())


def test_noise_of_langevin_dynamics_is_the_same_on_every_parameter(
    seed: int, rng: np.random.Generator
) -> None:
    """A step of Langevin dynamics adds noise of variance 2 T h to every parameter."""
    network = NETWORKS["mlp tanh"]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=12)
    plan = TrainingPlan(
        network=network,
        data=pairs,
        dynamics=Langevin(0.3, 0.1),
        n_paths=N_PATHS,
        seed=seed,
        duration=0.1,
        initial=Given(parameters),
        observables=(),
    )
    drift = flatten(mean_gradient(network, parameters, pairs), network.blocks).numpy()
    moves = final_rows(plan) - (flatten(parameters, network.blocks).numpy() - 0.1 * drift)
    _check_covariance(moves, 0.06 * np.eye(plan.n_parameters))


def _one_neuron(seed: int, *, batch_size: int, n_steps: int) -> TrainingPlan:
    """SGD of (u w x - y)^2 with x ~ N(0, 1), y = 0.8 x + e, e ~ N(0, 0.5^2), from u = w = 1."""
    one = torch.ones((1, 1), dtype=torch.float64)
    return TrainingPlan(
        network=LinearNetwork((1, 1, 1)),
        data=GaussianTeacher(0.8 * one, one, 0.25 * one),
        dynamics=Sgd(0.05, batch_size),
        n_paths=N_PATHS,
        seed=seed,
        n_steps=n_steps,
        initial=Given({"W1": [[1.0]], "W2": [[1.0]]}),
        observables=(),
    )


@pytest.mark.parametrize("batch_size", [1, 4])
def test_one_step_of_one_neuron_has_its_exact_mean(batch_size: int, seed: int) -> None:
    """From v = 1, E v' = v (1 - 4 eta E m + 4 eta^2 E m^2) with E m^2 = (v-k)^2 (1 + 2/S) + s^2/S."""
    eta, k, s = 0.05, 0.8, 0.5
    m, square = 1 - k, (1 - k) ** 2 * (1 + 2 / batch_size) + s**2 / batch_size
    u, w = final_rows(_one_neuron(seed, batch_size=batch_size, n_steps=1)).T
    assert np.abs(u - w).max() <= 1e-15
    assert_mean(u * w, 1 - 4 * eta * m + 4 * eta**2 * square, resolves=0.02)


def test_flow_of_one_neuron_reaches_its_exact_law(seed: int) -> None:
    """SGF of (u w x - y)^2 on 16 samples has the stationary law of the reduced SDE."""
    i = np.arange(16)
    x, noise = 1.5 * np.sin(1.7 * i + 0.3), 0.6 * np.cos(2.3 * i)
    y = 0.9 * x + noise
    moments = DataMoments.from_samples(x, y)
    root = math.sqrt(moments.minimum)
    heat = 0.1 * moments.beta2 / moments.alpha3
    plan = TrainingPlan(
        network=LinearNetwork((1, 1, 1)),
        data=Pairs(torch.from_numpy(x[:, None]), torch.from_numpy(y[:, None])),
        dynamics=Sgf(heat, 0.004),
        n_paths=N_PATHS,
        seed=seed,
        duration=6 / moments.beta2,
        initial=Given({"W1": [[root]], "W2": [[root]]}),
    )
    result = train(replace(plan, n_records=1))
    v = (result.parameters["W1"] * result.parameters["W2"]).ravel()
    v = np.sort(v[np.isfinite(v)])
    # The law has a tail in which Euler's step explodes once in a while.
    assert result.n_diverged == N_PATHS - v.size <= 20
    law = stationary_grid(moments, depth=1, temperature=heat)
    # Euler's step and lost paths shift the law by some 1e-3; half the temperature would, by 0.12.
    assert_law(v, np.interp(v, law.v, law.cdf), resolves=0.11, bias=0.01)
