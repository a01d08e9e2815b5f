"""StationaryLaw: what is known of a stationary law, and its density, distribution function and quantiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from equipoise_solver.diffusion.quadrature import Index
from equipoise_solver.theory.boundaries import Boundary
from equipoise_solver.theory.closed_forms import Regime
from equipoise_solver.theory.coefficients import Array
from equipoise_solver.theory.integrals import DensityTable

_SURVEY = 20_001
_LEAST = 1e-300
_VISIBLE = 18.4  # exp(-18.4) = 1e-8.

Phase = Literal["learning", "sparse", "interpolating", "metastable"]


@dataclass(frozen=True, slots=True)
class Atom:
    """A point that carries probability; mass None where the start decides how much."""

    at: float
    mass: float | None


class InvertibleCoordinate(Protocol):
    """A coordinate of one density."""

    def value(self, y: Array) -> Array:
        """v of y."""

    def invert(self, v: Array) -> Array:
        """y of v."""

    def log_jacobian(self, y: Array, owner: Index) -> Array:
        """log(dv/dy)."""


@dataclass(frozen=True, slots=True)
class Density:
    """A density on (low, high) of sign*v, tabulated in a coordinate.

    Attributes:
        table: the density in the coordinate y.
        coordinate: y <-> sign*v.
        low, high: the interval of sign*v.
        sign: -1 for the mirrored sector.
    """

    table: DensityTable
    coordinate: InvertibleCoordinate
    low: float
    high: float
    sign: float

    def log_pdf(self, v: Array) -> Array:
        """log p(v), -inf outside the interval."""
        u = self.sign * v
        inside = (u > self.low) & (u < self.high)
        result = np.full(v.shape, -np.inf)
        y = self.coordinate.invert(u[inside])
        jacobian = self.coordinate.log_jacobian(y, np.zeros(y.shape, dtype=np.intp))
        result[inside] = self.table.log_density(y) - jacobian
        return result

    def cdf(self, v: Array) -> Array:
        """P(V <= v)."""
        u = self.sign * v
        inside = (u > self.low) & (u < self.high)
        below = np.where(u >= self.high, 1.0, 0.0)
        below[inside] = self.table.cdf(self.coordinate.invert(u[inside]))
        return below if self.sign > 0 else 1.0 - below

    def visible(self, n: int) -> Array:
        """At most n points, even in y, where v is a normal number and its share of the mass is not tiny."""
        margin = 0.5 * (self.table.right[-1] - self.table.left[0])
        y = np.linspace(self.table.left[0], self.table.right[-1] + margin, _SURVEY)
        for _ in range(2):
            with np.errstate(over="ignore", under="ignore"):
                u = self.coordinate.value(y)
            height = self.table.log_density(y)
            inside = (u > self.low) & (u < self.high) & (np.abs(u) > _LEAST) & (np.abs(u) < 1.0 / _LEAST)
            if not np.any(inside):
                return np.zeros(0)
            seen = y[inside & (height > np.max(height[inside]) - _VISIBLE)]
            y = np.linspace(seen[0], seen[-1], n)
        return np.sort(self.sign * np.unique(u[inside]))

    def quantile(self, q: Array) -> Array:
        """v with cdf(v) = q."""
        with np.errstate(over="ignore"):
            u = self.coordinate.value(self.table.quantile(q if self.sign > 0 else 1.0 - q))
        return self.sign * np.clip(u, self.low, self.high) + 0.0  # No negative zero.


@dataclass(frozen=True, slots=True, eq=False)
class StationaryLaw:
    """The stationary law of the model coordinate v in the sector that has the sign of E[xy].

    Attributes:
        phase: "learning" (a density), "sparse" (all mass at v = 0), "interpolating" (all mass where the noise
            vanishes), "metastable" (all mass at v = 0 in the end; the density is that of the learned state).
        critical_temperature: Tc, None where there is none.
        regime: see closed_forms.Regime; None unless depth is 1 and the law has no wall.
        atoms: points that carry probability under the stationary law.
        mean, variance, second_moment: of the law, or of its density where both exist; None where infinite or
            where the start decides.
        mode: the highest local maximum of the density inside its interval, or the only atom; None if there
        is none.
        mode_vanishes_at: T*, the temperature at which the mode vanishes; None where it never does.
        tail_exponent: s in p ~ |v|**s at infinity, None where there is no power-law tail.
        support: the interval of the density, or the points between which the atoms lie.
        boundaries: the ends of the interval of the diffusion.
        notes: what a reader should know besides.
        log_normalisation: log of int f dv, f(v) = v**-power/g(v) * exp(-stiffness * int_reference^v
        force/(v**q g));
            None if there is no density.
        reference: where the exponent of f is 0; None if there is no density.
        density: the density, None if there are only atoms.
    """

    phase: Phase
    support: tuple[float, float]
    boundaries: tuple[Boundary, ...]
    critical_temperature: float | None = None
    regime: Regime | None = None
    atoms: tuple[Atom, ...] = ()
    mean: float | None = None
    variance: float | None = None
    second_moment: float | None = None
    mode: float | None = None
    mode_vanishes_at: float | None = None
    tail_exponent: float | None = None
    notes: tuple[str, ...] = ()
    log_normalisation: float | None = None
    reference: float | None = None
    density: Density | None = field(default=None, repr=False)

    def log_pdf(self, v: ArrayLike) -> Array:
        """log of pdf(v); -inf outside the support, and where the density is below exp(-650) of its peak."""
        points = np.asarray(v, dtype=np.float64)
        if self.density is None:
            return np.full(points.shape, -np.inf)
        return self.density.log_pdf(points.ravel()).reshape(points.shape)

    def pdf(self, v: ArrayLike) -> Array:
        """The density at v, of any shape; 0 where only atoms carry probability, inf where it overflows."""
        with np.errstate(over="ignore"):
            result: Array = np.exp(self.log_pdf(v))
        return result

    def cdf(self, v: ArrayLike) -> Array:
        """P(V <= v): of the density if there is one, else steps at the atoms (nan if the start decides)."""
        points = np.asarray(v, dtype=np.float64)
        if self.density is not None:
            return self.density.cdf(points.ravel()).reshape(points.shape)
        total = np.zeros(points.shape)
        for atom, mass in zip(self.atoms, _masses(self.atoms), strict=True):
            total = total + np.where(points >= atom.at, mass, 0.0)
        return np.where(points >= max(atom.at for atom in self.atoms), 1.0, total)

    def quantile(self, q: ArrayLike) -> Array:
        """The inverse of cdf, 0 <= q <= 1; with only atoms, one of them (nan if the start decides)."""
        levels = np.asarray(q, dtype=np.float64)
        valid = (levels >= 0) & (levels <= 1)
        if self.density is not None:
            found = self.density.quantile(np.where(valid, levels, 0.5).ravel()).reshape(levels.shape)
            return np.where(valid, found, np.nan)
        heights = np.cumsum(_masses(self.atoms))
        if np.isnan(heights[-1]):
            return np.full(levels.shape, np.nan)
        places = np.array([atom.at for atom in self.atoms])
        return np.where(valid, places[np.searchsorted(heights[:-1], levels)], np.nan)

    def sample_grid(self, n: int = 512) -> Array:
        """At most n increasing points for a plot; with only atoms, their positions.

        Half lie evenly over the bulk, the rest at quantiles and out into the tails, to probabilities of 1e-8.
        """
        return self.sampled(n)[0]

    def sampled(self, n: int = 512, levels: ArrayLike = ()) -> tuple[Array, Array, Array]:
        """The points of `sample_grid`, the density there, and the quantiles at some levels.

        All quantiles that it takes are found together, which costs little more than finding one.
        """
        asked = np.asarray(levels, dtype=np.float64)
        if self.density is None:
            places = np.array(sorted(atom.at for atom in self.atoms))
            return places, self.pdf(places), self.quantile(asked)
        within = np.linspace(0.0, 1.0, max(n // 4, 1) + 2)[1:-1]
        beyond = np.geomspace(1e-2, 1e-8, max((n - n // 2 - n // 4 - 1) // 2, 1))
        found = self.quantile(np.concatenate([asked, [2e-3, 0.99, 0.5], within, beyond, 1.0 - beyond]))
        quantiles, placed = found[: asked.size], found[asked.size :]
        even = np.linspace(placed[0], placed[1], max(n // 2, 2))
        grid = np.unique(np.concatenate([even, placed[2:]]))[:n]
        keep = (grid > self.support[0]) & (grid < self.support[1]) & np.isfinite(grid)
        grid = grid[keep]
        if grid.size < n // 2:  # Most of the mass lies below the smallest number, or in a few of them.
            grid = np.unique(np.concatenate([grid, self.density.visible(n - grid.size)]))
        heights = self.pdf(grid)
        is_finite = np.isfinite(heights)
        return grid[is_finite], heights[is_finite], quantiles


def _masses(atoms: tuple[Atom, ...]) -> list[float]:
    return [np.nan if atom.mass is None else atom.mass for atom in atoms]
