"""Picture of a noise equilibrium: norms and noise before and after, and the way there."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from equipoise.plots.canvas import BLUE, GREY, VERMILLION, network_name, new_figure, number, show_legend
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BARS, MOST_CURVES = 12, 12
# Norms or traces that span more than this factor are shown on a logarithmic axis.
WIDE = 100.0


def draw_equilibrium(solution: specs.EquilibriumSolution, ax: "Axes | None") -> "Axes":
    """Draw the norms; in an own figure, noise traces and the flow of the charges beside them."""
    norms, noise = "squared norm of each block", "trace of the gradient noise of each block"
    if ax is not None:
        _draw_bars(solution.norms, norms, ax)
        return ax
    has_flow = solution.flow is not None and solution.flow.charges.size > 0
    figure = new_figure(5.2 * (2 + has_flow), 4.4)
    figure.suptitle(_title(solution), x=0.01, ha="left", fontsize="medium")
    panels: list[Axes] = list(figure.subplots(1, 2 + has_flow))
    _draw_bars(solution.norms, norms, panels[0])
    _draw_bars(solution.noise_traces, noise, panels[1])
    if solution.flow is not None and has_flow:
        _draw_flow(solution.flow, solution.charges, panels[2])
    return panels[0]


def _title(solution: specs.EquilibriumSolution) -> str:
    spec = solution.spec
    words = [f"T = {number(spec.temperature)}"]
    words += [f"weight decay {number(spec.weight_decay)}"] if spec.weight_decay else []
    if solution.converged and solution.residual is not None:
        words.append(f"residual {solution.residual:.1e}")
    else:
        words.append(solution.reason or solution.outcome)
    for name, pair in (("loss", solution.loss), ("Tr Σ", solution.noise_trace), ("Tr H", solution.sharpness)):
        if pair.before is not None and pair.after is not None:
            words.append(f"{name} {number(pair.before)} → {number(pair.after)}")
    return f"Noise equilibrium: {network_name(spec.model)}\n{',  '.join(words)}"


def _draw_bars(pairs: Mapping[str, specs.BeforeAfter], title: str, ax: "Axes") -> None:
    """Draw a pair of bars for each block, the first ones if there are many."""
    names = list(pairs)[:MOST_BARS]
    places = np.arange(len(names))
    sides = (("before", -0.2, GREY), ("after", 0.2, BLUE))
    values = {side: [getattr(pairs[name], side) for name in names] for side, _, _ in sides}
    for side, shift, colour in sides:
        heights = [np.nan if value is None else value for value in values[side]]
        if np.isfinite(heights).any():
            ax.bar(places + shift, heights, width=0.38, color=colour, label=side)
    positive = [value for side in values.values() for value in side if value]
    if positive and max(positive) > WIDE * min(positive):
        ax.set_yscale("log")
    ax.set_xticks(places, names)
    more = f", the first {MOST_BARS} of {len(pairs)}" if len(pairs) > MOST_BARS else ""
    ax.set_title(f"{title}{more}", loc="left", fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)
    show_legend(ax, columns=2)


def _draw_flow(flow: specs.FlowToEquilibrium, charges: specs.Charges, ax: "Axes") -> None:
    """Draw the charges over time, those that change most."""
    change = np.ptp(flow.charges, axis=0)
    chosen = np.sort(np.argsort(-change)[:MOST_CURVES])
    for index in chosen:
        label = charges.names[index] if len(chosen) <= 6 else None
        (line,) = ax.plot(flow.time, flow.charges[:, index], linewidth=1.4, label=label)
        if charges.after.size:
            ax.axhline(charges.after[index], color=line.get_color(), linestyle=":", linewidth=1.0)
    if flow.time_to_equilibrium is not None:
        label = f"time to equilibrium {number(flow.time_to_equilibrium)}"
        ax.axvline(flow.time_to_equilibrium, color=VERMILLION, linestyle="--", linewidth=1.0, label=label)
    ax.set_xlabel("SDE time t")
    some = f", {len(chosen)} of {change.size}" if change.size > len(chosen) else ""
    ax.set_title(f"Noether charges{some}; dotted: equilibrium", loc="left", fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)
    show_legend(ax, columns=2)
