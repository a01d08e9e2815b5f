"""Picture of a stationary law."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise.plots.bars import Array, ceiling, joint_range, range_of_law
from equipoise.plots.canvas import (
    BLUE,
    GREY,
    finish,
    has_density,
    law_name,
    mean_of,
    mode_of,
    model_name,
    new_figure,
    number,
    show_atoms,
    show_legend,
    show_marks,
)
from equipoise.plots.poles import Pole, pole_of
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The tails are drawn as far as |v| p(v), the probability per e-fold of v, exceeds this part of its maximum.
FAINTEST = 1e-6
# The line of the tail's power law spans this factor of v.
TAIL_SPAN = 10.0
# Decades of |v| that the tails show at most, and below which there are no tails to speak of.
MOST_DECADES, FEWEST_DECADES = 20.0, 1.0
SMALLEST = float(np.finfo(np.float64).tiny)


def draw_stationary(solution: specs.StationarySolution, ax: "Axes | None", *, tails: bool) -> "Axes":
    """Draw the density, atoms, mean and mode; in an own figure, the tails beside it."""
    is_own = ax is None
    if ax is None:
        has_tails = tails and _seen(solution).any()
        figure = new_figure(9.6 if has_tails else 6.4, 4.4)
        if has_tails:
            ax, beside = figure.subplots(1, 2, width_ratios=[1.7, 1])
            _draw_tails(solution, beside)
        else:
            ax = figure.subplots()
    marks = (solution.mean, solution.mode, solution.loss_minimum)
    points = (0.0, *marks, *(atom.at for atom in solution.atoms))
    shown = joint_range(range_of_law(solution), points=points)
    pole = pole_of(solution.density, shown)
    top = draw_law(solution, ax, shown, pole)
    show_marks(ax, mean=mean_of(solution), mode=mode_of(solution), loss_minimum=solution.loss_minimum)
    show_atoms(ax, solution.atoms)
    lines = (f"Stationary law: {model_name(solution.spec.model)}", law_name(solution), str(pole or ""))
    title = "\n".join(line for line in lines if line)
    finish(ax, shown=shown, top=top, title=title, is_own=is_own)
    return ax


def draw_law(
    law: specs.Law,
    ax: "Axes",
    shown: tuple[float, float],
    pole: Pole | None,
    *,
    fills: bool = True,
    of: str = "",
) -> float | None:
    """Draw the density of a law, `of` what if need be; return the height that the picture needs."""
    if not has_density(law):
        return None
    v, p = (pole.v, pole.p) if pole else (law.density.v, law.density.p)
    name = "metastable density, before the escape to 0" if law.phase == "metastable" else "exact density"
    ax.plot(v, p, color=BLUE, linewidth=2.0, label=f"{name}{of}", zorder=3)
    if fills:
        ax.fill_between(v, p, color=BLUE, alpha=0.12, linewidth=0)
    return pole.top if pole else ceiling((v, p), shown=shown)


def _seen(law: specs.Law) -> NDArray[np.bool_]:
    """Which points of the density the tails show: none if they span too little to tell anything."""
    v, p = law.density.v, law.density.p
    if not has_density(law):
        return np.zeros(v.size, dtype=bool)
    size = np.abs(v)
    per_fold = np.where(np.isfinite(p), size * np.nan_to_num(p, posinf=0.0), 0.0)
    seen = per_fold > FAINTEST * per_fold.max()
    seen &= np.log10(np.maximum(size, SMALLEST)) > np.log10(size[seen].max(initial=SMALLEST)) - MOST_DECADES
    is_wide = size[seen].max(initial=0.0) > 10**FEWEST_DECADES * size[seen].min(initial=np.inf)
    result: NDArray[np.bool_] = seen & is_wide
    return result


def _draw_tails(law: specs.Law, ax: "Axes") -> None:
    """Draw the density on logarithmic axes, where power laws are straight."""
    v, p, seen = law.density.v, law.density.p, _seen(law)
    for side, style, name in ((v > 0, "-", "v > 0"), (v < 0, "--", "v < 0")):
        chosen = seen & side
        if chosen.sum() > 1:
            ax.loglog(np.abs(v[chosen]), p[chosen], style, color=BLUE, linewidth=2.0, label=name)
    if law.tail_exponent is not None:
        _draw_slope(ax, np.abs(v[seen]), p[seen], law.tail_exponent)
    ax.set_xlim(np.abs(v[seen]).min() / 1.5, np.abs(v[seen]).max() * 1.5)
    ax.set_ylim(p[seen].min() / 3.0, p[seen].max() * 3.0)
    # Labels between the decades would run into each other.
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.xaxis.set_major_locator(LogLocator(numticks=6))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("|v|")
    ax.set_ylabel("p(v)  [1/v]")
    ax.set_title("Tails, on logarithmic axes", loc="left", fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    show_legend(ax, columns=2)


def _draw_slope(ax: "Axes", size: Array, p: Array, exponent: float) -> None:
    """Draw the power law of the tail just above the end of the curve, if the curve follows it there."""
    order = np.argsort(size)
    far = order[size[order] >= size.max() / TAIL_SPAN]
    if far.size < 3:
        return
    measured = np.log(p[far[-1]] / p[far[0]]) / np.log(size[far[-1]] / size[far[0]])
    if abs(measured - exponent) > 0.25 * abs(exponent):
        return
    x = np.array([size.max() / TAIL_SPAN, size.max()])
    height = 2.0 * p[far[-1]] * size[far[-1]] ** -exponent
    label = f"$|v|^{{{number(exponent)}}}$"
    ax.loglog(x, height * x**exponent, ":", color=GREY, linewidth=1.6, label=label)
