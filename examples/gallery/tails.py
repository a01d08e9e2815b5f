"""Power-law tails of networks of depth 1 to 5: simulated SGF, the exact law, and the claimed exponent."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from equipoise import specs as problems
from examples.gallery.figure import STANDARD_ERRORS, Findings, Size, Solutions, Spec, Verdict
from examples.gallery.histograms import shares
from examples.gallery.style import COLOURS, LAW

TITLE = "Tails of the law against depth"
PAPER = "arXiv 2308.06671, stationary distribution of deep networks"
CLAIM = (
    "For D >= 1 the density of v has a power-law tail of exponent -5 + 3/(D + 1), between -7/2 and -5, "
    "whatever the data and the temperature: deeper networks have thinner tails."
)
PANELS = (1, 2)
TEMPERATURE = 0.1
DEPTHS = (1, 2, 3, 5)
FAR = (1e3, 1e4)
"""Where the law's own exponent is taken for that at infinity."""
CLOSE = 0.01
"""How close to infinity the law's exponent is there."""
REACHED = 0.1
"""How close to infinity the law's exponent is to be where the simulation sees the tail."""
GRID = tuple(np.geomspace(1e-3, FAR[1], 2001).tolist())


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """Law and ensemble of each depth; the tail of D = 1 needs a finer step than its bulk."""
    shared = {"data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0}}
    asked: dict[str, Spec] = {}
    for depth in DEPTHS if size == "full" else DEPTHS[:2]:
        model = {"kind": "diagonal", "depth": depth, "width": 1}
        step = {"step_size": 0.001} if depth == 1 else {}
        asked[f"law {depth}"] = {
            **shared,
            "task": "stationary",
            "model": model,
            "temperature": TEMPERATURE,
            "grid": {"v": GRID},
        }
        asked[f"ensemble {depth}"] = {
            **shared,
            "task": "simulate",
            "model": model,
            "dynamics": {"kind": "sgf", "temperature": TEMPERATURE, **step},
            "n_paths": 32_768 if size == "full" else 4096,
            "duration": 10.0,
            "seed": seed,
        }
    return asked


def measure(solutions: Solutions) -> Findings:
    """Hill's index of the simulated tail against that of the exact law beyond the same threshold."""
    numbers: dict[str, float] = {}
    follows = reaches = True
    for depth in _depths(solutions):
        tail, law = _tail(solutions, depth), solutions.law(f"law {depth}")
        simulated, error = -1.0 - tail.index, tail.standard_error
        exact, far = -1.0 - _hill(law, tail.threshold), _far_exponent(law)
        theory = _theory(depth)
        numbers |= {
            f"simulated {depth}": simulated,
            f"error {depth}": error,
            f"exact {depth}": exact,
            f"far {depth}": far,
        }
        follows = follows and abs(simulated - exact) < STANDARD_ERRORS * error and abs(far - theory) < CLOSE
        reaches = reaches and abs(exact - theory) < REACHED
    verdict: Verdict = "shown" if follows and reaches else "shown in part" if follows else "not shown"
    words = "; ".join(
        f"D = {depth}: {numbers[f'simulated {depth}']:.2f} ± {numbers[f'error {depth}']:.2f} simulated "
        f"beyond v = {_tail(solutions, depth).threshold:.1f}, {numbers[f'exact {depth}']:.2f} of the exact "
        f"law beyond the same point, {numbers[f'far {depth}']:.3f} far out, {_theory(depth):.3f} claimed"
        for depth in _depths(solutions)
    )
    sentence = (
        f"Exponents by Hill's estimate at T = {TEMPERATURE}, y = x + noise. {words}. The simulation follows "
        f"the exact law, which has the claimed exponent far out (v of {FAR[0]:.0f} to {FAR[1]:.0f}), but "
        "where a simulation of this size sees the tail, both are still steeper."
    )
    return Findings(numbers, verdict, sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """Probability beyond v on logarithmic axes, and exponent against depth."""
    depths = _depths(solutions)
    for depth, colour in zip(depths, COLOURS, strict=False):
        edges, below = shares(solutions.ensemble(f"ensemble {depth}").histogram)
        seen = (edges > 0.8) & (below < 1.0)
        law = solutions.law(f"law {depth}").density
        axes[0].loglog(edges[seen], 1 - below[seen], "o", ms=3.5, color=colour, label=f"D = {depth}")
        axes[0].loglog(law.v[law.v > 0.8], 1 - law.cdf[law.v > 0.8], color=colour, lw=1.2)
    axes[0].set(title="dots: simulated, lines: exact law", xlabel="model coordinate v", ylabel="P(V > v)")
    axes[0].set(xlim=(0.8, 200), ylim=(1e-8, 1.5))
    axes[0].legend()
    tails = [_tail(solutions, depth) for depth in depths]
    laws = [solutions.law(f"law {depth}") for depth in depths]
    axes[1].errorbar(
        depths,
        [-1 - tail.index for tail in tails],
        yerr=[2 * tail.standard_error for tail in tails],
        fmt="o",
        color=COLOURS[0],
        capsize=4,
        label="simulated, ± 2 standard errors",
    )
    near = [-1 - _hill(law, tail.threshold) for law, tail in zip(laws, tails, strict=True)]
    axes[1].plot(depths, near, "x", ms=9, color=COLOURS[1], label="exact law, same threshold")
    axes[1].plot(
        depths, [_far_exponent(law) for law in laws], "s", color=COLOURS[2], label="exact law, far out"
    )
    line = np.linspace(1, 5.5, 50)
    axes[1].plot(line, -5 + 3 / (line + 1), color=LAW, label="claim: -5 + 3/(D + 1)")
    for bound in (-3.5, -5.0):
        axes[1].axhline(bound, color=LAW, lw=1.0, ls=":")
    axes[1].set(
        title="exponent of the density's tail", xlabel="depth D", ylabel="exponent", ylim=(-5.7, -2.3)
    )
    axes[1].legend(loc="upper right")


def _depths(solutions: Solutions) -> list[int]:
    return [depth for depth in DEPTHS if f"law {depth}" in solutions.by_name]


def _tail(solutions: Solutions, depth: int) -> problems.Tail:
    tail = solutions.ensemble(f"ensemble {depth}").tail
    assert tail is not None
    return tail


def _theory(depth: int) -> float:
    return -5.0 + 3.0 / (depth + 1)


def _hill(law: problems.StationarySolution, threshold: float) -> float:
    """What Hill's estimate tends to beyond a threshold u: 1/E[ln(V/u) | V > u]."""
    v, beyond = law.density.v, 1.0 - law.density.cdf
    kept = beyond > 1e-12
    grid = np.linspace(np.log(threshold), np.log(v[kept][-1]), 4001)
    survival = np.exp(np.interp(grid, np.log(v[kept]), np.log(beyond[kept])))
    return float(survival[0] / np.trapezoid(survival, grid))


def _far_exponent(law: problems.StationarySolution) -> float:
    """Exponent of the density where it is FAR out."""
    p = np.interp(FAR, law.density.v, law.density.p)
    return float(np.diff(np.log(p))[0] / np.diff(np.log(FAR))[0])
