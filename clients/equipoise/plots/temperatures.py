"""A strip that shows where the temperature of a law lies among its critical ones."""

from typing import TYPE_CHECKING

from equipoise.plots.canvas import BLUE, GREY, VERMILLION, number
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 0.07
"""Height of the strip as a part of the picture's."""


def has_strip(law: specs.Law) -> bool:
    """Whether the law belongs to a model with a critical temperature to show."""
    return law.critical_temperature is not None and law.critical_temperature > 0


def draw_temperatures(law: specs.Law, ax: "Axes") -> None:
    """Draw the temperature axis: learning below the critical one, sparse above, and the law's own place."""
    critical = law.critical_temperature or 0.0
    marks = [(critical, "Tc")]
    if law.mode_vanishes_at is not None and law.mode_vanishes_at < 3 * critical:
        marks.append((law.mode_vanishes_at, "T*"))
    right = 1.25 * max(law.temperature, *(at for at, _ in marks))
    ax.axvspan(0, critical, color=BLUE, alpha=0.12, linewidth=0)
    ax.axvspan(critical, right, color=VERMILLION, alpha=0.12, linewidth=0)
    for at, name in marks:
        ax.axvline(at, color=GREY, linewidth=1.2)
        ax.annotate(f" {name}", (at, 0.5), va="center", fontsize="small", color=GREY)
    ax.plot([law.temperature], [0.5], "D", color=VERMILLION, markersize=6, clip_on=False)
    ax.annotate(
        f"T = {number(law.temperature)}",
        (law.temperature, 0.5),
        xytext=(7, 0),
        textcoords="offset points",
        va="center",
        fontsize="small",
    )
    ax.set(xlim=(0, right), ylim=(0, 1), yticks=[])
    ax.set_xlabel("temperature: learning below Tc, sparse above; the mode vanishes at T*", fontsize="small")
    ax.tick_params(labelsize="small")
    ax.spines[["top", "left", "right"]].set_visible(False)
