"""The law of a diffusion at given times, from a point or a density, by finite volumes implicit in time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from equipoise_solver.diffusion.coordinates import line_of
from equipoise_solver.diffusion.ends import End, Side, end_of
from equipoise_solver.diffusion.evolution_cells import Cells
from equipoise_solver.diffusion.evolution_grid import Grid, Problem, cells_of, choose_grid
from equipoise_solver.diffusion.evolution_start import Density, start_of
from equipoise_solver.diffusion.evolution_steps import step
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.operator_segments import Behaviours, levels_of
from equipoise_solver.diffusion.problem import Diffusion
from equipoise_solver.errors import InvalidModelError, LimitExceededError

FEWEST_CELLS, MOST_CELLS, MOST_TIMES = 50, 20_000, 1000
_SIDES: tuple[Side, Side] = ("low", "high")
_TOLERANCE = 3e-8  # probability misplaced per step, as estimated for the method of order 3.
_MOST_STEPS = 20_000
_GROWTH, _SHRINK, _CAUTION = 4.0, 0.2, 0.85
_SLOWEST = 0.9  # Differences of grids that fall more slowly say that neither resolves the law.
_FIRST = 0.1  # first step, in units of the time a path stays in the cell where it starts.


@dataclass(frozen=True, slots=True)
class Evolution:
    """Laws at the times asked.

    Attributes:
        times: shape (time,), [time].
        x: nodes, ascending, shape (node,), [state].
        density: of x not absorbed, shape (time, node), [1/state].
        cdf: P(not absorbed, x(t) <= x), shape (time, node).
        mean: of x among what is not absorbed, shape (time,), [state]; nan where nothing is left.
        absorbed: at the lower and the upper end or level, shape (time, 2).
        mass_error: largest deviation of all probability from 1.
        grid_error: estimated error of the cdf for the width of the cells, shape (time,): from the differences
            of three grids, each of half as many cells as the one before, at the rate at which they fall.
        time_error: bound on the probability misplaced by the steps in time, by their own estimates.
        n_steps: how many steps were taken.
    """

    times: Array
    x: Array
    density: Array
    cdf: Array
    mean: Array
    absorbed: Array
    mass_error: float
    grid_error: Array
    time_error: float
    n_steps: int


def evolve(
    diffusion: Diffusion,
    start: float | Density,
    times: Array,
    *,
    behaviours: Behaviours = ("reflecting", "reflecting"),
    below: float | None = None,
    above: float | None = None,
    n_cells: int = 2000,
) -> Evolution:
    """The law of x at times > 0.

    Args:
        diffusion: the problem.
        start: a point, [state], or its density, a function of an array of x.
        times: ascending, > 0, at most 1000, [time].
        behaviours: what regular ends do.
        below, above: levels that absorb, [state].
        n_cells: how many cells; errors are of order 1/n_cells**2.

    Raises:
        InvalidModelError: a start outside, times that do not ascend from above 0, or n_cells out of range.
        LimitExceededError: more than 20,000 steps.
    """
    times = _checked_times(times)
    if not FEWEST_CELLS <= n_cells <= MOST_CELLS:
        raise InvalidModelError("n_cells", given=n_cells, allowed=f"{FEWEST_CELLS}..{MOST_CELLS}")
    line = line_of(diffusion)
    levels = levels_of(line, below, above)
    ends = [end_of(diffusion, side, behaviour=does) for side, does in zip(_SIDES, behaviours, strict=True)]
    open_ends = [bool(np.isinf(level)) for level in levels]
    problem = Problem(
        line,
        levels,
        stops=(_stops(ends[0], open_ends[0]), _stops(ends[1], open_ends[1])),
        far=(open_ends[0] and not ends[0].finite_speed, open_ends[1] and not ends[1].finite_speed),
        start=start_of(line, levels, start),
        times=times,
    )
    grid = choose_grid(problem, n_cells)
    coarse = grid.halved(problem.start.center)
    grids = [grid, coarse, coarse.halved(problem.start.center)]
    runs = [_run(problem, one) for one in grids]
    fine_run = runs[0]
    laws = [np.array([_cdf(run.cells, masses) for masses in run.masses]) for run in runs]
    cdf = laws[0]
    inside = fine_run.masses[:, 1:-1]
    with np.errstate(under="ignore"):
        density = inside * np.exp(fine_run.cells.log_density - fine_run.cells.log_mass)
        alive = inside.sum(axis=1)
    mean = np.full(times.size, np.nan)
    mean[alive > 0] = (inside @ fine_run.cells.mean)[alive > 0] / alive[alive > 0]
    return Evolution(
        times=times,
        x=fine_run.cells.x,
        density=density,
        cdf=cdf,
        mean=mean,
        absorbed=fine_run.masses[:, [0, -1]],
        mass_error=float(np.max(np.abs(fine_run.masses.sum(axis=1) - 1.0))),
        grid_error=_grid_error(grids, laws),
        time_error=fine_run.time_error,
        n_steps=fine_run.n_steps,
    )


def _grid_error(grids: list[Grid], laws: list[Array]) -> Array:
    """Sum of what all further halvings would change, shape (time,).

    Cells that resolve the law change it by a quarter of the halving before: the sum is a third of the last
    change. Cells that do not, as along a fast way from far, change it by more than a quarter, on and on.
    """
    gaps = [
        np.max(np.abs(laws[k][:, np.isin(grids[k].nodes, grids[k + 1].nodes)] - laws[k + 1]), axis=1)
        for k in (0, 1)
    ]
    falls = np.clip(gaps[0] / np.maximum(gaps[1], 1e-300), 0.25, _SLOWEST)
    return np.asarray(np.minimum(gaps[0] * falls / (1.0 - falls), 1.0))


def _stops(end: End, is_open: bool) -> bool:
    return not is_open or (end.reached and end.absorbs)


@dataclass(frozen=True, slots=True)
class _Run:
    cells: Cells
    masses: Array
    time_error: float
    n_steps: int


def _run(problem: Problem, grid: Grid) -> _Run:
    cells = cells_of(problem, grid)
    faces = np.concatenate([[grid.ends[0]], 0.5 * (grid.nodes[1:] + grid.nodes[:-1]), [grid.ends[1]]])
    masses = problem.start.masses(problem.line, cells, faces)
    rate = float(np.max((cells.up[1:] + cells.down[:-1])[masses[1:-1] > 0]))
    if not math.isfinite(rate):
        raise LimitExceededError(
            "drift",
            given="a process faster than numbers go where it starts or ends",
            allowed="drift and noise that stay numbers",
            remedy="Stop the process at a level.",
        )
    time, size, n_steps, error = 0.0, _FIRST / rate, 0, 0.0
    found = []
    for wanted in problem.times:
        while time < wanted:
            if n_steps >= _MOST_STEPS:
                raise LimitExceededError("times", given=float(wanted), allowed=f"{_MOST_STEPS} steps in time")
            # The last step before a wanted time ends on it, and no sliver is left before it.
            left = float(wanted) - time
            now = left if size >= left else (size if size < 0.5 * left else 0.5 * left)
            result, wrong = step(masses, cells.up, cells.down, now)
            if wrong <= _TOLERANCE:
                masses, time = result, (float(wanted) if now == left else time + now)
                n_steps, error = n_steps + 1, error + wrong
            factor = _CAUTION * (_TOLERANCE / max(wrong, 1e-300)) ** 0.25
            size = max(size, now) if wrong <= _TOLERANCE and factor > 1 and now < size else now
            size *= min(_GROWTH, max(_SHRINK, factor))
        found.append(masses)
    return _Run(cells, np.array(found), error, n_steps)


def _cdf(cells: Cells, masses: Array) -> Array:
    """P(x <= node) of what is in the cells."""
    inside = masses[1:-1]
    return np.asarray(np.cumsum(inside) - (1.0 - cells.below) * inside)


def _checked_times(times: Array) -> Array:
    result = np.atleast_1d(np.asarray(times, dtype=np.float64))
    good = np.all(np.isfinite(result)) and np.all(np.diff(result, prepend=0.0) > 0)
    if result.ndim != 1 or not 1 <= result.size <= MOST_TIMES or not good:
        raise InvalidModelError(
            "times", given=result.tolist()[:10], allowed=f"1..{MOST_TIMES} ascending times > 0"
        )
    return result
