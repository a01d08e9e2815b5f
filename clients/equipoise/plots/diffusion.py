"""Picture of a diffusion: one panel for each part that was asked for."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from equipoise.plots.bars import LOW, Array, ceiling
from equipoise.plots.canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILLION,
    new_figure,
    number,
    show_legend,
)
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS_IN_ROW = 2
N_CURVES = 6
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, GREY)
# Rates or times that span more than this factor are shown on a logarithmic axis.
WIDE = 30.0
Draw = Callable[["Axes"], None]


def draw_diffusion(solution: specs.DiffusionSolution, ax: "Axes | None") -> "Axes":
    """Draw the law in the long run; in an own figure, every other part beside it."""
    panels = _panels(solution)
    if ax is not None:
        panels[0](ax)
        return ax
    n_columns = min(PANELS_IN_ROW, len(panels))
    n_rows = math.ceil(len(panels) / n_columns)
    figure = new_figure(5.4 * n_columns, 3.6 * n_rows + 0.6)
    figure.suptitle(_equation(solution), x=0.01, ha="left", fontsize="medium")
    grid = figure.add_gridspec(n_rows, n_columns)
    axes = [figure.add_subplot(grid[divmod(index, n_columns)]) for index in range(len(panels))]
    for draw, panel in zip(panels, axes, strict=True):
        draw(panel)
    return axes[0]


def _equation(solution: specs.DiffusionSolution) -> str:
    """The equation with its numbers, and what the ends are."""
    spec = solution.spec
    values = "".join(f",  {name} = {number(value)}" for name, value in spec.params.items())
    sign = "∘ dW" if spec.interpretation == "stratonovich" else "dW"
    names = [
        f"{'-' * (side == 0)}∞" if end.at is None else number(end.at)
        for side, end in enumerate(solution.boundaries)
    ]
    ends = ", ".join(
        f"{name} is {end.kind}{f' ({end.behaviour})' if end.kind == 'regular' else ''}"
        for name, end in zip(names, solution.boundaries, strict=True)
    )
    escape = ""
    if found := solution.escape:
        mean = "infinite" if found.mean is None else number(found.mean)
        escape = (
            f"\nfrom {number(found.well)} over {number(found.saddle)} to {number(found.target)}: mean {mean}"
        )
        escape += "" if found.ratio is None else f", {number(found.ratio)} times Kramers' formula"
    return (
        f"dx = ({spec.drift}) dt + ({spec.noise}) {sign}{values}\non ({names[0]}, {names[1]}): {ends}{escape}"
    )


def _panels(solution: specs.DiffusionSolution) -> list[Draw]:
    """What draws each panel, the laws first."""
    panels: list[Draw] = []
    if solution.stationary is not None or solution.quasi_stationary is not None:
        panels.append(partial(_draw_laws, solution))
    if solution.evolve is not None:
        panels.append(partial(_draw_evolution, solution, solution.evolve))
    if solution.hitting is not None:
        panels.append(partial(_draw_splitting, solution.hitting))
    if solution.passage_time is not None:
        panels.append(partial(_draw_passage, solution.passage_time))
    if solution.spectrum is not None:
        panels.append(partial(_draw_rates, solution.spectrum))
    return panels or [partial(_draw_laws, solution)]


def _draw_laws(solution: specs.DiffusionSolution, ax: "Axes") -> None:
    """Draw the density in the long run, or the atoms, and the law of survivors."""
    law, survivors = solution.stationary, solution.quasi_stationary
    drawn: list[specs.LawDensity] = []
    if law is not None and law.density.x.size:
        ax.plot(law.density.x, law.density.p, color=BLUE, linewidth=2.0, label="stationary density")
        ax.fill_between(law.density.x, law.density.p, color=BLUE, alpha=0.12, linewidth=0)
        drawn.append(law.density)
        if law.mean is not None:
            # What rounding leaves of a mean that is 0 is not worth showing.
            mean = 0.0 if abs(law.mean) < 1e-12 * np.ptp(law.density.x) else law.mean
            ax.axvline(mean, color=VERMILLION, linestyle="--", label=f"mean = {number(mean)}")
    if survivors is not None:
        label = f"survivors, lost at rate {number(survivors.rate)}"
        ax.plot(survivors.density.x, survivors.density.p, color=GREEN, linestyle="--", label=label)
        drawn.append(survivors.density)
        if law is not None and not law.density.x.size:
            ax.text(0.98, 0.96, _in_words(law), ha="right", va="top", transform=ax.transAxes)
    if drawn:
        _limit(ax, drawn)
        ax.set_ylabel("probability density  [1/x]")
        show_legend(ax, columns=2)
    else:
        ax.text(0.5, 0.5, _in_words(law), ha="center", va="center", transform=ax.transAxes, wrap=True)
        ax.set_yticks([])
    _finish(ax, "x", "In the long run" if law is not None else "Survivors")


def _in_words(law: specs.LongRunLaw | None) -> str:
    """The law in the long run where it has no density."""
    if law is None:
        return "nothing was asked for"
    if law.outcome == "none":
        return "no stationary law:\npaths spread without end"
    if law.outcome == "undecided":
        return "undecided"
    return "\n".join(
        f"{'mass set by the start' if atom.mass is None else f'probability {number(atom.mass)}'}"
        f" at {'infinity' if atom.at is None else number(atom.at)}"
        for atom in law.atoms
    )


def _limit(ax: "Axes", laws: list[specs.LawDensity]) -> None:
    """Show the range of the laws' mass, and poles cut off."""
    if not laws:
        return
    ranges = [np.interp((LOW, 1.0 - LOW), law.cdf, law.x) for law in laws]
    low, high = float(min(pair[0] for pair in ranges)), float(max(pair[1] for pair in ranges))
    margin = 0.03 * (high - low) or 1.0
    shown = (low - margin, high + margin)
    ax.set_xlim(*shown)
    ax.set_ylim(0.0, ceiling(*((law.x, law.p) for law in laws), shown=shown))


def _draw_evolution(solution: specs.DiffusionSolution, evolution: specs.Evolution, ax: "Axes") -> None:
    """Draw the density at some of the times over the stationary one."""
    from matplotlib import colormaps

    shown = np.unique(np.linspace(0, evolution.time.size - 1, N_CURVES).round().astype(int))
    for index, shade in zip(shown, np.linspace(0.85, 0.0, shown.size), strict=True):
        label = f"t = {number(float(evolution.time[index]))}"
        lost = float(evolution.lost_low[index] + evolution.lost_high[index])
        label += f", {lost:.0%} lost" if lost > 0.005 else ""
        colour = colormaps["viridis"](shade)
        ax.plot(evolution.x, evolution.density[index], color=colour, linewidth=1.4, label=label)
    law = solution.stationary
    if law is not None and law.density.x.size:
        ax.plot(law.density.x, law.density.p, ":", color=GREY, linewidth=1.8, label="stationary")
    laws = [_law_of(evolution.x, evolution.density[index], evolution.cdf[index]) for index in shown]
    _limit(ax, [one for one in laws if one is not None])
    ax.set_ylabel("probability density  [1/x]")
    show_legend(ax, columns=3)
    spec = solution.spec.evolve
    start = None if spec is None else spec.start
    _finish(ax, "x", "Over time" if start is None else f"Over time, from x = {number(start)}")


def _law_of(x: Array, p: Array, cdf: Array) -> specs.LawDensity | None:
    """What is left at a time as a law of its own; None if nothing is."""
    return specs.LawDensity(x=x, p=p, cdf=cdf / cdf[-1]) if cdf[-1] > LOW else None


def _draw_splitting(hitting: specs.Splitting, ax: "Axes") -> None:
    """Draw the probabilities against the start."""
    marker = "o" if hitting.start.size < 12 else ""
    ax.plot(hitting.start, hitting.high, color=BLUE, marker=marker, label="upper level first")
    ax.plot(hitting.start, hitting.low, color=VERMILLION, marker=marker, label="lower level first")
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel("probability")
    show_legend(ax, columns=2)
    _finish(ax, "start x", "Which level is reached first")


def _draw_passage(passage: specs.PassageTimes, ax: "Axes") -> None:
    """Draw the distribution of the passage time, a curve for each start."""
    step = max(1, math.ceil(passage.start.size / len(COLOURS)))
    for row, colour in zip(range(0, passage.start.size, step), COLOURS, strict=False):
        mean = float(passage.mean[row])
        words = f", mean {number(mean)}" if math.isfinite(mean) else ", mean infinite"
        label = f"from {number(float(passage.start[row]))}{words}"
        ax.plot(passage.time, passage.cdf[row] if passage.time.size else [], color=colour, label=label)
        if math.isfinite(mean):
            ax.axvline(mean, color=colour, linestyle=":", linewidth=1.0)
    if passage.time.size and passage.time[-1] > WIDE * passage.time[0] > 0:
        ax.set_xscale("log")
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel("probability of passage by t")
    show_legend(ax, columns=1)
    _finish(ax, "time t", "First passage")


def _draw_rates(spectrum: specs.Relaxation, ax: "Axes") -> None:
    """Draw the rates as levels, and where the continuous spectrum begins."""
    places = np.arange(1, spectrum.rates.size + 1)
    ax.plot(places, spectrum.rates, "o", color=BLUE, label="rates")
    if spectrum.continuum is not None:
        ax.axhline(spectrum.continuum, color=GREY)
        top = 1.3 * max([spectrum.continuum, *spectrum.rates.tolist()]) or 1.0
        ax.axhspan(spectrum.continuum, top, color=GREY, alpha=0.2, linewidth=0, label="continuous spectrum")
        ax.set_ylim(top=top)
    if spectrum.rates.size and spectrum.rates[-1] > WIDE * spectrum.rates[0]:
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0.0)
    if spectrum.gap is not None and spectrum.gap > 0:
        label = f"gap {number(spectrum.gap)}: relaxation time {number(1 / spectrum.gap)}"
        ax.axhline(spectrum.gap, color=VERMILLION, linestyle="--", linewidth=1.0, label=label)
    ax.set_xticks(places)
    ax.set_ylabel("rate  [1/time]")
    show_legend(ax, columns=2)
    _finish(ax, "number", "Relaxation rates")


def _finish(ax: "Axes", x_label: str, title: str) -> None:
    ax.set_xlabel(x_label)
    ax.set_title(title, loc="left", fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
