"""Critical temperature, mode, T*, regimes and moments in closed form, against the densities themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from equipoise_solver.theory import DataMoments, StationaryLaw, infinite_depth_law, stationary_law

GAUSSIAN = DataMoments.from_gaussian
VALUES = DataMoments.from_values


def two_layers(moments: DataMoments, temperature: float, weight_decay: float = 0.0) -> StationaryLaw:
    return stationary_law(moments, depth=1, temperature=temperature, weight_decay=weight_decay)


def test_linear_regression_is_student_where_the_mean_is_the_root() -> None:
    """Depth 0 with beta2/beta1 = alpha2/alpha1: Student, 1 + beta1/(T alpha1) degrees of freedom."""
    t, m = 0.13, GAUSSIAN(1.3, 0.7)
    law = stationary_law(m, depth=0, temperature=t)
    degrees = 1.0 + m.beta1 / (t * m.alpha1)
    student = stats.t(degrees, loc=1.3, scale=math.sqrt(m.floor / m.alpha1 / degrees))
    v = np.array([-40.0, -1.0, 1.0, 1.3, 2.0, 1e3])
    np.testing.assert_allclose(law.pdf(v), student.pdf(v), rtol=1e-11)
    np.testing.assert_allclose(law.cdf(v), student.cdf(v), rtol=1e-11, atol=1e-15)
    assert law.variance == pytest.approx(float(student.var()), rel=1e-12)


def test_constant_noise_gives_gaussian_and_gamma_laws() -> None:
    """alpha1 = 0: depth 0 is Gaussian, depth 1 a gamma law of shape (Tc/T - 1)/2."""
    t, m = 0.03, VALUES(0.0, 0.0, 1.1, 1.4, 0.3)
    v = np.array([0.01, 0.1, 0.2, 0.9])
    line = stationary_law(m, depth=0, temperature=t)
    gaussian = stats.norm(0.3 / 1.4, math.sqrt(t * 1.1 / 1.4))
    np.testing.assert_allclose(line.pdf(v), gaussian.pdf(v), rtol=1e-11)
    layers = two_layers(m, t)
    gamma = stats.gamma((0.3 / 1.1 / t - 1) / 2, scale=2 * t * 1.1 / 1.4)
    np.testing.assert_allclose(layers.pdf(v), gamma.pdf(v), rtol=1e-11)
    assert layers.mean == pytest.approx(float(gamma.mean()), rel=1e-12)
    assert layers.variance == pytest.approx(float(gamma.var()), rel=1e-12)
    assert layers.tail_exponent is None


def test_walled_regression_is_an_inverse_gamma_law() -> None:
    """Depth 0 with Delta = 0 and a force at the wall: the distance to the wall is inverse gamma."""
    m, t = VALUES(2.0, 2.0, 2.0, 1.0, 0.3), 0.1
    law = stationary_law(m, depth=0, temperature=t)
    inverse = stats.invgamma(1.0 + 1.0 / (2.0 * t), scale=0.7 / (2.0 * t))
    v = np.array([-30.0, -1.0, 0.3, 0.9])
    np.testing.assert_allclose(law.pdf(v), inverse.pdf(1.0 - v), rtol=1e-11)
    assert law.support == (-math.inf, 1.0)
    assert law.mean == pytest.approx(1.0 - float(inverse.mean()), rel=1e-12)
    assert law.variance == pytest.approx(float(inverse.var()), rel=1e-12)


def test_two_layers_lose_the_learned_state_at_tc() -> None:
    """Below Tc = (|beta2| - weight_decay)/alpha3 there is a density, from Tc on an atom at 0."""
    m = GAUSSIAN(-0.7, 1.1)
    tc = (0.7 - 0.2) / m.alpha3
    assert two_layers(m, 0.1, 0.2).critical_temperature == pytest.approx(tc, rel=1e-14)
    assert two_layers(m, 0.9999 * tc, 0.2).phase == "learning"
    above = two_layers(m, tc * (1 + 1e-12), 0.2)
    assert (above.phase, above.mean, above.variance, above.atoms[0].at) == ("sparse", 0.0, 0.0, 0.0)
    assert two_layers(m, 0.01, 0.8).phase == "sparse"


def test_mean_vanishes_linearly_and_variance_returns_to_zero_at_tc() -> None:
    """Fluctuation inversion: Var[v] rises, peaks and falls to 0 at Tc with the mean."""
    m = GAUSSIAN(1.0, 1.0)
    laws = [two_layers(m, f / 3) for f in (0.1, 0.6, 0.99, 0.9999)]
    variances = [law.variance or 0.0 for law in laws]
    assert variances[0] < variances[1] > variances[2] > variances[3]
    assert laws[3].mean == pytest.approx((laws[2].mean or 0.0) / 100, rel=0.02)


@pytest.mark.parametrize(("slope", "noise_std"), [(1.0, 1.0), (1.0, 3.0), (2.0, 0.5), (1.0, 0.61)])
@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.97])
def test_mode_is_the_highest_interior_point_of_the_density(
    slope: float, noise_std: float, fraction: float
) -> None:
    """The closed-form mode is a local maximum; without one the density falls from 0 onwards."""
    m = GAUSSIAN(slope, noise_std)
    law = two_layers(m, fraction * slope / m.alpha3)
    if law.mode is None:
        assert np.all(np.diff(law.log_pdf(np.geomspace(1e-6, 1e3, 4000))) < 0)
    else:
        around = law.log_pdf(law.mode * np.array([0.999, 1.0, 1.001]))
        assert around[1] > max(around[0], around[2])


def test_low_temperature_mode_follows_its_expansion() -> None:
    """v* = b2/b1 + (10 a2 b2/b1^2 - 7 a1 b2^2/b1^3 - 3 a3/b1) T + O(T^2)."""
    m, t = GAUSSIAN(1.3, 0.7, 0.8), 1e-6
    b1, b2 = m.beta1, m.beta2
    slope = 10 * m.alpha2 * b2 / b1**2 - 7 * m.alpha1 * b2**2 / b1**3 - 3 * m.alpha3 / b1
    mode = two_layers(m, t).mode
    assert mode is not None
    assert (mode - m.minimum) / t == pytest.approx(slope, rel=1e-4)


VANISHING = {
    "merges": GAUSSIAN(1.0, 1.0),
    "merges, moments": VALUES(2.0, 0.95, 0.7, 1.0, 0.9),
    "merges, returns later": VALUES(2.0, 2.04, 2.14, 1.0, 0.39),
    "never": GAUSSIAN(1.0, 0.3),
    "slides into 0": GAUSSIAN(1.0, 3.0),
    "slides, opposite correlation": VALUES(2.0, -1.1, 0.7, 1.0, 0.9),
    "slides, returns later": VALUES(2.0, 1.18, 0.7, 3.5, 0.3),
}


@pytest.mark.parametrize("case", VANISHING)
def test_mode_exists_just_below_t_star_and_not_just_above(case: str) -> None:
    """T* is the first temperature at which the (formal) density loses its mode, in every sign case."""
    m = VANISHING[case]
    star = two_layers(m, 0.01).mode_vanishes_at
    tc = m.beta2 / m.alpha3

    def has_mode(t: float) -> bool:
        return two_layers(m, t).regime in ("learned", "spike_and_mode", "sparse_with_mode")

    top = 50 * tc if star is None else star * (1 - 1e-9)
    assert all(has_mode(t) for t in np.linspace(1e-3 * tc, top, 200))
    assert (star is None) == (case == "never")
    if star is not None:
        assert not has_mode(star * (1 + 1e-9))
        assert (star == pytest.approx(tc / 3, rel=1e-12)) == case.startswith("slides")
        assert any(has_mode(t) for t in star * np.geomspace(1.01, 1e4, 200)) == case.endswith("later")


def test_printed_t_star_is_wrong_where_the_mode_slides_into_zero() -> None:
    """(4k + sqrt(42) s)/(4(21 s^2 - 8 k^2)) holds for 14 k^2 > 3 s^2 only; else T* = Tc/3 lies below it."""

    def printed(k: float, s: float) -> float:
        return (4 * k + math.sqrt(42) * s) / (4 * (21 * s**2 - 8 * k**2))

    assert two_layers(GAUSSIAN(1.0, 1.0), 0.01).mode_vanishes_at == pytest.approx(printed(1, 1), rel=1e-12)
    law = two_layers(GAUSSIAN(1.0, 3.0), 0.99 * printed(1, 3))
    assert law.mode_vanishes_at == pytest.approx(1 / 33, rel=1e-12)
    assert law.mode is None
    assert (law.mode_vanishes_at or 0.0) < 0.99 * printed(1, 3)


def test_the_five_regimes_appear_in_order() -> None:
    """One data set per route through the phase diagram of [P1] figure 4."""
    one, two = GAUSSIAN(1.0, 1.0), GAUSSIAN(1.0, 0.5)
    assert [two_layers(one, t).regime for t in (0.1, 0.15, 0.25, 0.4)] == [
        "learned",
        "spike_and_mode",
        "spike_only",
        "sparse_only",
    ]
    assert two_layers(two, 0.5).regime == "sparse_with_mode"
    assert stationary_law(one, depth=0, temperature=0.1).regime is None
    assert stationary_law(one, depth=2, temperature=0.1).regime is None


@pytest.mark.parametrize(("depth", "exponent"), [(1, -3.5), (2, -4.0), (5, -4.5)])
def test_tail_exponent_is_the_slope_of_the_density(depth: int, exponent: float) -> None:
    """p ~ v^(-5 + 3/(D+1)) whatever the data, temperature and width."""
    law = stationary_law(GAUSSIAN(0.7, 1.3), depth=depth, width=3, temperature=0.2)
    assert law.tail_exponent == pytest.approx(exponent, rel=1e-14)
    ends = law.log_pdf([1e12, 1e13])
    assert (ends[1] - ends[0]) / math.log(10) == pytest.approx(exponent, abs=1e-6)


def test_linear_regression_loses_its_variance_at_beta1_over_alpha1() -> None:
    """From T = beta1'/(d alpha1) on E[v^2] is infinite: None with a note, while the mean stays."""
    m = GAUSSIAN(0.7, 1.3)
    below = stationary_law(m, depth=0, temperature=0.249, width=2)
    above = stationary_law(m, depth=0, temperature=0.25, width=2)
    assert below.variance is not None
    assert (above.variance, above.second_moment, above.mean) == (None, None, 0.7)
    assert any("infinite" in note for note in above.notes)


def test_infinite_depth_is_the_limit_of_proportional_width() -> None:
    """Laws with width = c*depth approach the limit like log(depth)/depth, through d^(2/(D+1))."""
    m, t, c = GAUSSIAN(0.7, 1.3), 0.1, 2
    limit = infinite_depth_law(m, width_per_depth=c, temperature=t)
    gaps = [
        abs((stationary_law(m, depth=n, width=c * n, temperature=t).mean or 0.0) - (limit.mean or 0.0))
        for n in (100, 10_000)
    ]
    assert gaps[1] / gaps[0] == pytest.approx(0.01 * math.log(1e4) / math.log(100), rel=0.5)
    assert limit.tail_exponent == -5.0


def test_only_width_per_depth_over_temperature_matters_in_the_limit() -> None:
    """The extended scaling law."""
    m = GAUSSIAN(0.7, 1.3)
    one = infinite_depth_law(m, width_per_depth=0.5, temperature=0.1)
    two = infinite_depth_law(m, width_per_depth=1.5, temperature=0.3)
    assert (one.mean, one.variance) == pytest.approx((two.mean, two.variance), rel=1e-12)
