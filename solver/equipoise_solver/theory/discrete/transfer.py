"""The transfer operator of a chain on the line, on panels with cardinal functions l_j.

masses @ matrix carries the projections of a law on the l_j one step ahead; its leading left eigenvector is
the (quasi-)stationary law. Gaussian data have a kernel with a density, so densities are carried forward.
Empirical data have none: row i holds E[l_j(Y')] given Y = y_i, which carries functions back, and those are
smooth however rough the law is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve

from equipoise_solver.theory.discrete.minibatch import GaussianDisplacement
from equipoise_solver.theory.discrete.panels import (
    NODES,
    ORDER,
    TO_SERIES,
    WEIGHTS,
    Index,
    Panels,
    legendre_values,
)
from equipoise_solver.theory.discrete.recombination import Atoms

Array = NDArray[np.float64]

_ITERATIONS = 13
_SETTLED = 1e-13
_OFFSET = 1e-13  # Of the shift from the eigenvalue, so that the system can be solved.
_EVEN = 9  # Cuts over the part of a tail from which a node is reached.
_AT_ONCE = 400_000  # Points at which cardinal functions are formed at once.


class Coordinate(Protocol):
    """v as a function of the line's coordinate y, and where one displacement takes it."""

    def value(self, y: Array) -> Array:
        """v of y."""

    def image(self, y: Array, displacement: Array) -> Array:
        """y after one step, broadcast."""

    def sources(self, y: Array, displacement: Array) -> Array:
        """Where a step by `displacement` leads to y from, broadcast."""

    def kernel(self, start: Array, end: Array, displacement: GaussianDisplacement) -> Array:
        """Density at `end` of y after one step from `start`, broadcast."""

    def passing(self, start: Array, level: float) -> tuple[Array, Array]:
        """Displacements at most the first or at least the second pass the level from `start`."""


@dataclass(frozen=True, slots=True, eq=False)
class Transfer:
    """One step of the chain.

    Attributes:
        matrix: shape (node, node): projections at the second index from masses at the first.
        escape: probability of passing the last edge, shape (node,).
        tail: mass below the first edge by masses at the nodes, shape (node,); 0 where none is modelled.
    """

    matrix: Array
    escape: Array
    tail: Array


@dataclass(frozen=True, slots=True, eq=False)
class Leading:
    """The leading eigenvalue and its eigenvectors.

    Attributes:
        masses: projections of the quasi-stationary law on the cardinal functions, shape (node,).
        below: mass below the first edge; with it the masses have sum 1.
        loss: 1 - eigenvalue: the probability per step of passing the last edge.
    """

    masses: Array
    below: float
    loss: float


def gaussian_transfer(
    panels: Panels,
    coordinate: Coordinate,
    displacement: GaussianDisplacement,
    *,
    tail_rate: float | None = None,
) -> Transfer:
    """The operator of Gaussian data: the density at each node after a step, integrated over its sources.

    The kernel is integrated against the polynomials of each panel between points that crowd where it is
    singular or narrow, so that the density is as precise as its interpolation by the panels. Below the first
    edge the density goes on as exp(tail_rate*y), if a rate is given, and is 0 otherwise.
    """
    nodes, low, high = panels.nodes, panels.edges[0], panels.edges[-1]
    shifts = displacement.breakpoints(coordinate.value(nodes))
    cuts = np.clip(coordinate.sources(nodes[:, None], shifts), low, high)
    edges = np.broadcast_to(panels.edges, (nodes.size, panels.edges.size))
    row, middle, half = _pieces(np.concatenate([cuts, edges], axis=1))
    points = middle[:, None] + half[:, None] * NODES
    weights = coordinate.kernel(points, nodes[row][:, None], displacement) * (half[:, None] * WEIGHTS)
    share = (panels.half[:, None] * WEIGHTS).ravel()
    forward = _projected(panels, row, points, weights)
    tail = np.zeros(nodes.size)
    if tail_rate is not None:
        at_edge = TO_SERIES @ legendre.legvander(np.array([-1.0]), ORDER - 1)[0]
        tail[:ORDER] = at_edge / share[:ORDER] / tail_rate
        inflow = _inflow(nodes, coordinate, displacement, low, tail_rate)
        forward[:, :ORDER] += inflow[:, None] * at_edge
    matrix = forward.T * share / share[:, None]
    return Transfer(matrix, _escape(nodes, coordinate, displacement, high), tail)


def _inflow(
    nodes: Array, coordinate: Coordinate, displacement: GaussianDisplacement, low: float, rate: float
) -> Array:
    """Density at each node after a step from the density exp(rate*(y - low)), y < low."""
    shifts = displacement.breakpoints(coordinate.value(nodes))
    sources = coordinate.sources(nodes[:, None], shifts)
    cuts = np.clip(np.concatenate([sources, np.full((nodes.size, 1), low)], axis=1), -np.inf, low)
    deepest = cuts.min(axis=1, keepdims=True)
    even = low + (deepest - low) * np.linspace(0.0, 1.0, _EVEN)
    row, middle, half = _pieces(np.concatenate([cuts, even], axis=1))
    points = middle[:, None] + half[:, None] * NODES
    weights = coordinate.kernel(points, nodes[row][:, None], displacement) * (half[:, None] * WEIGHTS)
    weights = np.sum(weights * np.exp(rate * (points - low)), axis=1)
    return np.bincount(row, weights, nodes.size).astype(np.float64)


def _pieces(cuts: Array) -> tuple[Index, Array, Array]:
    """Row, middle and half length of every interval between successive cuts of a row, (row, cut)."""
    cuts = np.sort(cuts, axis=1)
    left, right = cuts[:, :-1], cuts[:, 1:]
    keep = right - left > 1e-15 * np.maximum(np.abs(left), np.abs(right))
    row = np.broadcast_to(np.arange(cuts.shape[0])[:, None], left.shape)[keep].astype(np.intp)
    return row, 0.5 * (right + left)[keep], 0.5 * (right - left)[keep]


def _escape(nodes: Array, coordinate: Coordinate, displacement: GaussianDisplacement, level: float) -> Array:
    """Probability of passing the level from each node, with the relative precision of its integral."""
    values = coordinate.value(nodes)
    cuts = displacement.breakpoints(values)
    below, above = (bound[:, None] for bound in coordinate.passing(nodes, level))
    total = np.zeros(nodes.size)
    for part in (np.minimum(cuts, below), np.maximum(cuts, above)):
        row, middle, half = _pieces(part)
        points = middle[:, None] + half[:, None] * NODES
        weights = displacement.density(points, values[row][:, None]) * (half[:, None] * WEIGHTS)
        total += np.bincount(row, weights.sum(axis=1), nodes.size)
    return total


def empirical_transfer(
    panels: Panels, coordinate: Coordinate, atoms: Atoms, step: float, *, can_escape: bool
) -> Transfer:
    """The operator of discrete minibatches, by expectations at the nodes; step = 2 eta.

    What falls below the first edge is put at that edge; what passes the last escapes, or is put there.
    """
    nodes = panels.nodes
    values = coordinate.value(nodes)[:, None]
    images = coordinate.image(nodes[:, None], -step * (atoms.squares * values - atoms.products))
    gone = (images > panels.edges[-1]) & can_escape
    weights = np.where(gone, 0.0, atoms.weights)
    row = np.repeat(np.arange(nodes.size), atoms.weights.size).astype(np.intp)
    matrix = _projected(panels, row, images.reshape(-1, 1), weights.reshape(-1, 1))
    return Transfer(matrix, np.sum(np.where(gone, atoms.weights, 0.0), axis=1), np.zeros(nodes.size))


def _projected(panels: Panels, row: Index, points: Array, weights: Array) -> Array:
    """Sums over the points (piece, point) of a row of weight times cardinal functions, (row, node).

    All points of a piece lie on one panel.
    """
    n = panels.nodes.size
    series = np.zeros((ORDER, n * panels.count))
    chunk = max(_AT_ONCE // points.shape[1], 1)
    for start in range(0, row.size, chunk):
        part = slice(start, start + chunk)
        panel, place = panels.locate(points[part])
        cell = row[part] * panels.count + panel[:, points.shape[1] // 2]
        for k, value in enumerate(legendre_values(place)):
            series[k] += np.bincount(cell, np.sum(weights[part] * value, axis=1), n * panels.count)
    result: Array = series.T.reshape(n, panels.count, ORDER) @ TO_SERIES.T
    return result.reshape(n, n)


def leading(transfer: Transfer) -> Leading:
    """The quasi-stationary law, by inverse iteration next to the eigenvalue 1."""
    n = transfer.escape.size
    masses = np.full(n, 1.0 / n)
    whole = 1.0 + transfer.tail
    loss, eye = 0.0, np.eye(n)
    factors = lu_factor(transfer.matrix.T - (1.0 + _OFFSET) * eye)
    for turn in range(_ITERATIONS):
        following = lu_solve(factors, masses)
        following /= float(following @ whole)
        change = float(np.max(np.abs(following - masses)))
        masses = following
        loss = float(masses @ transfer.escape)
        if change < _SETTLED:
            break
        if turn % 3 == 2:  # By then the masses are closer to this eigenvector than to any other.
            factors = lu_factor(transfer.matrix.T - (1.0 - loss + _OFFSET) * eye)
    return Leading(masses, float(masses @ transfer.tail), loss)
