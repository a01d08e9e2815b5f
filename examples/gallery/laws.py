"""Stationary laws of one and of two layers at two temperatures: simulated SGF against the exact law."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from examples.gallery.figure import Findings, Size, Solutions, Spec
from examples.gallery.histograms import draw_bars
from examples.gallery.style import COLOURS

TITLE = "Stationary laws of linear regression and of two layers"
PAPER = "arXiv 2308.06671, stationary distribution"
CLAIM = (
    "The stationary law of linear regression (D = 0) is symmetric around the least-squares solution, "
    "whereas the law of a two-layer network (D = 1) is strongly skewed: it keeps one sign and moves to 0 as "
    "the temperature T = learning rate / batch size rises."
)
PANELS = (1, 2)
TEMPERATURES = (0.05, 0.25)
DEPTHS = (0, 1)
SLOPE = 1.0
SHOWN = (-1.0, 3.0)


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """Law and simulation of both depths at both temperatures."""
    return {
        _name(depth, temperature): {
            "task": "compare",
            "model": {"kind": "diagonal", "depth": depth, "width": 1},
            "data": {"kind": "gaussian", "slope": SLOPE, "noise_std": 1.0},
            "dynamics": {"kind": "sgf", "temperature": temperature},
            "n_paths": 16_384 if size == "full" else 4096,
            "duration": 80.0,
            "seed": seed,
        }
        for depth in DEPTHS
        for temperature in TEMPERATURES
    }


def measure(solutions: Solutions) -> Findings:
    """Distance between simulated and exact CDF, and the exact probability below the least-squares "
    "solution."""
    numbers: dict[str, float] = {}
    agree = True
    for depth in DEPTHS:
        for temperature in TEMPERATURES:
            found = solutions.comparison(_name(depth, temperature))
            law, distance = found.stationary.density, found.distance
            assert distance.ks is not None
            assert distance.ks_bound is not None
            agree = agree and distance.ks < distance.ks_bound
            numbers[f"ks_D{depth}_T{temperature}"] = distance.ks
            numbers[f"below_D{depth}_T{temperature}"] = float(np.interp(SLOPE, law.v, law.cdf))
            numbers[f"negative_D{depth}_T{temperature}"] = float(np.interp(0.0, law.v, law.cdf, left=0.0))
            numbers["ks_bound"] = distance.ks_bound
    cold, hot = TEMPERATURES
    skewed = numbers[f"below_D1_T{hot}"] > 0.6 and abs(numbers[f"below_D0_T{hot}"] - 0.5) < 1e-3
    distances = ", ".join(
        f"{numbers[f'ks_{part}']:.4f}" for part in ("D0_T0.05", "D0_T0.25", "D1_T0.05", "D1_T0.25")
    )
    sentence = (
        f"At T = {cold} and {hot} the exact law has {numbers[f'below_D0_T{cold}']:.1%} and "
        f"{numbers[f'below_D0_T{hot}']:.1%} of its mass below the least-squares solution v = 1 for D = 0, "
        f"but {numbers[f'below_D1_T{cold}']:.1%} and {numbers[f'below_D1_T{hot}']:.1%} for D = 1; below v = "
        f"0 it has {numbers[f'negative_D0_T{hot}']:.1%} (D = 0, T = {hot}) and nothing (D = 1). The "
        f"simulated CDFs are within {distances} of the exact ones, in this order; a true sample of as many "
        f"independent paths stays within {numbers['ks_bound']:.3f} but for one case in a million."
    )
    return Findings(numbers, "shown" if agree and skewed else "not shown", sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """One panel per temperature, histograms under exact densities."""
    for temperature, ax in zip(TEMPERATURES, axes, strict=True):
        tops = []
        for depth, colour in zip(DEPTHS, COLOURS, strict=False):
            found = solutions.comparison(_name(depth, temperature))
            draw_bars(ax, found.simulation.histogram, SHOWN, colour=colour, label=f"D = {depth}, simulated")
            law = found.stationary.density
            ax.plot(law.v, law.p, color=colour, ls=("--", "-")[depth], label=f"D = {depth}, exact")
            tops.append(float(law.p[law.v > 0.2].max()))
        ax.axvline(SLOPE, color="0.4", lw=1.0, ls=":", label="least squares")
        critical = solutions.comparison(_name(1, temperature)).stationary.critical_temperature
        ax.set(
            title=f"T = {temperature:g}  (two layers: Tc = {critical:.3g})",
            xlim=SHOWN,
            ylim=(0, 1.25 * max(tops)),
        )
        ax.set(xlabel="model coordinate v", ylabel="probability density  [1/v]")
        ax.legend(loc="upper right")


def _name(depth: int, temperature: float) -> str:
    return f"D = {depth}, T = {temperature:g}"
