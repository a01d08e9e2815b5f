"""Relaxation of diagonal networks: exact spectra of special cases, and critical slowing down."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise_solver.errors import UnsupportedCombinationError
from equipoise_solver.theory import DataMoments
from equipoise_solver.theory.reduced.relaxation import relaxation, two_layer_continuum

GAUSSIAN = DataMoments.from_gaussian(1.3, 0.7)
CONSTANT = DataMoments.from_values(0.0, 0.0, 0.7, 1.2, 0.9)


@pytest.mark.slow
def test_constant_noise_gives_the_spectrum_of_a_morse_potential() -> None:
    """Two layers, alpha1 = 0: rates n*4*(beta2 - T alpha3) - 8 n^2 T alpha3 below the continuum, to 1e-7.

    log v is a Brownian motion in the potential of Morse; n < (beta2 - T alpha3)/(4 T alpha3).
    """
    for t, n_below in ((0.05, 3), (0.1, 2)):
        n = np.arange(1, n_below + 1)
        exact = n * 4.0 * (0.9 - t * 0.7) - 8.0 * n**2 * t * 0.7
        found = relaxation(CONSTANT, depth=1, temperature=t, count=n_below)
        np.testing.assert_allclose(found.spectrum.rates[:n_below], exact, rtol=1e-7)
        assert found.rate == pytest.approx(exact[0], rel=1e-7)
        assert found.time == pytest.approx(1.0 / exact[0], rel=1e-7)


@pytest.mark.parametrize("width", [1, 3])
def test_linear_regression_relaxes_at_the_rate_of_gradient_flow(width: int) -> None:
    """Depth 0: the gap is 2 (d beta1 + gamma) at every temperature that has a variance, and so is 1/tau."""
    rate = 2.0 * (width * GAUSSIAN.beta1 + 0.2)
    found = relaxation(GAUSSIAN, depth=0, width=width, temperature=0.05, weight_decay=0.2, count=1)
    assert found.rate == pytest.approx(rate, rel=1e-7)
    assert found.autocorrelation_time == pytest.approx(1.0 / rate, rel=1e-7)


@pytest.mark.parametrize(("depth", "width"), [(1, 1), (2, 1), (3, 2)])
def test_cold_networks_relax_like_gradient_flow(depth: int, width: int) -> None:
    """As T -> 0 the gap is 2 a k^q beta1, the slope of the drift at the least-squares point."""
    amplitude = (depth + 1) * width ** (2 / (depth + 1) - 1)
    rate = 2.0 * amplitude * 1.3 ** (2 * depth / (depth + 1))
    found = relaxation(GAUSSIAN, depth=depth, width=width, temperature=1e-4, count=1)
    assert found.rate == pytest.approx(rate, rel=2e-3)


def test_two_layers_slow_down_critically() -> None:
    """Near Tc the gap is the edge of the continuum, alpha3 (Tc - T)^2/(2T), and the time diverges."""
    alpha3 = 2 * 1.69 + 0.49
    critical = 1.3 / alpha3
    times = []
    for fraction in (0.5, 0.9, 0.95):
        t = fraction * critical
        found = relaxation(GAUSSIAN, depth=1, temperature=t, count=1)
        edge = alpha3 * (critical - t) ** 2 / (2 * t)
        assert found.rate == pytest.approx(edge, rel=1e-6)
        assert float(two_layer_continuum(GAUSSIAN, t)) == pytest.approx(edge, rel=1e-12)
        assert found.time is not None
        times.append(found.time)
    assert times[2] / times[1] == pytest.approx(4.0 * 0.95 / 0.9, rel=1e-5)


def test_networks_that_end_at_zero_have_no_relaxation() -> None:
    """Beyond Tc, and for deep networks with weight decay, there is no density to relax to."""
    for depth, t, decay in ((1, 0.5, 0.0), (2, 0.05, 0.02)):
        with pytest.raises(UnsupportedCombinationError) as refused:
            relaxation(GAUSSIAN, depth=depth, temperature=t, weight_decay=decay)
        assert refused.value.field == "temperature"
