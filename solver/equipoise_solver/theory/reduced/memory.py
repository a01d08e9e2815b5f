"""What the start decides: atoms at v = 0 and where the noise vanishes, and the weight of the learned law.

v = 0 (D >= 1) and a zero of the noise cut the line. A start of the wrong sign, or at 0, ends at 0; between
two points that both attract the scale function decides (the splitting probability); a wall at which the
force does not vanish is crossed one way, and the path goes on on the other side. So the law in the long run
is z delta(v) + ... with weights set by the law of the start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise_solver.diffusion.profile import Profile, profile_of
from equipoise_solver.diffusion.stationary import long_run
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory.laws import Atom
from equipoise_solver.theory.moments import DataMoments
from equipoise_solver.theory.reduced.problem import interval_of, network_diffusion

_LEARNED = math.nan  # The place of what is spread by a density, in the tables below.


@dataclass(frozen=True)
class LongRunMixture:
    """The law of v as time goes to infinity, given the law of the start.

    Attributes:
        atoms: points that carry probability, with their masses, ascending.
        learned: the mass of the stationary density.
    """

    atoms: tuple[Atom, ...]
    learned: float

    def mass_at(self, point: float) -> float:
        """The mass of the atom at a point, 0 if there is none."""
        return sum(atom.mass or 0.0 for atom in self.atoms if atom.at == point)


def long_run_mixture(
    moments: DataMoments,
    starts: ArrayLike,
    *,
    depth: int,
    temperature: float,
    weights: ArrayLike | None = None,
    width: int = 1,
    weight_decay: float = 0.0,
) -> LongRunMixture:
    """The mixture of atoms and density to which a network tends from starts on the balanced manifold.

    Args:
        moments: the data.
        starts: values of v at time 0, shape (n,) or scalar.
        depth: D >= 0.
        temperature: T > 0, [time].
        weights: probabilities of the starts, made to sum to 1; equal if None.
        width: d >= 1.
        weight_decay: gamma >= 0.

    Raises:
        InvalidModelError: an argument outside its range.
        UnsupportedCombinationError: an end whose class cannot be decided.
    """
    points = np.atleast_1d(np.asarray(starts, dtype=np.float64)).ravel()
    shares = _shares(points, weights)
    ways = _Ways(moments, depth, temperature, width, weight_decay)
    totals: dict[float, float] = {}
    learned = 0.0
    for point, share in zip(points, shares, strict=True):
        for at, mass in ways.fates(float(point)):
            if math.isnan(at):
                learned += share * mass
            else:
                totals[at] = totals.get(at, 0.0) + share * mass
    return LongRunMixture(tuple(Atom(at, totals[at]) for at in sorted(totals)), learned)


class _Ways:
    """Fates of starts, with the profile of each interval made once."""

    def __init__(
        self, moments: DataMoments, depth: int, temperature: float, width: int, weight_decay: float
    ) -> None:
        self.moments, self.depth = moments, depth
        self._numbers = {"temperature": temperature, "weight_decay": weight_decay}
        self._width = width
        self._profiles: dict[tuple[float, float], Profile] = {}
        self.wall = moments.root if moments.alpha1 > 0 and moments.floor == 0.0 else None

    def fates(self, start: float) -> list[tuple[float, float]]:
        """(place, probability) in the long run, the place nan for the stationary density."""
        if self.depth and start == 0.0:
            return [(0.0, 1.0)]
        if start == self.wall:
            return self._at_wall()
        profile = self._profile(start)
        run = long_run(profile, start=start)
        if run.density is not None:
            return [(_LEARNED, 1.0)]
        if run.kind != "atoms":
            raise InvalidModelError(
                "starts", given=start, allowed="starts whose long run is decided", remedy=run.reason
            )
        found: list[tuple[float, float]] = []
        for at, mass in run.atoms:
            beyond = [(at, 1.0)] if at != self.wall or (self.depth and at == 0.0) else self._at_wall()
            found += [(place, mass * part) for place, part in beyond]
        return found

    def _at_wall(self) -> list[tuple[float, float]]:
        """Where a path goes on that has reached the zero of the noise: the drift there decides."""
        assert self.wall is not None
        if self.depth and self.wall == 0.0:
            return [(0.0, 1.0)]
        problem = self._profile(math.nextafter(self.wall, math.inf)).line.diffusion
        drift = float(problem.near(self.wall, np.array([0.0]))[0][0])
        if drift == 0.0:
            return [(self.wall, 1.0)]
        side = math.copysign(max(abs(self.wall), 1.0) * 1e-3, drift)
        inner = self.wall + side
        profile = self._profile(inner)
        run = long_run(profile, start=inner)
        if run.density is not None:
            return [(_LEARNED, 1.0)]
        return [(at, mass) for at, mass in run.atoms if at != self.wall] or [(self.wall, 1.0)]

    def _profile(self, start: float) -> Profile:
        interval = interval_of(self.moments, start, depth=self.depth)
        if interval not in self._profiles:
            network = network_diffusion(
                self.moments, depth=self.depth, width=self._width, start=start, **self._numbers
            )
            self._profiles[interval] = profile_of(network.diffusion())
        return self._profiles[interval]


def _shares(
    points: np.ndarray[tuple[int, ...], np.dtype[np.float64]], weights: ArrayLike | None
) -> list[float]:
    if weights is None:
        return [1.0 / points.size] * points.size
    given = np.asarray(weights, dtype=np.float64).ravel()
    if given.size != points.size or not np.all(np.isfinite(given) & (given >= 0)) or given.sum() <= 0:
        raise InvalidModelError(
            "weights", given=given.tolist(), allowed="one finite number >= 0 per start, not all 0"
        )
    result: list[float] = (given / given.sum()).tolist()
    return result
