"""The factors by which one step multiplies small deviations: from v = 0, and between two runs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.theory.discrete.data import Data, SampleData, Training
from equipoise_solver.theory.discrete.growth import Factor
from equipoise_solver.theory.discrete.minibatch import GaussianDisplacement, empirical_atoms, is_enumerated

Array = NDArray[np.float64]

_LATTICE = 2**17
_LEAST_WEIGHT = 1e-18
_MOST_DRAWS = 10**5  # Means of more are normal, and those of so many are scaled.
_RARE = 42.0  # exp(-42) = 6e-19.


def factor_at_zero(data: Data, run: Training) -> Factor:
    """delta + 2 eta B, whose square multiplies v next to 0 in the two-layer network."""
    if isinstance(data, SampleData):
        products, weights = mean_products(data, run.batch_size)
        return Factor.of_atoms(run.retention + 2.0 * run.learning_rate * products, weights)
    displacement = GaussianDisplacement.of(data, run)
    if data.noise_std > 0:
        return Factor.of_gaussian(displacement, 0.0, run.retention)
    if data.slope == 0:
        return Factor.of_atoms(np.array([run.retention]), np.ones(1))
    return Factor.of_chi_square(-displacement.unit * data.slope, displacement.degrees, run.retention)


def factor_of_deviations(data: Data, run: Training, *, stretch: float = 1.0) -> Factor:
    """delta - 2 eta A stretch.

    With stretch 1 it multiplies the difference of two runs of linear regression; with stretch 2 |k| that of
    a balanced two-layer network from its noiseless solution k.
    """
    step = 2.0 * run.learning_rate * stretch
    if isinstance(data, SampleData):
        squares, weights = mean_squares(data, run.batch_size)
        return Factor.of_atoms(run.retention - step * squares, weights)
    displacement = GaussianDisplacement.of(data, run)
    return Factor.of_chi_square(displacement.unit * stretch, displacement.degrees, run.retention)


def mean_products(data: SampleData, batch_size: int) -> tuple[Array, Array]:
    """The law of B = mean x*y of a minibatch: values and weights, shape (n,) each; see _mean_of."""
    if is_enumerated(data, batch_size):
        atoms = empirical_atoms(data, batch_size)
        return atoms.products, atoms.weights
    return _mean_of(data.x * data.y, batch_size)


def mean_squares(data: SampleData, batch_size: int) -> tuple[Array, Array]:
    """The law of A = mean x**2 of a minibatch: values and weights, shape (n,) each; see _mean_of."""
    if is_enumerated(data, batch_size):
        atoms = empirical_atoms(data, batch_size)
        return atoms.squares, atoms.weights
    return _mean_of(data.x * data.x, batch_size)


def _mean_of(single: Array, count: int) -> tuple[Array, Array]:
    """The law of the mean of `count` draws from the numbers, where there are too many to enumerate.

    Each number is split between two points of a fine lattice so that the mean stays, and the sum is a power
    of the Fourier transform. The lattice is a circle that holds the law of the sum: all of it, or what
    Bernstein's inequality leaves about the mean. Means of log|1 + c value| are then good to about 1e-6.
    """
    low, spread, mean = float(single.min()), float(np.ptp(single)), float(np.mean(single))
    if spread == 0:
        return np.array([low]), np.ones(1)
    if count > _MOST_DRAWS:
        fewer, weights = _mean_of(single, _MOST_DRAWS)
        return mean + (fewer - mean) * math.sqrt(_MOST_DRAWS / count), weights
    whole = spread * count
    reach = 2.0 * (math.sqrt(2.0 * _RARE * count) * float(np.std(single)) + _RARE * spread)
    width = min(whole, reach) / (_LATTICE - min(count, _LATTICE // 8) - 1)
    first = 0 if whole <= reach else max(round(count * (mean - low) / width) - _LATTICE // 2, 0)
    place = (single - low) / width
    floor = np.floor(place)
    index, share = floor.astype(np.intp), place - floor
    mass = np.bincount(index % _LATTICE, 1.0 - share, _LATTICE)
    mass += np.bincount((index + 1) % _LATTICE, share, _LATTICE)
    spectrum = np.fft.rfft(mass / single.size) ** count
    total = np.roll(np.fft.irfft(spectrum, _LATTICE), -first)
    values = low + (first + np.arange(_LATTICE, dtype=np.float64)) * float(width / count)
    keep = (total > _LEAST_WEIGHT) & (values <= low + spread + width)
    return values[keep], np.asarray(total[keep] / np.sum(total[keep]), dtype=np.float64)
