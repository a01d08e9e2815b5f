"""Requests for stationary laws: arguments checked, reduced to coefficients, and answered."""

from __future__ import annotations

import math

import numpy as np

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory.coefficients import deep_limit_coefficients, moment_arrays, network_coefficients
from equipoise_solver.theory.laws import StationaryLaw
from equipoise_solver.theory.moments import DataMoments
from equipoise_solver.theory.phases import law_of


def stationary_law(
    moments: DataMoments, *, depth: int, temperature: float, width: int = 1, weight_decay: float = 0.0
) -> StationaryLaw:
    """The exact stationary law of v = sum_i prod_k u_i^(k) under SGD noise (the SDE limit).

    At temperature 0, or for data without gradient noise, it is an atom at the stable fixed point of
    gradient flow.

    Args:
        moments: the data.
        depth: D >= 0; 0 is linear regression, 1 a two-layer network.
        temperature: T = learning_rate/batch_size >= 0, [time].
        width: d >= 1, the number of parallel products.
        weight_decay: gamma >= 0 of the loss term gamma*|theta|**2.

    Raises:
        InvalidModelError: an argument outside its range.

    References:
        [P1] arXiv 2308.06671, theorem 4.1 and section 4.
    """
    _check_counts(depth, width)
    _check_number("temperature", temperature, least=0.0)
    _check_number("weight_decay", weight_decay, least=0.0)
    c = network_coefficients(
        moment_arrays(moments),
        depth=depth,
        width=np.array([float(width)]),
        temperature=np.array([float(temperature)]),
        weight_decay=np.array([float(weight_decay)]),
    )
    return law_of(c, sign=-1.0 if depth and moments.beta2 < 0 else 1.0)


def infinite_depth_law(moments: DataMoments, *, width_per_depth: float, temperature: float) -> StationaryLaw:
    """The limit of stationary_law as depth and width go to infinity with width/depth = width_per_depth.

    Only width_per_depth/temperature matters.

    Raises:
        InvalidModelError: width_per_depth <= 0, temperature < 0, or a number that is not finite.
    """
    _check_number("model.width_per_depth", width_per_depth, least=0.0)
    if width_per_depth == 0:
        raise InvalidModelError("model.width_per_depth", given=width_per_depth, allowed="a number > 0")
    _check_number("temperature", temperature, least=0.0)
    c = deep_limit_coefficients(moments, width_per_depth=width_per_depth, temperature=temperature)
    return law_of(c, sign=-1.0 if moments.beta2 < 0 else 1.0)


def _check_counts(depth: int, width: int) -> None:
    if not isinstance(depth, int) or isinstance(depth, bool) or depth < 0:
        raise InvalidModelError("model.depth", given=depth, allowed="an integer >= 0")
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise InvalidModelError("model.width", given=width, allowed="an integer >= 1")


def _check_number(field: str, value: float, *, least: float) -> None:
    if not math.isfinite(value):
        raise InvalidModelError(field, given=str(value), allowed="a finite number")
    if value < least:
        raise InvalidModelError(field, given=value, allowed=f"a number >= {least:g}")
