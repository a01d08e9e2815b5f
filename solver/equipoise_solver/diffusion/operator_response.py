"""E[exp(-z*tau)] of the time tau at which a diffusion leaves, for complex z, by elimination along the panels.

Every panel is a two-port: the Galerkin solution of L f = z f with given values at its edges draws currents

    left: c*(f_left - f_right) + e_left*f_left,        right: c*(f_right - f_left) + e_right*f_right,

with a conductance c and excesses e of order z, each known by itself to relative precision. Eliminating edges
towards the start adds such numbers and never subtracts them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.operator_segments import Segments

Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Ports:
    """The panels at n values of z; arrays (panel, n)."""

    conductance: Complex
    excess_left: Complex
    excess_right: Complex


def ports(segments: Segments, z: Complex) -> Ports:
    """The panels as two-ports at z, shape (n,), off the negative real axis, in units of their levels."""
    load = np.einsum("pik,pi->pk", segments.modes, segments.mass[:, 1:-1])
    left, right = segments.coupling[:, 0], segments.coupling[:, 1]
    pole = 1.0 / (segments.rates[:, :, None] + z)

    def summed(residues: Array) -> Complex:
        return np.asarray(np.einsum("pk,pkn->pn", residues, pole))

    return Ports(
        1.0 / segments.resistance[:, None] - z * summed(left * right / segments.rates),
        z * (segments.mass[:, :1] - summed(left * load)),
        z * (segments.mass[:, -1:] - summed(right * load)),
    )


def leaving(segments: Segments, z: Complex, start: int) -> tuple[Complex, Complex]:
    """E[exp(-z*tau); leaves at the low end] and the same of the high end, from edge number start, (n,)."""
    panel, unit = ports(segments, z), segments.level
    c, left, right = panel.conductance, panel.excess_left, panel.excess_right
    low, high = slice(0, start), slice(None, start - 1, -1)
    below = _seen(segments, 0, z, (c[low], left[low], right[low]), unit[low])
    above = _seen(segments, 1, z, (c[high], right[high], left[high]), unit[high])
    change = np.exp(unit[start - 1] - unit[start])
    total = below[0] * change + above[0]
    return below[1] * change / total, above[1] / total


def _seen(
    segments: Segments, side: int, z: Complex, panels: tuple[Complex, Complex, Complex], unit: Array
) -> tuple[Complex, Complex]:
    """Admittance and source current of everything on one side of the start, an exit there having the value 1.

    Args:
        segments: for their ends.
        side: 0 is low, 1 high.
        z: shape (n,).
        panels: from that end to the start: conductances, excesses on the side of the end and of the start.
        unit: levels of these panels; the result is in the unit of the last.
    """
    outer = segments.outer[side]
    steps = list(zip(*panels, np.exp(-np.diff(unit, prepend=unit[0])), strict=True))
    if outer == 0:
        conductance, _, far, _ = steps.pop(0)
        admittance, source = conductance + far, conductance
    else:
        admittance = 1.0 / outer + z * segments.beyond[side]
        source = np.full(z.shape, 1.0 / outer, dtype=np.complex128)
    for conductance, near, far, change in steps:
        onward = admittance * change + near
        share = conductance / (onward + conductance)
        admittance, source = far + share * onward, share * source * change
    return admittance, source
