"""Closed forms of critical temperature, fixed point, mode, regimes and tails, by arrays; NaN means none."""

from __future__ import annotations

from typing import Literal

import numpy as np

from equipoise_solver.theory.coefficients import Array, Coefficients

Regime = Literal["learned", "spike_and_mode", "spike_only", "sparse_with_mode", "sparse_only"]
"""The five regimes of two-layer networks (depth 1), [P1] figure 4, by T against Tc and Tc/3 and by the mode.

learned           T < Tc/3: the density vanishes at 0 and has a mode
spike_and_mode    Tc/3 <= T < Tc: the density does not vanish at 0 and has a mode as well
spike_only        Tc/3 <= T < Tc: the density falls from 0 onwards, no mode
sparse_with_mode  T >= Tc: all mass at 0, the unnormalisable density still has a mode
sparse_only       T >= Tc: all mass at 0, no mode
"""

_NEWTON_STEPS = 100


def critical_temperature(c: Coefficients) -> Array:
    """Tc, above which the learned sector empties into v = 0; NaN where there is no such temperature.

    Depth 1: beta2/alpha3 (0 if weight decay exceeds |E[xy]|). Deeper networks have none, but Tc = 0 if
    beta2 = 0.
    """
    if c.depth == 0:
        return np.full(c.size, np.nan)
    if c.depth == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.maximum(c.beta2, 0.0) / c.alpha3
        return np.where((c.alpha3 > 0) | (c.beta2 <= 0), np.where(c.beta2 > 0, value, 0.0), np.nan)
    return np.where(c.beta2 > 0, np.nan, 0.0)


def noise_free_point(c: Coefficients) -> Array:
    """The stable zero of the force away from 0 (depth 0: the only one), NaN where there is none."""
    line = c.beta2 / c.beta1
    if c.depth == 0:
        return line
    line = np.where(c.beta2 > 0, line, np.nan)
    return _pulled_point(c, line) if np.any(c.pull) else line


def _pulled_point(c: Coefficients, start: Array) -> Array:
    """Largest zero of beta1*v - beta2 + pull*v**e: convex, so Newton from the right falls monotonically."""
    e, v = c.exponent, start.copy()
    lowest = (c.pull * -e / c.beta1) ** (1.0 / (1.0 - e))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        exists = (c.pull == 0) | (c.beta1 * lowest - c.beta2 + c.pull * lowest**e < 0)
        v = np.where(exists, v, np.nan)
        for _ in range(_NEWTON_STEPS):
            step = c.force(v) / (c.beta1 + e * c.pull * v ** (e - 1.0))
            v = np.where(np.isfinite(step), v - step, v)
            if not np.any(np.abs(step) > 4e-16 * v):
                break
    return v


def line_mode(c: Coefficients) -> Array:
    """Depth 0: the only maximum of the density, (2 alpha2 aT + beta2)/(2 alpha1 aT + beta1)."""
    at = c.amplitude * c.temperature
    return (2.0 * c.alpha2 * at + c.beta2) / (2.0 * c.alpha1 * at + c.beta1)


def two_layer_mode(c: Coefficients) -> Array:
    """Depth 1: the local maximum of the (formal) density away from 0, NaN where there is none.

    The larger root of 7 alpha1 T v^2 + (beta1 - 10 alpha2 T) v - (beta2 - 3 alpha3 T) = 0, if positive.
    """
    square = 7.0 * c.alpha1 * c.temperature
    linear = c.beta1 - 10.0 * c.alpha2 * c.temperature
    constant = c.beta2 - 3.0 * c.alpha3 * c.temperature
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(linear**2 + 4.0 * square * constant)
        root = np.where(linear > 0, 2.0 * constant / (linear + spread), (spread - linear) / (2.0 * square))
        return np.where(root > 0, root, np.nan)


def two_layer_mode_vanishing(c: Coefficients) -> Array:
    """Depth 1: T*, at which the mode vanishes as T rises from 0; NaN where it never does or never exists.

    The mode slides into 0 at Tc/3 unless 10 alpha2 beta2 > 3 alpha3 beta1; then it lives on beyond Tc/3 and
    merges with the minimum of the density at the first zero above Tc/3 of the discriminant
    beta1^2 + 2 p T + q T^2, p = 14 alpha1 beta2 - 10 alpha2 beta1, q = 16 alpha2^2 - 84 Delta.

    References:
        [P1] prints the zero of the discriminant only, which is not T* in the first case.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        slide = c.beta2 / (3.0 * c.alpha3)
        p = 14.0 * c.alpha1 * c.beta2 - 10.0 * c.alpha2 * c.beta1
        q = 16.0 * c.alpha2**2 - 84.0 * c.alpha1 * c.floor
        spread = np.sqrt(p**2 - q * c.beta1**2)
        # Both zeros in the form that divides by a sum of like signs: beta1^2/(-p -+ spread).
        zeros = np.stack([c.beta1**2 / (-p + spread), c.beta1**2 / (-p - spread)])
        zeros = np.where(zeros > slide, zeros, np.inf).min(axis=0)
        merge = np.where(np.isfinite(zeros), zeros, np.nan)
        result = np.where(10.0 * c.alpha2 * c.beta2 > 3.0 * c.alpha3 * c.beta1, merge, slide)
    return np.where((c.beta2 > 0) & (c.alpha3 > 0), result, np.nan)


def two_layer_regime(c: Coefficients) -> list[Regime]:
    """Depth 1: the regime of every point."""
    critical = critical_temperature(c)
    critical = np.where(np.isnan(critical), np.inf, critical)
    has_mode = ~np.isnan(two_layer_mode(c))
    regimes: list[Regime] = []
    for t, tc, mode in zip(c.temperature, critical, has_mode, strict=True):
        if t >= tc:
            regimes.append("sparse_with_mode" if mode else "sparse_only")
        elif 3.0 * t >= tc:
            regimes.append("spike_and_mode" if mode else "spike_only")
        else:
            regimes.append("learned")
    return regimes


def line_mean(c: Coefficients) -> Array:
    """Depth 0: E[v] = beta2/beta1, which is finite at every temperature."""
    return c.beta2 / c.beta1


def line_variance(c: Coefficients) -> Array:
    """Depth 0: Var[v] = aT g(E[v])/(beta1 - aT alpha1), from Ito's formula for v**2; NaN where infinite."""
    at = c.amplitude * c.temperature
    margin = c.beta1 - at * c.alpha1
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(margin > 0, at * c.noise(line_mean(c)) / margin, np.nan)


def tail_exponent(c: Coefficients) -> Array:
    """The power s of p ~ |v|**s at infinity; NaN where the density falls faster than powers.

    It does where alpha1 = 0, but for infinite depth, where the force adds to the power.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        line = c.stiffness * c.beta1 / c.alpha1 if c.depth == 0 else np.zeros(c.size)
        value = -(c.power + 2.0) - line
        constant = -c.power - c.stiffness * c.beta1 / c.floor if c.depth is None else np.full(c.size, np.nan)
    return np.where(c.alpha1 > 0, value, constant)
