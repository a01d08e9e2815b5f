"""The five regimes of two layers in the plane of temperature and label noise, each with a simulation."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from examples.gallery.figure import STANDARD_ERRORS, Findings, Size, Solutions, Spec
from examples.gallery.histograms import draw_bars, share_below, shares
from examples.gallery.style import COLOURS

TITLE = "Five regimes of a two-layer network"
PAPER = "arXiv 2308.06671, figure 4"
CLAIM = (
    "By the temperature T against Tc and Tc/3 and by whether the density has a mode away from 0, learning "
    "has five regimes: for T < Tc/3 the density vanishes at 0, up to Tc it diverges there, and beyond Tc "
    "all mass is at 0."
)
PANELS = (1, 3)
POINTS = {
    "learned": (0.06, 1.0),
    "spike_and_mode": (0.15, 1.0),
    "spike_only": (0.26, 1.0),
    "sparse_with_mode": (0.6, 0.7),
    "sparse_only": (0.5, 1.0),
}
"""Temperature and standard deviation of the label noise of an example of each regime."""
WORDS = {
    "learned": "learned",
    "spike_and_mode": "spike and mode",
    "spike_only": "spike only",
    "sparse_with_mode": "sparse, with mode",
    "sparse_only": "sparse",
}
NEAR = 0.01
"""What counts as near v = 0; the slope of the teacher is 1."""
NOISES = (0.3, 1.6)
HOTTEST = 1.0
SHOWN = (0.0, 2.5)


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """Law and ensemble of each example, and laws along the axis of the noise for the borders."""
    asked: dict[str, Spec] = {}
    for name, (temperature, noise_std) in POINTS.items():
        law = _law(temperature, noise_std)
        asked[f"law {name}"] = law
        asked[f"ensemble {name}"] = {
            "task": "simulate",
            "model": law["model"],
            "data": law["data"],
            "dynamics": {"kind": "sgf", "temperature": temperature},
            "n_paths": 8192 if size == "full" else 2048,
            "duration": 400.0 if size == "full" else 200.0,
            "burn_in": 0.9,
            "seed": seed,
        }
    for number, noise_std in enumerate(np.linspace(*NOISES, 40 if size == "full" else 5)):
        asked[f"border {number}"] = _law(0.01, float(noise_std))
    return asked


def measure(solutions: Solutions) -> Findings:
    """Share of the mass near 0, simulated and exact, in the regime that the solver names."""
    numbers: dict[str, float] = {}
    shown = True
    parts = []
    for name, (temperature, _) in POINTS.items():
        law, ensemble = solutions.law(f"law {name}"), solutions.ensemble(f"ensemble {name}")
        is_sparse = law.phase == "sparse"
        exact = 1.0 if is_sparse else float(np.interp(NEAR, law.density.v, law.density.cdf))
        found = share_below(ensemble.histogram, NEAR)
        # As if all times of a path were one: an upper bound.
        error = sqrt(max(exact * (1 - exact), 1 / ensemble.n_paths) / ensemble.n_paths)
        shown = shown and law.regime == name and abs(found - exact) < STANDARD_ERRORS * error
        numbers |= {f"exact {name}": exact, f"simulated {name}": found, f"error {name}": error}
        assert law.critical_temperature is not None
        parts.append(
            f"{WORDS[name]} (T = {temperature / law.critical_temperature:.2f} Tc): {found:.2%} "
            f"(exact {exact:.2%})"
        )
    sentence = (
        f"Share of the simulated mass below v = {NEAR}: {'; '.join(parts)}. Exact and simulated shares agree "
        f"within {STANDARD_ERRORS:.0f} standard errors, and the solver names each regime as claimed."
        if shown
        else f"Share of the simulated mass below v = {NEAR}: {'; '.join(parts)}."
    )
    return Findings(numbers, "shown" if shown else "not shown", sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """Map of the regimes, the densities of those that learn, and all distributions down to v = 0."""
    _draw_map(solutions, axes[0])
    for (name, (temperature, noise_std)), colour in zip(POINTS.items(), COLOURS, strict=True):
        histogram, law = solutions.ensemble(f"ensemble {name}").histogram, solutions.law(f"law {name}")
        axes[0].plot([temperature], [noise_std], "o", ms=8, mec="white", color=colour)
        edges, below = shares(histogram)
        kept = edges > 0
        style = "--" if name == "sparse_only" else "-"
        axes[2].semilogx(edges[kept], below[kept], style, color=colour, label=WORDS[name])
        if law.phase == "learning":
            draw_bars(axes[1], histogram, SHOWN, colour=colour, label="")
            axes[1].plot(
                law.density.v, law.density.p, color=colour, label=f"{WORDS[name]}, T = {temperature:g}"
            )
            axes[2].semilogx(law.density.v, law.density.cdf, color="black", lw=1.0, ls=":")
    axes[1].set(title="densities: bars simulated, lines exact", xlim=SHOWN, ylim=(0, 1.8))
    axes[1].set(xlabel="model coordinate v", ylabel="probability density  [1/v]")
    axes[2].set(title="down to v = 0 (dotted: exact)", xlim=(1e-12, 10), ylim=(-0.02, 1.02))
    axes[2].set(xlabel="model coordinate v", ylabel="P(V < v)")
    axes[1].legend(loc="upper right")
    axes[2].legend(loc="center left")


def _draw_map(solutions: Solutions, ax: Axes) -> None:
    """Fill the regimes by the borders that the laws give, and name them."""
    borders = [law for name, law in solutions.by_name.items() if name.startswith("border")]
    noises = np.linspace(*NOISES, len(borders))
    critical, vanishing = _borders(solutions, len(borders))
    temperatures = np.linspace(0.0, HOTTEST, 400)
    grid = np.linspace(*NOISES, 400)
    first, last = np.interp(grid, noises, critical)[:, None], np.interp(grid, noises, vanishing)[:, None]
    has_mode = temperatures < last
    kind = np.select([temperatures < first / 3, temperatures < first], [0, 2 - has_mode], 4 - has_mode)
    ax.pcolormesh(temperatures, grid, kind, cmap=ListedColormap(COLOURS_OF_MAP), alpha=0.3, rasterized=True)
    ax.plot(critical, noises, "k-", label="Tc")
    ax.plot(critical / 3, noises, "k--", label="Tc/3")
    ax.plot(np.where(vanishing < HOTTEST, vanishing, np.nan), noises, "k:", label="mode vanishes")
    ax.set(title="map for y = x + noise", xlim=(0, HOTTEST), ylim=NOISES)
    ax.set(xlabel="temperature T", ylabel="standard deviation of the noise")
    ax.legend(loc="upper right")


COLOURS_OF_MAP = [COLOURS[list(POINTS).index(name)] for name in WORDS]


def _borders(solutions: Solutions, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tc and the temperature at which the mode vanishes, infinite where it does not, each of shape (n,)."""
    laws = [solutions.law(f"border {number}") for number in range(n)]
    critical = [np.nan if law.critical_temperature is None else law.critical_temperature for law in laws]
    vanishing = [1e6 if law.mode_vanishes_at is None else law.mode_vanishes_at for law in laws]
    return np.array(critical), np.array(vanishing)


def _law(temperature: float, noise_std: float) -> Spec:
    return {
        "task": "stationary",
        "model": {"kind": "diagonal", "depth": 1, "width": 1},
        "data": {"kind": "gaussian", "slope": 1.0, "noise_std": noise_std},
        "temperature": temperature,
    }
