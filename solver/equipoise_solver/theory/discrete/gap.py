"""How far SGD's own law is from the law of its SDE limit at the same temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory.discrete.answer import discrete_law
from equipoise_solver.theory.discrete.data import Data
from equipoise_solver.theory.discrete.law import DiscreteLaw
from equipoise_solver.theory.laws import StationaryLaw
from equipoise_solver.theory.stationary import stationary_law

Array = NDArray[np.float64]

_LEVELS = 4001
_RESOLVED = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class LawGap:
    """The discrete law against the SDE's, discrete - continuous.

    Attributes:
        discrete, continuous: the two laws.
        mean, variance: differences; None where one of them does not exist.
        ks: largest difference of the distribution functions; None where one of them is not known.
        total_variation: half the integral of |p - q|; None where ks is, or where a law may be fractal.
    """

    discrete: DiscreteLaw
    continuous: StationaryLaw
    mean: float | None
    variance: float | None
    ks: float | None
    total_variation: float | None


def law_gap(
    data: Data, *, depth: int, learning_rate: float, batch_size: int, weight_decay: float = 0.0
) -> LawGap:
    """SGD's law and the SDE's at temperature learning_rate/batch_size, and how far apart they are.

    Raises:
        SolverError: as discrete_law and stationary_law.
    """
    discrete = discrete_law(
        data, depth=depth, learning_rate=learning_rate, batch_size=batch_size, weight_decay=weight_decay
    )
    continuous = stationary_law(
        data.moments(), depth=depth, temperature=learning_rate / batch_size, weight_decay=weight_decay
    )
    ks, variation = _distances(discrete, continuous)
    return LawGap(
        discrete,
        continuous,
        _difference(discrete.mean, continuous.mean),
        _difference(discrete.variance, continuous.variance),
        ks,
        variation,
    )


def gaps_at_temperature(
    data: Data, *, depth: int, temperature: float, batch_sizes: Sequence[int], weight_decay: float = 0.0
) -> tuple[LawGap, ...]:
    """law_gap along a line of equal temperature: learning_rate = temperature*batch_size for each batch size.

    The smallest step at a temperature is the temperature itself, at batch size 1.

    Raises:
        InvalidModelError: temperature <= 0.
    """
    if not temperature > 0:
        raise InvalidModelError("temperature", given=str(temperature), allowed="a number > 0")
    return tuple(
        law_gap(
            data, depth=depth, learning_rate=temperature * size, batch_size=size, weight_decay=weight_decay
        )
        for size in batch_sizes
    )


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _distances(discrete: DiscreteLaw, continuous: StationaryLaw) -> tuple[float | None, float | None]:
    """KS and total variation from the distribution functions at quantiles of both laws."""
    levels = np.linspace(0.0, 1.0, _LEVELS)[1:-1]
    points = np.concatenate([law.quantile(levels) for law in (discrete, continuous)])
    atoms = np.array([atom.at for atom in (*discrete.atoms, *continuous.atoms)])
    points = np.unique(np.concatenate([points, atoms, np.nextafter(atoms, -np.inf)]))
    apart = np.array(discrete.cdf(points)) - np.array(continuous.cdf(points))
    if not np.all(np.isfinite(apart)):
        return None, None
    ks = float(np.max(np.abs(apart)))
    if discrete.resolution is not None and discrete.resolution > _RESOLVED:
        return ks, None
    steps = np.diff(np.concatenate([[0.0], apart, [0.0]]))
    return ks, float(0.5 * np.sum(np.abs(steps)))
