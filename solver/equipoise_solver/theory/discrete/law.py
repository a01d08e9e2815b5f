"""DiscreteLaw: what is known of SGD's own stationary or quasi-stationary law at finite step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise_solver.theory.discrete.solution import Chain
from equipoise_solver.theory.laws import Atom

Array = NDArray[np.float64]

DiscretePhase = Literal["learning", "sparse", "interpolating", "divergent"]


SMOOTH = 1e-4
"""Largest `resolution` of a density that counts as resolved."""


@dataclass(frozen=True, slots=True, eq=False)
class DiscreteDensity:
    """The density of v = sign*(chain's v).

    Attributes:
        chain: the law on its line.
        sign: -1 for the mirrored sector.
    """

    chain: Chain
    sign: float

    def pdf(self, v: Array) -> Array:
        """p(v), shape (n,)."""
        y = self.chain.scale.invert(self.sign * v)
        slope = self.chain.scale.slope(y)
        result = np.zeros(v.shape)
        inside = slope > 0  # Not where v <= 0 is no point of log v.
        result[inside] = self.chain.density.pdf(y[inside]) / slope[inside]
        return result

    def cdf(self, v: Array) -> Array:
        """P(V <= v), shape (n,)."""
        y = self.chain.scale.invert(self.sign * v)
        below = self.chain.cdf(np.nan_to_num(y, neginf=-1e300))
        return below if self.sign > 0 else 1.0 - below

    def quantile(self, q: Array) -> Array:
        """v with cdf(v) = q, shape (n,)."""
        level = q if self.sign > 0 else 1.0 - q
        result: Array = self.sign * self.chain.scale.value(self.chain.quantile(level)) + 0.0
        return result


@dataclass(frozen=True, slots=True, eq=False)
class DiscreteLaw:
    """The stationary law of SGD at its own step, in the sector that has the sign of E[xy] (depth 1).

    For unbounded data and depth 1 it is quasi-stationary: of the runs that have not yet escaped to infinity.
    Those on their way there pass |v| = ceiling; the law and its moments are given |v| <= ceiling.

    Attributes:
        phase: "learning" (a density, or a few atoms), "sparse" (all mass at v = 0), "interpolating" (all mass
            where the noise vanishes, or there and at 0 as the start decides), "divergent" (depth 0: no
            stationary law).
        depth, learning_rate, batch_size, weight_decay: of the run.
        lyapunov_exponent: mean growth of log|v| per step at v = 0 (depth 1), 2 E log|delta + 2 eta B|; of
            log|difference of two runs| (depth 0), E log|delta - 2 eta A|.
        support: an interval that holds the law, but for a probability of about 1e-16.
        atoms: points that carry probability.
        mean, variance, second_moment: None where they are infinite, or there is no law, or the start decides.
        ceiling: |v| from which a full-batch step no longer brings |v| down; None if no run passes beyond all
            bounds.
        mass_above_ceiling: probability of lying above the ceiling, but below where a return has a chance of
            1e-10 only.
        explosion_rate: probability per step of escaping to infinity, from the quasi-stationary law; 0 where
            no minibatch can, and in the sparse phase, where it falls to 0 with v; None if divergent.
        expected_steps_to_explosion: its inverse; inf for 0.
        lower_exponent: s in P(|V| < v) ~ v**s at v = 0 (depth 1), with
            E|delta + 2 eta B|**(-2 s) = 1 - explosion_rate or s = 1/2; None where V stays away from 0.
        kesten_exponent: kappa with E|M|**kappa = 1 (depth 0); None if |M| <= 1 always or kappa > 1000.
        tail_exponent: -1 - kappa: p ~ |v|**tail_exponent at infinity (depth 0).
        resolution: size of the last Legendre coefficients of the density relative to the largest; empirical
            laws may be fractal, and then only means of smooth functions converge.
        minibatch_degree: None if the law of minibatches is exact; else the total degree up to which their
            moments are.
        notes: what a reader should know besides.
        density: None if there are only atoms, or no law.
    """

    phase: DiscretePhase
    depth: int
    learning_rate: float
    batch_size: int
    weight_decay: float
    lyapunov_exponent: float
    support: tuple[float, float]
    atoms: tuple[Atom, ...] = ()
    mean: float | None = None
    variance: float | None = None
    second_moment: float | None = None
    ceiling: float | None = None
    mass_above_ceiling: float = 0.0
    explosion_rate: float | None = 0.0
    lower_exponent: float | None = None
    kesten_exponent: float | None = None
    resolution: float | None = None
    minibatch_degree: int | None = None
    notes: tuple[str, ...] = ()
    density: DiscreteDensity | None = field(default=None, repr=False)

    @property
    def temperature(self) -> float:
        """T = eta/S."""
        return self.learning_rate / self.batch_size

    @property
    def expected_steps_to_explosion(self) -> float | None:
        """Mean number of steps to escape from the quasi-stationary law; inf where the rate is 0."""
        if self.explosion_rate is None:
            return None
        return 1.0 / self.explosion_rate if self.explosion_rate > 0 else math.inf

    @property
    def is_smooth(self) -> bool:
        """Whether the density is resolved; empirical laws may be fractal."""
        return self.resolution is None or self.resolution <= SMOOTH

    @property
    def tail_exponent(self) -> float | None:
        """s in p ~ |v|**s at infinity, None where there is no power-law tail."""
        return None if self.kesten_exponent is None else -1.0 - self.kesten_exponent

    def pdf(self, v: ArrayLike) -> Array:
        """The density at v, of any shape; 0 where only atoms carry probability."""
        points = np.asarray(v, dtype=np.float64)
        if self.density is None:
            return np.zeros(points.shape)
        return self.density.pdf(points.ravel()).reshape(points.shape)

    def cdf(self, v: ArrayLike) -> Array:
        """P(V <= v), of any shape; nan where the start decides or there is no law."""
        points = np.asarray(v, dtype=np.float64)
        if self.density is not None:
            return self.density.cdf(points.ravel()).reshape(points.shape)
        known = self._known_atoms()
        if known is None:
            return np.full(points.shape, np.nan)
        below = np.concatenate([[0.0], np.cumsum(known[1])])
        return below[np.searchsorted(known[0], points, side="right")]

    def quantile(self, q: ArrayLike) -> Array:
        """The inverse of cdf, nan outside 0 <= q <= 1, and where the start decides or there is no law."""
        levels = np.asarray(q, dtype=np.float64)
        valid = (levels >= 0) & (levels <= 1)
        if self.density is not None:
            found = self.density.quantile(np.where(valid, levels, 0.5).ravel()).reshape(levels.shape)
            return np.where(valid, found, np.nan)
        known = self._known_atoms()
        if known is None:
            return np.full(levels.shape, np.nan)
        reached = np.searchsorted(np.cumsum(known[1])[:-1], np.where(valid, levels, 0.5))
        return np.where(valid, known[0][reached], np.nan)

    def expectation(self, function: Callable[[Array], Array]) -> float | None:
        """The mean of a smooth function of v (to the precision of the law), None where there is no law."""
        if self.density is not None:
            sign = self.density.sign
            return self.density.chain.mean(lambda v: function(sign * v))
        known = self._known_atoms()
        return None if known is None else float(known[1] @ function(known[0]))

    @property
    def is_decided(self) -> bool:
        """Whether there is one law, which does not depend on the start."""
        return self.density is not None or self._known_atoms() is not None

    def _known_atoms(self) -> tuple[Array, Array] | None:
        """Places and masses, shape (atom,), where there are only atoms and all have a mass."""
        masses = [atom.mass for atom in self.atoms if atom.mass is not None]
        if not masses or len(masses) < len(self.atoms):
            return None
        total = np.array(masses) / math.fsum(masses)
        return np.array([atom.at for atom in self.atoms]), total
