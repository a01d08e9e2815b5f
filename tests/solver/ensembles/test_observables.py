"""Observables averaged over blocks, held against definitions and exact sums; lost lanes are left out."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.observables import OBSERVABLES, Scene, record_samples
from equipoise_solver.theory.moments import DataMoments

N_BLOCKS, N_SAMPLES = 4, 3
SCENE = Scene(DataMoments.from_gaussian(1.3, 0.7), target_power=1.3**2 + 0.7**2)


def defined(name: str, v: float, norm: float, imbalance: float, anchor: float) -> float:
    """An observable by its definition: y = 1.3 x + 0.7 noise, x and the noise standard normal."""
    off = v - 1.3
    match name:
        case "loss":
            return off**2 + 0.7**2
        case "excess_loss":
            return off**2
        case "noise":
            # A quarter of the variance of 2 (v x - y) x.
            return 2 * off**2 + 0.7**2
        case "sign":
            return float(np.sign(v))
        case "autocorrelation":
            return off * (anchor - 1.3)
    return {"value": v, "norm": norm, "imbalance": imbalance}[name]


@pytest.fixture(scope="module")
def shown() -> NDArray[np.float64]:
    """v, |theta|^2 and imbalance: the first block whole, the second with gaps, the third lost, the last 0."""
    rng = np.random.default_rng(3)
    shown = rng.normal(size=(3, N_SAMPLES, N_BLOCKS * LANES))
    gaps = LANES + np.flatnonzero(rng.random(LANES) < 0.1)
    shown[:, :, gaps] = np.nan
    shown[:, 1, LANES + 5] = np.inf
    shown[:, :, 2 * LANES : 3 * LANES] = np.nan
    shown[:, :, 3 * LANES :] = 0.0
    return shown


@pytest.mark.parametrize("name", OBSERVABLES)
def test_means_of_blocks_are_those_of_the_paths_that_are_there(name: str, shown: NDArray[np.float64]) -> None:
    """Counts are exact, and means and squares those of exact sums, whatever is lost."""
    anchors = np.random.default_rng(4).normal(size=(N_BLOCKS, LANES))
    means = record_samples(shown, (name,), SCENE, anchors=anchors.copy(), anchor_place=-1)
    for b in range(N_BLOCKS):
        for i in range(N_SAMPLES):
            v, norm, imbalance = shown[:, i, b * LANES : (b + 1) * LANES].tolist()
            lanes = zip(v, norm, imbalance, anchors[b].tolist(), strict=True)
            values = [defined(name, *lane) for lane in lanes]
            kept = [value for value in values if math.isfinite(value)]
            centre = math.fsum(kept) / len(kept) if kept else 0.0
            assert means.count[b, 0, i] == len(kept)
            assert means.mean[b, 0, i] == pytest.approx(centre, rel=1e-12, abs=1e-14)
            squares = math.fsum((value - centre) ** 2 for value in kept)
            assert means.squares[b, 0, i] == pytest.approx(squares, rel=1e-12, abs=1e-14)


def test_the_anchor_is_v_at_its_record(shown: NDArray[np.float64]) -> None:
    """At that record the correlation is the square of the distance from the minimum."""
    anchors = np.full((N_BLOCKS, LANES), np.nan)
    names = ("autocorrelation", "excess_loss")
    means = record_samples(shown, names, SCENE, anchors=anchors, anchor_place=1)
    np.testing.assert_array_equal(anchors.ravel(), shown[0, 1])
    assert list(means.count[:, 0, 0]) == [0, 0, 0, 0]
    np.testing.assert_allclose(means.mean[:, 0, 1], means.mean[:, 1, 1], rtol=1e-12)
