"""Laws against 30-digit quadrature over the corners of the parameters, with a table of the errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from tests.support.quadrature import GaussianNetwork, reference_law

from equipoise_solver.theory import DataMoments, StationaryLaw, infinite_depth_law, stationary_law

# Relative errors allowed in mean, variance, densities and P(V < slope).
TOLERANCES = {0: 1e-9, 1: 1e-9}
DEEP_TOLERANCE = 1e-7

N = GaussianNetwork
CORNERS = {
    "line": [
        N(1.3, 0.7, 1e-4, 0),
        N(1.3, 0.7, 0.49, 0),
        N(-0.7, 1e-3, 0.2, 0, weight_decay=0.3),
        N(0.7, 1e3, 0.3, 0, weight_decay=0.2),
        N(0.7, 1.1, 0.015, 0, width=7, weight_decay=0.4, input_std=1.7),
        N(0.7, 1e-3, 1e-4, 0, weight_decay=1.0),
    ],
    "two layers": [
        N(1.0, 1.0, 0.05, 1),
        N(1.3, 0.7, 1e-4, 1),
        N(1.3, 0.7, 0.999 * 1.3 / (2 * 1.69 + 0.49), 1),
        N(0.7, 1e-3, 1e-4, 1, weight_decay=0.1),
        N(0.7, 1e-3, 0.5, 1),
        N(0.7, 1e-3, 0.7, 1, weight_decay=1e-3),
        N(0.7, 1e3, 0.999 * 0.7 / (0.98 + 1e6), 1),
        N(0.7, 1e3, 1e-8, 1),
        N(0.7, 1.3, 0.1, 1, weight_decay=0.05, input_std=0.6),
        N(2.3, 0.4, 0.05, 1, width=10_000, input_std=1.4),
    ],
    "deep": [
        N(1.0, 1.0, 0.05, 2),
        N(1.3, 0.7, 1e-4, 2),
        N(1.3, 0.7, 50.0, 2),
        N(0.7, 1e-3, 0.3, 2),
        N(0.7, 1e3, 1e-6, 2, width=10_000),
        N(1.3, 0.7, 0.2, 3, width=4),
        N(0.7, 0.9, 1e-4, 5, width=30),
        N(0.7, 0.9, 3.0, 5),
        N(1.3, 0.7, 0.05, 50, width=10_000),
    ],
    "infinitely deep": [
        N(1.3, 0.7, 0.02, None, width=0.8),
        N(0.7, 1e-2, 0.3, None, width=2.0),
        N(0.7, 1.4, 8.0, None, width=0.5),
    ],
    "metastable": [
        N(1.3, 0.7, 0.02, 2, weight_decay=0.05),
        N(1.3, 0.7, 0.05, 3, width=3, weight_decay=0.02),
        N(0.7, 1e-2, 0.1, 5, weight_decay=0.001),
    ],
}
"""Families of networks; every corner that the requirements name appears in one of them."""


@dataclass(frozen=True)
class Errors:
    """Relative errors of one law."""

    mean: float
    variance: float
    density: float
    below: float

    @property
    def worst(self) -> float:
        return max(self.mean, self.variance, self.density, self.below)


def law_of(network: GaussianNetwork) -> StationaryLaw:
    moments = DataMoments.from_gaussian(network.slope, network.noise_std, network.input_std)
    if network.depth is None:
        return infinite_depth_law(moments, width_per_depth=network.width, temperature=network.temperature)
    return stationary_law(
        moments,
        depth=network.depth,
        width=int(network.width),
        temperature=network.temperature,
        weight_decay=network.weight_decay,
    )


def errors_of(network: GaussianNetwork) -> Errors:
    law = law_of(network)
    assert law.density is not None, "a corner without a density compares nothing"
    assert law.mean is not None
    assert law.variance is not None
    scale = np.sqrt(law.variance)
    # The first point in the bulk; the others from it out into both tails.
    bulk = law.mode if law.mode is not None else law.mean
    around = [bulk + scale, bulk + 7.0 * scale, bulk + 1e4 * scale]
    below = [bulk - scale] if network.depth == 0 else [float(law.quantile(q)) for q in (1e-6, 0.1)]
    points = [bulk, *around, *(v for v in below if v > 1e-250 or network.depth == 0)]
    low = law.support[0] if law.phase == "metastable" else None
    exact = reference_law(network, points=points, low=low)
    densities = np.array(exact.density)
    visible = densities > 1e-250
    return Errors(
        mean=abs(law.mean / exact.mean - 1),
        variance=abs(law.variance / exact.variance - 1),
        density=float(np.max(np.abs(law.pdf(points) / np.where(visible, densities, 1.0) - 1)[visible])),
        below=abs(float(law.cdf(bulk)) - exact.below),
    )


def label_of(network: GaussianNetwork) -> str:
    n = network
    depth = "infinite" if n.depth is None else n.depth
    parts = f"D={depth} d={n.width:g} k={n.slope:g} s={n.noise_std:g} T={n.temperature:.4g}"
    return f"{parts} decay={n.weight_decay:g} x={n.input_std:g}"


@pytest.mark.slow
@pytest.mark.parametrize("network", [n for family in CORNERS.values() for n in family], ids=label_of)
def test_corners_agree_with_independent_quadrature(
    network: GaussianNetwork, record_property: Callable[[str, object], None]
) -> None:
    """Mean, variance, density out into both tails and distribution function hold their accuracy."""
    e = errors_of(network)
    row = f"{label_of(network):<58}{e.mean:10.1e}{e.variance:10.1e}{e.density:10.1e}{e.below:10.1e}"
    record_property("table: relative errors of the laws: mean, variance, density, distribution", row)
    depth = network.depth if network.depth is not None else 99
    assert e.worst < TOLERANCES.get(depth, DEEP_TOLERANCE)


REFERENCE_TABLE = [
    (1, 1, 1.0, 1.0, 0.05, 0.937630829186, 0.119801794668, 1.253140728869, 0.617609566188),
    (1, 1, 1.0, 1.0, 0.2, 0.580905119904, 0.372096681717, 0.466703267758, 0.800414607173),
    (1, 3, 0.7, 0.5, 0.1, 0.631531424748, 0.087654930462, 1.478699133729, 0.646162255212),
    (2, 1, 1.0, 1.0, 0.05, 0.870142810385, 0.154699258937, 0.981198360718, 0.690838274327),
]
"""D, d, k, s**2, T, E[v], Var[v], p(k), P(v < k): two independent quadratures that agreed to 12 digits."""


@pytest.mark.parametrize("row", REFERENCE_TABLE)
def test_recorded_values_are_met_to_their_last_digit(row: tuple[float, ...]) -> None:
    """The recorded laws of four networks come out to the twelve digits recorded."""
    depth, width, slope, noise, temperature, *expected = row
    moments = DataMoments.from_gaussian(slope, noise**0.5)
    law = stationary_law(moments, depth=int(depth), width=int(width), temperature=temperature)
    got = [law.mean, law.variance, float(law.pdf(slope)), float(law.cdf(slope))]
    assert got == pytest.approx(expected, abs=1e-12)
