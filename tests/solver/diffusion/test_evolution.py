"""Time evolution against exact laws: mass and positivity, order of the grid, absorption, far starts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import ncx2

from equipoise_solver.diffusion.evolution import Evolution, evolve
from equipoise_solver.diffusion.evolution_steps import step
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.passage_law import passage_law
from equipoise_solver.diffusion.problem import Diffusion, from_expressions
from equipoise_solver.errors import InvalidModelError

INF = math.inf


def _assert_is_a_law(result: Evolution) -> None:
    """Mass is kept to 1e-12 and nothing is negative."""
    assert result.mass_error < 1e-12
    assert np.min(result.density) >= 0
    assert np.min(result.absorbed) >= 0
    assert np.min(np.diff(result.cdf, axis=1)) >= -1e-15
    total = result.cdf[:, -1] + result.absorbed.sum(axis=1)
    assert np.all(total < 1 + 1e-12)


def _ornstein(result: Evolution, start: float, spread: float = 0.0) -> tuple[Array, Array]:
    decay = np.exp(-1.3 * result.times)
    width = np.sqrt(0.49 / 2.6 * (1 - decay**2) + (spread * decay) ** 2)
    return start * decay, np.asarray(ndtr((result.x - (start * decay)[:, None]) / width[:, None]))


def test_ornstein_uhlenbeck_from_a_point() -> None:
    """From a point the law is Gaussian at all times, to the error that the grid states."""
    result = evolve(from_expressions("-1.3*x", "0.7"), 1.2, np.array([1e-3, 0.1, 0.5, 2.0, 20.0]))
    _assert_is_a_law(result)
    mean, cdf = _ornstein(result, 1.2)
    error = np.max(np.abs(result.cdf - cdf), axis=1)
    assert np.all(error < 1e-5)
    assert np.all(error < 1.5 * result.grid_error + 2e-8)
    np.testing.assert_allclose(result.mean, mean, atol=5e-6)
    width = 0.7 / math.sqrt(2.6)
    exact = np.exp(-0.5 * (result.x / width) ** 2) / (width * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(result.density[-1], exact, atol=1e-9)


def test_ornstein_uhlenbeck_from_a_density() -> None:
    """From a Gaussian density the law stays Gaussian."""

    def density(x: Array) -> Array:
        return np.asarray(np.exp(-((x - 1) ** 2) / 0.02) / math.sqrt(math.pi * 0.02))

    result = evolve(from_expressions("-1.3*x", "0.7"), density, np.array([0.2, 1.0]))
    _assert_is_a_law(result)
    np.testing.assert_allclose(result.cdf, _ornstein(result, 1.0, 0.1)[1], atol=3e-6)


def test_the_grid_converges_with_order_two() -> None:
    """Halving the cells quarters the error."""
    errors = []
    for n_cells in (400, 800, 1600):
        result = evolve(from_expressions("-1.3*x", "0.7"), 1.2, np.array([0.5]), n_cells=n_cells)
        errors.append(np.max(np.abs(result.cdf - _ornstein(result, 1.2)[1])))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(orders - 2.0) < 0.1)


def test_steps_are_of_order_four_and_exact_in_mass() -> None:
    """Two cells relax as one exponential: halving the step wins a factor of 16."""
    up, down = np.array([0.0, 1.3, 0.0]), np.array([0.0, 0.4, 0.0])
    exact = np.array([0.4, 1.3]) / 1.7 + (0.7 - 0.4 / 1.7) * np.array([1, -1]) * math.exp(-1.7)
    errors = []
    for n_steps in (8, 16, 32):
        masses = np.array([0.0, 0.7, 0.3, 0.0])
        for _ in range(n_steps):
            masses = step(masses, up, down, 1 / n_steps)[0]
        assert masses.sum() == pytest.approx(1.0, abs=1e-15)
        errors.append(np.max(np.abs(masses[1:3] - exact)))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(orders - 4.0) < 0.1)


def test_a_step_over_a_sharp_law_stays_positive() -> None:
    """A long step from a point, which has negative lobes, gives none and keeps the mass."""
    rates = np.full(41, 300.0)
    up, down = rates.copy(), rates.copy()
    up[0] = down[-1] = down[0] = up[-1] = 0.0
    masses = np.zeros(42)
    masses[20] = 1.0
    result, wrong = step(masses, up, down, 0.02)
    assert np.min(result) >= 0
    assert result.sum() == pytest.approx(1.0, abs=1e-14)
    assert wrong > 1e-4


def test_geometric_brownian_motion() -> None:
    """Between two natural ends the law is lognormal and goes as far as it has to."""
    result = evolve(from_expressions("0.1*x", "0.3*x", interval=(0, INF)), 1.7, np.array([0.5, 2.0]))
    _assert_is_a_law(result)
    spread = 0.3 * np.sqrt(result.times)[:, None]
    z = (np.log(result.x / 1.7) - 0.055 * result.times[:, None]) / spread
    np.testing.assert_allclose(result.cdf, ndtr(z), atol=2e-5)
    assert np.all(result.absorbed == 0)


def test_square_root_process() -> None:
    """With 0 a regular end that reflects, the law is a scaled non-central chi-square."""
    result = evolve(
        from_expressions("0.5*(0.4 - x)", "0.9*sqrt(x)", interval=(0, INF)), 0.7, np.array([0.3, 2.0])
    )
    _assert_is_a_law(result)
    for k, time in enumerate(result.times):
        scale = 0.81 * (1 - math.exp(-0.5 * time)) / 2.0
        exact = ncx2.cdf(result.x / scale, 4 * 0.2 / 0.81, 0.7 * math.exp(-0.5 * time) / scale)
        np.testing.assert_allclose(result.cdf[k], exact, atol=1e-5)


ABSORBED: dict[str, tuple[str, str, tuple[float, float], float]] = {
    "levels": ("0", "1", (-INF, INF), 0.3),
    "regular ends": ("0.4", "1.2", (0, 1), 0.3),
    "one end, an entrance at the other": ("1/x", "1", (0, 1), 0.4),
    "an exit": ("-0.6*x", "sqrt(1.1*x)", (0, INF), 1.5),
    "drift into an end": ("-x^(-2)", "1", (0, INF), 1.0),
}


@pytest.mark.parametrize("name", ABSORBED)
def test_absorbed_mass_is_the_law_of_the_passage_time(name: str) -> None:
    """What ends and levels have absorbed is the distribution of the passage time, by another method."""
    drift, noise, interval, start = ABSORBED[name]
    diffusion, times = from_expressions(drift, noise, interval=interval), np.array([0.05, 0.4, 3.0])
    levels = (0.0, 1.0) if name == "levels" else (None, None)
    result = evolve(
        diffusion, start, times, behaviours=("absorbing", "absorbing"), below=levels[0], above=levels[1]
    )
    law = passage_law(
        diffusion, start, behaviours=("absorbing", "absorbing"), below=levels[0], above=levels[1]
    )
    _assert_is_a_law(result)
    np.testing.assert_allclose(result.absorbed.sum(axis=1), law.cdf(times), atol=2e-5)


def test_explosion_is_absorbed_at_infinity() -> None:
    """Paths of dx = x**3 dt + dW that have exploded are counted."""
    diffusion, times = from_expressions("x^3", "1"), np.array([0.5, 2.0])
    result = evolve(diffusion, 0.1, times)
    _assert_is_a_law(result)
    exact = passage_law(diffusion, 0.1).cdf(times)
    np.testing.assert_allclose(result.absorbed.sum(axis=1), exact, atol=2e-3)


def _two_layer(temperature: float) -> Diffusion:
    """SGD's two-layer network (D = 1) on y = x + noise, with Gaussian data of variance 1."""
    return from_expressions(
        "-4*x*(x - 1) + 4*T*x*(2*(x - 1)^2 + 1)",
        "4*x*sqrt(T*(2*(x - 1)^2 + 1))",
        interval=(0, INF),
        parameters={"T": temperature},
    )


@pytest.mark.parametrize("start", [1e-12, 0.3, 1.0, 1e6])
@pytest.mark.parametrize(
    ("temperature", "duration", "mean", "density"),
    [(0.05, 40.0, 0.937630829186, 1.253140728869), (0.2, 400.0, 0.580905119904, 0.466703267758)],
)
def test_the_two_layer_law_is_reached(
    start: float, temperature: float, duration: float, mean: float, density: float
) -> None:
    """From any start, however far, SGD's law of theory section 3 is reached exactly."""
    result = evolve(_two_layer(temperature), start, np.array([duration]))
    _assert_is_a_law(result)
    assert result.mean[0] == pytest.approx(mean, rel=2e-8)
    inside = (result.x > 1e-6) & (result.x < 1e3)
    exact = _two_layer_density(result.x[inside], temperature)
    scale = density / float(_two_layer_density(np.array([1.0]), temperature)[0])
    np.testing.assert_allclose(result.density[0, inside], scale * exact, rtol=1e-6, atol=1e-10)


def _two_layer_density(x: Array, temperature: float) -> Array:
    """The closed form up to a factor: exp of the integral of 2*drift/noise**2, over noise**2."""
    g, angle = 2 * (x - 1) ** 2 + 1, math.sqrt(2) * np.arctan(math.sqrt(2) * (x - 1))
    # drift/noise**2 = (1 - x)/(4*T*x*g) + 1/(4*x); with u = x - 1, u/((u + 1)(2u**2 + 1)) splits in thirds.
    third = (-np.log(x) + 0.5 * np.log(g) + angle / 2) / 3
    return np.asarray(np.exp(-third / (2 * temperature) + 0.5 * np.log(x)) / (x**2 * g))


REFUSED: dict[str, Callable[[], object]] = {
    "start": lambda: evolve(from_expressions("-x", "1", interval=(0, 1)), 1.5, np.array([1.0])),
    "density": lambda: evolve(from_expressions("-x", "1"), lambda x: np.exp(-x * x), np.array([1.0])),
    "times": lambda: evolve(from_expressions("-x", "1"), 0.0, np.array([1.0, 0.5])),
    "n_cells": lambda: evolve(from_expressions("-x", "1"), 0.0, np.array([1.0]), n_cells=3),
    "above": lambda: evolve(from_expressions("-x", "1"), 0.0, np.array([1.0]), below=-1.0, above=-2.0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    """A start outside, a density without mass 1, times out of order, silly grids and levels are refused."""
    with pytest.raises(InvalidModelError, match=name):
        REFUSED[name]()


@pytest.mark.parametrize("start", [20.0, 100.0, 1e4])
def test_the_error_of_the_grid_is_honest_along_a_way_from_far(start: float) -> None:
    """Ornstein and Uhlenbeck from far: what cells do not resolve on the way is seen by the estimate."""
    times = np.array([0.1, 1.0, 3.0, 8.0])
    found = evolve(from_expressions("-x", "sqrt(2)"), start, times)
    keep = np.exp(-times)
    z = (found.x - start * keep[:, None]) / np.sqrt(1 - keep[:, None] ** 2)
    gap = np.max(np.abs(found.cdf - ndtr(z)), axis=1)
    assert np.all(gap <= 1.2 * found.grid_error + found.time_error)
    assert np.all(found.grid_error <= 10 * gap + 2 * found.time_error + 1e-6)
