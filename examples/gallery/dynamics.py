"""Gradient descent without noise, with minibatches, with noisy labels and with heat, on l = (u w x - y)^2."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from examples.gallery.figure import STANDARD_ERRORS, Findings, Size, Solutions, Spec
from examples.gallery.style import COLOURS, LAW

TITLE = "Dynamics of GD, SGD and noisy GD on two weights"
PAPER = "arXiv 2308.06671, law of balance"
CLAIM = (
    "On the loss (u w x - y)² GD keeps u² - w², SGD makes it decay to the balanced solution u² = w², and GD "
    "with noise of one strength on every parameter is balanced by nothing: it spreads along the valley of "
    "constant u w."
)
PANELS = (1, 2)
LEARNING_RATE = 0.01
HEAT = 0.05
"""Temperature of the noise on every weight, which then is as strong as that of the minibatches at first."""
START = (2.0, 0.25)
N_SAMPLES = 200
"""Of the finite data set that noisy labels need."""
NAMES = {
    "gd": "GD",
    "sgd": "SGD, batches of 1",
    "label_noise": "GD, fresh label noise",
    "langevin": "GD + noise on all weights",
}
STYLES = ("-", "-", "--", "-.")


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """Four dynamics of the same time from the same unbalanced start."""
    n_steps = 12_000 if size == "full" else 8_000
    shared = {
        "task": "simulate",
        "model": {"kind": "diagonal", "depth": 1, "width": 1},
        "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
        "init": {"kind": "parameters", "u": [list(START)]},
        "observables": ["loss", "imbalance", "norm"],
        "n_paths": 1024,
        "seed": seed,
    }
    step = {"learning_rate": LEARNING_RATE}
    label_noise = {"kind": "gd", "label_noise": sqrt(N_SAMPLES), **step}
    heat = {"kind": "langevin", "temperature": HEAT, "step_size": LEARNING_RATE}
    return {
        "gd": {**shared, "dynamics": {"kind": "gd", **step}, "n_steps": n_steps, "n_paths": 1},
        "sgd": {**shared, "dynamics": {"kind": "sgd", **step}, "n_steps": n_steps},
        "label_noise": {**shared, "data": _samples(), "dynamics": label_noise, "n_steps": n_steps},
        "langevin": {**shared, "dynamics": heat, "duration": n_steps * LEARNING_RATE},
    }


def measure(solutions: Solutions) -> Findings:
    """Imbalance at the end over that at the start, SGD's against the law of balance, and how heat spreads."""
    left = {name: float(_imbalance(solutions, name)[-1]) for name in NAMES}
    rate = float(np.log(left["sgd"]) / np.log(_expected(solutions)[-1]))
    heat = solutions.ensemble("langevin").observables["imbalance"]
    error = float(heat.standard_error[-1] / heat.mean[0])
    shown = abs(left["gd"] - 1) < 0.01 and left["sgd"] < 0.5 and abs(rate - 1) < 0.05
    shown = shown and left["langevin"] - 1 > STANDARD_ERRORS * error
    n_steps = solutions.ensemble("sgd").observables["loss"].time[-1]
    sentence = (
        f"After {n_steps:.0f} steps GD has kept {left['gd']:.2%} of u² - w²; SGD has {left['sgd']:.2%} left, "
        f"decaying at {rate:.3f} times the rate that the law of balance gives; noise on the labels alone "
        f"balances too ({left['label_noise']:.2%} left), as it has the symmetry of the loss; noise on all "
        f"weights makes the mean |u² - w²| {left['langevin']:.1f} ± {error:.1f} times what it was."
    )
    numbers = {**left, "rate": rate, "langevin_error": error}
    return Findings(numbers, "shown" if shown else "not shown", sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """Imbalance, logarithmic, and squared norm over time."""
    for (name, label), colour, style in zip(NAMES.items(), COLOURS, STYLES, strict=False):
        time = _time(solutions, name)
        axes[0].semilogy(time, _imbalance(solutions, name), style, color=colour, label=label)
        axes[1].plot(
            time, solutions.ensemble(name).observables["norm"].mean, style, color=colour, label=label
        )
    axes[0].semilogy(
        _time(solutions, "sgd"), _expected(solutions), ":", color=LAW, label="law of balance, SGD"
    )
    axes[1].axhline(2.0, color=LAW, ls=":", label="balanced: u² + w² = 2|v|")
    axes[0].set(
        title="distance from balance", xlabel="time, learning rate × steps", ylabel="mean |u² - w²| / start"
    )
    axes[1].set(title="norm", xlabel="time, learning rate × steps", ylabel="mean u² + w²")
    axes[0].legend()
    axes[1].legend(*([part[-1:] for part in axes[1].get_legend_handles_labels()]), loc="center right")


def _samples() -> Spec:
    """Pairs on the line y = x: no minimum has noise but that of the labels."""
    x = np.linspace(-1.0, 1.0, N_SAMPLES)
    x /= sqrt(float(np.mean(x**2)))
    return {"kind": "samples", "x": x.tolist(), "y": x.tolist()}


def _time(solutions: Solutions, name: str) -> NDArray[np.float64]:
    series = solutions.ensemble(name).observables["imbalance"]
    return series.time if name == "langevin" else LEARNING_RATE * series.time


def _imbalance(solutions: Solutions, name: str) -> NDArray[np.float64]:
    mean = solutions.ensemble(name).observables["imbalance"].mean
    result: NDArray[np.float64] = mean / mean[0]
    return result


def _expected(solutions: Solutions) -> NDArray[np.float64]:
    """What the law of balance leaves of SGD's u² - w².

    A step multiplies it by 1 - 4 eta² m², m = x (v x - y), and E[m²] = 1 + 3 (v - 1)² = 3 L - 2 for these
    data; L is the simulated mean loss.
    """
    loss = solutions.ensemble("sgd").observables["loss"]
    power = 3.0 * loss.mean - 2.0
    steps = np.diff(loss.time, prepend=0.0)
    middle = 0.5 * (power + np.concatenate([power[:1], power[:-1]]))
    result: NDArray[np.float64] = np.exp(-4.0 * LEARNING_RATE**2 * np.cumsum(steps * middle))
    return result
