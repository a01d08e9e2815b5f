"""Properties that every law has, whatever its parameters, and agreement of scan with single laws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory import DataMoments, MomentArrays, StationaryLaw, scan, stationary_law

slopes = st.floats(0.2, 3.0)
noises = st.floats(-3.0, 3.0).map(lambda power: 10.0**power)
depths = st.sampled_from([0, 1, 2, 3, 7])
fractions = st.floats(1e-4, 0.999)


def law_at(slope: float, noise: float, depth: int, fraction: float, **more: Any) -> StationaryLaw:
    """A law at a fraction of the temperature at which depth 1 turns sparse, or depth 0 loses its variance."""
    m = DataMoments.from_gaussian(slope, noise)
    limit = m.beta1 / m.alpha1 if depth == 0 else m.beta2 / m.alpha3
    return stationary_law(m, depth=depth, temperature=fraction * limit, **more)


@settings(max_examples=30, deadline=None)
@given(slopes, noises, depths, fractions)
def test_quantile_inverts_cdf(slope: float, noise: float, depth: int, fraction: float) -> None:
    """cdf(quantile(q)) = q wherever the quantile is a normal number."""
    law = law_at(slope, noise, depth, fraction)
    q = np.array([1e-9, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9])
    v = law.quantile(q)
    assert np.all(np.diff(v) >= 0)
    seen = np.abs(v) > 1e-290
    np.testing.assert_allclose(law.cdf(v)[seen], q[seen], rtol=1e-9)
    assert law.cdf(law.support[0]) == 0.0
    assert law.cdf(law.support[1]) == 1.0


@settings(max_examples=25, deadline=None)
@given(slopes, noises, depths, st.floats(1e-4, 0.99))
def test_density_integrates_to_cdf(slope: float, noise: float, depth: int, fraction: float) -> None:
    """Differences of cdf between bulk quantiles are Gauss-Legendre integrals of pdf (log v for depth > 0)."""
    law = law_at(slope, noise, depth, fraction)
    quantiles = law.quantile(np.linspace(0.3, 0.7, 9))
    edges = np.log(quantiles) if depth else quantiles
    t, w = np.polynomial.legendre.leggauss(12)
    half = 0.5 * np.diff(edges)
    x = 0.5 * (edges[1:] + edges[:-1])[:, None] + half[:, None] * t
    v = np.exp(x) if depth else x
    mass = (law.pdf(v) * (v if depth else 1.0)) @ w * half
    np.testing.assert_allclose(mass, 0.05, rtol=1e-7)


@settings(max_examples=25, deadline=None)
@given(slopes, noises, depths, fractions, st.floats(0.1, 10.0))
def test_rescaled_targets_rescale_the_law(
    slope: float, noise: float, depth: int, fraction: float, factor: float
) -> None:
    """y -> c y maps v -> c v and T -> T/c^q."""
    one = law_at(slope, noise, depth, fraction)
    m = DataMoments.from_gaussian(slope * factor, noise * factor)
    t = fraction * (0.5 if depth == 0 else slope / (2 * slope**2 + noise**2))
    # The exponent of the density, -1/(aT) int (beta1 v - beta2)/(v^q g) dv, scales as 1/(T c^q).
    again = stationary_law(m, depth=depth, temperature=t / factor ** (2 * depth / (depth + 1)))
    assert again.mean == pytest.approx(factor * (one.mean or 0.0), rel=1e-9)
    assert again.variance == pytest.approx(factor**2 * (one.variance or 0.0), rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(slopes, noises, depths, fractions, st.floats(0.3, 3.0))
def test_rescaled_inputs_rescale_the_temperature(
    slope: float, noise: float, depth: int, fraction: float, factor: float
) -> None:
    """x -> c x maps v -> v/c and T -> T/c^(2-q)."""
    t = fraction * (0.5 if depth == 0 else slope / (2 * slope**2 + noise**2))
    one = stationary_law(DataMoments.from_gaussian(slope, noise), depth=depth, temperature=t)
    m = DataMoments.from_gaussian(slope / factor, noise, factor)
    power = 2.0 - 2.0 * depth / (depth + 1)
    again = stationary_law(m, depth=depth, temperature=t / factor**power)
    assert again.mean == pytest.approx((one.mean or 0.0) / factor, rel=1e-9)
    assert again.variance == pytest.approx((one.variance or 0.0) / factor**2, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(slopes, noises, depths, fractions)
def test_mirrored_data_mirror_the_law(slope: float, noise: float, depth: int, fraction: float) -> None:
    """y -> -y maps v -> -v."""
    one = law_at(slope, noise, depth, fraction)
    t = fraction * (0.5 if depth == 0 else slope / (2 * slope**2 + noise**2))
    m = DataMoments.from_gaussian(-slope, noise)
    two = stationary_law(m, depth=depth, temperature=t)
    assert m == DataMoments.from_gaussian(slope, noise).mirrored()
    assert two.mean == pytest.approx(-(one.mean or 0.0), rel=1e-10)
    assert two.variance == pytest.approx(one.variance, rel=1e-10)
    v = one.quantile([0.2, 0.5, 0.8])
    np.testing.assert_allclose(two.pdf(-v), one.pdf(v), rtol=1e-9)
    np.testing.assert_allclose(two.cdf(-v), 1 - one.cdf(v), atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(slopes, noises, fractions, st.floats(0.0, 0.5))
def test_two_layers_balance_force_and_noise(
    slope: float, noise: float, fraction: float, share: float
) -> None:
    """Depth 1: E[d log v] = 0 says beta2 - decay - beta1 E[v] = T E[g(v)], an identity of moments."""
    m = DataMoments.from_gaussian(slope, noise)
    decay = share * m.beta2
    t = fraction * (m.beta2 - decay) / m.alpha3
    law = stationary_law(m, depth=1, temperature=t, weight_decay=decay)
    assert law.mean is not None
    assert law.variance is not None
    noise_mean = m.noise(law.mean) + m.alpha1 * law.variance
    assert m.beta2 - decay - m.beta1 * law.mean == pytest.approx(t * noise_mean, abs=1e-11 * m.beta2)


@settings(max_examples=20, deadline=None)
@given(slopes, noises, depths, fractions)
def test_grids_are_fit_for_plots(slope: float, noise: float, depth: int, fraction: float) -> None:
    """sample_grid gives at most n increasing points inside the support at which the density is finite."""
    law = law_at(slope, noise, depth, fraction)
    grid = law.sample_grid(300)
    assert 100 < grid.size <= 300
    assert np.all(np.diff(grid) > 0)
    assert np.all(np.isfinite(law.pdf(grid)))


def test_law_is_normalised_as_documented() -> None:
    """p(v) = v^-power/g(v) exp(...) / exp(log_normalisation), with the exponent 0 at the reference."""
    m = DataMoments.from_gaussian(1.3, 0.7)
    for depth in (0, 1, 2):
        law = stationary_law(m, depth=depth, temperature=0.1)
        assert law.reference is not None
        assert law.log_normalisation is not None
        at = law.reference
        unnormalised = -math.log(m.noise(at)) - 3 * depth / (depth + 1) * math.log(at)
        assert float(law.log_pdf(at)) == pytest.approx(unnormalised - law.log_normalisation, abs=1e-12)


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_scan_agrees_with_single_laws(depth: int, decay: float) -> None:
    """Every point of a scan over slopes, noises and temperatures is the law of that point."""
    slope, noise = np.array([[1.3], [-0.7], [0.0]]), np.array([[0.7], [0.0], [1.0]])
    t = np.array([0.0, 1e-4, 0.05, 0.3, 2.0])
    found = scan(MomentArrays.from_gaussian(slope, noise), t, depth=depth, width=2, weight_decay=decay)
    for (i, j), phase in np.ndenumerate(found["phase"]):
        m = DataMoments.from_gaussian(slope[i, 0], noise[i, 0])
        law = stationary_law(m, depth=depth, width=2, temperature=float(t[j]), weight_decay=decay)
        assert phase == law.phase
        for name in ("mean", "variance", "mode", "critical_temperature"):
            value = getattr(law, name)
            expected = math.nan if value is None else value
            assert found[name][i, j] == pytest.approx(expected, rel=1e-10, nan_ok=True), name


def test_scan_shows_fluctuation_inversion() -> None:
    """Var[v](T) of two layers rises from 0, peaks once and is back at 0 from Tc = 1/3 on."""
    t = np.linspace(0.0, 0.4, 161)
    found = scan(DataMoments.from_gaussian(1.0, 1.0), t, depth=1)
    variance = found["variance"]
    turns = np.flatnonzero(np.diff(np.sign(np.diff(variance[t < 1 / 3]))))
    assert turns.size == 1
    assert 0.15 < t[turns[0]] < 0.25
    assert np.all(variance[t >= 1 / 3] == 0)
    assert set(found["phase"][t >= 1 / 3]) == {"sparse"}


def test_scan_keeps_shapes_and_refuses_nonsense() -> None:
    """A scalar request gives scalars; negative temperatures are refused by field."""
    m = DataMoments.from_gaussian(1.0, 1.0)
    assert scan(m, 0.1, depth=1)["mean"].shape == ()
    assert scan(MomentArrays.stack([m, m.mirrored()]), 0.1, depth=1)["mean"].tolist() == pytest.approx(
        [law_mean(m), -law_mean(m)], rel=1e-12
    )
    with pytest.raises(InvalidModelError) as refused:
        scan(m, [0.1, -0.1], depth=1)
    assert refused.value.field == "temperature"


def law_mean(moments: DataMoments) -> float:
    return stationary_law(moments, depth=1, temperature=0.1).mean or math.nan
