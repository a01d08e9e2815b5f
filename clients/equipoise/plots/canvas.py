"""What all pictures share: figures, colours, marks, wording."""

from typing import TYPE_CHECKING, Any

from equipoise.errors import MissingExtraError
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The colour-blind safe palette of Okabe and Ito (2008).
BLUE, VERMILLION, GREEN, ORANGE, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7"
BARS, GREY = "#A9CCE3", "#595959"

COORDINATE = "model coordinate v,  f(x) = v x"
SLOPE = "slope v of f at x = 0"
DENSITY = "probability density p(v)  [1/v]"
# Widths of a legend below the axes and of the symbol before a label, in letters.
LEGEND_WIDTH, LEGEND_HANDLE = 96, 6
TIME = {"sgf": "SDE time t", "langevin": "time t", "sgd": "updates", "gd": "updates"}


def pyplot() -> Any:
    """matplotlib.pyplot, imported now.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise MissingExtraError("Plotting", extra="plot", missing="matplotlib") from None
    return plt


def new_figure(width: float, height: float) -> "Figure":
    """Figure of a size in inches whose parts make room for each other."""
    figure: Figure = pyplot().figure(figsize=(width, height), layout="constrained")
    return figure


def show_marks(
    ax: "Axes",
    *,
    mean: float | None = None,
    mode: float | None = None,
    loss_minimum: float | None = None,
    simulated_mean: float | None = None,
) -> None:
    """Draw vertical lines at the points of interest, those that exist."""
    # The finest mark is drawn last: the points often coincide.
    lines = (
        (loss_minimum, GREY, "-", 1.0, "loss minimum β₂/β₁"),
        (mean, VERMILLION, "--", 1.6, "mean"),
        (simulated_mean, BLUE, ":", 1.8, "simulated mean"),
        (mode, PURPLE, "-.", 1.6, "mode"),
    )
    for at, colour, style, width, name in lines:
        if at is not None:
            label = f"{name} = {number(at)}"
            ax.axvline(at, color=colour, linestyle=style, linewidth=width, label=label, zorder=2.5)


def show_atoms(ax: "Axes", atoms: tuple[specs.Atom, ...]) -> None:
    """Draw each atom as a spike with its mass, from the axis to near the top: it has no density to scale."""
    for atom in atoms:
        mass = "mass set by the start" if atom.mass is None else f"mass {number(atom.mass)}"
        ends = [0.0, 0.92]
        transform = ax.get_xaxis_transform()
        ax.plot(
            [atom.at, atom.at],
            ends,
            color=VERMILLION,
            linewidth=3.0,
            transform=transform,
            solid_capstyle="butt",
            zorder=3,
        )
        label = f"atom at {number(atom.at)}, {mass}"
        ax.plot(
            [atom.at],
            ends[1:],
            "^",
            color=VERMILLION,
            markersize=10,
            transform=transform,
            label=label,
            zorder=3,
        )


def finish(
    ax: "Axes",
    *,
    shown: tuple[float, float],
    top: float | None,
    title: str,
    is_own: bool,
    coordinate: str = COORDINATE,
) -> None:
    """Set limits, labels, title and legend: below the axes of an own figure, where it is free otherwise.

    Args:
        shown: range of v.
        top: height of the picture, or None if there is no density, so no scale.
        title: of the picture.
        is_own: whether the figure is the picture's own.
        coordinate: what v is.
    """
    ax.set_xlim(*shown)
    ax.set_ylim(0.0, top or 1.0)
    ax.set_xlabel(coordinate)
    ax.set_ylabel(DENSITY if top else "atoms only, no density")
    if not top:
        ax.set_yticks([])
    ax.set_title(title, loc="left", fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    handles, _ = ax.get_legend_handles_labels()
    if is_own:
        show_legend(ax, columns=3)
    elif handles:
        ax.legend(loc="best", frameon=False, fontsize="small")


def show_legend(ax: "Axes", *, columns: int) -> None:
    """Put the legend below the axes, where it covers nothing."""
    _, labels = ax.get_legend_handles_labels()
    if labels:
        fitting = LEGEND_WIDTH // (LEGEND_HANDLE + max(map(len, labels)))
        ax.legend(
            loc="upper left",
            bbox_to_anchor=(0.0, -0.16),
            borderaxespad=0.0,
            ncols=max(1, min(columns, fitting, len(labels))),
            frameon=False,
            fontsize="small",
        )


def mean_of(law: specs.Law) -> float | None:
    """Mean of a law, unless the spike of an atom shows it already."""
    return law.mean if has_density(law) else None


def mode_of(law: specs.Law) -> float | None:
    """Mode of a law, unless the spike of an atom shows it already."""
    return law.mode if has_density(law) else None


def has_density(law: specs.Law) -> bool:
    """Whether a law has a density to draw, beside or instead of atoms."""
    return law.density.v.size > 1 and bool((law.density.p > 0).any())


def model_name(model: specs.Diagonal | specs.DiagonalLimit | specs.Tanh1D) -> str:
    """Name of a model for a title."""
    if isinstance(model, specs.Tanh1D):
        return "f(x) = w tanh(u x), v = w u" if model.hidden else "f(x) = tanh(v x)"
    if isinstance(model, specs.DiagonalLimit):
        return f"infinitely deep diagonal network, d/D = {number(model.width_per_depth)}"
    name = {0: "linear regression", 1: "two-layer diagonal network"}.get(model.depth, "diagonal network")
    return f"{name}, D = {model.depth}, d = {model.width}"


def network_name(
    model: specs.LinearNetwork
    | specs.Mlp
    | specs.MatrixFactorization
    | specs.Attention
    | specs.NormalizedMlp
    | specs.DiagonalNetwork,
) -> str:
    """Name of a network for a title."""
    match model:
        case specs.LinearNetwork():
            return f"linear network {_widths(model.widths)}"
        case specs.MatrixFactorization():
            return f"matrix factorisation {_widths(model.widths)}"
        case specs.Mlp():
            return f"{model.activation} network {_widths(model.widths)}"
        case specs.NormalizedMlp():
            return f"{model.activation} network {_widths(model.widths)}, normalised by {model.normalization}"
        case specs.Attention():
            return f"attention, {model.tokens} tokens of {model.dim}, {model.heads} heads of {model.head_dim}"
        case specs.DiagonalNetwork():
            return f"diagonal network, D = {model.depth}, d = {model.width}"


def _widths(widths: tuple[int, ...]) -> str:
    return "-".join(map(str, widths))


def law_name(law: specs.Law) -> str:
    """Phase and temperatures of a law for a title."""
    temperature, critical = law.temperature, law.critical_temperature
    # Close to the critical point, as many digits as it takes to tell the two apart.
    is_near = critical is not None and temperature != critical and number(temperature) == number(critical)
    digits = 8 if is_near else 4
    words = [f"{law.phase} phase", f"T = {temperature:.{digits}g}"]
    if critical is not None:
        words.append(f"Tc = {critical:.{digits}g}")
    if law.mode_vanishes_at is not None and has_density(law):
        words.append(f"mode vanishes at T* = {number(law.mode_vanishes_at)}")
    return ", ".join(words)


def number(value: float) -> str:
    """Write a number with four significant digits."""
    return f"{value:.4g}"
