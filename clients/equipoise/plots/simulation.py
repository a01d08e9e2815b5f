"""Picture of a simulation."""

import math
from typing import TYPE_CHECKING

from equipoise.plots.bars import Bars, bars_of, ceiling, joint_range, n_samples, range_of_histogram
from equipoise.plots.canvas import (
    BARS,
    BLUE,
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
    points = (0.0, solution.mean, solution.loss_minimum)
    shown = joint_range(range_of_histogram(solution.histogram), points=points)
    bars = draw_histogram(solution, ax, shown)
    show_marks(ax, simulated_mean=solution.mean, loss_minimum=solution.loss_minimum)
    title = f"Simulation: {model_name(solution.spec.model)}\n{ensemble_name(solution.spec, solution)}"
    top = ceiling(bars.outline, shown=shown)
    finish(ax, shown=shown, top=top, title=title, is_own=is_own)
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
    observables, time = solution.observables, TIME[solution.spec.dynamics.kind]
    n_rows = math.ceil(len(observables) / PANELS_IN_ROW)
    n_columns = min(PANELS_IN_ROW, max(1, len(observables)))
    figure = new_figure(max(6.4, 3.4 * n_columns), 4.2 + 2.2 * n_rows)
    grid = figure.add_gridspec(1 + n_rows, n_columns, height_ratios=[2.0] + [1.0] * n_rows)
    for index, (name, series) in enumerate(observables.items()):
        row, column = divmod(index, PANELS_IN_ROW)
        _draw_series(name, series, figure.add_subplot(grid[1 + row, column]), time=time)
    return figure.add_subplot(grid[0, :])


def _draw_series(name: str, series: specs.Series, ax: "Axes", *, time: str) -> None:
    """Draw the mean of an observable over time, with a band of two standard errors."""
    band = 2 * series.standard_error
    ax.fill_between(series.time, series.mean - band, series.mean + band, color=BLUE, alpha=0.25, linewidth=0)
    ax.plot(series.time, series.mean, color=BLUE, linewidth=1.5)
    ax.set_xlabel(time)
    ax.set_title(f"mean {name} ± 2 standard errors", loc="left", fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)
