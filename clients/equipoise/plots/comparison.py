"""Picture of theory and simulation, one over the other."""

from typing import TYPE_CHECKING

import numpy as np

from equipoise.plots.bars import Bars, ceiling, joint_range, range_of_histogram, range_of_law
from equipoise.plots.canvas import (
    GREEN,
    finish,
    law_name,
    mean_of,
    mode_of,
    model_name,
    new_figure,
    number,
    show_atoms,
    show_marks,
)
from equipoise.plots.poles import height_beside_pole, pole_of
from equipoise.plots.simulation import draw_histogram, ensemble_name
from equipoise.plots.stationary import draw_law
from equipoise.plots.temperatures import HEIGHT, draw_temperatures, has_strip
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Beyond so many standard errors chance explains no difference of means.
LARGEST_Z = 5.0


def draw_comparison(solution: specs.CompareSolution, ax: "Axes | None") -> "Axes":
    """Draw the exact laws over the simulated histogram, with their distances in the title."""
    is_own = ax is None
    law, ensemble = solution.stationary, solution.simulation
    if ax is None:
        ax = _own_axes(law)
    marks = (law.mean, law.mode, law.loss_minimum, ensemble.mean)
    points = (0.0, *marks, *(atom.at for atom in law.atoms))
    shown = joint_range(range_of_law(law), range_of_histogram(ensemble.histogram), points=points)
    bars = draw_histogram(ensemble, ax, shown)
    pole = pole_of(law.density, shown)
    of = "" if solution.finite_step is None else " of the SDE limit"
    draw_law(law, ax, shown, pole, fills=False, of=of)
    _draw_finite_step(solution.finite_step, bars, ax)
    if pole:
        top = max(pole.top, 1.12 * height_beside_pole(bars.outline, shown=shown))
    else:
        top = ceiling((law.density.v, law.density.p), bars.outline, shown=shown)
    show_marks(
        ax,
        mean=mean_of(law),
        mode=mode_of(law),
        loss_minimum=law.loss_minimum,
        simulated_mean=ensemble.mean,
    )
    show_atoms(ax, law.atoms)
    lines = (
        f"Theory and simulation: {model_name(solution.spec.model)}",
        law_name(law),
        str(pole or ""),
        ensemble_name(solution.spec, ensemble),
        distance_text(solution.distance, solution.spec.dynamics),
        finite_step_text(solution.finite_step_distance),
    )
    title = "\n".join(line for line in lines if line)
    finish(ax, shown=shown, top=top, title=title, is_own=is_own)
    return ax


def _own_axes(law: specs.Law) -> "Axes":
    """Axes of a figure of their own, with the strip of temperatures at its foot if there is one."""
    if not has_strip(law):
        whole: Axes = new_figure(7.2, 5.0).subplots()
        return whole
    ax: Axes
    ax, strip = new_figure(7.2, 5.6).subplots(2, 1, height_ratios=[1 - HEIGHT, HEIGHT])
    draw_temperatures(law, strip)
    return ax


def _draw_finite_step(law: specs.FiniteStepLaw | None, bars: Bars, ax: "Axes") -> None:
    """Draw the law at finite step in the bars of the histogram: that of a finite data set may be fractal."""
    if law is None or not (law.density.p > 0).any():
        return
    below = np.interp(bars.edges, law.density.v, law.density.cdf)
    heights = np.diff(below) / np.diff(bars.edges)
    ax.stairs(heights, bars.edges, color=GREEN, linewidth=1.4, label="exact law at finite step", zorder=3)


def finite_step_text(distance: specs.Distance | None) -> str:
    """Say how far the simulation is from the law of SGD itself."""
    if distance is None or distance.ks is None or distance.ks_bound is None:
        return ""
    sign = ">" if distance.ks > distance.ks_bound else "<"
    return f"KS distance at finite step {number(distance.ks)} {sign} {number(distance.ks_bound)}"


def distance_text(distance: specs.Distance, dynamics: specs.SGD | specs.SGF | specs.GD) -> str:
    """Say how far theory and simulation are apart; beyond the sampling error, say why that may be.

    The law is the limit of small learning rates, of which SGD and GD keep their distance.
    """
    if distance.ks is None or distance.ks_bound is None:
        return ""
    is_beyond = distance.ks > distance.ks_bound
    sign = ">" if is_beyond else "<"
    text = f"KS distance {number(distance.ks)} {sign} {number(distance.ks_bound)} (sampling error)"
    is_off = distance.mean_z is not None and abs(distance.mean_z) > LARGEST_Z
    if is_off:
        text += f"\nmean off by {abs(distance.mean_z or 0.0):.0f} standard errors"
    if is_beyond or is_off:
        text += ": finite step or burn-in" if dynamics.kind == "sgf" else ": finite learning rate"
    return text
