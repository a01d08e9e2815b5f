"""Picture of an ensemble of networks: what was followed over time, one panel for each observable."""

import math
from typing import TYPE_CHECKING

from equipoise.plots.canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    TIME,
    VERMILLION,
    network_name,
    new_figure,
    show_legend,
)
from equipoise.plots.simulation import dynamics_name
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS_IN_ROW = 3
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, GREY)
"""A panel has as many curves at most; there may be hundreds of charges."""


def draw_networks(solution: specs.SimulateNetworkSolution, ax: "Axes | None") -> "Axes":
    """Draw the first observable; in an own figure, every other one beside it."""
    time = TIME[solution.spec.dynamics.kind]
    groups = _groups(solution)
    names = list(groups)[: 1 if ax is not None else None]
    axes = [ax] if ax is not None else _own_axes(solution, len(names))
    for name, panel in zip(names, axes, strict=True):
        _draw_group(name, groups[name], panel, time=time)
    return axes[0]


def _groups(solution: specs.SimulateNetworkSolution) -> dict[str, dict[str, specs.Series]]:
    """The curves of each observable: of several numbers, "norm.W1" and the like, there are several."""
    groups: dict[str, dict[str, specs.Series]] = {}
    for name, series in solution.observables.items():
        whole, _, part = name.partition(".")
        groups.setdefault(whole, {})[part or "all"] = series
    return groups


def _own_axes(solution: specs.SimulateNetworkSolution, n_panels: int) -> "list[Axes]":
    n_columns = min(PANELS_IN_ROW, n_panels)
    n_rows = math.ceil(n_panels / n_columns)
    figure = new_figure(max(6.4, 4.0 * n_columns), 3.4 * n_rows + 0.8)
    figure.suptitle(_title(solution), x=0.01, ha="left", fontsize="medium")
    grid = figure.add_gridspec(n_rows, n_columns)
    return [figure.add_subplot(grid[divmod(index, n_columns)]) for index in range(n_panels)]


def _title(solution: specs.SimulateNetworkSolution) -> str:
    lost = f", {solution.n_diverged} diverged" if solution.n_diverged else ""
    words = "".join(f", {schedule.kind} schedule" for schedule in solution.spec.schedule)
    dynamics = f"{dynamics_name(solution.spec.dynamics)}{words}"
    return f"{network_name(solution.spec.model)}\n{dynamics}, {solution.n_paths} networks{lost}"


def _draw_group(name: str, parts: dict[str, specs.Series], ax: "Axes", *, time: str) -> None:
    """Draw means over time, each with a band of two standard errors."""
    for (part, series), colour in zip(parts.items(), COLOURS, strict=False):
        band = 2 * series.standard_error
        ax.fill_between(
            series.time, series.mean - band, series.mean + band, color=colour, alpha=0.2, linewidth=0
        )
        ax.plot(series.time, series.mean, color=colour, linewidth=1.5, label=part)
    ax.set_xlabel(time)
    some = f", the first {len(COLOURS)} of {len(parts)}" if len(parts) > len(COLOURS) else ""
    shown = name.replace("_", " ")
    ax.set_title(f"mean {shown} ± 2 standard errors{some}", loc="left", fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)
    if len(parts) > 1:
        show_legend(ax, columns=3)
