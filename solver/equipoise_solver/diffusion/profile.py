"""A diffusion made ready for questions: its ends classified, scale and speed densities on a mesh."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.coordinates import Line, line_of
from equipoise_solver.diffusion.ends import Behaviour, End, end_of
from equipoise_solver.diffusion.logarithms import Positive, scale_density, speed_density
from equipoise_solver.diffusion.mesh import Mesh, ladder, mesh_of, with_points
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.problem import Diffusion
from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError

_AGREES = 1e-6  # Between the exponents of an end and the numbers on the mesh.


@dataclass(frozen=True)
class Profile:
    """What every question about a diffusion starts from.

    Attributes:
        line: the diffusion in its coordinate.
        low: the lower end.
        high: the upper end.
        mesh: panels out to where both ends are straight.
    """

    line: Line
    low: End
    high: End
    mesh: Mesh

    @cached_property
    def scale(self) -> Positive:
        """Density of the scale measure in y."""
        return scale_density(self.mesh)

    @cached_property
    def speed(self) -> Positive:
        """Density of the speed measure in y."""
        return speed_density(self.mesh)

    def y_of(self, x: float, *, field: str) -> float:
        """y of a point inside the interval.

        Raises:
            InvalidModelError: it is not inside.
        """
        diffusion = self.line.diffusion
        if not diffusion.low < x < diffusion.high:
            raise InvalidModelError(
                field,
                given=str(x),
                allowed=f"a number between {diffusion.low:.12g} and {diffusion.high:.12g}",
            )
        return float(self.line.coordinate.invert(x))

    def with_edges(self, y: Array, *, levels: Array | None = None) -> tuple[Profile, NDArray[np.intp]]:
        """The same with edges at the points y, and the numbers of these edges.

        Args:
            y: points at which functions are read.
            levels: those of them at which integrals start; the mesh is made finer next to these.
        """
        points = y
        if levels is not None and levels.size:
            rungs = ladder(self.line, levels)
            inside = (rungs > self.mesh.edges[0]) & (rungs < self.mesh.edges[-1])
            points = np.concatenate([y, levels, rungs[inside]])
        mesh = with_points(self.line, self.mesh, points)
        return replace(self, mesh=mesh), np.searchsorted(mesh.edges, y)


def profile_of(
    diffusion: Diffusion,
    *,
    low_behaviour: Behaviour = "reflecting",
    high_behaviour: Behaviour = "reflecting",
) -> Profile:
    """Classify both ends and lay the mesh.

    Args:
        diffusion: the problem.
        low_behaviour: of the lower end, if it is regular.
        high_behaviour: of the upper end, if it is regular.

    Raises:
        LimitExceededError: the law is too sharp for this service.
    """
    line = line_of(diffusion)
    mesh = mesh_of(line)
    low = _confirmed(end_of(diffusion, "low", behaviour=low_behaviour), mesh)
    high = _confirmed(end_of(diffusion, "high", behaviour=high_behaviour), mesh)
    return Profile(line, low, high, mesh)


def _confirmed(end: End, mesh: Mesh) -> End:
    """The end, or "undecided" if the numbers next to it contradict its exponents."""
    if not math.isfinite(end.scale_rate):
        return end
    k, sign = (0, -1.0) if end.side == "low" else (1, 1.0)
    scale, speed = sign * scale_density(mesh).rates()[k], sign * speed_density(mesh).rates()[k]
    numbers, rates = np.array([scale, speed]), np.array([end.scale_rate, end.speed_rate])
    if end.settled:
        agrees = bool(np.all(np.abs(numbers - rates) <= _AGREES * (1.0 + np.abs(rates))))
    else:
        agrees = bool(np.all(np.sign(numbers) == np.sign(rates)))
    if agrees or end.kind == "undecided":
        return end
    reason = (
        f"{end.reason} But where 64-bit numbers end the densities still go as e^({scale:.6g} z) and "
        f"e^({speed:.6g} z), z the logarithm of the distance."
    )
    return replace(end, kind="undecided", attracting=None, finite_speed=None, reason=reason, behaviour=None)


def require_decided(*ends: End) -> None:
    """Refuse questions whose answer depends on an end that is undecided.

    Raises:
        UnsupportedCombinationError: one of the ends is undecided.
    """
    for end in ends:
        if end.attracting is None or end.finite_speed is None:
            raise UnsupportedCombinationError(
                "interval",
                given=str(end.at),
                allowed="ends whose class can be decided",
                remedy=f"{end.reason} Ask between levels inside the interval instead.",
            )
