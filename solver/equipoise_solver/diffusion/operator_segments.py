"""Spectral elements of the generator on each panel by itself, and what lies beyond the two ends.

Every panel has its own unit: speed is exp(level) times, and scale exp(-level) times what is stored, so that
lines over which both run through thousands of decades need no other numbers than moderate ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from equipoise_solver.diffusion.coordinates import Line
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.operator_line import Cut, cut_line
from equipoise_solver.diffusion.operator_panels import DIFFERENTIATE, WEIGHTS, Panels, make_panels
from equipoise_solver.errors import InvalidModelError

Behaviour = Literal["reflecting", "absorbing"]
Behaviours = tuple[Behaviour, Behaviour]
Levels = tuple[float, float]

_FLAT = 1e-7  # an exponent nearer to 0 is a logarithm: its integral is infinite.
_APART = 1e-9


@dataclass(frozen=True, slots=True)
class Segments:
    """The panels one by one, in units of their levels.

    Attributes:
        panels: where the nodes are; their logarithms are in one unit.
        level: of each panel, shape (panel,).
        mass: integral of the speed density that belongs to each node, shape (panel, node).
        resistance: integral of s_y over each panel, shape (panel,).
        rates: Dirichlet eigenvalues of each panel, shape (panel, DEGREE-1).
        modes: their eigenvectors, orthonormal in mass, shape (panel, DEGREE-1, DEGREE-1).
        coupling: stiffness of the modes with the two ends, shape (panel, 2, DEGREE-1).
        at_level: whether the (left, right) end is a level; else it is a cut, or the power law beyond.
        finite_mass: whether the speed measure has a finite integral.
        outer: (left, right) resistance beyond the ends: 0 at an absorbing level, inf where nothing gets lost.
        beyond: (left, right) mass beyond the ends, which counts as at the ends.
    """

    panels: Panels
    level: Array
    mass: Array
    resistance: Array
    rates: Array
    modes: Array
    coupling: Array
    at_level: tuple[bool, bool]
    finite_mass: bool
    outer: tuple[float, float]
    beyond: tuple[float, float]

    @property
    def conservative(self) -> bool:
        """True where no end absorbs: constants are in the kernel of L."""
        return bool(np.isinf(self.outer[0]) and np.isinf(self.outer[1]))


def segments_on(
    line: Line,
    *,
    behaviours: Behaviours = ("reflecting", "reflecting"),
    levels: Levels = (-np.inf, np.inf),
    fineness: float = 1.0,
    edges: tuple[float, ...] = (),
) -> Segments:
    """Segments of a diffusion on its line or between two levels.

    Args:
        line: the diffusion.
        behaviours: what regular ends do; levels absorb.
        levels: (low, high) in y where the process is stopped; infinite where it is not.
        fineness: 1 is for results to 1e-10 or so; more widens the part of the line and shortens the panels.
        edges: y where a panel has to end.

    Raises:
        LimitExceededError: too many panels would be needed.
    """
    cut = cut_line(line, low=levels[0], high=levels[1], width=fineness, inside=edges)
    panels = make_panels(line, _edges(cut, line.kinks, edges), fineness=fineness)
    left: Behaviour = "absorbing" if cut.at_level[0] else behaviours[0]
    right: Behaviour = "absorbing" if cut.at_level[1] else behaviours[1]
    return make_segments(panels, cut, (left, right))


def make_segments(panels: Panels, cut: Cut, behaviours: Behaviours) -> Segments:
    """Segments on panels that cover the cut; regular ends and levels behave as told, others as they must."""
    level = 0.5 * np.mean(panels.log_speed - panels.log_scale, axis=1)
    speed, scale = panels.log_speed - level[:, None], panels.log_scale + level[:, None]
    half = panels.half
    mass = np.exp(speed) * WEIGHTS * half[:, None]
    left = _beyond(speed[0], scale[0], -half[0], 0, at_level=cut.at_level[0], behaviour=behaviours[0])
    right = _beyond(speed[-1], scale[-1], half[-1], -1, at_level=cut.at_level[1], behaviour=behaviours[1])
    rates, modes, coupling = _local(scale, mass, half)
    return Segments(
        panels,
        level,
        mass,
        (np.exp(scale) @ WEIGHTS) * half,
        rates,
        modes,
        coupling,
        cut.at_level,
        bool(left[2] and right[2]),
        (left[1], right[1]),
        (left[0], right[0]),
    )


def _edges(cut: Cut, kinks: tuple[float, ...], wanted: tuple[float, ...]) -> Array:
    """The ends of the cut, the edges wanted, and the kinks that are not too close to any of them."""
    edges = [cut.low, *wanted, cut.high]
    for kink in kinks:
        if cut.low < kink < cut.high and min(abs(kink - edge) for edge in edges) > _APART:
            edges.append(kink)
    return np.unique(np.array(edges))


def _beyond(
    speed: Array, scale: Array, half: float, node: int, *, at_level: bool, behaviour: Behaviour
) -> tuple[float, float, bool]:
    """Mass and resistance beyond node 0 or -1 of a panel, and whether mass is finite; infinite mass counts 0.

    Beyond a cut both measures are powers: the integral of exp(log) is exp(log)/|slope|.
    """
    if at_level:
        return 0.0, 0.0 if behaviour == "absorbing" else np.inf, True
    mass, resistance = tail_integral(speed, half, node), tail_integral(scale, half, node)
    if np.isinf(mass):
        return 0.0, resistance, False
    if np.isinf(resistance) or behaviour == "reflecting":
        return mass, np.inf, True
    return 0.0, resistance, True


def tail_integral(logs: Array, half: float, node: int) -> float:
    """Integral of exp(log) beyond node 0 or -1 of a panel, where log goes on straight; half < 0 at node 0."""
    decay = -float(DIFFERENTIATE[node] @ logs) / half
    return float(np.exp(logs[node])) / decay if decay > _FLAT else np.inf


def _local(log_scale: Array, mass: Array, half: Array) -> tuple[Array, Array, Array]:
    """Dirichlet eigenvalues and eigenvectors of every panel, and their stiffness with its two ends."""
    scaled = DIFFERENTIATE * np.sqrt(WEIGHTS)[:, None]
    root = np.exp(-0.5 * log_scale) / np.sqrt(half)[:, None]
    gradient = root[:, :, None] * scaled
    inner = gradient[:, :, 1:-1] / np.sqrt(mass[:, None, 1:-1])
    rates, vectors = np.linalg.eigh(np.matmul(inner.transpose(0, 2, 1), inner))
    coupling = np.matmul(np.matmul(gradient[:, :, [0, -1]].transpose(0, 2, 1), inner), vectors)
    return rates, vectors / np.sqrt(mass[:, 1:-1])[:, :, None], coupling


def levels_of(line: Line, below: float | None, above: float | None) -> Levels:
    """Levels of x in y, infinite for None.

    Raises:
        InvalidModelError: a level outside the interval, or levels in the wrong order.
    """
    low, high = line.coordinate.low, line.coordinate.high
    for name, level in (("below", below), ("above", above)):
        if level is not None and not low < level < high:
            raise InvalidModelError(name, given=level, allowed=f"a level inside ({low:g}, {high:g})")
    if below is not None and above is not None and not below < above:
        raise InvalidModelError("above", given=above, allowed=f"a level above {below:g}")
    left = -np.inf if below is None else float(line.coordinate.invert(below))
    return left, np.inf if above is None else float(line.coordinate.invert(above))
