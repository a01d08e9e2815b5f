"""How fast a diagonal network relaxes to its stationary law, and the critical slowing down of two layers.

Two layers near v = 0 are a geometric Brownian motion, so the spectrum of the generator is continuous from

    (beta2 - T alpha3)^2/(2 T alpha3) = alpha3 (Tc - T)^2/(2 T)

on (weight decay in beta2): the relaxation time diverges at least like 2 T/(alpha3 (Tc - T)^2) at Tc. At low
temperature the gap is the rate 4 beta2 of gradient flow, below the continuum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise_solver.diffusion.profile import profile_of
from equipoise_solver.diffusion.spectrum import Spectrum, spectrum
from equipoise_solver.errors import UnsupportedCombinationError
from equipoise_solver.theory.coefficients import Array
from equipoise_solver.theory.moments import DataMoments
from equipoise_solver.theory.reduced.problem import network_diffusion


@dataclass(frozen=True)
class Relaxation:
    """Approach to the stationary law.

    Attributes:
        rate: the spectral gap, [1/time]; None if it is not known.
        time: 1/rate, [time].
        autocorrelation_time: integral of the autocorrelation of v, [time]; None where v has no variance.
        spectrum: of the generator.
    """

    rate: float | None
    time: float | None
    autocorrelation_time: float | None
    spectrum: Spectrum


def relaxation(
    moments: DataMoments,
    *,
    depth: int,
    temperature: float,
    width: int = 1,
    weight_decay: float = 0.0,
    count: int = 5,
) -> Relaxation:
    """Spectral gap and autocorrelation time of the learned law.

    Args:
        moments: the data.
        depth: D >= 0.
        temperature: T > 0, [time].
        width: d >= 1.
        weight_decay: gamma >= 0.
        count: how many rates of the spectrum, 1..32.

    Raises:
        UnsupportedCombinationError: there is no stationary density to relax to.
    """
    network = network_diffusion(
        moments, depth=depth, temperature=temperature, width=width, weight_decay=weight_decay
    )
    problem = network.diffusion()
    profile = profile_of(problem)
    if not (profile.low.finite_speed and profile.high.finite_speed):
        raise UnsupportedCombinationError(
            "temperature",
            given=temperature,
            allowed="a temperature at which there is a stationary density",
            remedy="Where v = 0 attracts, ask for the escape time or for the atoms.",
        )
    found = spectrum(problem, count)
    gap, correlation = found.gap, found.autocorrelation
    return Relaxation(
        rate=gap,
        time=1.0 / gap if gap else None,
        autocorrelation_time=None if correlation is None else correlation.time,
        spectrum=found,
    )


def two_layer_continuum(moments: DataMoments, temperature: ArrayLike, *, weight_decay: float = 0.0) -> Array:
    """Depth 1: where the continuous spectrum begins, alpha3 (Tc - T)^2/(2 T), an upper bound of the gap.

    Below Tc; above, 0 attracts and the number is the rate at which the density of log v spreads.

    Args:
        moments: the data, alpha3 > 0.
        temperature: T > 0, any shape, [time].
        weight_decay: gamma >= 0.
    """
    t = np.asarray(temperature, dtype=np.float64)
    signal = abs(moments.beta2) - weight_decay
    result: Array = (signal - t * moments.alpha3) ** 2 / (2.0 * t * moments.alpha3)
    return result
