"""SGD's law against the Gibbs posterior: divergences against 20-digit quadrature, limits and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.special import ndtr
from tests.support.quadrature import GaussianNetwork

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory import DataMoments, stationary_law
from equipoise_solver.theory.bayes import (
    BayesComparison,
    bayes_comparison,
    matched_gibbs_temperature,
)

mp = mpmath.mp.clone()
mp.dps = 20
N = GaussianNetwork
Number = Any

NETWORKS = [
    (N(1.3, 0.7, 0.2, 0), None),
    (N(1.3, 0.7, 0.05, 0, width=2), 0.9),
    (N(1.3, 0.7, 0.05, 1), None),
    (N(1.3, 0.7, 0.2, 1), 0.5),
    (N(0.7, 0.9, 0.1, 2, width=3, input_std=1.2), 0.4),
    (N(0.9, 0.3, 0.4, 5), 0.7),
]


def compared(network: GaussianNetwork, gibbs: float | None, *, conditional: bool) -> BayesComparison:
    moments = DataMoments.from_gaussian(network.slope, network.noise_std, network.input_std)
    assert network.depth is not None
    return bayes_comparison(
        moments,
        network.temperature,
        depth=network.depth,
        width=int(network.width),
        gibbs_temperature=gibbs,
        conditional=conditional,
    )


class Reference:
    """Both laws by mpmath, the posterior conditional on the sector for depth >= 1."""

    def __init__(self, network: GaussianNetwork, gibbs: float) -> None:
        self.line = network.depth == 0
        self.center = mp.mpf(network.slope)
        self.std = mp.sqrt(mp.mpf(gibbs) / 2) / mp.mpf(network.input_std)
        self.raw = network.log_density
        self.shift = self.raw(self.center)
        self.log_total = mp.log(self.under_sgd(lambda v: mp.mpf(1), normalised=False))
        self.mass = mp.mpf(1) if self.line else mp.ncdf(self.center / self.std)

    def log_p(self, v: Number) -> Number:
        return self.raw(v) - self.shift - self.log_total

    def log_q(self, v: Number) -> Number:
        z = (v - self.center) / self.std
        return -z * z / 2 - mp.log(self.std * mp.sqrt(2 * mp.pi) * self.mass)

    def under_sgd(self, value: Callable[[Number], Number], *, normalised: bool = True) -> Number:
        """The integral of value against SGD's law."""
        shift = self.shift + (self.log_total if normalised else 0)
        if self.line:
            bulk = [self.center + mp.mpf(j) / 2 for j in range(-20, 21)]
            edges = [-mp.inf, self.center - 1000, self.center - 100, *bulk, self.center + 100, mp.inf]
            return mp.quad(lambda v: mp.exp(self.raw(v) - shift) * value(v), edges)
        logs = [-200, -100, -50, -30, -20, *(mp.mpf(j) / 4 for j in range(-40, 41)), 15, 20, 30, 50, 100, 200]
        return mp.quad(lambda y: mp.exp(self.raw(mp.exp(y)) - shift + y) * value(mp.exp(y)), logs)

    def under_gibbs(self, value: Callable[[Number], Number]) -> Number:
        """The integral of value against the posterior."""
        edges = [self.center + self.std * mp.mpf(j) / 4 for j in range(-48, 49)]
        if not self.line:
            small = [mp.mpf(0), *(mp.mpf(10) ** -j for j in (12, 8, 5, 3))]
            edges = [*small, *(edge for edge in edges if edge > small[-1])]
        return mp.quad(lambda v: mp.exp(self.log_q(v)) * value(v), edges)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "gibbs"), NETWORKS, ids=str)
def test_divergences_agree_with_independent_quadrature(network: GaussianNetwork, gibbs: float | None) -> None:
    """Both divergences agree with 20-digit quadrature to 1e-10."""
    found = compared(network, gibbs, conditional=True)
    exact = Reference(network, float(found.gibbs_temperature[0]))
    forwards = exact.under_sgd(lambda v: exact.log_p(v) - exact.log_q(v))
    backwards = exact.under_gibbs(lambda v: exact.log_q(v) - exact.log_p(v))
    assert found.kl_sgd_gibbs[0] == pytest.approx(float(forwards), abs=1e-10)
    assert found.kl_gibbs_sgd[0] == pytest.approx(float(backwards), abs=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "gibbs"), NETWORKS[::2], ids=str)
@pytest.mark.parametrize("conditional", [True, False])
def test_total_variation_is_half_the_area_between_the_densities(
    network: GaussianNetwork, gibbs: float | None, conditional: bool
) -> None:
    """It agrees with a fine Riemann sum over the posterior, to the error of the sum."""
    found = compared(network, gibbs, conditional=conditional)
    exact = Reference(network, float(found.gibbs_temperature[0]))
    if not conditional:
        exact.mass = mp.mpf(1)
    low = -9.0 if exact.line else max(-9.0, float(-exact.center / exact.std))
    z = np.linspace(low, 9.0, 4002)
    v = float(exact.center) + float(exact.std) * 0.5 * (z[1:] + z[:-1])
    steps = np.diff(z) * float(exact.std)
    p, q = (np.array([float(mp.exp(log(mp.mpf(x)))) for x in v]) for log in (exact.log_p, exact.log_q))
    # sup (Q - P), over the events in which Q is the larger one; beyond, and below the sector, Q has no rival.
    excess = float(np.sum(np.maximum(q - p, 0.0) * steps))
    outside = 0.0 if conditional or exact.line else float(ndtr(low))
    assert found.total_variation[0] == pytest.approx(excess + outside, abs=4e-5)


@pytest.mark.parametrize("depth", [0, 1, 2, 5, 30, 100])
def test_no_divergence_is_lost_in_rounding(depth: int, rng: np.random.Generator) -> None:
    """Over decades of parameters all numbers are finite and positive, and obey Pinsker's inequality."""
    for _ in range(4):
        moments = DataMoments.from_gaussian(*(10.0 ** rng.uniform(-2, 1, 2)).tolist())
        critical = moments.beta2 / moments.alpha3 if depth == 1 else 0.3 * moments.beta1 / moments.alpha1
        t = critical * np.array([10.0 ** rng.uniform(-6, -1), rng.uniform(0.1, 0.99)])
        for gibbs in (None, 10.0 ** rng.uniform(-4, 1)):
            found = bayes_comparison(moments, t, depth=depth, gibbs_temperature=gibbs, conditional=True)
            assert np.all((found.total_variation > 0) & (found.total_variation <= 1.0))
            for divergence in (found.kl_sgd_gibbs, found.kl_gibbs_sgd):
                assert np.all(np.isfinite(divergence))
                assert np.all(found.total_variation <= np.sqrt(0.5 * divergence) + 1e-7)


def test_matched_temperature_gives_equal_variances_when_cold() -> None:
    """At T = 1e-6 SGD's variance is T'/(2 beta1) to 1e-4, for every depth."""
    moments, t = DataMoments.from_gaussian(1.3, 0.7, 1.1), 1e-6
    for depth, width in ((0, 1), (0, 3), (1, 2), (2, 1), (3, 4)):
        law = stationary_law(moments, depth=depth, width=width, temperature=t)
        gibbs = matched_gibbs_temperature(moments, t, depth=depth, width=width)
        assert law.variance == pytest.approx(float(gibbs) / (2.0 * moments.beta1), rel=1e-4)


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_matched_laws_merge_as_the_noise_vanishes(depth: int) -> None:
    """Divergences fall to 0 like T, total variation like its root.

    At depth 0 Gaussian data are even about the mean, so the first correction is missing: T**2 and T.
    """
    moments = DataMoments.from_gaussian(1.3, 0.7)
    found = bayes_comparison(moments, [4e-6, 1e-6], depth=depth, conditional=True)
    for divergence in (found.kl_sgd_gibbs, found.kl_gibbs_sgd):
        assert 0 < divergence[0] < 1e-3
        assert divergence[0] / divergence[1] == pytest.approx(4.0 if depth else 16.0, rel=0.01)
    expected = (
        2.0 if depth else 4.0
    )  # Gaussian data at depth 0 are even about the mean: no skew to order T^1/2.
    assert found.total_variation[0] / found.total_variation[1] == pytest.approx(expected, rel=0.01)


def test_divergences_bound_the_total_variation() -> None:
    """Pinsker's inequality holds at every temperature below Tc, and nothing is negative."""
    moments = DataMoments.from_gaussian(1.0, 1.0)
    found = bayes_comparison(moments, np.linspace(0.01, 0.33, 12), depth=1, conditional=True)
    for divergence in (found.kl_sgd_gibbs, found.kl_gibbs_sgd):
        assert np.all(divergence > 0)
        assert np.all(found.total_variation <= np.sqrt(0.5 * divergence))


def test_what_is_infinite_is_said() -> None:
    """Atoms, missing variances, unsupported posterior mass and walls give infinities, never nan."""
    moments = DataMoments.from_gaussian(1.0, 1.0)
    sparse = bayes_comparison(moments, [0.4], depth=1)
    assert sparse.phase.tolist() == ["sparse"]
    assert (sparse.kl_sgd_gibbs[0], sparse.kl_gibbs_sgd[0]) == (math.inf, math.inf)
    assert (sparse.total_variation[0], sparse.outside[0]) == (1.0, 1.0)
    heavy = bayes_comparison(moments, [0.4, 0.6], depth=0)
    assert np.isfinite(heavy.kl_sgd_gibbs).tolist() == [True, False]
    assert np.all(np.isfinite(heavy.kl_gibbs_sgd))
    sector = bayes_comparison(moments, [0.1], depth=1)
    assert math.isfinite(sector.kl_sgd_gibbs[0])
    assert sector.kl_gibbs_sgd[0] == math.inf
    assert sector.outside[0] == pytest.approx(ndtr(-1.0 / math.sqrt(0.5 * sector.gibbs_temperature[0])))
    wall = DataMoments.from_values(0.5, 0.25, 0.125, 1.2, 0.9)
    walled = bayes_comparison(wall, [0.05], depth=1, gibbs_temperature=0.2, conditional=True)
    assert math.isfinite(walled.kl_sgd_gibbs[0])
    assert walled.kl_gibbs_sgd[0] == math.inf


def test_mirrored_data_compare_alike() -> None:
    """The sign of E[xy] changes no divergence."""
    moments = DataMoments.from_gaussian(1.3, 0.7)
    one, other = (bayes_comparison(m, [0.05, 0.2], depth=1) for m in (moments, moments.mirrored()))
    for name in ("gibbs_temperature", "kl_sgd_gibbs", "kl_gibbs_sgd", "total_variation", "outside"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize(
    ("temperature", "gibbs", "field"),
    [(0.0, None, "temperature"), (math.nan, None, "temperature"), (0.1, -1.0, "gibbs_temperature")],
)
def test_temperatures_must_be_positive(temperature: float, gibbs: float | None, field: str) -> None:
    """A temperature that is not positive and finite is refused by field."""
    with pytest.raises(InvalidModelError) as refused:
        bayes_comparison(DataMoments.from_gaussian(1.0, 1.0), temperature, depth=1, gibbs_temperature=gibbs)
    assert refused.value.field == field


def test_data_that_interpolate_need_a_gibbs_temperature() -> None:
    """Their matched posterior is an atom, which is refused with the remedy."""
    with pytest.raises(InvalidModelError, match="interpolate"):
        bayes_comparison(DataMoments.from_gaussian(1.0, 0.0), 0.1, depth=1)
