"""Integrals over resolved panels and analytic ends: moments for many points, a density table for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.polynomial import legendre

from equipoise_solver.diffusion.quadrature import (
    INTEGRATE_SERIES,
    NODES,
    ORDER,
    TO_SERIES,
    Array,
    Ends,
    Index,
    Panels,
    legendre_basis,
)

_STEPS = 60
_DIFFERENTIATE: Array = np.stack([legendre.legder(row) for row in np.eye(ORDER + 1)])
# The points of [-1, 1] between which a quantile is bracketed, and the Legendre polynomials there.
_LADDER: Array = np.concatenate([[-1.0], NODES, [1.0]])
_LADDER_BASIS: Array = np.ascontiguousarray(legendre.legvander(_LADDER, ORDER).T)
_UNDERFLOW = -650.0
_OVERFLOW = 700.0


class SizeCoordinate(Protocol):
    """A coordinate with a positive size whose moments are wanted."""

    @property
    def base(self) -> Array:
        """A size near which narrow densities live, shape (n,)."""

    def offset(self, y: Array, owner: Index) -> Array:
        """size - base, precise near the base, (panel, node)."""

    def log_size(self, y: Array, owner: Index) -> Array:
        """The logarithm of the size."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Mass (of exp(h)), mean and variance of the size, shape (n,) each."""

    mass: Array
    mean: Array
    variance: Array


def mass(panels: Panels, ends: Ends) -> Array:
    """The integral of exp(h) over the whole line, shape (n,)."""
    low, high = end_masses(panels, ends)
    return panels.total(np.exp(panels.h)) + low + high


def end_masses(panels: Panels, ends: Ends) -> tuple[Array, Array]:
    """The mass beyond the outermost edges; 0 where the line is cut or dies out faster than a power."""
    low = _over(np.exp(panels.h_left[panels.first()]), ends.left)
    return low, _over(np.exp(panels.h_right[panels.last()]), ends.right)


def _over(height: Array, rate: Array) -> Array:
    return np.where(np.isfinite(rate), height / np.where(np.isfinite(rate), rate, 1.0), 0.0)


def size_moments(panels: Panels, ends: Ends, coordinate: SizeCoordinate) -> Moments:
    """Mass, mean and variance of the size; no digits cancel in the variance of narrow densities.

    Infinite where the number is beyond the largest one of 64 bits.
    """
    whole, first_tail, second_tail = _size_tails(panels, ends, coordinate)
    tail, h, log_size = whole, panels.h, panels.log_size
    # Sizes that overflow carry next to no weight, but their moments may count: these are formed as one power.
    far = log_size > _OVERFLOW
    weight, far_once = np.exp(h), np.exp(np.where(far, h + log_size, -np.inf))
    size = np.exp(np.where(far, -np.inf, log_size))
    with np.errstate(over="ignore", invalid="ignore"):
        whole = panels.total(weight) + tail
        mean = (panels.total(weight * size + far_once) + first_tail) / whole
        near = (mean > 0.5 * coordinate.base) & (mean < 2.0 * coordinate.base)
        base = np.where(near, coordinate.base, 0.0)
        offset = size
        if np.any(near):
            narrow = coordinate.offset(np.where(far, 0.0, panels.nodes), panels.owner)
            offset = np.where(near[panels.owner][:, None] & ~far, narrow, size)
        shift = (panels.total(weight * offset + far_once) + first_tail - base * tail) / whole
        deviation = np.where(far, 0.0, np.exp(0.5 * h) * (offset - shift[panels.owner][:, None]))
        far_twice = np.exp(np.where(far, h + 2.0 * log_size, -np.inf))
        spread = panels.total(deviation**2 + far_twice)
        beyond = second_tail - 2.0 * mean * first_tail + mean**2 * tail
        variance = (spread + beyond) / whole
    return Moments(whole, mean, np.where(np.isnan(variance), np.inf, variance))


def _size_tails(panels: Panels, ends: Ends, coordinate: SizeCoordinate) -> tuple[Array, Array, Array]:
    """The integrals of exp(h)*size**j, j = 0, 1, 2, beyond the outermost edges, shape (n,) each."""
    first, last = panels.first(), panels.last()
    owners = np.arange(first.size)
    log_low = coordinate.log_size(panels.left[first], owners)
    log_high = coordinate.log_size(panels.right[last], owners)
    h_low, h_high = panels.h_left[first], panels.h_right[last]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        zeroth, once, twice = (
            _over(np.exp(h_low + j * log_low), ends.left + j)
            + _over(np.exp(h_high + j * log_high), ends.right - j)
            for j in (0, 1, 2)
        )
    return zeroth, once, twice


@dataclass(frozen=True, slots=True)
class DensityTable:
    """One density in y, normalised: log-density, distribution function and quantiles anywhere on its line."""

    left: Array
    right: Array
    h_series: Array
    mass_series: Array
    below: Array
    total: float
    ends: tuple[float, float]
    end_heights: tuple[float, float]

    def log_density(self, y: Array) -> Array:
        """log of the density in y; -inf beyond a cut and where the density is below exp(-650) of its peak."""
        inside = np.clip(y, self.left[0], self.right[-1])
        panel, basis, _ = self._locate(inside)
        h = np.einsum("ij,ij->i", basis, self.h_series[panel])
        for end, (rate, height) in enumerate(zip(self.ends, self.end_heights, strict=True)):
            distance = self.left[0] - y if end == 0 else y - self.right[-1]
            straight = height - rate * distance if _is_power(rate, height) else np.full_like(y, -np.inf)
            h = np.where(distance > 0, straight, h)
        result: Array = h - np.log(self.total)
        return result

    def cdf(self, y: Array) -> Array:
        """The probability of values below y."""
        inside = np.clip(y, self.left[0], self.right[-1])
        panel, basis, half = self._locate(inside)
        mass = self.below[panel] + half * np.einsum("ij,ij->i", basis, self.mass_series[panel])
        low, high = (self._end_mass(end) for end in (0, 1))
        with np.errstate(over="ignore", invalid="ignore"):
            mass = np.where(y < self.left[0], low * _decay(self.ends[0], self.left[0] - y), mass)
            rest = high * _decay(self.ends[1], y - self.right[-1])
            mass = np.where(y > self.right[-1], self.total - rest, mass)
        return np.clip(mass / self.total, 0.0, 1.0)

    def quantile(self, q: Array) -> Array:
        """y with cdf(y) = q; -inf and inf (or the cut) at 0 and 1."""
        target = q * self.total
        panel = np.clip(np.searchsorted(self.below, target, side="right") - 1, 0, self.left.size - 1)
        half = 0.5 * (self.right - self.left)[panel]
        series = self.mass_series[panel]
        # Targets beyond the panels, in the ends, are met below.
        t = _solve(series, np.clip((target - self.below[panel]) / half, 0.0, series.sum(axis=1)))
        y = self.left[panel] + half * (t + 1.0)
        low, high = (self._end_mass(end) for end in (0, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            if low > 0:
                y = np.where(target < low, self.left[0] + np.log(target / low) / self.ends[0], y)
            if high > 0:
                rest = (1.0 - q) * self.total
                y = np.where(rest < high, self.right[-1] - np.log(rest / high) / self.ends[1], y)
        return y

    def _end_mass(self, end: int) -> float:
        rate, height = self.ends[end], self.end_heights[end]
        return float(np.exp(height) / rate) if _is_power(rate, height) else 0.0

    def _locate(self, y: Array) -> tuple[Index, Array, Array]:
        panel = np.clip(np.searchsorted(self.left, y, side="right") - 1, 0, self.left.size - 1)
        half = 0.5 * (self.right - self.left)[panel]
        basis = legendre_basis((y - self.left[panel]) / half - 1.0)
        return panel.astype(np.intp), basis, half


def density_table(panels: Panels, ends: Ends) -> DensityTable:
    """The table of one resolved density (n = 1)."""
    half = panels.half
    h_series = (panels.slope * half[:, None]) @ (TO_SERIES @ INTEGRATE_SERIES)
    h_series[:, 0] += panels.h_left
    weight = np.exp(panels.h)
    mass_series = weight @ (TO_SERIES @ INTEGRATE_SERIES)
    inside = half * mass_series.sum(axis=1)  # Every Legendre polynomial is 1 at the right edge.
    low, high = (float(value[0]) for value in end_masses(panels, ends))
    below = low + np.concatenate([[0.0], np.cumsum(inside)])
    return DensityTable(
        left=panels.left,
        right=panels.right,
        h_series=h_series,
        mass_series=mass_series,
        below=below[:-1],
        total=float(below[-1]) + high,
        ends=(float(ends.left[0]), float(ends.right[0])),
        end_heights=(float(panels.h_left[0]), float(panels.h_right[-1])),
    )


def _is_power(rate: float, height: float) -> bool:
    return bool(np.isfinite(rate)) and height > _UNDERFLOW


def _decay(rate: float, distance: Array) -> Array:
    """exp(-rate*distance), 0 beyond an end that is no power."""
    if not np.isfinite(rate):
        return np.zeros_like(distance)
    return np.exp(-rate * np.maximum(distance, 0.0))


def _solve(series: Array, target: Array) -> Array:
    """t in [-1, 1] at which each increasing Legendre series (point, coefficient) reaches its target.

    Bracketed between nodes, then Newton's method, or bisection wherever that would leave the bracket.
    """
    heights = series @ _LADDER_BASIS
    step = np.clip((heights < target[:, None]).sum(axis=1), 1, _LADDER.size - 1)
    row = np.arange(target.size)
    low, high = _LADDER[step - 1], _LADDER[step]
    rise = heights[row, step] - heights[row, step - 1]
    share = (target - heights[row, step - 1]) / np.where(rise > 0, rise, np.inf)
    t: Array = low + (high - low) * np.clip(share, 0.0, 1.0)
    rounding = 1e-15 * np.abs(series).sum(axis=1)
    density = series @ _DIFFERENTIATE
    active = row
    for _ in range(_STEPS):
        basis = legendre_basis(t[active])
        excess = np.einsum("ij,ij->i", basis, series[active]) - target[active]
        low[active] = np.where(excess < 0, t[active], low[active])
        high[active] = np.where(excess < 0, high[active], t[active])
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = t[active] - excess / np.einsum("ij,ij->i", basis[:, :ORDER], density[active])
        done = (np.abs(excess) <= rounding[active]) | (np.abs(newton - t[active]) <= 1e-15)
        inside = (newton > low[active]) & (newton < high[active])
        t[active] = np.where(done, t[active], np.where(inside, newton, 0.5 * (low[active] + high[active])))
        active = active[~done]
        if active.size == 0:
            break
    return t
