"""Coordinates for data whose noise vanishes at a point (delta = 0): the law lives on one side of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise_solver.diffusion.quadrature import Ends, Index
from equipoise_solver.theory.coefficients import Array, Coefficients
from equipoise_solver.theory.coordinates import spread

_STRAIGHT = 1e-18


def _force(c: Coefficients, v: Array, offset: Array, owner: Index) -> Array:
    """The force at v = wall + offset, (panel, node), precise near the wall."""
    linear = c.beta1 * c.root - c.beta2
    rise = c.beta1[owner][:, None] * offset
    if not np.any(c.pull):
        return linear[owner][:, None] + rise
    wall, e = c.root[owner][:, None], c.exponent
    if c.root[0] == 0.0:
        return linear[owner][:, None] + rise + c.pull[owner][:, None] * v**e
    near = np.abs(offset) < 0.5 * wall
    log_ratio = np.where(near, np.log1p(np.where(near, offset, 0.0) / wall), np.log(v / wall))
    at_wall = c.pull * c.root**e
    return (linear + at_wall)[owner][:, None] + rise + at_wall[owner][:, None] * np.expm1(e * log_ratio)


@dataclass(frozen=True, slots=True)
class WallCoordinate:
    """v = wall + scale*e^y for the interval (wall, inf); the size is the distance to the wall.

    The scale is that of the least-squares point, beta2/beta1 - wall.
    """

    c: Coefficients
    scale: Array

    @property
    def origin(self) -> Array:
        """The wall, where g vanishes."""
        return self.c.root

    def slope(self, y: Array, owner: Index) -> Array:
        """h'(y)."""
        c = self.c
        wall, alpha1 = c.root[owner][:, None], c.alpha1[owner][:, None]
        size = self.scale[owner][:, None] * np.exp(y)
        v = wall + size
        share = size / v if c.power else np.zeros_like(v)
        friction = 1.0 if c.exponent == 1.0 else v ** (c.exponent - 1.0)
        if np.any(c.pull):
            force = _force(c, v, size, owner)
        else:  # The force vanishes at y = 0, where low temperatures gather the law: no digits may cancel.
            force = (c.beta1 * self.scale)[owner][:, None] * np.expm1(y)
        return -1.0 - c.power * share - c.stiffness[owner][:, None] * friction * force / (alpha1 * size)

    def log_size(self, y: Array, owner: Index) -> Array:
        """The logarithm of the distance to the wall."""
        return y + np.log(self.scale)[owner].reshape(-1, *(1,) * (y.ndim - 1))

    @property
    def base(self) -> Array:
        """A size near which narrow densities live."""
        return self.scale

    def offset(self, y: Array, owner: Index) -> Array:
        """size - base, precise near the base, (panel, node)."""
        result: Array = self.scale[owner][:, None] * np.expm1(y)
        return result

    def value(self, y: Array) -> Array:
        """v of one point (n = 1)."""
        result: Array = self.c.root[0] + self.scale[0] * np.exp(y)
        return result

    def invert(self, v: Array) -> Array:
        """y of v inside the interval, one point (n = 1)."""
        result: Array = np.log((v - self.c.root[0]) / self.scale[0])
        return result

    def log_jacobian(self, y: Array, owner: Index) -> Array:
        """log(dv/dy)."""
        return self.log_size(y, owner)

    def density_slope(self, y: Array, owner: Index) -> Array:
        """d(log p)/dy with p the density in v."""
        return self.slope(y, owner) - 1.0

    def low_edge(self) -> Array:
        """A first guess, to be extended."""
        return np.full(self.c.size, -2.0)

    def high_edge(self) -> Array:
        """Where h is straight towards infinity."""
        c, e = self.c, self.c.exponent
        strength = c.stiffness / c.alpha1
        force = np.abs(c.beta1 * c.root - c.beta2) + c.pull * np.where(c.root > 0, c.root, 1.0) ** e
        with np.errstate(divide="ignore"):
            bends = [np.log(np.abs(c.root)) - np.log(_STRAIGHT), np.log(self.scale) + 2.0]
            if c.exponent == 1.0:
                bends.append(np.log(strength * force) - np.log(_STRAIGHT))
            else:
                bends.append((np.log(strength * c.beta1) - np.log(_STRAIGHT)) / (1.0 - e))
                bends.append((np.log(strength * force) - np.log(_STRAIGHT)) / (2.0 - e))
                bends.append((np.log(strength * c.pull) - np.log(_STRAIGHT)) / (2.0 - 2.0 * e))
        result: Array = np.maximum.reduce(bends) - np.log(self.scale)
        return result

    def edges(self, low: Array, high: Array) -> Array:
        """First panels: of equal length about one, and graded about y = 0."""
        count = int(np.max(np.ceil(high - low))) + 1
        even = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, count)
        c, at = self.c, self.c.root + self.scale
        curvature = c.stiffness * at ** (c.exponent - 1.0) * c.beta1 / c.alpha1
        width = np.minimum(0.5, 1.0 / np.sqrt(np.maximum(curvature, 4.0)))
        return np.concatenate([even, spread(np.zeros(c.size), width, low, high)], axis=1)

    def ends(self) -> Ends:
        """An essential singularity at the wall, a power at infinity."""
        c = self.c
        line = c.stiffness * c.beta1 / c.alpha1 if c.exponent == 1.0 else np.zeros(c.size)
        return Ends(np.full(c.size, np.inf), c.power + 1.0 + line)


@dataclass(frozen=True, slots=True)
class GapCoordinate:
    """v = wall/(1 + e^-y) for the interval (0, wall) of depth >= 1; the size is v."""

    c: Coefficients

    @property
    def origin(self) -> Array:
        """What to add to the size to get v: 0."""
        return np.zeros(self.c.size)

    def slope(self, y: Array, owner: Index) -> Array:
        """h'(y)."""
        c = self.c
        wall = c.root[owner][:, None]
        inside, gap = 1.0 / (1.0 + np.exp(-y)), 1.0 / (1.0 + np.exp(y))
        friction = (wall * inside) ** c.exponent
        strength = (c.stiffness / c.alpha1)[owner][:, None] / wall**2
        return (
            (1.0 - c.power) * gap
            + inside
            - strength * friction * _force(c, wall * inside, -wall * gap, owner) / gap
        )

    def log_size(self, y: Array, owner: Index) -> Array:
        """log v."""
        wall = np.log(self.c.root)[owner].reshape(-1, *(1,) * (y.ndim - 1))
        return wall - np.logaddexp(0.0, -y)

    @property
    def base(self) -> Array:
        """A size near which narrow densities live: the wall."""
        return self.c.root

    def offset(self, y: Array, owner: Index) -> Array:
        """size - base, precise near the base, (panel, node)."""
        result: Array = -self.c.root[owner][:, None] / (1.0 + np.exp(y))
        return result

    def value(self, y: Array) -> Array:
        """v of one point (n = 1)."""
        result: Array = self.c.root[0] / (1.0 + np.exp(-y))
        return result

    def invert(self, v: Array) -> Array:
        """y of v inside the interval, one point (n = 1)."""
        result: Array = np.log(v) - np.log(self.c.root[0] - v)
        return result

    def log_jacobian(self, y: Array, owner: Index) -> Array:
        """log(dv/dy)."""
        return self.log_size(y, owner) - np.logaddexp(0.0, y)

    def density_slope(self, y: Array, owner: Index) -> Array:
        """d(log p)/dy with p the density in v."""
        return self.slope(y, owner) + np.tanh(0.5 * y)

    def low_edge(self) -> Array:
        """Where h is straight (depth 1), or a first guess, to be extended."""
        c = self.c
        if c.exponent:
            return np.full(c.size, -2.0)
        strength = 1.0 + c.stiffness / c.alpha1 * (c.beta1 / c.root + 4.0 * np.abs(c.beta2) / c.root**2)
        result: Array = np.log(_STRAIGHT) - np.log(strength) - 2.0
        return result

    def high_edge(self) -> Array:
        """A first guess, to be extended."""
        return np.full(self.c.size, 2.0)

    def edges(self, low: Array, high: Array) -> Array:
        """First panels, of equal length about one."""
        count = int(np.max(np.ceil(high - low))) + 1
        return low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, count)

    def ends(self) -> Ends:
        """A power at 0 (depth 1), an essential singularity at the wall."""
        c = self.c
        left = np.full(c.size, np.inf)
        if c.exponent == 0.0:
            left = (c.beta2 - c.alpha3 * c.temperature) * c.stiffness / c.alpha3
        return Ends(left, np.full(c.size, np.inf))
