"""Coordinates y in which densities are smooth on the scale of one, and the slope of their logarithm there.

Each coordinate maps y in (-inf, inf) to the interval on which the law lives:

    SectorCoordinate  v = anchor*e^y                    (0, inf)
    LineCoordinate    v = anchor + scale*sinh(y)        (-inf, inf), depth 0
    WallCoordinate    v = wall + scale*e^y              (wall, inf), where the noise vanishes at the wall
    GapCoordinate     v = wall/(1 + e^-y)               (0, wall)

and h(y) = log p(v(y)) + log(dv/dy). `size` is v, or the distance to the wall: the positive quantity whose
moments are wanted (none for depth 0, whose moments are closed forms); v = origin + size. The last two are
in walls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from equipoise_solver.diffusion.quadrature import Ends, Index, too_sharp
from equipoise_solver.theory.coefficients import Array, Coefficients

# Where the terms that bend h are this small, h is straight to the last bit and is integrated analytically.
_STRAIGHT = 1e-18
_LOG_FALL = 7.0  # log(1000): an exponent of -1000 ends the search for the edge of a density.
_TINY = 1e-300


def spread(center: Array, width: Array, low: Array, high: Array) -> Array:
    """Edges at center +- width*(0, 1, 2, 4, ...) clipped to [low, high], shape (n, n_edges)."""
    reach = float(np.max(np.log2(np.maximum(high - low, width) / width)))
    if not math.isfinite(reach):
        raise too_sharp()
    ladder = np.concatenate([[0.0], 2.0 ** np.arange(np.ceil(reach) + 1)])
    offsets = np.concatenate([-ladder, ladder])
    result: Array = np.clip(center[:, None] + width[:, None] * offsets, low[:, None], high[:, None])
    return result


def _outer(low: Array, high: Array) -> Array:
    return np.stack([low, high], axis=1)


@dataclass(frozen=True, slots=True)
class SectorCoordinate:
    """v = anchor*e^y for the sector (0, inf); `residual` is the force at the anchor, 0 where known to be."""

    c: Coefficients
    anchor: Array
    residual: Array

    @property
    def origin(self) -> Array:
        """What to add to the size to get v: 0."""
        return np.zeros_like(self.anchor)

    @property
    def base(self) -> Array:
        """A size near which narrow densities live."""
        return self.anchor

    def offset(self, y: Array, owner: Index) -> Array:
        """size - base, precise near the base, (panel, node)."""
        result: Array = self.anchor[owner][:, None] * np.expm1(y)
        return result

    def slope(self, y: Array, owner: Index) -> Array:
        """h'(y)."""
        c, e, alpha1 = self.c, self.c.exponent, self.c.alpha1[owner][:, None]
        # Where g is constant the line reaches beyond the largest number: v must not be formed there.
        anchor = self.anchor[owner][:, None]
        rise = anchor * np.expm1(np.where(alpha1 > 0, y, 0.0))
        distance = rise + (self.anchor - c.root)[owner][:, None]
        noise = alpha1 * distance * distance + c.floor[owner][:, None]
        friction, at_anchor = np.exp(e * y), self.anchor**e
        # (e^y - 1)*e^(e*y) without overflow at either end and without cancellation at y = 0.
        lift = np.sign(y) * -np.expm1(-np.abs(y)) * np.exp((e + (y > 0)) * y)
        force = (c.beta1 * self.anchor)[owner][:, None] * lift + self.residual[owner][:, None] * friction
        if np.any(c.pull):
            force = force + (c.pull * at_anchor)[owner][:, None] * np.expm1(e * y) * friction
        stiffness = (c.stiffness * at_anchor)[owner][:, None]
        bend: Array = (2.0 * alpha1 * (anchor + rise) * distance + stiffness * force) / noise
        return (1.0 - c.power) - bend

    def log_size(self, y: Array, owner: Index) -> Array:
        """log v."""
        return y + np.log(self.anchor)[owner].reshape(-1, *(1,) * (y.ndim - 1))

    def value(self, y: Array) -> Array:
        """v of one point (n = 1)."""
        result: Array = self.anchor[0] * np.exp(y)
        return result

    def invert(self, v: Array) -> Array:
        """y of v inside the interval, one point (n = 1)."""
        relative = (v - self.anchor[0]) / self.anchor[0]
        near = np.abs(relative) < 0.5
        return np.where(near, np.log1p(np.where(near, relative, 0.0)), np.log(v) - np.log(self.anchor[0]))

    def log_jacobian(self, y: Array, owner: Index) -> Array:
        """log(dv/dy)."""
        return self.log_size(y, owner)

    def density_slope(self, y: Array, owner: Index) -> Array:
        """d(log p)/dy with p the density in v."""
        return self.slope(y, owner) - 1.0

    def low_edge(self) -> Array:
        """Where h is straight (depth 1) or has fallen far (deeper) towards v = 0."""
        c, alpha3 = self.c, self.c.alpha3
        with np.errstate(divide="ignore"):
            if c.exponent == 0.0:
                tilt = 2.0 * np.abs(c.alpha2) / alpha3
                bends = [tilt, np.sqrt(c.alpha1 / alpha3), c.stiffness * (c.beta1 + c.beta2 * tilt) / alpha3]
                edge = np.log(_STRAIGHT) - np.log(np.maximum.reduce(bends))
            else:
                depth = -c.exponent
                fall = np.log(c.stiffness * c.beta2 / (alpha3 * depth)) - _LOG_FALL
                edge = np.minimum(fall / depth, np.log(self.anchor))
        result: Array = np.minimum(edge - np.log(self.anchor), -2.0 * self._width())
        return result

    def high_edge(self) -> Array:
        """Where h is straight (a power tail) or a first guess, to be extended, of where it has died out."""
        c, e = self.c, self.c.exponent
        with np.errstate(divide="ignore", invalid="ignore"):
            bends = [
                np.log(2.0 * np.abs(c.root)) - np.log(_STRAIGHT),
                0.5 * (np.log(c.floor / c.alpha1) - np.log(_STRAIGHT)),
                (np.log(c.stiffness * c.beta1 / c.alpha1) - np.log(_STRAIGHT)) / (1.0 - e),
                (np.log(c.stiffness * c.beta2 / c.alpha1) - np.log(_STRAIGHT)) / (2.0 - e),
                (np.log(c.stiffness * c.pull / c.alpha1) - np.log(_STRAIGHT)) / (2.0 - 2.0 * e),
            ]
            if e == -1.0:
                constant = np.log(c.stiffness * c.beta2 / c.floor) - np.log(_STRAIGHT) - np.log(self.anchor)
            else:
                constant = 2.0 * self._width()
        edge = np.where(c.alpha1 > 0, np.maximum.reduce(bends) - np.log(self.anchor), constant)
        result: Array = np.maximum(edge, 2.0 * self._width())
        return result

    def ends(self) -> Ends:
        """Power ends at 0 (depth 1) and infinity (alpha1 > 0, or infinite depth)."""
        c = self.c
        left = np.full(c.size, np.inf)
        if c.exponent == 0.0:
            # 1/2 (Tc/T - 1), formed without cancellation near Tc.
            left = (c.beta2 - c.alpha3 * c.temperature) * c.stiffness / c.alpha3
        constant = np.full(c.size, np.inf)
        if c.exponent == -1.0:
            with np.errstate(divide="ignore"):
                constant = (c.power - 1.0) + c.stiffness * c.beta1 / c.floor
        return Ends(left, np.where(c.alpha1 > 0, c.power + 1.0, constant))

    def edges(self, low: Array, high: Array) -> Array:
        """First panels: graded about the anchor, about the poles of 1/g and about the bulk near 0."""
        c = self.c
        groups = [_outer(low, high), spread(np.zeros(c.size), self._width(), low, high)]
        inside = (c.root > 0) & (c.floor > 0) & (c.alpha1 > 0)
        if np.any(inside):
            root = np.where(inside, c.root, self.anchor)
            width = np.where(inside, np.sqrt(c.floor / np.where(inside, c.alpha1, 1.0)) / root, 1.0)
            width = np.clip(width, 1e-13, 1.0)
            groups.append(spread(np.log(root / self.anchor), width, low, high))
        if c.exponent:
            with np.errstate(divide="ignore"):
                bulk = np.log(c.stiffness * c.beta2 / ((c.power - 1.0) * c.alpha3)) / -c.exponent
            groups.append(spread(bulk - np.log(self.anchor), np.ones(c.size), low, high))
        return np.concatenate(groups, axis=1)

    def _width(self) -> Array:
        """The width of the density about the anchor in y at low temperature, at most 1/2."""
        c = self.c
        curvature = c.stiffness * c.beta1 * self.anchor ** (1.0 + c.exponent) / c.noise(self.anchor)
        return np.minimum(0.5, 1.0 / np.sqrt(np.maximum(curvature, _TINY)))


@dataclass(frozen=True, slots=True)
class LineCoordinate:
    """v = anchor + scale*sinh(y) for depth 0, the anchor at the mode."""

    c: Coefficients
    anchor: Array
    scale: Array

    def slope(self, y: Array, owner: Index) -> Array:
        """h'(y)."""
        c, scale = self.c, self.scale[owner][:, None]
        rise, stretch = scale * np.sinh(y), scale * np.cosh(y)
        distance = rise + (self.anchor - c.root)[owner][:, None]
        noise = c.alpha1[owner][:, None] * distance**2 + c.floor[owner][:, None]
        # At the anchor g' + stiffness*force vanishes: what is left is linear in the rise.
        pull = (2.0 * c.alpha1 + c.stiffness * c.beta1)[owner][:, None]
        return np.tanh(y) - stretch * pull * rise / noise

    def value(self, y: Array) -> Array:
        """v of one point (n = 1)."""
        result: Array = self.anchor[0] + self.scale[0] * np.sinh(y)
        return result

    def invert(self, v: Array) -> Array:
        """y of v, one point (n = 1)."""
        result: Array = np.arcsinh((v - self.anchor[0]) / self.scale[0])
        return result

    def log_jacobian(self, y: Array, owner: Index) -> Array:
        """log(dv/dy)."""
        scale = np.log(self.scale)[owner].reshape(-1, *(1,) * (y.ndim - 1))
        result: Array = scale + np.logaddexp(y, -y) - np.log(2.0)
        return result

    def edges(self) -> Array:
        """First panels out to where h is straight, graded about the anchor and the poles of 1/g."""
        c = self.c
        with np.errstate(divide="ignore"):
            reach = np.maximum(np.abs(self.anchor - c.root), np.sqrt(c.floor / c.alpha1)) / self.scale
        high = np.where(c.alpha1 > 0, np.log(4.0 * np.maximum(reach, 1.0)) - np.log(_STRAIGHT), 3.0)
        groups = [_outer(-high, high), spread(np.zeros(c.size), np.full(c.size, 0.5), -high, high)]
        if np.any(c.alpha1 > 0):
            pole = np.arcsinh((c.root - self.anchor) / self.scale)
            width = np.sqrt(c.floor / np.where(c.alpha1 > 0, c.alpha1, np.inf)) / self.scale / np.cosh(pole)
            groups.append(spread(pole, np.clip(width, 1e-13, 1.0), -high, high))
        return np.concatenate(groups, axis=1)

    def ends(self) -> Ends:
        """Power ends on both sides if alpha1 > 0, else Gaussian ones."""
        c = self.c
        with np.errstate(divide="ignore"):
            rate = np.where(c.alpha1 > 0, 1.0 + c.stiffness * c.beta1 / c.alpha1, np.inf)
        return Ends(rate, rate)
