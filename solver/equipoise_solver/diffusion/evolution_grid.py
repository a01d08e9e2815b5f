"""Where the cells of a time evolution lie: pilots on coarse grids find where probability goes.

Two short runs of backward Euler, the second on a grid made from the first, show the range that ever carries
more than 1e-13, and how much of the grid each part of it deserves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from scipy.interpolate import PchipInterpolator

from equipoise_solver.diffusion.coordinates import Line
from equipoise_solver.diffusion.evolution_cells import Cells, make_cells
from equipoise_solver.diffusion.evolution_start import Start
from equipoise_solver.diffusion.evolution_steps import euler_step
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.operator_line import cut_line
from equipoise_solver.diffusion.operator_segments import Levels

_PILOTS, _PILOT = 3, 500
_FAR = 100.0
_CLOSE = 0.25
_SCAN = 10_001
_RATIO = 1.5  # of successive times of a pilot
_EARLY = 1e-3  # first time of a pilot, in units of the first time wanted
_SEEN = 0.02  # the first time that shapes the grid, in the same units
_EMPTY = 1e-13
_EVEN = 0.25  # part of the grid that is spread evenly over y
_SMOOTHINGS = 4
_NODES, _WEIGHTS = legendre.leggauss(8)


@dataclass(frozen=True, slots=True)
class Problem:
    """What evolves.

    Attributes:
        line: the diffusion.
        levels: y where it is stopped, infinite where it is not.
        stops: whether the level or end at each side absorbs.
        far: whether each side is to be followed as far as probability goes.
        start: where it starts.
        times: wanted, ascending, > 0.
    """

    line: Line
    levels: Levels
    stops: tuple[bool, bool]
    far: tuple[bool, bool]
    start: Start
    times: Array


@dataclass(frozen=True, slots=True)
class Grid:
    """Nodes in y, and where the first cell begins and the last one ends."""

    nodes: Array
    ends: tuple[float, float]

    def halved(self, start: float) -> Grid:
        """Every second node, among them the one of the start."""
        first = int(np.argmin(np.abs(self.nodes - start))) % 2
        return Grid(self.nodes[first::2], self.ends)


def cells_of(problem: Problem, grid: Grid) -> Cells:
    """The cells of a grid; ends of the grid at levels absorb."""
    at_level = (grid.ends[0] == problem.levels[0], grid.ends[1] == problem.levels[1])
    return make_cells(problem.line, grid.nodes, grid.ends, levels=at_level, stops=problem.stops)


def choose_grid(problem: Problem, n_cells: int) -> Grid:
    """A grid of about n_cells cells for the whole evolution."""
    low, high = _widest(problem, n_cells)
    weight, faces = np.ones(1), np.array([low, high])
    for _ in range(_PILOTS):
        weight, faces = _pilot(problem, _grid(faces, weight, _PILOT, problem.start.center))
    return _grid(faces, weight, n_cells, problem.start.center)


def _widest(problem: Problem, n_cells: int) -> tuple[float, float]:
    """The cut line, without what is nearer to an end, in z, than a bit of sqrt(time) or of the way there."""
    line, levels = problem.line, problem.levels
    cut = cut_line(line, low=levels[0], high=levels[1], inside=problem.start.inside)
    low, high = cut.low, cut.high
    if not (cut.infinite[0] or cut.at_level[0]):
        low = -_short_of(problem, -cut.high, -cut.low, n_cells, side=-1.0)
    if not (cut.infinite[1] or cut.at_level[1]):
        high = _short_of(problem, cut.low, cut.high, n_cells, side=1.0)
    low = -_FAR if problem.far[0] and cut.infinite[0] else low
    high = _FAR if problem.far[1] and cut.infinite[1] else high
    inside = problem.start.inside
    return min(low, inside[0] - 0.01), max(high, inside[1] + 0.01)


def _short_of(problem: Problem, begin: float, end: float, n_cells: int, *, side: float) -> float:
    """The place short of an end, at finite distance in z; all places are side*y."""
    line, away = problem.line, np.linspace(begin, end, _SCAN)
    log_metric = 0.5 * (line.both(side * away)[1] + line.log_jacobian(side * away) - np.log(2.0))
    metric = np.exp(np.minimum(log_metric, 600.0))
    steps = 0.5 * (metric[1:] + metric[:-1]) * (away[1] - away[0])
    # The way from the start or from y = 0, the place of the problem's own scale, whichever is nearer.
    way = float(steps[away[:-1] > max(side * problem.start.center, 0.0)].sum())
    close = min(float(np.sqrt(problem.times[0])), way or np.inf) * _CLOSE / n_cells
    return float(away[away.size - 1 - int(np.searchsorted(np.cumsum(steps[::-1]), close))])


def _grid(faces: Array, weight: Array, n_cells: int, start: float) -> Grid:
    """Nodes with the density `weight`, constant between the faces, one of them at the start."""
    share = np.concatenate([[0.0], np.cumsum(weight * np.diff(faces))])
    share /= share[-1]
    to_share, to_place = PchipInterpolator(faces, share), PchipInterpolator(share, faces)
    at_start = float(to_share(start)) * n_cells
    first = at_start - np.floor(at_start - 0.5)
    nodes = to_place((np.arange(n_cells - 1) + first) / n_cells)
    nodes[int(np.argmin(np.abs(nodes - start)))] = start
    return Grid(np.asarray(nodes), (float(faces[0]), float(faces[-1])))


def _pilot(problem: Problem, grid: Grid) -> tuple[Array, Array]:
    """The density of nodes that a coarse run asks for, and the faces between which it is constant."""
    cells, (first, last) = cells_of(problem, grid), (float(problem.times[0]), float(problem.times[-1]))
    faces = np.concatenate([[grid.ends[0]], 0.5 * (grid.nodes[1:] + grid.nodes[:-1]), [grid.ends[1]]])
    width = np.diff(faces)
    masses = problem.start.masses(problem.line, cells, faces)
    time, wanted, count = 0.0, np.zeros(width.size), 0
    used = np.full(width.size, False)
    for now in np.geomspace(_EARLY * first, last, 2 + int(np.log(last / (_EARLY * first)) / np.log(_RATIO))):
        masses, time = euler_step(masses, cells.up, cells.down, now - time), now
        inside = masses[1:-1]
        used |= (np.cumsum(inside) > _EMPTY) & (np.cumsum(inside[::-1])[::-1] > _EMPTY)
        if now >= _SEEN * first:
            shape = np.sqrt(inside / width)
            total = float(shape @ width)
            wanted, count = wanted + (shape / total if total > 0 else 0.0), count + 1
    begin, end = max(int(np.argmax(used)) - 1, 0), min(used.size - int(np.argmax(used[::-1])) + 1, used.size)
    faces, wanted = faces[begin : end + 1], wanted[begin:end]
    for _ in range(_SMOOTHINGS):
        wanted = np.convolve(np.pad(wanted, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    return wanted / max(count, 1) + _EVEN / (faces[-1] - faces[0]), faces
