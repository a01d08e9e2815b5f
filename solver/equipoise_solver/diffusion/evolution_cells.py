"""Finite volumes on the line y: exact masses and resistances of cells, and the rates of jumps between them.

Cell i has the mass M_i, integral of m_y over it, and cells i, i+1 are joined by a conductance c. The rates
c/M_i and c/M_(i+1) are in detailed balance with M, so that the discrete steady state is the exact one. c is
the inverse of the integral of s_y between nodes times the geometric mean of M/(length*m_y) of both cells. For
coefficients constant along the cells the rates are those of Scharfetter and Gummel, and of Chang and
Cooper, with the exact drift. Steep cells, along which probability is carried, count as constant: M_i is
length*m_y at the node. All is local: logarithms are summed, never exponentiated.

References: D. L. Scharfetter and H. K. Gummel, IEEE Trans. Electron Devices 16 (1969) 64; J. S. Chang and
G. Cooper, J. Comput. Phys. 6 (1970) 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from equipoise_solver.diffusion.coordinates import Line
from equipoise_solver.diffusion.near_end import Array

_ORDER = 6
_NODES, _WEIGHTS = legendre.leggauss(_ORDER)
_SERIES = (legendre.legvander(_NODES, _ORDER - 1) * _WEIGHTS[:, None]) * (np.arange(_ORDER) + 0.5)
_PRIMITIVES = np.stack([legendre.legint(row, lbnd=-1) for row in np.eye(_ORDER)])
_INTEGRATE = _SERIES @ _PRIMITIVES @ legendre.legvander(np.append(_NODES, 1.0), _ORDER).T
_STEEP = 8.0  # a change of a logarithm along half a cell beyond which it is integrated as a straight line.
_MILD = 0.75  # the same beyond which a cell is steep
_FLAT = 1e-7


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells between two absorbing places: index 0 and n+1 of `up`, `down` and of masses are those places.

    Attributes:
        y, x: nodes of the n cells, [1] and [state].
        up: rate from place k to k+1, shape (n+1,), k = 0 the lower absorbing place: up[0] = 0, [1/time].
        down: rate from place k+1 to k, shape (n+1,); down[-1] = 0, [1/time].
        log_mass: log of the masses M, relative to a common unit, shape (n,).
        log_density: log of the speed density of x at the nodes, in the same unit, shape (n,).
        below: part of the mass of each cell that lies below its node, shape (n,).
        mean: mean of x over each cell under the speed measure, shape (n,), [state].
    """

    y: Array
    x: Array
    up: Array
    down: Array
    log_mass: Array
    log_density: Array
    below: Array
    mean: Array


def make_cells(
    line: Line,
    nodes: Array,
    ends: tuple[float, float],
    *,
    levels: tuple[bool, bool],
    stops: tuple[bool, bool],
) -> Cells:
    """Cells around nodes, their faces half-way.

    Args:
        line: the diffusion.
        nodes: y of the nodes, ascending.
        ends: y where the first cell begins and the last one ends.
        levels: whether those are levels, which absorb; else they are cuts, and what is beyond is added.
        stops: whether the ends absorb.
    """
    faces = np.concatenate([[ends[0]], 0.5 * (nodes[:-1] + nodes[1:]), [ends[1]]])
    left, right = _half(line, nodes, faces[:-1]), _half(line, nodes, faces[1:])
    rise = right.rise[:-1] - left.rise[1:]
    lost = right.speed_rise[:-1] - left.speed_rise[1:]
    height = np.concatenate([[0.0], np.cumsum(lost)])
    steep = np.maximum(np.abs(left.speed_rise), np.abs(right.speed_rise)) > _MILD
    for halves in (left, right):
        halves.log_mass[steep], halves.mean[steep] = np.log(halves.length[steep]), halves.x[steep]
    low = _outside(left, 0, at_level=levels[0], stops=stops[0])
    high = _outside(right, -1, at_level=levels[1], stops=stops[1])
    own = np.logaddexp(left.log_mass, right.log_mass) - np.log(left.length + right.length)
    left.log_mass[0], right.log_mass[-1] = low[0], high[0]
    left.mean[0], right.mean[-1] = low[2], high[2]
    log_mass = np.logaddexp(left.log_mass, right.log_mass)
    below = np.exp(left.log_mass - log_mass)
    # Resistances are in the unit s_y of the lower and the upper node, masses in the unit m_y of their node.
    between = np.logaddexp(right.log_resistance[:-1], left.log_resistance[1:] + rise)
    straight = _straight(rise, np.diff(nodes)), _straight(-rise, np.diff(nodes))
    from_low = np.where(np.abs(rise) > _STEEP, straight[0], between) - 0.5 * (own[:-1] + own[1:])
    from_high = np.where(np.abs(rise) > _STEEP, straight[1], between - rise) - 0.5 * (own[:-1] + own[1:])
    up = np.exp(-from_low - log_mass[:-1] - right.product[:-1])
    down = np.exp(-from_high - log_mass[1:] - right.product[1:])
    return Cells(
        nodes,
        line.coordinate.value(nodes),
        np.concatenate([[0.0], up, [np.exp(-high[1] - log_mass[-1] - right.product[-1])]]),
        np.concatenate([[np.exp(-low[1] - log_mass[0] - right.product[0])], down, [0.0]]),
        log_mass + height,
        height - line.log_jacobian(nodes),
        below,
        below * left.mean + (1.0 - below) * right.mean,
    )


@dataclass(frozen=True, slots=True)
class _Halves:
    """Halves of cells between node and face; speed and scale relative to those at the node.

    Attributes:
        rise, speed_rise: log s_y and log m_y at the face minus those at the node.
        log_mass, log_resistance: logs of the integrals.
        product: log(m_y*s_y) at the node.
        length: in y.
        x: at the node.
        mean: of x.
        x_face, growth: x and its logarithmic derivative along y at the face.
        rates: slopes of log m_y and log s_y at the face, along y.
    """

    rise: Array
    speed_rise: Array
    log_mass: Array
    log_resistance: Array
    product: Array
    length: Array
    x: Array
    mean: Array
    x_face: Array
    growth: Array
    rates: tuple[Array, Array]


def _half(line: Line, node: Array, face: Array) -> _Halves:
    half = 0.5 * (face - node)
    inner = (node + half)[:, None] + half[:, None] * _NODES
    slope, log_rate = line.both(inner)
    stretch = line.log_jacobian(inner)
    at_node, at_face = _product(line, node), _product(line, face)
    stretch_node, stretch_face = line.log_jacobian(node), line.log_jacobian(face)
    s = (slope @ _INTEGRATE) * half[:, None]
    scale = np.column_stack(
        [s[:, :-1] + stretch - stretch_node[:, None], s[:, -1] + stretch_face - stretch_node]
    )
    product = np.column_stack([log_rate + stretch, at_face]) - at_node[:, None]
    speed = product - scale
    x, x_face = line.coordinate.value(inner), line.coordinate.value(face)
    length = np.abs(half)
    log_mass = _log_integral(speed, length)
    shape = np.exp(np.clip(speed[:, :-1] - speed[:, :-1].max(axis=1, keepdims=True), -700, 0)) * _WEIGHTS
    return _Halves(
        scale[:, -1],
        speed[:, -1],
        log_mass,
        _log_integral(scale, length),
        at_node,
        2.0 * length,
        line.coordinate.value(node),
        np.sum(shape * x, axis=1) / shape.sum(axis=1),
        x_face,
        np.divide(np.exp(stretch_face), x_face, out=np.zeros_like(x_face), where=x_face != 0),
        (_end_rate(speed, half), _end_rate(scale, half)),
    )


def _product(line: Line, y: Array) -> Array:
    """log(m_y * s_y)."""
    result: Array = line.both(y)[1] + line.log_jacobian(y)
    return result


def _end_rate(log: Array, half: Array) -> Array:
    return np.asarray((log[:, -1] - log[:, -2]) / (half * (1.0 - _NODES[-1])))


def _log_integral(log: Array, half: Array) -> Array:
    """log of the integral of exp(log), with values at the Gauss nodes and at the face; 0 at the node."""
    top = log.max(axis=1, keepdims=True)
    with np.errstate(divide="ignore", under="ignore"):
        smooth = top[:, 0] + np.log(np.exp(log[:, :-1] - top) @ _WEIGHTS * half)
    return np.where(np.abs(log[:, -1]) > _STEEP, _straight(log[:, -1], 2.0 * half), smooth)


def _straight(rise: Array, length: Array) -> Array:
    """log of the integral of exp over a straight line from 0 to a rise that is not small."""
    size = np.maximum(np.abs(rise), 1.0)
    result: Array = np.maximum(rise, 0.0) + np.log(-np.expm1(-size) / size) + np.log(length)
    return result


def _outside(halves: _Halves, side: int, *, at_level: bool, stops: bool) -> tuple[float, float, float]:
    """The outermost half cell and what is beyond: log of mass, log of resistance to the end, mean of x."""
    own = float(halves.log_mass[side])
    resistance = float(halves.log_resistance[side])
    x, growth = float(halves.mean[side]), float(halves.growth[side])
    if at_level:
        return own, resistance, x
    outward = -1.0 if side == 0 else 1.0
    speed_rate, scale_rate = (-outward * float(rate[side]) for rate in halves.rates)
    mass = float(halves.speed_rise[side]) - np.log(speed_rate) if speed_rate > _FLAT else np.inf
    way = float(halves.rise[side]) - np.log(scale_rate) if scale_rate > _FLAT else np.inf
    if stops:
        return own, float(np.logaddexp(resistance, way)), x
    if not np.isfinite(mass):
        return own, np.inf, x
    whole = float(np.logaddexp(own, mass))
    stretch = speed_rate / (speed_rate - outward * growth) if speed_rate > outward * growth else 1.0
    return whole, np.inf, x + float(np.exp(mass - whole)) * (float(halves.x_face[side]) * stretch - x)
