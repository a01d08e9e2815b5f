"""The reduced diffusion against the parameter dynamics, laws against its flux, Feller's boundaries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise_solver.theory import DataMoments, stationary_law
from equipoise_solver.theory.boundaries import (
    Boundary,
    infinite_boundary,
    wall_boundary,
    zero_boundary,
)
from equipoise_solver.theory.coefficients import Coefficients, moment_arrays, network_coefficients

DATA = DataMoments.from_gaussian(1.3, 0.7, 0.9)


def coefficients(
    moments: DataMoments, depth: int, *, temperature: float = 0.11, width: int = 1, decay: float = 0.0
) -> Coefficients:
    return network_coefficients(
        moment_arrays(moments),
        depth=depth,
        width=np.array([float(width)]),
        temperature=np.array([temperature]),
        weight_decay=np.array([decay]),
    )


@pytest.mark.parametrize(("depth", "width"), [(0, 1), (0, 3), (1, 1), (1, 4), (2, 1), (2, 5), (7, 2)])
def test_reduced_diffusion_is_that_of_balanced_parameters(depth: int, width: int) -> None:
    """Ito's formula for v = sum_i prod_k u, at balance, gives drift and noise from parameter dynamics."""
    t, gamma, n = 0.11, 0.03, depth + 1
    v = np.array([0.2, 0.8, 1.7, 5.0])
    u = (v / width) ** (1.0 / n)
    # Each parameter: du = [-2 u^D (beta1 v - beta2) - 2 gamma u] dt + 2 u^D sqrt(T g) dW, one dW for all.
    pull = -2.0 * u**depth * (DATA.beta1 * v - DATA.beta2) - 2.0 * gamma * u
    shake = 2.0 * u**depth * np.sqrt(t * DATA.noise(v))
    drift = width * (n * u**depth * pull + 0.5 * n * (n - 1) * u ** max(n - 2, 0) * shake**2)
    noise = width * n * u**depth * shake
    c = coefficients(DATA, depth, temperature=t, width=width, decay=gamma)
    np.testing.assert_allclose(c.drift(v), drift, rtol=1e-12)
    np.testing.assert_allclose(c.diffusion(v), noise, rtol=1e-12)


@pytest.mark.parametrize(
    ("depth", "temperature", "decay", "moments"),
    [
        (0, 0.11, 0.2, DATA),
        (1, 0.11, 0.1, DATA),
        (1, 0.3, 0.0, DATA),
        (2, 0.11, 0.0, DATA),
        (2, 0.05, 0.02, DATA),
        (5, 2.0, 0.0, DATA),
        (1, 0.1, 0.0, DataMoments.from_values(2.0, 2.0, 2.0, 1.0, 1.3)),
        (1, 0.1, 0.1, DataMoments.from_gaussian(1.0, 0.0)),
        (3, 0.1, 0.0, DataMoments.from_values(2.0, 2.0, 2.0, 1.0, 0.8)),
        (0, 0.1, 0.0, DataMoments.from_values(2.0, 2.0, 2.0, 1.0, 0.8)),
        (2, 0.1, 0.0, DataMoments.from_values(2.0, 0.0, 0.0, 1.0, 0.3)),
        (2, 0.1, 0.0, DataMoments.from_values(0.0, 0.0, 1.1, 1.0, 0.3)),
    ],
)
def test_laws_carry_no_probability_flux(
    depth: int, temperature: float, decay: float, moments: DataMoments
) -> None:
    """drift*p = (diffusion^2 p)'/2 everywhere: the density is stationary, by differences of log_pdf."""
    law = stationary_law(moments, depth=depth, temperature=temperature, weight_decay=decay)
    c = coefficients(moments, depth, temperature=temperature, decay=decay)
    v = law.quantile([0.02, 0.2, 0.5, 0.8, 0.98])
    low, high = law.support
    step = 1e-3 * np.minimum(np.minimum(v - low, high - v), np.sqrt(law.variance or 1.0))

    def current(points: np.ndarray) -> np.ndarray:
        return np.asarray(law.log_pdf(points) + 2.0 * np.log(c.diffusion(points)))

    weights = {1: 672.0, 2: -168.0, 3: 32.0, 4: -3.0}
    slope = sum(w * (current(v + j * step) - current(v - j * step)) for j, w in weights.items())
    slope = slope / (840.0 * step)
    expected = 2.0 * c.drift(v) / c.diffusion(v) ** 2
    scale = np.abs(expected) + 1.0 / np.sqrt(law.variance or 1.0)
    assert np.max(np.abs(slope - expected) / scale) < 1e-9


def feller(c: Coefficients, *, at: float, side: float) -> Boundary:
    """Feller's test from the local powers of scale and speed densities near an end, by drift and noise alone.

    u is the distance to the end (1/|v| at infinity), s(u) the scale density per du: attracting iff its
    local power exceeds -1. Then s*u and m*u estimate the inner integrals up to their own powers, so that
    the double integral that decides access (or entrance) has the integrand u/(sigma_u^2 (1 + |power|)),
    finite iff its power exceeds -1.
    """

    def local(u: float) -> tuple[float, float]:
        v = np.array([side / u if math.isinf(at) else at + side * u])
        dv_du = float(-side / u**2 if math.isinf(at) else side)
        variance = float(c.diffusion(v)[0]) ** 2
        drift_log = 2.0 * float(c.drift(v)[0]) / variance * dv_du * u
        # d log(s dv/du)/d log u with s = exp(-int 2 drift/variance dv).
        power = -drift_log + (-2.0 if math.isinf(at) else 0.0)
        return power, u / (variance / dv_du**2) / (1.0 + abs(power))

    near, far = 1e-14, 1e-12
    power, inner = local(near)
    access = math.log(local(far)[1] / inner) / math.log(far / near)
    attracting, finite = power > -1.0 + 1e-9, access > -0.97
    kind = ("exit" if finite else "natural") if attracting else ("entrance" if finite else "natural")
    return Boundary(at, kind, attracting)  # type: ignore[arg-type]


VARIANTS = {
    "plain": DATA,
    "no signal": DataMoments.from_values(2.0, 0.3, 1.0, 1.0, 0.0),
    "constant noise": DataMoments.from_values(0.0, 0.0, 1.1, 1.0, 0.3),
    "no noise at 0": DataMoments.from_values(2.0, 0.0, 0.0, 1.0, 0.3),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("temperature", [0.02, 5.0])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_boundaries_of_sectors_follow_from_scale_and_speed(
    variant: str, depth: int, temperature: float, decay: float
) -> None:
    """v = 0 and infinity have the kind that Feller's test reads off drift and noise."""
    c = coefficients(VARIANTS[variant], depth, temperature=temperature, decay=decay)
    assert zero_boundary(c) == feller(c, at=0.0, side=1.0)
    assert infinite_boundary(c) == feller(c, at=math.inf, side=1.0)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("alpha1", [2.0, 0.0])
def test_infinity_of_depth_zero_is_natural(side: float, alpha1: float) -> None:
    """Linear drift and at most linear noise neither reach infinity nor return from it."""
    c = coefficients(DataMoments.from_values(alpha1, 0.0, 1.1, 1.0, 0.3), 0)
    assert infinite_boundary(c, at=side * math.inf) == feller(c, at=side * math.inf, side=side)


@pytest.mark.parametrize("beta2", [0.8, 1.0, 1.3])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_walls_let_paths_out_on_the_side_of_the_force(beta2: float, depth: int) -> None:
    """Where g vanishes: entrance to the side the force points to; natural, attracting without force."""
    # At v = 1 with root 1 the distances u = 1e-12 are exact to 1e-4 only, which is enough for powers.
    c = coefficients(DataMoments.from_values(2.0, 2.0, 2.0, 1.0, beta2), depth)
    side = 1.0 if beta2 > 1.0 else -1.0
    found = feller(c, at=1.0, side=side)
    assert wall_boundary(c, interpolates=beta2 == 1.0) == found
