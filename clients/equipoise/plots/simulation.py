"""Picture of a simulation."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from equipoise.plots.bars import Bars, bars_of, ceiling, joint_range, n_samples, range_of_histogram
from equipoise.plots.canvas import (
    BARS,
    BLUE,
    COORDINATE,
    SLOPE,
    TIME,
    finish,
    model_name,
    new_figure,
    number,
    show_marks,
)
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS_IN_ROW = 3


def draw_simulation(solution: specs.SimulateSolution, ax: "Axes | None") -> "Axes":
    """Draw the histogram; in an own figure, the observables over time below it."""
    is_own = ax is None
    if ax is None:
        ax = _own_axes(solution)
    is_linear = isinstance(solution.spec.model, specs.Diagonal)
    loss_minimum = solution.loss_minimum if is_linear else None
    points = (0.0, solution.mean, loss_minimum)
    shown = joint_range(range_of_histogram(solution.histogram), points=points)
    bars = draw_histogram(solution, ax, shown)
    show_marks(ax, simulated_mean=solution.mean, loss_minimum=loss_minimum)
    title = f"Simulation: {model_name(solution.spec.model)}\n{ensemble_name(solution.spec, solution)}"
    top = ceiling(bars.outline, shown=shown)
    coordinate = COORDINATE if is_linear else SLOPE
    finish(ax, shown=shown, top=top, title=title, is_own=is_own, coordinate=coordinate)
    return ax


def draw_histogram(ensemble: specs.Ensemble, ax: "Axes", shown: tuple[float, float]) -> Bars:
    """Draw the histogram of an ensemble; return its bars."""
    bars = bars_of(ensemble.histogram, shown)
    if n_samples(ensemble.histogram):
        ax.stairs(bars.heights, bars.edges, fill=True, color=BARS, label="simulated", zorder=1)
    else:
        ax.text(0.5, 0.5, "no finite samples", ha="center", transform=ax.transAxes)
    return bars


def dynamics_name(dynamics: specs.SGD | specs.SGF | specs.GD | specs.Langevin) -> str:
    """Dynamics and their parameters for a title."""
    match dynamics:
        case specs.SGD():
            name = f"SGD, learning rate {number(dynamics.learning_rate)}, batch {dynamics.batch_size}"
        case specs.SGF():
            name = f"SGF, T = {number(dynamics.temperature)}"
        case specs.Langevin():
            name = f"Langevin, T = {number(dynamics.temperature)}"
        case specs.GD():
            name = f"GD, learning rate {number(dynamics.learning_rate)}"
    if isinstance(dynamics, specs.SGD | specs.GD) and dynamics.label_noise:
        name = f"{name}, label noise {number(dynamics.label_noise)}"
    return f"{name}, weight decay {number(dynamics.weight_decay)}" if dynamics.weight_decay else name


def ensemble_name(spec: specs.Simulate | specs.Compare, ensemble: specs.Ensemble) -> str:
    """Dynamics, size and losses of an ensemble for a title."""
    lost = [
        f"{count} {what}"
        for count, what in ((ensemble.n_diverged, "diverged"), (ensemble.n_absorbed, "absorbed at 0"))
        if count
    ]
    return ", ".join([dynamics_name(spec.dynamics), f"{ensemble.n_paths} paths", *lost])


def _own_axes(solution: specs.SimulateSolution) -> "Axes":
    """Axes of the histogram, in a figure whose lower rows show what was followed over time."""
    panels = _panels(solution)
    n_rows = math.ceil(len(panels) / PANELS_IN_ROW)
    n_columns = min(PANELS_IN_ROW, max(1, len(panels)))
    figure = new_figure(max(6.4, 3.4 * n_columns), 4.2 + 2.2 * n_rows)
    grid = figure.add_gridspec(1 + n_rows, n_columns, height_ratios=[2.0] + [1.0] * n_rows)
    for index, draw in enumerate(panels):
        row, column = divmod(index, PANELS_IN_ROW)
        ax = figure.add_subplot(grid[1 + row, column])
        draw(ax)
        ax.spines[["top", "right"]].set_visible(False)
    return figure.add_subplot(grid[0, :])


def _panels(solution: specs.SimulateSolution) -> list[Callable[["Axes"], None]]:
    """What draws each panel: the observables, then the paths and the passages that were asked for."""
    time = TIME[solution.spec.dynamics.kind]
    panels: list[Callable[[Axes], None]] = [
        partial(_draw_series, name, series, time=time) for name, series in solution.observables.items()
    ]
    if solution.snapshots is not None:
        panels.append(partial(_draw_paths, solution.snapshots, time=time))
    if solution.first_passage is not None:
        panels.append(partial(_draw_passages, solution.first_passage, solution.n_paths, time=time))
    return panels


def _draw_series(name: str, series: specs.Series, ax: "Axes", *, time: str) -> None:
    """Draw the mean of an observable over time, with a band of two standard errors."""
    band = 2 * series.standard_error
    ax.fill_between(series.time, series.mean - band, series.mean + band, color=BLUE, alpha=0.25, linewidth=0)
    ax.plot(series.time, series.mean, color=BLUE, linewidth=1.5)
    ax.set_xlabel(time)
    shown = name if name == "autocorrelation" else f"mean {name}"
    ax.set_title(f"{shown} ± 2 standard errors", loc="left", fontsize="small")


def _draw_paths(snapshots: specs.Snapshots, ax: "Axes", *, time: str) -> None:
    """Draw v of the first paths over time."""
    for values in snapshots.values:
        ax.plot(snapshots.time, values, linewidth=0.8, alpha=0.8)
    ax.set_xlabel(time)
    ax.set_title(f"v of the first {len(snapshots.values)} paths", loc="left", fontsize="small")


def _draw_passages(passage: specs.FirstPassage, n_paths: int, ax: "Axes", *, time: str) -> None:
    """Draw the histogram of the times of first passage."""
    ax.stairs(passage.histogram.counts, passage.histogram.edges, fill=True, color=BARS)
    ax.set_xlabel(time)
    title = f"first passage of v = {number(passage.level)}: {passage.n_passed} of {n_paths} paths"
    ax.set_title(title, loc="left", fontsize="small")
