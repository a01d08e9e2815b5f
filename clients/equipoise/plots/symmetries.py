"""Picture of the symmetries of a network: the singular values, and the gap."""

from typing import TYPE_CHECKING

import numpy as np

from equipoise.plots.canvas import BLUE, GREY, VERMILLION, network_name, new_figure, number, show_legend
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FLOOR = 1e-18
"""Singular values below this are drawn at it: zeros have no place on a logarithmic axis."""
MOST_NAMES = 8


def draw_symmetries(solution: specs.SymmetriesSolution, ax: "Axes | None") -> "Axes":
    """Draw the spectrum of the conditions on a generator, symmetries apart from the rest."""
    is_own = ax is None
    if ax is None:
        ax = new_figure(8.0, 4.8).add_subplot()
    values = np.maximum(solution.spectrum, FLOOR)
    n_conditions = max(values.size - solution.dimension, 0)
    places = np.arange(1, values.size + 1)
    ax.semilogy(places[:n_conditions], values[:n_conditions], "o", ms=4, color=BLUE, label="no symmetry")
    label = f"symmetries, {solution.dimension} dimensions"
    ax.semilogy(places[n_conditions:], values[n_conditions:], "s", ms=5, color=VERMILLION, label=label)
    if 0 < n_conditions < values.size:
        low, high = values[n_conditions:].max(), values[:n_conditions].min()
        gap = "" if solution.gap is None else f", a factor of {solution.gap:.0e}"
        ax.axhspan(low, high, color=GREY, alpha=0.15, linewidth=0, label=f"gap{gap}")
    ax.set_xlabel("number")
    ax.set_ylabel("singular value, relative")
    ax.set_title(_title(solution), loc="left", fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    if is_own:
        show_legend(ax, columns=3)
    else:
        ax.legend(loc="best", frameon=False, fontsize="small")
    return ax


def _title(solution: specs.SymmetriesSolution) -> str:
    found = [f"{family.kind} of {family.name} ({number(family.dimension)})" for family in solution.families]
    shown = ",  ".join(found[:MOST_NAMES]) + (",  ..." if len(found) > MOST_NAMES else "")
    name = network_name(solution.spec.model)
    return f"Symmetries of {name}, {solution.structure} generators\n{shown or 'none'}"
