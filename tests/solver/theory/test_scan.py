"""Scans of two-layer laws by compiled quadrature, against single laws, 30-digit quadrature and themselves."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.quadrature import GaussianNetwork, reference_law

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory import DataMoments, MomentArrays, scan, stationary_law
from equipoise_solver.theory.coefficients import Coefficients, network_coefficients
from equipoise_solver.theory.two_layer_scan import two_layer_moments

N = GaussianNetwork


def broad_sample(rng: np.random.Generator, n: int) -> tuple[MomentArrays, NDArray[np.float64]]:
    """Data and temperatures over many decades: half Gaussian, half any moments; T/Tc in 1e-8 .. 0.9999."""

    def decades(width: float) -> NDArray[np.float64]:
        return 10.0 ** rng.uniform(-width, width, n)

    gaussian = MomentArrays.from_gaussian(decades(1.5), decades(2.5), decades(1.0))
    other = (decades(3), rng.choice([-1.0, 1.0], n) * decades(2), decades(3), decades(2), decades(2))
    is_other = rng.random(n) < 0.5
    moments = MomentArrays(*(np.where(is_other, b, a) for a, b in zip(astuple(gaussian), other, strict=True)))
    logarithmic, even, near = (
        10.0 ** rng.uniform(-8, 0, n),
        rng.uniform(0, 1, n),
        1 - 10.0 ** rng.uniform(-4, -1, n),
    )
    fraction = np.minimum(np.choose(rng.integers(3, size=n), [logarithmic, even, near]), 0.9999)
    return moments, fraction * moments.beta2 / (moments.alpha1 * moments.root**2 + moments.floor)


def single(moments: MomentArrays, index: int) -> DataMoments:
    alpha1, root, floor, beta1, beta2 = (float(column[index]) for column in astuple(moments))
    alpha3 = alpha1 * root * root + floor
    return DataMoments(alpha1, alpha1 * root, alpha3, beta1, beta2, alpha1 * floor, root)


def coefficients(moments: MomentArrays, temperature: NDArray[np.float64]) -> Coefficients:
    names = ("alpha1", "root", "floor", "beta1", "beta2")
    ones = np.ones(temperature.size)
    fields = {name: getattr(moments, name) for name in names}
    return network_coefficients(fields, depth=1, width=ones, temperature=temperature, weight_decay=0 * ones)


@pytest.mark.slow
def test_scan_is_the_single_laws_over_decades_of_parameters(rng: np.random.Generator) -> None:
    """Mean and variance are those of the laws integrated one by one on adaptive panels, to 1e-9."""
    moments, t = broad_sample(rng, 150)
    found = scan(moments, t, depth=1)
    laws = [stationary_law(single(moments, i), depth=1, temperature=float(t[i])) for i in range(t.size)]
    for name, tolerance in (("mean", 1e-9), ("variance", 1e-9), ("mode", 1e-12)):
        numbers = [getattr(law, name) for law in laws]
        exact = np.array([math.nan if number is None else number for number in numbers])
        np.testing.assert_allclose(found[name], exact, rtol=tolerance)


def test_the_compiled_rule_resolves_nearly_every_law(rng: np.random.Generator) -> None:
    """At most 3 % of laws over decades of parameters are left to adaptive panels."""
    moments, t = broad_sample(rng, 3000)
    mean, variance = two_layer_moments(coefficients(moments, t))
    assert np.mean(np.isnan(mean)) < 0.03
    assert np.array_equal(np.isnan(mean), np.isnan(variance))


def test_no_law_of_ordinary_data_is_left_to_adaptive_panels() -> None:
    """Gaussian data of order one are all resolved by the compiled rule, from T = 1e-8 to 0.999 Tc."""
    slope, noise, fraction = np.meshgrid([0.3, 1.0, 2.0], [0.3, 1.0, 2.0], np.geomspace(1e-6, 0.999, 40))
    moments = MomentArrays.from_gaussian(slope.ravel(), noise.ravel())
    t = np.maximum(1e-8, fraction.ravel() * moments.beta2 / (2 * moments.root**2 + moments.floor))
    moments = MomentArrays(*(np.broadcast_to(column, t.shape) for column in astuple(moments)))
    mean, variance = two_layer_moments(coefficients(moments, t))
    assert np.all(np.isfinite(mean) & np.isfinite(variance))


CORNERS = [
    N(1.0, 1.0, 0.05, 1),
    N(1.3, 0.7, 1e-8, 1),
    N(1.3, 0.7, 0.999 * 1.3 / (2 * 1.69 + 0.49), 1),
    N(1.3, 0.7, 0.999999 * 1.3 / (2 * 1.69 + 0.49), 1),
    N(0.7, 1e-3, 0.5, 1),
    N(0.7, 1e-3, 0.7, 1, weight_decay=1e-3),
    N(0.7, 1e3, 0.9 * 0.7 / (0.98 + 1e6), 1),
    N(0.7, 1.3, 0.1, 1, weight_decay=0.05, input_std=0.6),
]


@pytest.mark.slow
@pytest.mark.parametrize("network", CORNERS, ids=str)
def test_corners_agree_with_independent_quadrature(network: GaussianNetwork) -> None:
    """Mean and variance agree with 30-digit quadrature to 1e-9, resolved by the compiled rule."""
    moments = MomentArrays.stack(
        [DataMoments.from_gaussian(network.slope, network.noise_std, network.input_std)]
    )
    found = scan(moments, network.temperature, depth=1, weight_decay=network.weight_decay)
    exact = reference_law(network, points=[network.slope])
    assert found["mean"][0] == pytest.approx(exact.mean, rel=1e-9)
    assert found["variance"][0] == pytest.approx(exact.variance, rel=1e-9)


DEGENERATE = {
    "constant noise": MomentArrays.stack([DataMoments.from_values(0.0, 0.0, 0.7, 1.2, 0.9)]),
    "no floor, root in the other sector": MomentArrays.stack(
        [DataMoments.from_values(0.5, -0.5, 0.5, 1.2, 0.9)]
    ),
    "a wall": MomentArrays.stack([DataMoments.from_values(0.5, 0.25, 0.125, 1.2, 0.9)]),
    "next to no floor": MomentArrays(*(np.array([x]) for x in (2.0, 1.3, 1e-24, 1.0, 1.3))),
    "next to no curvature": MomentArrays(*(np.array([x]) for x in (1e-30, 0.4, 0.7, 1.2, 0.9))),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_data_have_the_numbers_of_single_laws(name: str) -> None:
    """Data that the compiled rule cannot take, or only just, get the numbers of the single law."""
    moments = DEGENERATE[name]
    for t in (1e-8, 0.05, 0.4):
        law, found = stationary_law(single(moments, 0), depth=1, temperature=t), scan(moments, t, depth=1)
        assert found["phase"][0] == law.phase
        assert found["mean"][0] == pytest.approx(law.mean, rel=1e-9)
        assert found["variance"][0] == pytest.approx(law.variance, rel=1e-9)


def test_laws_too_sharp_for_the_rule_are_integrated_on_panels() -> None:
    """Far below the temperatures that the compiled rule takes, the variance is still T g(k)/(2 slope)."""
    found = scan(DataMoments.from_gaussian(1.3, 0.7), 1e-16, depth=1)
    assert float(found["mean"]) == pytest.approx(1.3, rel=1e-14)
    assert float(found["variance"]) == pytest.approx(1e-16 * 0.49 * 1.3, rel=1e-6)


def test_numbers_do_not_depend_on_the_company(rng: np.random.Generator) -> None:
    """A point has the same bits alone, in a long scan on all threads, and in another order."""
    n = 5000
    slope, t = rng.uniform(0.5, 2.0, n), rng.uniform(0.01, 0.1, n)
    whole = scan(MomentArrays.from_gaussian(slope, 0.7), t, depth=1)
    backwards = scan(MomentArrays.from_gaussian(slope[::-1], 0.7), t[::-1], depth=1)
    for name in ("mean", "variance", "mode"):
        assert np.array_equal(whole[name], backwards[name][::-1])
        alone = [scan(DataMoments.from_gaussian(slope[i], 0.7), t[i], depth=1)[name] for i in (0, 1023, 4999)]
        assert whole[name][[0, 1023, 4999]].tolist() == alone


def test_mirrored_data_have_mirrored_means(rng: np.random.Generator) -> None:
    """The sign of E[xy] turns mean and mode, and nothing else."""
    slope, t = rng.uniform(0.5, 2.0, 50), rng.uniform(0.01, 0.1, 50)
    found, turned = (scan(MomentArrays.from_gaussian(s, 0.7), t, depth=1) for s in (slope, -slope))
    assert np.array_equal(found["mean"], -turned["mean"])
    assert np.array_equal(found["variance"], turned["variance"])


def test_nan_in_a_scan_is_refused() -> None:
    """A parameter that is no number is refused by field, however long the array."""
    t = np.full(5000, 0.1)
    t[4321] = math.nan
    with pytest.raises(InvalidModelError) as refused:
        scan(DataMoments.from_gaussian(1.0, 1.0), t, depth=1)
    assert refused.value.field == "temperature"
