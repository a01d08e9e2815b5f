"""Stationary laws of depth 0, 1 and 2 at three temperatures, and the variance against temperature.

Draws docs/models/laws.png (`python -m examples.laws`).
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from equipoise import Client, specs

PICTURE = Path(__file__).parents[1] / "docs" / "models" / "laws.png"
DATA = specs.GaussianData(slope=1.0, noise_std=1.0)
TEMPERATURES = (0.02, 0.1, 0.3)
COLOURS = ("#0072B2", "#E69F00", "#D55E00")
GRID = tuple(np.linspace(-0.5, 2.5, 1201).tolist())


def main() -> None:
    """Draw the four panels and save the picture."""
    figure, axes = pyplot.subplots(1, 4, figsize=(15, 3.8), layout="constrained")
    with Client.local() as lab:
        for depth, ax in zip((0, 1, 2), axes, strict=False):
            draw_laws(lab, depth, ax)
        draw_variance(lab, axes[3])
    figure.savefig(PICTURE, dpi=110)
    print(f"Picture: {PICTURE}")


def draw_laws(lab: Client, depth: int, ax: Axes) -> None:
    """Densities of one depth at the three temperatures."""
    for temperature, colour in zip(TEMPERATURES, COLOURS, strict=True):
        law = solve(lab, depth, temperature)
        ax.plot(law.density.v, law.density.p, color=colour, lw=1.8, label=f"T = {temperature}")
    ax.axvline(1.0, color="0.6", lw=0.8, ls="--")
    ax.set(title=f"depth D = {depth}", xlabel="v", ylabel="density p(v)", xlim=(-0.5, 2.5), ylim=(0, 3.0))
    ax.legend(frameon=False)


def draw_variance(lab: Client, ax: Axes) -> None:
    """Variance against temperature: monotone for D = 0, inverted for D = 1."""
    for depth, colour, style in zip((0, 1, 2), COLOURS, ("-", "--", ":"), strict=True):
        temperatures = np.linspace(0.005, 0.45, 60)
        variances = [solve(lab, depth, float(t)).variance for t in temperatures]
        values = np.array([np.nan if variance is None else variance for variance in variances])
        ax.plot(temperatures, values, color=colour, lw=1.8, ls=style, label=f"D = {depth}")
    ax.axvline(1 / 3, color="0.6", lw=0.8, ls="--")
    ax.annotate("Tc (D = 1)", (1 / 3, 0.9), xytext=(4, 0), textcoords="offset points", color="0.4")
    ax.set(title="fluctuation inversion", xlabel="temperature T", ylabel="Var[v]", ylim=(0, 1.0))
    ax.legend(frameon=False)


def solve(lab: Client, depth: int, temperature: float) -> specs.StationarySolution:
    """One law of the example data."""
    solution = lab.solve(
        specs.Stationary(
            model=specs.Diagonal(depth=depth), data=DATA, temperature=temperature, grid=specs.Grid(v=GRID)
        )
    )
    assert isinstance(solution, specs.StationarySolution)
    return solution


if __name__ == "__main__":
    main()
