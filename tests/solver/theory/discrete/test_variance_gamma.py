"""The closed form of a step's law for Gaussian data, against 30-digit quadrature."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from equipoise_solver.theory.discrete.variance_gamma import density, log_bessel


@pytest.mark.parametrize("order", [0.0, 0.5, 1.0, 1.5, 3.5, 7.0, 11.5, 12.0, 12.5, 31.5, 200.0])
def test_bessel_functions_of_any_order_have_13_digits(order: float) -> None:
    """log(z^nu K_nu(z) e^z) against mpmath, through the recursion and the expansion for large orders."""
    z = np.array([1e-30, 1e-8, 1e-3, 0.1, 0.7, 1.0, 3.0, 10.0, 50.0, 300.0, 1e4])
    with mp.workdps(40):
        exact = [order * mp.log(mp.mpf(a)) + mp.log(mp.besselk(order, mp.mpf(a))) + mp.mpf(a) for a in z]
    for found, reference in zip(log_bessel(order, z), exact, strict=True):
        assert abs(float(found - reference)) <= 2e-13 * max(1.0, abs(float(reference)))


@pytest.mark.parametrize("degrees", [1, 2, 3, 16, 60])
@pytest.mark.parametrize("location", [-0.7, 0.0, 0.03, 2.5])
def test_density_is_the_chi_square_mixture_of_normals(degrees: int, location: float) -> None:
    """The density is the integral over W of N(x; location W, scale^2 W), to 1e-10."""
    scale = 0.45
    middle = degrees * location
    spread = float(np.sqrt(degrees * (scale**2 + 2 * location**2)))
    x = middle + spread * np.array([-2.3, -0.6, 0.4, 1.7])
    found = density(x, np.full(4, location), scale, degrees)
    for point, value in zip(x, found, strict=True):
        assert value == pytest.approx(float(_mixture(float(point), location, scale, degrees)), rel=1e-10)


def _mixture(x: float, location: float, scale: float, degrees: int) -> mp.mpf:
    """Integral over log W, whose integrand is smooth and dies at both ends."""
    with mp.workdps(25):
        half = mp.mpf(degrees) / 2

        def integrand(logarithm: mp.mpf) -> mp.mpf:
            w = mp.exp(logarithm)
            chi = w**half * mp.exp(-w / 2) / (2**half * mp.gamma(half))
            normal = mp.exp(-((x - location * w) ** 2) / (2 * scale**2 * w))
            return chi * normal / (scale * mp.sqrt(2 * mp.pi * w))

        return mp.quad(integrand, [-30, -10, -5, -2, 0, 1, 2, 3, 4, 5, 6, 8])


def test_singularity_of_one_sample_is_cut_not_infinite() -> None:
    """For one degree of freedom the density grows like -log|x|, and is a number at 0."""
    near, at = density(np.array([1e-12, 0.0]), np.zeros(2), 1.3, 1)
    assert np.isfinite(at)
    # K_0(z) = -log(z/2) - 0.5772..., and the density is K_0(|x|/c)/(pi c).
    assert near == pytest.approx((-np.log(1e-12 / 2.6) - np.euler_gamma) / (np.pi * 1.3), rel=1e-12)
