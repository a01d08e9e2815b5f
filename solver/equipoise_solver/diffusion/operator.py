"""The generator of a diffusion by spectral elements, and its inverse without loss of digits.

On panels of y with polynomials of degree 16, Galerkin of the Dirichlet form:

    -<f, L g>_m = integral f_y g_y / s_y dy,    <f, g>_m = integral f g m_y dy    (Gauss-Lobatto, diagonal).

The nodes inside a panel are eliminated by the panel's own eigenvectors. What is left is a chain of
resistances, integral s_y dy each, whose inverse is written down with positive terms only: rates as small as
exp(-300) keep their relative precision. Cut ends carry the mass, or the resistance to the end, of the power
law beyond.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from equipoise_solver.diffusion.coordinates import Line
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.operator_panels import DEGREE, Panels
from equipoise_solver.diffusion.operator_segments import Behaviours, Levels, Segments, segments_on
from equipoise_solver.errors import LimitExceededError

_LARGEST = 600.0


@dataclass(frozen=True, slots=True)
class Operator:
    """-L on the nodes of panels; functions are arrays (node, column), shared nodes once.

    Attributes:
        panels: where the nodes are.
        mass: integral of the speed density that belongs to each node, shape (node,).
        resistance: integral of s_y over each panel, shape (panel,).
        at_level: whether the (left, right) end is a level; else it is a cut, or the power law beyond.
        finite_mass: whether the speed measure has a finite integral.
        outer: (left, right) resistance beyond the ends: 0 at an absorbing level, inf where nothing gets lost.
        local_rates: Dirichlet eigenvalues of each panel, shape (panel, DEGREE-1).
        local_modes: their eigenvectors, orthonormal in mass, shape (panel, DEGREE-1, DEGREE-1).
        harmonic: weight of the left end in the harmonic function at inner nodes, shape (panel, DEGREE-1).
        gather, response: inverse of the chain of panels, shapes (panel+1, panel+1) and (panel+1,).
    """

    panels: Panels
    mass: Array
    resistance: Array
    at_level: tuple[bool, bool]
    finite_mass: bool
    outer: tuple[float, float]
    local_rates: Array
    local_modes: Array
    harmonic: Array
    gather: Array
    response: Array

    @property
    def conservative(self) -> bool:
        """True where no end absorbs: constants are in the kernel of L."""
        return bool(np.isinf(self.outer[0]) and np.isinf(self.outer[1]))

    def flat(self, values: Array) -> Array:
        """Values (panel, node) of a continuous function as (node,)."""
        return np.append(values[:, :-1].ravel(), values[-1, -1])

    def by_panel(self, values: Array) -> Array:
        """Values (node, ...) as (panel, node of the panel, ...)."""
        n_panels = self.resistance.size
        index = np.arange(n_panels)[:, None] * DEGREE + np.arange(DEGREE + 1)
        return np.asarray(values[index])

    def mean(self, values: Array) -> Array:
        """Mean of (node, column) under the speed measure, shape (column,)."""
        return np.asarray(self.mass @ values / self.mass.sum())

    def without_trap(self) -> tuple[Operator, Array]:
        """The inverse less its part of rank one that may be huge, and the function on which this projects.

        inverse = r h <h, .>_m + rest, with h, shape (node,), the probability to be in the middle of the
        deepest well before getting lost, and r the time of escape from there over its mass.
        """
        pin = self._pin
        response = self.response.copy()
        response[pin] = 0.0
        edge = self.gather[pin]
        inner = self.harmonic * edge[:-1, None] + (1.0 - self.harmonic) * edge[1:, None]
        trap = np.empty_like(self.mass)
        trap[:-1].reshape(-1, DEGREE)[:, 1:] = inner
        trap[::DEGREE] = edge
        return replace(self, response=response), trap

    @property
    def _pin(self) -> int:
        """Number of the edge with the most mass."""
        return int(np.argmax(self.mass[::DEGREE]))

    def inverse(self, values: Array) -> Array:
        """The g with -L g = values, shape (node, column); both with mean 0 if nothing is absorbed."""
        if self.conservative:
            values = values - self.mean(values)
        load = self.mass[:, None] * values
        inner = load[:-1].reshape(-1, DEGREE, load.shape[1])[:, 1:]
        edge = load[::DEGREE].copy()
        edge[:-1] += np.einsum("pi,pik->pk", self.harmonic, inner)
        edge[1:] += np.einsum("pi,pik->pk", 1.0 - self.harmonic, inner)
        edge = self.gather.T @ (self.response[:, None] * (self.gather @ edge))
        modes = np.matmul(self.local_modes.transpose(0, 2, 1), inner) / self.local_rates[:, :, None]
        solved = np.matmul(self.local_modes, modes)
        solved += (
            self.harmonic[:, :, None] * edge[:-1, None] + (1.0 - self.harmonic)[:, :, None] * edge[1:, None]
        )
        result = np.empty_like(load)
        result[:-1].reshape(-1, DEGREE, load.shape[1])[:, 1:] = solved
        result[::DEGREE] = edge
        return result - self.mean(result) if self.conservative else result


def operator_on(
    line: Line,
    *,
    behaviours: Behaviours = ("reflecting", "reflecting"),
    levels: Levels = (-np.inf, np.inf),
    fineness: float = 1.0,
) -> Operator:
    """-L of a diffusion on its line or between two levels; the arguments are those of segments_on."""
    return make_operator(segments_on(line, behaviours=behaviours, levels=levels, fineness=fineness))


def make_operator(segments: Segments) -> Operator:
    """-L on segments, all in one unit.

    Raises:
        LimitExceededError: speed or scale run over more than exp(600).
    """
    panels, level = segments.panels, segments.level
    size = max(float(np.abs(panels.log_speed).max()), float(np.abs(panels.log_scale).max()))
    if size > _LARGEST:
        raise LimitExceededError(
            "diffusion",
            given=f"barriers and tails over exp({size:.0f})",
            allowed=f"at most exp({_LARGEST:.0f})",
            remedy="Raise the noise or narrow the interval.",
        )
    unit = np.exp(level)
    masses, resistance = segments.mass * unit[:, None], segments.resistance / unit
    mass = np.zeros(level.size * DEGREE + 1)
    mass[:-1] += masses[:, :-1].ravel()
    mass[DEGREE::DEGREE] += masses[:, -1]
    mass[0] += segments.beyond[0] * unit[0]
    mass[-1] += segments.beyond[1] * unit[-1]
    outer = (segments.outer[0] / float(unit[0]), segments.outer[1] / float(unit[-1]))
    to_left = -np.einsum("pik,pk->pi", segments.modes, segments.coupling[:, 0] / segments.rates)
    to_right = -np.einsum("pik,pk->pi", segments.modes, segments.coupling[:, 1] / segments.rates)
    return Operator(
        panels,
        mass,
        resistance,
        segments.at_level,
        segments.finite_mass,
        outer,
        segments.rates,
        segments.modes / np.sqrt(unit)[:, None, None],
        to_left / (to_left + to_right),
        *_chain(resistance, outer, mass[::DEGREE]),
    )


def _chain(resistance: Array, outer: tuple[float, float], mass: Array) -> tuple[Array, Array]:
    """The inverse of the chain of resistances between panels as gather.T @ diag(response) @ gather.

    Loads are gathered towards the node with the most mass, losing on the way what flows off to absorbing
    ends, and the responses spread out again. No difference of large numbers is taken: resistances inside a
    well keep their digits beside those of the barriers. Without absorption that node stays at 0.
    """
    n_nodes, pin = mass.size, int(np.argmax(mass))
    to_left = outer[0] + np.concatenate([[0.0], np.cumsum(resistance)])
    to_right = outer[1] + np.concatenate([np.cumsum(resistance[::-1])[::-1], [0.0]])
    gather, response = np.zeros((n_nodes, n_nodes)), np.zeros(n_nodes)
    below, above = np.arange(pin + 1), np.arange(pin, n_nodes)
    gather[np.ix_(below, below)] = np.tril(_ratios(to_left[: pin + 1]))
    gather[np.ix_(above, above)] = np.triu(_ratios(to_right[pin:]))
    response[:pin] = resistance[:pin] * _ratio(to_left[:pin], to_left[1 : pin + 1])
    response[pin + 1 :] = resistance[pin:] * _ratio(to_right[pin + 1 :], to_right[pin:-1])
    if np.isfinite(to_left[pin]) or np.isfinite(to_right[pin]):
        response[pin] = min(to_left[pin], to_right[pin]) / (1.0 + _shunt(to_left[pin], to_right[pin]))
    return gather, response


def _ratios(values: Array) -> Array:
    return _ratio(values[None, :], values[:, None])


def _ratio(a: Array, b: Array) -> Array:
    """a/b, 1 where both are infinite and 0 where a is 0."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.where(np.isinf(a), 1.0, np.where(a == 0, 0.0, a / b)) + np.where(
            (a == 0) & (b == 0), 1.0, 0.0
        )


def _shunt(a: float, b: float) -> float:
    large = max(a, b)
    return 0.0 if np.isinf(large) or large == 0 else min(a, b) / large
