"""The look that all pictures of the gallery share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes

from equipoise.plots.canvas import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION

COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE)
"""Of curves, in this order; they can be told apart by the colour-blind."""
LAW = GREY
"""Of curves that are exact, over what was simulated."""
PANEL_SIZE = (4.6, 3.6)
"""Width and height of a panel, [inch]."""
DOTS_PER_INCH = 110
STYLE: Any = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "font.size": 10.0,
    "grid.alpha": 0.25,
    "legend.fontsize": "small",
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "lines.linewidth": 1.8,
}


@contextmanager
def picture(path: Path, panels: tuple[int, int]) -> Iterator[Sequence[Axes]]:
    """Axes of a picture that is saved when the block ends.

    Args:
        path: of the PNG file, in a folder that need not exist.
        panels: rows and columns.
    """
    rows, columns = panels
    width, height = PANEL_SIZE
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(
            rows, columns, figsize=(columns * width, rows * height), layout="constrained", squeeze=False
        )
        try:
            yield list(axes.flat)
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
        finally:
            pyplot.close(figure)
