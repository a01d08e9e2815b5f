"""Picture of theory and simulation, one over the other."""

from typing import TYPE_CHECKING

from equipoise.plots.bars import ceiling, joint_range, range_of_histogram, range_of_law
from equipoise.plots.canvas import (
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
from equipoise.plots.simulation import draw_histogram, ensemble_name
from equipoise.plots.stationary import draw_law
from equipoise.plots.temperatures import HEIGHT, draw_temperatures, has_strip
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_comparison(solution: specs.CompareSolution, ax: "Axes | None") -> "Axes":
    """Draw the exact density over the simulated histogram, with their distance in the title."""
    is_own = ax is None
    law, ensemble = solution.stationary, solution.simulation
    if ax is None:
        ax = _own_axes(law)
    marks = (law.mean, law.mode, law.loss_minimum, ensemble.mean)
    points = (0.0, *marks, *(atom.at for atom in law.atoms))
    shown = joint_range(range_of_law(law), range_of_histogram(ensemble.histogram), points=points)
    bars = draw_histogram(ensemble, ax, shown)
    draw_law(law, ax, shown, fills=False)
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
        ensemble_name(solution.spec, ensemble),
        distance_text(solution.distance),
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


def distance_text(distance: specs.Distance) -> str:
    """Say how far theory and simulation are apart, and whether chance explains it."""
    if distance.ks is None or distance.ks_bound is None:
        return ""
    verdict = "within" if distance.ks <= distance.ks_bound else "beyond"
    return f"KS distance {number(distance.ks)}, {verdict} the bound {number(distance.ks_bound)} of chance"
