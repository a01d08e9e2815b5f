"""Densities that are infinite at v = 0: what of them a picture can show, and what it must say instead."""

from dataclasses import dataclass

import numpy as np

from equipoise.plots.bars import Array
from equipoise_solver import specs

# A pole is sought among values closer to 0 than this fraction of the range shown.
NEAR = 1e-3
# The height of the picture is that of the density further from 0 than this fraction of the range shown.
FAR = 0.04
# How far the density at 0 rises above that height if it is a pole.
RISE = 4.0
# Points of the curve that is drawn.
N_POINTS = 1200


@dataclass(frozen=True)
class Pole:
    """An integrable pole at v = 0.

    Attributes:
        top: height of a picture that shows the rest of the density.
        reach: the density is higher than that for |v| below this.
        mass: probability of these v, an atom at 0 included.
        is_one_sided: whether no v is negative.
        v: values at which to draw the density, shape (n,).
        p: the density there, cut just above the picture, shape (n,).
    """

    top: float
    reach: float
    mass: float
    is_one_sided: bool
    v: Array
    p: Array

    def __str__(self) -> str:
        name = "v" if self.is_one_sided else "|v|"
        return f"pole at v = 0: P({name} < {self.reach:.2g}) {_percent(self.mass)}"


def pole_of(density: specs.Density, shown: tuple[float, float]) -> Pole | None:
    """The pole of a density at v = 0, or None if the density is finite or hardly rises there.

    Args:
        density: a density on a grid.
        shown: range of the picture.
    """
    v, p = density.v, density.p
    width = shown[1] - shown[0]
    near = np.abs(v) < NEAR * width
    if v.size < 2 or not near.any():
        return None
    even = np.linspace(max(shown[0], v[0]), min(shown[1], v[-1]), N_POINTS)
    curve = _at(even, v, p)
    height = float(curve[np.abs(even) > FAR * width].max(initial=0.0))
    innermost = int(np.argmin(np.abs(v)))
    if not 0.0 < RISE * height < p[innermost] or p[innermost] < p[near].max():
        return None
    top = 1.12 * height
    reach = float(np.abs(even[curve > top]).max(initial=NEAR * width))
    mass = np.interp(reach, v, density.cdf) - np.interp(-reach, v, density.cdf, left=0.0)
    drawn = np.minimum(curve, 2.0 * top)
    return Pole(top, reach, float(mass), is_one_sided=bool(v[0] >= 0), v=even, p=drawn)


def height_beside_pole(curve: tuple[Array, Array], *, shown: tuple[float, float]) -> float:
    """Largest height of a curve (v, p) in the range shown, but not close to v = 0."""
    v, p = curve
    far = (np.abs(v) > FAR * (shown[1] - shown[0])) & (v >= shown[0]) & (v <= shown[1])
    return float(p[far].max(initial=0.0))


def _at(x: Array, v: Array, p: Array) -> Array:
    """Density at x, interpolated on logarithmic axes on each side of 0: its grid may leap over decades."""
    result = np.zeros_like(x)
    smallest = np.finfo(np.float64).tiny
    for sign in (-1.0, 1.0):
        order = np.argsort(np.abs(v))
        known = order[(sign * v[order] > 0) & np.isfinite(p[order])]
        wanted = sign * x > 0
        if known.size and wanted.any():
            heights = np.log(np.maximum(p[known], smallest))
            result[wanted] = np.exp(np.interp(np.log(np.abs(x[wanted])), np.log(np.abs(v[known])), heights))
    # The pole itself is as high as its neighbourhood in the picture.
    result[x == 0] = result.max()
    return result


def _percent(share: float) -> str:
    """Percentage with four digits, never rounded up to all, and its sign of comparison."""
    return "> 99.99 %" if share > 0.9999 else f"= {100 * share:.4g} %"
