"""Picture of a stationary law."""

from typing import TYPE_CHECKING

import numpy as np

from equipoise.plots.bars import Array, ceiling, joint_range, range_of_law
from equipoise.plots.canvas import (
    BLUE,
    GREY,
    finish,
    law_name,
    least_squares_point,
    model_name,
    new_figure,
    number,
    show_atoms,
    show_marks,
)
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Densities below this fraction of the largest are left out of the picture of the tails.
FAINTEST = 1e-9


def draw_stationary(solution: specs.StationarySolution, ax: "Axes | None", *, tails: bool) -> "Axes":
    """Draw the density, atoms, mean and mode; in an own figure, the tails beside it."""
    is_own = ax is None
    if ax is None:
        has_tails = tails and solution.density.v.size > 1
        figure = new_figure(9.6 if has_tails else 6.4, 4.4)
        if has_tails:
            ax, beside = figure.subplots(1, 2, width_ratios=[1.7, 1])
            _draw_tails(solution, beside)
        else:
            ax = figure.subplots()
    least_squares = least_squares_point(solution.spec)
    points = (0.0, solution.mean, solution.mode, least_squares, *(atom.at for atom in solution.atoms))
    shown = joint_range(range_of_law(solution), points=points)
    top = draw_law(solution, ax, shown)
    is_one_atom = len(solution.atoms) == 1 and solution.density.v.size < 2
    mean = None if is_one_atom else solution.mean
    show_marks(ax, mean=mean, mode=solution.mode, least_squares=least_squares)
    show_atoms(ax, solution.atoms)
    title = f"Stationary law: {model_name(solution.spec.model)}\n{law_name(solution)}"
    finish(ax, shown=shown, top=top, title=title, is_own=is_own)
    return ax


def draw_law(law: specs.Law, ax: "Axes", shown: tuple[float, float]) -> float:
    """Draw the density of a law; return the height that the picture needs."""
    v, p = law.density.v, law.density.p
    if v.size < 2:
        return 1.0
    ax.plot(v, p, color=BLUE, linewidth=2.0, label="exact density", zorder=3)
    ax.fill_between(v, p, color=BLUE, alpha=0.12, linewidth=0)
    return ceiling((v, p), shown=shown)


def _draw_tails(law: specs.Law, ax: "Axes") -> None:
    """Draw the density on logarithmic axes, where power laws are straight."""
    v, p = law.density.v, law.density.p
    seen = np.isfinite(p) & (p > FAINTEST * np.nanmax(p[np.isfinite(p)])) & (v != 0)
    for side, style, name in ((v > 0, "-", "v > 0"), (v < 0, "--", "v < 0")):
        chosen = seen & side
        if chosen.sum() > 1:
            ax.loglog(np.abs(v[chosen]), p[chosen], style, color=BLUE, linewidth=2.0, label=name)
    if law.tail_exponent is not None:
        _draw_slope(ax, np.abs(v[seen]), p[seen], law.tail_exponent)
    ax.set_xlabel("|v|")
    ax.set_ylabel("p(v)  [1/v]")
    ax.set_title("Tails, on logarithmic axes", loc="left", fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(0.0, -0.16),
        borderaxespad=0.0,
        ncols=2,
        frameon=False,
        fontsize="small",
    )


def _draw_slope(ax: "Axes", size: Array, p: Array, exponent: float) -> None:
    """Draw the power law of the tail just above the last decade of the curve."""
    far = size >= size.max() / 30
    if far.sum() < 2:
        return
    x = np.array([size.max() / 30, size.max()])
    height = 3.0 * p[far][-1] * (size[far][-1] ** -exponent)
    label = f"|v|^{number(exponent)}"
    ax.loglog(x, height * x**exponent, ":", color=GREY, linewidth=1.6, label=label)
