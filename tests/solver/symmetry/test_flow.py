"""The Noether flow, against exact solutions, the equilibrium and simulated SGD."""

import math

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs, random_parameters
from tests.support.statistics import assert_mean
from torch import Tensor
from torch.func import vmap

from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.networks import (
    GaussianTeacher,
    LinearNetwork,
    MatrixFactorization,
    Mlp,
    NormalizedMlp,
    Pairs,
    Parameters,
)
from equipoise_solver.networks.families import Action, Family
from equipoise_solver.networks.parameters import flatten
from equipoise_solver.networks.per_sample import mean_gradient
from equipoise_solver.networks.statistics import full_covariance, gradient_statistics
from equipoise_solver.symmetry.flow import noether_flow
from equipoise_solver.symmetry.flow_schedule import TemperatureSchedule, warm_up
from equipoise_solver.symmetry.generators import Generators


def number(*values: float) -> Tensor:
    return torch.tensor([[value] for value in values], dtype=torch.float64)


def scalar_case() -> tuple[LinearNetwork, Parameters, GaussianTeacher, float]:
    """(u w x - y)^2 with y = 0.7 x + e, away from the minimum, and C0 = 4 g(v) of it."""
    variance, noise, slope = 1.3, 0.4, 0.7
    teacher = GaussianTeacher(number(slope), number(variance), number(noise))
    u, w = 1.9, 0.3
    v = u * w
    a1, a2 = 2 * variance**2, 2 * slope * variance**2
    a3 = 2 * slope**2 * variance**2 + noise * variance
    c0 = 4.0 * (a1 * v**2 - 2 * a2 * v + a3)
    return LinearNetwork((1, 1, 1)), {"W1": number(w), "W2": number(u)}, teacher, c0


@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_difference_of_two_scalars_decays_exponentially(decay: float) -> None:
    """d/dt (u^2 - w^2) = -(T C0 + 4 gamma)(u^2 - w^2) with C0 = 4 g(v), constant on the orbit."""
    network, parameters, teacher, c0 = scalar_case()
    flow = noether_flow(
        network, parameters, teacher, temperature=0.11, weight_decay=decay, duration=4.0, n_records=8
    )
    rate = 0.11 * c0 + 4 * decay
    exact = float(flow.charges[0, 0]) * np.exp(-rate * flow.time)
    np.testing.assert_allclose(flow.charges[:, 0].numpy(), exact, rtol=1e-5, atol=1e-7)


def test_warm_up_counts_the_temperature_so_far() -> None:
    """C(t) = C(0) exp(-C0 times the integral of T)."""
    network, parameters, teacher, c0 = scalar_case()
    flow = noether_flow(
        network, parameters, teacher, temperature=warm_up(0.2, 1.5), duration=3.0, n_records=6
    )
    heat = np.where(flow.time < 1.5, 0.2 * flow.time**2 / 3.0, 0.2 * (flow.time - 0.75))
    exact = float(flow.charges[0, 0]) * np.exp(-c0 * heat)
    np.testing.assert_allclose(flow.charges[:, 0].numpy(), exact, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(flow.temperature, np.minimum(0.2, 0.2 * flow.time / 1.5), rtol=1e-12)


def test_jumps_of_the_temperature_are_kept() -> None:
    network, parameters, teacher, c0 = scalar_case()
    schedule = TemperatureSchedule((0.0, 1.0, 1.0), (0.3, 0.3, 0.0))
    flow = noether_flow(
        network, parameters, teacher, temperature=schedule, weight_decay=1e-9, duration=2.0, n_records=4
    )
    exact = float(flow.charges[0, 0]) * np.exp(-c0 * 0.3 * np.minimum(flow.time, 1.0))
    np.testing.assert_allclose(flow.charges[:, 0].numpy(), exact, rtol=1e-5, atol=1e-7)


def test_time_to_equilibrium_of_two_scalars() -> None:
    """F = (|u|^2 + |w|^2) T C0/2, and |u|^2 + |w|^2 = (C^2 + 4 v^2)^(1/2)."""
    network, parameters, teacher, c0 = scalar_case()
    flow = noether_flow(network, parameters, teacher, temperature=0.11, duration=20.0, tolerance=0.1)
    v, charge = 0.57, abs(float(flow.charges[0, 0]))
    excess = 0.01 * (math.hypot(charge, 2 * v) - 2 * v)
    remaining = math.sqrt((2 * v + excess) ** 2 - 4 * v**2)
    assert flow.time_to_equilibrium == pytest.approx(math.log(charge / remaining) / (0.11 * c0), rel=1e-4)


def test_norm_of_a_scale_invariant_network_grows_as_the_fourth_root_of_time(
    rng: np.random.Generator,
) -> None:
    """d|theta|^2/dt = T Tr Sigma and Tr Sigma |theta|^2 is constant: |theta|^4 grows by 2 T times that."""
    network = NormalizedMlp((4, 5, 3), normalization="network")
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=30)
    flow = noether_flow(network, parameters, pairs, temperature=0.2, duration=50.0, n_records=5)
    trace = gradient_statistics(network, parameters, pairs).total_trace
    square = float(flow.charges[0, 0])
    exact = square**2 + 2 * 0.2 * trace * square * flow.time
    np.testing.assert_allclose(flow.charges[:, 0].numpy() ** 2, exact, rtol=1e-5)
    assert flow.equilibrium.outcome == "NO_EQUILIBRIUM"
    assert flow.time_to_equilibrium is None


def test_norm_without_noise_shrinks_until_nothing_is_left(rng: np.random.Generator) -> None:
    """Under decay alone |theta|^2 falls as exp(-4 gamma t): the flow stops where nothing is left."""
    network = NormalizedMlp((3, 4, 1), normalization="network")
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=20)
    flow = noether_flow(
        network, parameters, pairs, temperature=0.0, weight_decay=0.1, duration=1e5, n_records=1000
    )
    assert "without end" in flow.stopped
    assert 150.0 < flow.time[-1] < 500.0
    assert flow.time.size == len(flow.charges) == len(flow.potential) < 10
    assert float(flow.exponents[-1, 0]) == pytest.approx(-0.2 * flow.time[-1], rel=1e-4)
    short = noether_flow(
        network, parameters, pairs, temperature=0.0, weight_decay=0.1, duration=5.0, n_records=2
    )
    assert short.stopped == ""


@pytest.mark.parametrize("name", ["linear", "mlp relu", "attention"])
def test_flow_changes_all_charges_at_their_rate(name: str, rng: np.random.Generator) -> None:
    """dC/dt = T Tr[Sigma A] - 4 gamma C at once for all generators, from statistics at the point."""
    network = NETWORKS[name]
    parameters, pairs = random_parameters(network, rng), random_pairs(network, rng, n=30)
    flow = noether_flow(
        network, parameters, pairs, temperature=0.05, weight_decay=0.02, duration=2e-5, n_records=2
    )
    middle = flow.equilibrium.generators.move(flow.exponents[1], parameters)
    covariance = full_covariance(network, middle, pairs)
    generators = Generators(network.blocks, network.families())
    units = torch.eye(generators.dimension, dtype=torch.float64)
    noise = torch.stack([(covariance * generators.dense(unit)).sum() for unit in units])
    exact = 0.05 * noise - 4 * 0.02 * generators.charges(middle)
    # The points of the middle and of the flow differ by a rotation of second order in time.
    rates = (flow.charges[2] - flow.charges[0]) / 2e-5
    torch.testing.assert_close(rates, exact, rtol=1e-3, atol=1e-3 * float(exact.norm()))


@pytest.mark.parametrize(
    ("widths", "decay", "duration"), [((3, 3, 3), 0.0, 300.0), ((2, 2, 3, 2), 0.05, 80.0)]
)
def test_flow_ends_at_the_equilibrium(
    widths: tuple[int, ...], decay: float, duration: float, rng: np.random.Generator
) -> None:
    """Norms and singular values of the end are those of the solver's minimum, F falls all the way."""
    network = LinearNetwork(widths)
    parameters, pairs = random_parameters(network, rng, size=0.8), random_pairs(network, rng, n=20)
    flow = noether_flow(
        network, parameters, pairs, temperature=0.2, weight_decay=decay, duration=duration, n_records=5
    )
    end, goal = flow.parameters, flow.equilibrium.parameters
    assert flow.residual[-1] < 1e-4 * flow.residual[0]
    for block in end:
        compared = torch.linalg.svdvals(end[block]), torch.linalg.svdvals(goal[block])
        torch.testing.assert_close(*compared, rtol=1e-3, atol=1e-3)
    assert np.all(np.diff(flow.potential) <= 1e-9 * flow.potential[0])
    assert flow.time_to_equilibrium is not None
    assert 0.0 < flow.time_to_equilibrium < duration


def sgd_charges(
    network: Mlp | LinearNetwork,
    start: Parameters,
    pairs: Pairs,
    rng: np.random.Generator,
    *,
    learning_rate: float,
    batch: int,
    decay: float,
    n_steps: int,
    n_paths: int,
) -> tuple[Tensor, Tensor]:
    """Change of the charges over SGD runs, and what the law of balance expects of it along each run."""
    generators = Generators(network.blocks, network.families())
    units = torch.eye(generators.dimension, dtype=torch.float64)
    matrices = torch.stack([generators.dense(unit) for unit in units])
    theta = {name: value.repeat(n_paths, *[1] * value.ndim) for name, value in start.items()}
    first, expected = generators.charges(theta), torch.zeros((n_paths, generators.dimension)).double()

    def rates(point: Parameters) -> Tensor:
        covariance = full_covariance_of(network, point, pairs)
        # The mean gradient enters a step of SGD as well, by g' A g, at second order in the step.
        mean = flatten(mean_gradient(network, point, pairs), network.blocks)
        second = covariance / batch + torch.outer(mean, mean)
        shrink = (1.0 - 2.0 * learning_rate * decay) ** 2 - 1.0
        noise = torch.einsum("ij,kij->k", second, matrices)
        return learning_rate**2 * noise + shrink * generators.charges(point)

    def gradient(point: Parameters, index: Tensor) -> Parameters:
        few = Pairs(pairs.x[index], pairs.y[index])
        return mean_gradient(network, point, few)

    for _ in range(n_steps):
        expected += vmap(rates)(theta)
        index = torch.from_numpy(rng.integers(0, pairs.n, (n_paths, batch)))
        slope = vmap(gradient)(theta, index)
        theta = {
            name: (1.0 - 2.0 * learning_rate * decay) * value - learning_rate * slope[name]
            for name, value in theta.items()
        }
    return generators.charges(theta) - first, expected


def full_covariance_of(network: Mlp | LinearNetwork, point: Parameters, pairs: Pairs) -> Tensor:
    def one(x: Tensor, y: Tensor) -> Tensor:
        return flatten(mean_gradient(network, point, Pairs(x[None], y[None])), network.blocks)

    gradients = vmap(one)(pairs.x, pairs.y)
    centred = gradients - gradients.mean(0)
    return centred.T @ centred / pairs.n


@pytest.mark.parametrize("name", ["linear", "relu"])
def test_sgd_changes_charges_at_the_rate_of_the_law(name: str, rng: np.random.Generator) -> None:
    """Mean over runs of the change less the sum of T Tr[Sigma A] - 4 gamma C (per step, with what is of
    second order in the step) is 0 within 5 standard errors, for each generator."""
    network = LinearNetwork((2, 2, 2)) if name == "linear" else Mlp((2, 3, 2), bias=True)
    start, pairs = random_parameters(network, rng), random_pairs(network, rng, n=25)
    change, expected = sgd_charges(
        network, start, pairs, rng, learning_rate=0.02, batch=2, decay=0.05, n_steps=60, n_paths=800
    )
    for k in range(change.shape[1]):
        off = (change[:, k] - expected[:, k]).numpy()
        size = float(expected[:, k].abs().mean())
        spread = 12.0 * float(off.std()) / math.sqrt(len(off))
        # Generators of dead neurons carry no noise at all: they agree up to rounding.
        assert_mean(off, 0.0, resolves=max(0.3 * size, spread), bias=1e-12)


@pytest.mark.parametrize(
    ("times", "temperatures", "field"),
    [
        ((), (), "schedule"),
        ((0.0, 1.0), (0.1,), "schedule"),
        ((0.0, math.nan), (0.1, 0.2), "schedule"),
        ((1.0, 0.5), (0.1, 0.2), "schedule.times"),
        ((-1.0, 0.5), (0.1, 0.2), "schedule.times"),
        ((0.0, 0.5), (0.1, -0.2), "schedule.temperatures"),
    ],
)
def test_schedules_that_make_no_sense_are_refused(
    times: tuple[float, ...], temperatures: tuple[float, ...], field: str
) -> None:
    with pytest.raises(InvalidModelError) as error:
        TemperatureSchedule(times, temperatures)
    assert error.value.field == field


@pytest.mark.parametrize(("field", "duration", "n_records"), [("duration", -1.0, 10), ("n_records", 1.0, 0)])
def test_flows_that_make_no_sense_are_refused(field: str, duration: float, n_records: int) -> None:
    network, parameters, teacher, _ = scalar_case()
    with pytest.raises(InvalidModelError) as error:
        noether_flow(network, parameters, teacher, temperature=0.1, duration=duration, n_records=n_records)
    assert error.value.field == field


def test_overlapping_families_do_not_flow(rng: np.random.Generator) -> None:
    """A rotation and a rescaling of the same neurons do not commute."""
    network = MatrixFactorization((3, 2, 3))
    actions = (Action("W1", "left", 1.0), Action("W2", "right", -1.0))
    families = (*network.families(), Family("rescaling", "neurons", 2, "diagonal", actions))
    with pytest.raises(UnsupportedCombinationError):
        noether_flow(
            network,
            random_parameters(network, rng),
            random_pairs(network, rng, n=9),
            temperature=0.1,
            duration=1.0,
            families=families,
        )
