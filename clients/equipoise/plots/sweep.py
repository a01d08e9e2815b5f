"""Picture of a sweep: an output along one axis, or over two as a map."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from equipoise.errors import InvalidArgumentError
from equipoise.plots.canvas import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, new_figure, show_legend
from equipoise_solver import specs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, GREY)
# From this ratio of neighbouring gaps on, values are spaced like logarithms.
LOGARITHMIC = 3.0


def draw_sweep(solution: specs.SweepSolution, ax: "Axes | None", *, output: str | None = None) -> "Axes":
    """Draw one output over the axes that have more than one value: a curve over one, a map over two.

    Raises:
        InvalidArgumentError: there is no such output, or more than two axes to draw it over.
    """
    names = [name for name, values in solution.axes.items() if values.size > 1] or list(solution.axes)[:1]
    if len(names) > 2:
        allowed = "a sweep of one or two fields; take slices of `outputs` for a picture of more"
        raise InvalidArgumentError("axes", given=", ".join(names), allowed=allowed)
    chosen = next(iter(solution.outputs)) if output is None else output
    if chosen not in solution.outputs:
        raise InvalidArgumentError("output", given=output, allowed=f"one of {', '.join(solution.outputs)}")
    is_own = ax is None
    if ax is None:
        ax = new_figure(8.0, 4.8).add_subplot()
    values = solution.outputs[chosen].reshape([solution.axes[name].size for name in names])
    is_words = values.dtype.kind in "Ub"
    if len(names) == 1:
        _curve(ax, solution.axes[names[0]], values, chosen, is_words=is_words)
    else:
        _map(ax, [solution.axes[name] for name in names], values, chosen, is_words=is_words)
        ax.set_ylabel(names[1])
    ax.set_xlabel(names[0])
    refused = f", {solution.n_refused} refused" if solution.n_refused else ""
    title = f"{chosen} of task {solution.spec.base.task!r}: {solution.spec.n_points} points{refused}"
    ax.set_title(title, loc="left", fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    if is_words and is_own:
        show_legend(ax, columns=4)
    elif is_words:
        ax.legend(loc="best", frameon=False, fontsize="small")
    return ax


def _curve(ax: "Axes", at: NDArray[np.float64], values: NDArray[Any], name: str, *, is_words: bool) -> None:
    if _is_logarithmic(at):
        ax.set_xscale("log")
    if not is_words:
        ax.plot(at, values.astype(np.float64), "o-", color=BLUE, markersize=4)
        ax.set_ylabel(name)
        return
    for place, word in enumerate(_words(values)):
        here = at[_as_words(values) == word]
        ax.plot(here, np.full(here.size, place), "s", color=COLOURS[place % len(COLOURS)], label=word)
    ax.set_yticks(range(len(_words(values))), _words(values))


def _map(
    ax: "Axes", ats: list[NDArray[np.float64]], values: NDArray[Any], name: str, *, is_words: bool
) -> None:
    from matplotlib.colors import ListedColormap

    for at, scale in zip(ats, (ax.set_xscale, ax.set_yscale), strict=True):
        if _is_logarithmic(at):
            scale("log")
    if not is_words:
        mesh = ax.pcolormesh(*ats, values.astype(np.float64).T, cmap="cividis", shading="nearest")
        ax.figure.colorbar(mesh, ax=ax, label=name)
        return
    words = _words(values)
    codes = np.full(values.shape, np.nan)
    for place, word in enumerate(words):
        codes[_as_words(values) == word] = place
        ax.plot([], [], "s", color=COLOURS[place % len(COLOURS)], label=word)
    colours = ListedColormap([COLOURS[place % len(COLOURS)] for place in range(len(words))])
    ax.pcolormesh(*ats, codes.T, cmap=colours, vmin=-0.5, vmax=len(words) - 0.5, shading="nearest")


def _as_words(values: NDArray[Any]) -> NDArray[np.str_]:
    return values if values.dtype.kind == "U" else np.where(values, "yes", "no")


def _words(values: NDArray[Any]) -> list[str]:
    return [word for word in np.unique(_as_words(values)).tolist() if word]


def _is_logarithmic(at: NDArray[np.float64]) -> bool:
    gaps = np.abs(np.diff(at))
    return bool(at.size > 2 and at.min() > 0 and gaps.min() > 0 and gaps.max() > LOGARITHMIC * gaps.min())
