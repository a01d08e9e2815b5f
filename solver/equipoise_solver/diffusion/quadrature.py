"""Densities on the line known by the derivative of their logarithm, integrated for many parameter points.

A density exp(h(y)) is given by its slope h'(y). Its line is cut into panels with Gauss-Legendre nodes, h
follows
by spectral integration outwards from its highest panel, and panels are halved until h and the integrands
exp(h + j*log_size), j = 0, 1, 2, are resolved. Ends beyond which h is straight are integrated analytically.
Nothing here knows about networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from equipoise_solver.errors import LimitExceededError

Array = NDArray[np.float64]
Index = NDArray[np.intp]
PanelFunction = Callable[[Array, Index], Array]
"""f(y, owner): y of shape (panel, node) or (panel,), owner (panel,) the parameter point of each panel."""

ORDER = 20
NODES, WEIGHTS = legendre.leggauss(ORDER)
_BASIS = legendre.legvander(NODES, ORDER - 1)
TO_SERIES: Array = (_BASIS * WEIGHTS[:, None]) * (np.arange(ORDER) + 0.5)
"""Values at the nodes (last axis) @ TO_SERIES = Legendre coefficients."""
INTEGRATE_SERIES: Array = np.stack([legendre.legint(row, lbnd=-1) for row in np.eye(ORDER)])
"""Legendre coefficients @ INTEGRATE_SERIES = coefficients of the antiderivative that vanishes at -1."""
_TO_ANTIDERIVATIVE = TO_SERIES @ INTEGRATE_SERIES @ legendre.legvander(NODES, ORDER).T
_TO_LAST = np.ascontiguousarray(TO_SERIES[:, -2:])

# Panels at an end that stay below exp(_CUT) of the peak are dropped: such densities underflow. An open end
# has died out when its outermost node is below exp(_DEAD), which is above the cut so that both agree.
_CUT, _DEAD = -800.0, -650.0
_BULK = -30.0  # exp(-30) = 1e-13: what lies below is no part of the bulk.
# Size, relative to the whole integral, of the last two coefficients of a resolved integrand, by rounds of
# halving. Halving a smooth panel wins many digits; what is left after four rounds is rounding in the slope of
# laws that are too sharp for their place, and is accepted up to 1e-9.
_TOLERANCES = (1e-13, 1e-13, 1e-13, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9)
_MAX_ROUNDS = 80
_MOST_PANELS = 1000  # per parameter point; about 40 are usual, and 200 where g has a sharp minimum.


def legendre_basis(t: Array) -> Array:
    """Legendre polynomials of degree 0 .. ORDER at points of [-1, 1], (n,) -> (n, ORDER + 1).

    The bits of numpy's `legvander` in a fraction of its time: nothing is made in between.
    """
    basis = np.empty((ORDER + 1, t.size))
    basis[0], basis[1] = 1.0, t
    room = np.empty(t.size)
    for n in range(2, ORDER + 1):
        row = np.multiply(basis[n - 1], t, out=basis[n])
        row *= 2 * n - 1
        row -= np.multiply(basis[n - 2], n - 1, out=room)
        row /= n
    return basis.T


@dataclass(frozen=True, slots=True)
class Ends:
    """How the line ends, per parameter point, shape (n,) each.

    A positive rate r means h falls like -r*|y| beyond the outermost edge; inf means that h falls faster and
    the line goes on as far as there is anything to integrate; nan means that the line is cut at the edge.
    """

    left: Array
    right: Array


@dataclass(frozen=True, slots=True)
class Panels:
    """Panels sorted by (owner, left), slope and log_size at their nodes, and then h at nodes and edges."""

    owner: Index
    left: Array
    right: Array
    slope: Array
    log_size: Array
    h: Array
    h_left: Array
    h_right: Array

    @property
    def half(self) -> Array:
        """Half lengths, shape (panel,)."""
        return 0.5 * (self.right - self.left)

    @property
    def nodes(self) -> Array:
        """y at the nodes, shape (panel, node)."""
        return panel_nodes(self.left, self.right)

    def first(self) -> Index:
        """The index of the first panel of every owner."""
        return np.flatnonzero(np.diff(self.owner, prepend=-1)).astype(np.intp)

    def last(self) -> Index:
        """The index of the last panel of every owner."""
        return np.append(self.first()[1:], self.owner.size).astype(np.intp) - 1

    def total(self, values: Array) -> Array:
        """The integral of values (panel, node) over the panels of each owner, shape (n,)."""
        return np.add.reduceat((values @ WEIGHTS) * self.half, self.first())


def panel_nodes(left: Array, right: Array) -> Array:
    """Gauss-Legendre nodes of the panels, shape (panel, ORDER)."""
    result: Array = (0.5 * (left + right))[:, None] + (0.5 * (right - left))[:, None] * NODES
    return result


def panels_from_edges(edges: Array, slope: PanelFunction, log_size: PanelFunction | None) -> Panels:
    """Panels between successive edges, shape (n, n_edges), in any order; repeated edges are harmless."""
    edges = np.sort(edges, axis=1)
    left, right = edges[:, :-1], edges[:, 1:]
    keep = right - left > 8e-16 * np.maximum(np.abs(left), np.abs(right))
    owner = np.broadcast_to(np.arange(edges.shape[0])[:, None], left.shape)[keep].astype(np.intp)
    return _evaluated(owner, left[keep], right[keep], slope, log_size)


def _evaluated(
    owner: Index, left: Array, right: Array, slope: PanelFunction, log_size: PanelFunction | None
) -> Panels:
    y = panel_nodes(left, right)
    empty = np.zeros(0)
    sizes = log_size(y, owner) if log_size else np.zeros((y.shape[0], 0))
    # What overflows comes out as a height that is not finite, and is refused there.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        values = slope(y, owner)
    return Panels(owner, left, right, values, sizes, empty, empty, empty)


def too_sharp() -> LimitExceededError:
    """The refusal of laws whose numbers overflow or cannot be told apart."""
    return LimitExceededError(
        "data",
        given="a law too sharp for its place",
        allowed="laws that 64-bit numbers resolve",
        remedy="Shift T, weight decay or the data away from the degenerate point.",
    )


def resolve_slope(panels: Panels, slope: PanelFunction, log_size: PanelFunction | None = None) -> Panels:
    """Halve panels until the slope is known well enough to tell which parts of the line matter."""
    for _ in range(_MAX_ROUNDS):
        with np.errstate(over="ignore", invalid="ignore"):
            error, size = _slope_error(panels)
        bad = error > 0.1 + 1e-6 * size
        if not np.any(bad):
            break
        panels = _halved(panels, bad, slope, log_size)
    return panels


def integrate(panels: Panels, ends: Ends, slope: PanelFunction, log_size: PanelFunction | None) -> Panels:
    """Halve, extend and drop panels until h and the integrands are resolved; h has its peak at 0."""
    panels = resolve_slope(panels, slope, log_size)
    tolerances = iter(_TOLERANCES)
    for _ in range(_MAX_ROUNDS):
        panels = with_heights(panels)
        short = _short_ends(panels, ends)
        if np.any(short[0]) or np.any(short[1]):
            panels = resolve_slope(_extended(panels, short, slope, log_size), slope, log_size)
            continue
        panels = _trimmed(panels)
        bad = _unresolved(panels, next(tolerances, _TOLERANCES[-1]))
        if not np.any(bad):
            break
        panels = _halved(panels, bad, slope, log_size)
    else:
        raise too_sharp()
    if np.any(_stuck(panels)):
        raise too_sharp()
    return panels


def with_heights(panels: Panels) -> Panels:
    """h at the nodes and edges, summed outwards from the highest panel of each owner, peak 0.

    Raises:
        LimitExceededError: the slope overflows, or an owner has lost all panels.
    """
    if panels.owner.size == 0 or not np.all(np.isfinite(panels.slope)):
        raise too_sharp()
    half, first = panels.half, panels.first()
    within = (panels.slope @ _TO_ANTIDERIVATIVE) * half[:, None]
    rise = (panels.slope @ WEIGHTS) * half
    position = np.arange(panels.owner.size) - first[panels.owner]
    table = np.zeros((first.size, int(position.max()) + 1))
    table[panels.owner, position] = rise
    after = np.cumsum(table, axis=1)
    highest = np.argmax(np.maximum(after, after - table), axis=1)[:, None]
    column = np.arange(table.shape[1])
    upwards, downwards = np.where(column >= highest, table, 0.0), np.where(column < highest, table, 0.0)
    start = np.cumsum(upwards, axis=1) - upwards - np.cumsum(downwards[:, ::-1], axis=1)[:, ::-1]
    h_left = start[panels.owner, position]
    h = h_left[:, None] + within
    peak = np.maximum.reduceat(h.max(axis=1), first)[panels.owner]
    h_left = h_left - peak
    return replace(panels, h=h - peak[:, None], h_left=h_left, h_right=h_left + rise)


def _slope_error(panels: Panels) -> tuple[Array, Array]:
    """The least resolved part of h on each panel, and the largest |h'| times its length."""
    half = panels.half
    error = np.abs(panels.slope @ _TO_LAST).max(axis=1) * half
    return error, np.abs(panels.slope).max(axis=1) * half


def _integrand_logs(panels: Panels) -> list[Array]:
    """h, and h + log_size and h + 2*log_size where sizes are wanted, at the nodes."""
    if panels.log_size.shape[1] == 0:
        return [panels.h]
    return [panels.h, panels.h + panels.log_size, panels.h + 2.0 * panels.log_size]


def _unresolved(panels: Panels, tolerance: float) -> NDArray[np.bool_]:
    error, size = _slope_error(panels)
    bad: NDArray[np.bool_] = error > tolerance * (1.0 + 0.1 * size)
    first, half = panels.first(), panels.half
    for log in _integrand_logs(panels):
        peak = np.maximum.reduceat(log.max(axis=1), first)[panels.owner]
        value = np.exp(log - peak[:, None])
        whole = np.add.reduceat((value @ WEIGHTS) * half, first)[panels.owner]
        bad |= np.abs(value @ _TO_LAST).max(axis=1) * half > tolerance * whole
    return bad & ~_shortest(panels)


def _shortest(panels: Panels) -> NDArray[np.bool_]:
    """Panels no longer than the spacing of floating-point numbers allows, which cannot be halved."""
    result: NDArray[np.bool_] = panels.half <= 1e-14 * np.maximum(np.abs(panels.left), np.abs(panels.right))
    return result


def _stuck(panels: Panels) -> NDArray[np.bool_]:
    """Panels in the bulk that cannot be halved, though h changes much along them."""
    bulk = panels.h.max(axis=1) > _BULK
    result: NDArray[np.bool_] = _shortest(panels) & bulk & (_slope_error(panels)[1] > 1.0)
    return result


def _relative_height(panels: Panels) -> Array:
    """The largest integrand of each panel, relative to the peak of that integrand, as a logarithm."""
    first, result = panels.first(), np.full(panels.owner.size, -np.inf)
    for log in _integrand_logs(panels):
        top = log.max(axis=1)
        result = np.maximum(result, top - np.maximum.reduceat(top, first)[panels.owner])
    return result


def _short_ends(panels: Panels, ends: Ends) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which open ends stop before the integrands have died out, judged at their outermost nodes."""
    first, last = panels.first(), panels.last()
    short_left, short_right = np.zeros(first.size, dtype=bool), np.zeros(first.size, dtype=bool)
    for log in _integrand_logs(panels):
        peak = np.maximum.reduceat(log.max(axis=1), first)
        short_left |= log[first, 0] - peak > _DEAD
        short_right |= log[last, -1] - peak > _DEAD
    return short_left & np.isposinf(ends.left), short_right & np.isposinf(ends.right)


def _extended(
    panels: Panels,
    short: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    slope: PanelFunction,
    log_size: PanelFunction | None,
) -> Panels:
    """One more panel, twice as long as its neighbour, at each end that is short."""
    first, last = panels.first()[short[0]], panels.last()[short[1]]
    length_first = 2.0 * (panels.right - panels.left)[first]
    length_last = 2.0 * (panels.right - panels.left)[last]
    owner = np.concatenate([panels.owner[first], panels.owner[last]])
    left = np.concatenate([panels.left[first] - length_first, panels.right[last]])
    right = np.concatenate([panels.left[first], panels.right[last] + length_last])
    return _merged(panels, _evaluated(owner, left, right, slope, log_size))


def _trimmed(panels: Panels) -> Panels:
    """Drop the panels at both ends on which every integrand underflows."""
    alive = _relative_height(panels) > _CUT
    if np.all(alive):
        return panels
    index, first = np.arange(alive.size), panels.first()
    begin = np.minimum.reduceat(np.where(alive, index, alive.size), first)[panels.owner]
    end = np.maximum.reduceat(np.where(alive, index, -1), first)[panels.owner]
    return _take(panels, (index >= begin) & (index <= end))


def _halved(
    panels: Panels, bad: NDArray[np.bool_], slope: PanelFunction, log_size: PanelFunction | None
) -> Panels:
    left, right, owner = panels.left[bad], panels.right[bad], panels.owner[bad]
    middle = 0.5 * (left + right)
    fresh = _evaluated(
        np.concatenate([owner, owner]),
        np.concatenate([left, middle]),
        np.concatenate([middle, right]),
        slope,
        log_size,
    )
    if panels.owner.size + fresh.owner.size > _MOST_PANELS * (int(panels.owner[-1]) + 1):
        raise too_sharp()
    return _merged(_take(panels, ~bad), fresh)


def _take(panels: Panels, keep: NDArray[np.bool_] | Index) -> Panels:
    names = ("owner", "left", "right", "slope", "log_size", "h", "h_left", "h_right")
    arrays = (getattr(panels, name) for name in names)
    return Panels(*(array[keep] if array.shape[0] == panels.owner.size else array for array in arrays))


def _merged(one: Panels, two: Panels) -> Panels:
    """The union, sorted; heights are to be found again."""
    empty = np.zeros(0)
    left, owner = np.concatenate([one.left, two.left]), np.concatenate([one.owner, two.owner])
    order = np.lexsort((left, owner))
    return Panels(
        owner[order],
        left[order],
        np.concatenate([one.right, two.right])[order],
        np.concatenate([one.slope, two.slope])[order],
        np.concatenate([one.log_size, two.log_size])[order],
        empty,
        empty,
        empty,
    )
