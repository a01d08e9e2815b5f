"""Moments of data: closed forms, exactness where digits cancel, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory import DataMoments


def test_gaussian_data_have_the_moments_of_the_example() -> None:
    """x ~ N(0, 1), y = k x + N(0, s^2): alpha = (2, 2k, 2k^2 + s^2), beta = (1, k), Delta = 2 s^2."""
    m = DataMoments.from_gaussian(0.7, 1.3)
    assert (m.alpha1, m.alpha2, m.beta1, m.beta2, m.root) == (2.0, 1.4, 1.0, 0.7, 0.7)
    assert m.alpha3 == pytest.approx(2 * 0.49 + 1.69, rel=1e-15)
    assert m.delta == pytest.approx(2 * 1.69, rel=1e-15)


def test_delta_of_gaussian_data_does_not_cancel() -> None:
    """Delta keeps all its digits when the noise is 1e-12 of the signal."""
    assert DataMoments.from_gaussian(3.0, 1e-12, 2.0).delta == pytest.approx(2 * 2.0**6 * 1e-24, rel=1e-14)


@pytest.mark.parametrize("noise_std", [0.3, 1e-7])
def test_samples_of_gaussian_quadrature_have_gaussian_moments(noise_std: float) -> None:
    """A Gauss-Hermite rule, points repeated by weight, is an empirical law with Gaussian moments."""
    # Three points at 0, +-sqrt(3) with weights 4, 1, 1 have the first five moments of a Gaussian.
    atoms = np.sqrt(3.0) * np.array([-1.0, 0, 0, 0, 0, 1.0])
    x, noise = (grid.ravel() for grid in np.meshgrid(1.7 * atoms, noise_std * atoms))
    found, exact = (
        DataMoments.from_samples(x, 0.6 * x + noise),
        DataMoments.from_gaussian(0.6, noise_std, 1.7),
    )
    for name in ("alpha1", "alpha2", "alpha3", "beta1", "beta2", "root"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), rel=1e-13)
    # y itself is rounded, which moves the noise by 1e-16 of the signal.
    assert found.delta == pytest.approx(exact.delta, rel=1e-13 + 1e-15 / noise_std)


def test_values_agree_with_gaussian_constructor() -> None:
    """Moments given as numbers describe the same data as the constructor that made them."""
    m = DataMoments.from_gaussian(0.7, 1.3, 0.9)
    again = DataMoments.from_values(m.alpha1, m.alpha2, m.alpha3, m.beta1, m.beta2)
    assert again.delta == pytest.approx(m.delta, rel=1e-14)
    assert again.noise(0.4) == pytest.approx(m.alpha1 * 0.16 - 0.8 * m.alpha2 + m.alpha3, rel=1e-14)


@pytest.mark.parametrize(
    "moments",
    [
        DataMoments.from_values(2.0, 0.3 * 2.0, 0.09 * 2.0, 1.0, 0.3),
        DataMoments.from_samples([0.3, 1.1, -2.7], [0.1 * 0.3, 0.1 * 1.1, 0.1 * -2.7]),
        DataMoments.from_gaussian(0.3, 0.0),
    ],
)
def test_noiseless_data_have_delta_zero_despite_rounding(moments: DataMoments) -> None:
    """y = k x gives Delta = 0 exactly by every constructor."""
    assert moments.delta == 0.0
    assert moments.noise(moments.root) == 0.0


def test_inverse_targets_interpolate_nowhere() -> None:
    """y = k x - c/x has Delta = 0 with beta2 = k*beta1 - c, not k*beta1 - k*c."""
    x = np.array([0.5, 1.2, -0.8, 2.1])
    k, c = 0.7, 0.4
    m = DataMoments.from_samples(x, k * x - c / x)
    assert m.delta == 0.0
    assert m.root == pytest.approx(k, rel=1e-14)
    assert m.beta2 == pytest.approx(k * m.beta1 - c, rel=1e-14)


def test_constant_inputs_have_constant_noise() -> None:
    """x = +-1: alpha1 = 0 and g is the variance of x*y everywhere."""
    m = DataMoments.from_samples([1.0, -1.0, 1.0, -1.0], [0.5, -1.0, 0.25, -0.75])
    assert m.alpha1 == 0.0
    assert m.noise(17.0) == m.alpha3 == pytest.approx(np.var([0.5, 1.0, 0.25, 0.75]), rel=1e-15)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: DataMoments.from_gaussian(1.0, -1.0), "data.noise_std"),
        (lambda: DataMoments.from_gaussian(1.0, 1.0, 0.0), "data.input_std"),
        (lambda: DataMoments.from_gaussian(float("nan"), 1.0), "data.slope"),
        (lambda: DataMoments.from_values(-1.0, 0.0, 1.0, 1.0, 1.0), "data.alpha1"),
        (lambda: DataMoments.from_values(1.0, 1.1, 1.0, 1.0, 1.0), "data.alpha2"),
        (lambda: DataMoments.from_values(1.0, 0.0, 1.0, 0.0, 1.0), "data.beta1"),
        (lambda: DataMoments.from_samples([], []), "data.x"),
        (lambda: DataMoments.from_samples([1.0, 2.0], [1.0]), "data.y"),
        (lambda: DataMoments.from_samples([1.0, float("inf")], [1.0, 1.0]), "data.x"),
        (lambda: DataMoments.from_samples([0.0, 0.0], [1.0, 1.0]), "data.x"),
    ],
)
def test_nonsense_is_refused_by_field(make: object, field: str) -> None:
    """Data that cannot exist are refused, naming the field."""
    assert callable(make)
    with pytest.raises(InvalidModelError) as refused:
        make()
    assert refused.value.field == field


@pytest.mark.parametrize("slope", [0.7, -1.3, 0.123456789])
@pytest.mark.parametrize("digits", [10, 12, 14])
def test_rounded_moments_of_noiseless_data_are_accepted(slope: float, digits: int) -> None:
    """y = k x with moments rounded downwards in alpha3: delta counts as 0 and the data interpolate."""
    exact = DataMoments.from_gaussian(slope, 0.0, 1.1)
    shrunk = exact.alpha3 * (1.0 - 4.0 * 10.0**-digits)
    m = DataMoments.from_values(exact.alpha1, exact.alpha2, shrunk, exact.beta1, exact.beta2)
    assert m.delta == 0.0
    assert m.root == m.minimum


def test_moments_beyond_rounding_are_refused() -> None:
    """alpha2**2 may exceed alpha1*alpha3 by 1e-9 of itself, as in the specs, and by no more."""
    assert DataMoments.from_values(1.0, 1.0, 1.0 - 0.99e-9, 1.0, 1.0).delta == 0.0
    with pytest.raises(InvalidModelError):
        DataMoments.from_values(1.0, 1.0, 1.0 - 1.01e-9, 1.0, 1.0)
    assert DataMoments.from_values(1.0, 1.0, 1.0 + 1e-12, 1.0, 1.0).delta == pytest.approx(1e-12, rel=1e-3)
