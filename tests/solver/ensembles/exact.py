"""Stationary laws by plain quadrature of the reduced SDE's speed measure, apart from the solver's theory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.theory.moments import DataMoments


@dataclass(frozen=True, eq=False)
class GridLaw:
    """A law on a grid: values v, increasing, and its CDF there."""

    v: NDArray[np.float64]
    cdf: NDArray[np.float64]

    def quantile(self, level: float) -> float:
        """Value that is undershot with this probability."""
        return float(np.interp(level, self.cdf, self.v))


def stationary_grid(
    moments: DataMoments, *, depth: int, temperature: float, width: int = 1, weight_decay: float = 0.0
) -> GridLaw:
    """The law of v (v > 0 for depth >= 1) by the trapezoidal rule in ln v, for depth 0 in asinh."""
    n = 200_001
    layers = depth + 1
    if depth == 0:
        x = np.linspace(-1, 1, n) * np.arcsinh(1e8)
        v, jacobian = moments.minimum + np.sinh(x), np.cosh(x)
    else:
        x = np.linspace(np.log(1e-12), np.log(1e12), n)
        v, jacobian = np.exp(x), np.exp(x)
    a = layers * width ** (2 / layers - 1)
    pull = a * np.abs(v) ** (2 * depth / layers)
    heat = temperature * moments.noise(v)
    drift = -2 * pull * (moments.beta1 * v - moments.beta2) - 2 * layers * weight_decay * v
    if depth > 0:
        drift += 2 * depth * layers * width ** (4 / layers - 2) * v ** (3 - 4 / layers) * heat
    square = 4 * pull**2 * heat
    slope = 2 * drift / square * jacobian
    exponent = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(x))])
    log_density = exponent - np.log(square) + np.log(jacobian)
    weight = np.exp(log_density - log_density.max())
    total = np.cumsum(weight) - weight / 2
    return GridLaw(v, total / weight.sum())
