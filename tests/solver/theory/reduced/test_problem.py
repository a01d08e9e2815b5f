"""Closed forms of diagonal networks against the general tool for one-dimensional diffusions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise_solver.diffusion.profile import profile_of
from equipoise_solver.diffusion.stationary import long_run
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory import DataMoments, stationary_law
from equipoise_solver.theory.coefficients import moment_arrays, network_coefficients
from equipoise_solver.theory.reduced.problem import interval_of, network_diffusion

GAUSSIAN = DataMoments.from_gaussian(1.3, 0.7)
QUIET = DataMoments.from_gaussian(0.7, 0.05, 1.2)
WALL = DataMoments.from_values(0.5, 0.25, 0.125, 1.2, 0.9)  # g vanishes at 1/2, where the force is not 0.
CONSTANT = DataMoments.from_values(0.0, 0.0, 0.7, 1.2, 0.9)

# Data, depth, width, temperature, weight decay.
CASES = [
    (GAUSSIAN, 0, 1, 0.1, 0.0),
    (GAUSSIAN, 0, 3, 0.1, 0.2),
    (QUIET, 0, 2, 1e-4, 0.1),
    (WALL, 0, 1, 0.1, 0.0),
    (GAUSSIAN, 1, 1, 1e-4, 0.0),
    (GAUSSIAN, 1, 3, 0.2, 0.1),
    (GAUSSIAN.mirrored(), 1, 3, 0.2, 0.1),
    (GAUSSIAN, 1, 1, 0.999 * 1.3 / (2 * 1.69 + 0.49), 0.0),
    (QUIET, 1, 2, 0.1, 0.03),
    (WALL, 1, 1, 0.2, 0.0),
    (WALL, 1, 1, 0.2, 0.4),
    (CONSTANT, 1, 2, 0.3, 0.1),
    (GAUSSIAN, 2, 1, 0.05, 0.0),
    (GAUSSIAN, 2, 4, 1.0, 0.0),
    (CONSTANT, 2, 1, 0.3, 0.0),
    (WALL, 2, 1, 0.1, 0.0),
    (GAUSSIAN.mirrored(), 3, 2, 0.1, 0.0),
    (GAUSSIAN, 3, 2, 1e-4, 0.0),
]


@pytest.mark.slow
@pytest.mark.parametrize(("moments", "depth", "width", "temperature", "decay"), CASES)
def test_general_tool_finds_the_stationary_laws(
    moments: DataMoments, depth: int, width: int, temperature: float, decay: float
) -> None:
    """Ends, mean, variance and distribution function of the general tool are those of the law, to 1e-9."""
    law = stationary_law(moments, depth=depth, width=width, temperature=temperature, weight_decay=decay)
    network = network_diffusion(
        moments, depth=depth, width=width, temperature=temperature, weight_decay=decay
    )
    profile = profile_of(network.diffusion())
    assert network.interval == law.support
    assert [(end.kind, end.attracting) for end in (profile.low, profile.high)] == [
        (boundary.kind, boundary.attracting) for boundary in law.boundaries
    ]
    found = long_run(profile).density
    assert found is not None
    assert found.mean == pytest.approx(law.mean, rel=1e-9)
    assert found.variance == pytest.approx(law.variance, rel=1e-9)
    points = law.quantile([1e-3, 0.2, 0.5, 0.9, 1 - 1e-6])
    np.testing.assert_allclose(found.cdf(points), law.cdf(points), atol=1e-9)
    inside = points[np.abs(points) > 1e-300]
    np.testing.assert_allclose(found.density(inside), law.pdf(inside), rtol=1e-8)


# Depth, width, slope, variance of the noise, T, E[v], Var[v], p(slope), P(v < slope): by two quadratures.
REFERENCE_TABLE = [
    (1, 1, 1.0, 1.0, 0.05, 0.937630829186, 0.119801794668, 1.253140728869, 0.617609566188),
    (1, 1, 1.0, 1.0, 0.2, 0.580905119904, 0.372096681717, 0.466703267758, 0.800414607173),
    (1, 3, 0.7, 0.5, 0.1, 0.631531424748, 0.087654930462, 1.478699133729, 0.646162255212),
    (2, 1, 1.0, 1.0, 0.05, 0.870142810385, 0.154699258937, 0.981198360718, 0.690838274327),
]


@pytest.mark.parametrize("row", REFERENCE_TABLE)
def test_general_tool_gives_the_reference_table(row: tuple[float, ...]) -> None:
    """Mean, variance, density and distribution function of published laws, to 1e-9."""
    depth, width, slope, noise_variance, t, mean, variance, density, below = row
    data = DataMoments.from_gaussian(slope, math.sqrt(noise_variance))
    network = network_diffusion(data, depth=int(depth), width=int(width), temperature=t)
    found = long_run(profile_of(network.diffusion())).density
    assert found is not None
    numbers = [found.mean, found.variance, float(found.density(slope)), float(found.cdf(slope))]
    assert numbers == pytest.approx([mean, variance, density, below], rel=1e-9)


@pytest.mark.parametrize(("moments", "depth", "width", "temperature", "decay"), CASES)
def test_expressions_are_the_reduced_sde(
    moments: DataMoments, depth: int, width: int, temperature: float, decay: float
) -> None:
    """Drift and noise of the expressions are those of the coefficients, mirrored where v < 0."""
    c = network_coefficients(
        moment_arrays(moments),
        depth=depth,
        width=np.array([float(width)]),
        temperature=np.array([temperature]),
        weight_decay=np.array([decay]),
    )
    problem = network_diffusion(
        moments, depth=depth, width=width, temperature=temperature, weight_decay=decay
    ).diffusion()
    sign = -1.0 if depth and moments.beta2 < 0 else 1.0
    low, high = sorted((sign * problem.low, sign * problem.high))
    v = np.linspace(max(low, -3.0), min(high, 4.0), 12)[1:-1]
    np.testing.assert_allclose(sign * problem.drift(sign * v), c.drift(v), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(problem.variance(sign * v), c.diffusion(v) ** 2, rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.35, 1.0])
def test_beyond_the_critical_temperature_only_the_atom_is_left(temperature: float) -> None:
    """The general tool finds that v = 0 attracts from Tc = 0.336 on."""
    run = long_run(profile_of(network_diffusion(GAUSSIAN, depth=1, temperature=temperature).diffusion()))
    assert (run.kind, run.atoms) == ("atoms", ((0.0, 1.0),))


@pytest.mark.parametrize(("depth", "attracting"), [(1, True), (2, True), (3, True)])
def test_the_wrong_sign_dies_out(depth: int, attracting: bool) -> None:
    """In the sector whose sign is not that of E[xy] all paths tend to 0, at any temperature."""
    network = network_diffusion(GAUSSIAN, depth=depth, temperature=0.05, start=-0.5)
    assert network.interval == (-math.inf, 0.0)
    profile = profile_of(network.diffusion())
    assert profile.high.attracting is attracting
    assert long_run(profile).atoms == ((0.0, 1.0),)


def test_zeros_of_the_noise_cut_the_line() -> None:
    """The interval of a start ends at v = 0 for depth >= 1 and where g vanishes."""
    assert interval_of(WALL, 0.2, depth=1) == (0.0, 0.5)
    assert interval_of(WALL, 0.7, depth=2) == (0.5, math.inf)
    assert interval_of(WALL, -0.7, depth=1) == (-math.inf, 0.0)
    assert interval_of(WALL, -0.7, depth=0) == (-math.inf, 0.5)
    assert interval_of(GAUSSIAN, -0.7, depth=0) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("temperature", {"temperature": 0.0}),
        ("weight_decay", {"weight_decay": -1.0}),
        ("model.depth", {"depth": -1}),
        ("model.width", {"width": 0}),
        ("start", {"start": 0.0}),
        ("start", {"start": math.inf}),
    ],
)
def test_bad_arguments_are_refused_by_field(field: str, changed: dict[str, float]) -> None:
    """Every argument outside its range names its field."""
    arguments: dict[str, float] = {"depth": 1, "temperature": 0.1, **changed}
    with pytest.raises(InvalidModelError) as refused:
        network_diffusion(GAUSSIAN, **arguments)  # type: ignore[arg-type]
    assert refused.value.field == field
