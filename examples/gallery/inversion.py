"""Fluctuations and training loss of tanh units against the learning rate."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from equipoise import specs as problems
from examples.gallery.figure import STANDARD_ERRORS, Findings, Size, Solutions, Spec, Verdict
from examples.gallery.style import COLOURS, LAW

TITLE = "Fluctuation inversion of a tanh network"
PAPER = "arXiv 2308.06671, fluctuation inversion"
CLAIM = (
    "With only the input weight trained (D = 0) fluctuations and norm of a tanh model grow with the "
    "learning rate; with both layers trained (D = 1) they rise, peak and vanish, the model being at 0, "
    "before it loses stability."
)
PANELS = (1, 3)
RATES = tuple(float(rate) for rate in np.round(np.geomspace(0.02, 1.2, 13), 4))
INPUT_STD, NOISE_STD = 0.3, 2.0
N_PAIRS = 64
FALL = 20.0
"""By what factor fluctuations have to fall below their peak to have vanished."""
BURN_IN = 0.75
MODELS = {"one": "D = 0: tanh(v x)", "two": "D = 1: w tanh(u x)"}


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """SGD of batch size 1 on both models at each rate, and the loss of the deeper one as a network."""
    x, y = (column.tolist() for column in _samples())
    n_paths = 1024 if size == "full" else 512
    asked: dict[str, Spec] = {
        f"{name} {rate}": {
            "task": "simulate",
            "model": {"kind": "tanh1d", "hidden": name == "two"},
            "data": {"kind": "samples", "x": x, "y": y},
            "dynamics": {"kind": "sgd", "learning_rate": rate, "batch_size": 1},
            "observables": ["norm"],
            "n_paths": n_paths,
            "n_steps": int(400.0 / rate),
            "burn_in": BURN_IN,
            "seed": seed,
        }
        for name in MODELS
        for rate in (RATES if size == "full" else RATES[::3])
    }
    for rate in RATES[1::2] if size == "full" else ():
        asked[f"network {rate}"] = {
            "task": "simulate",
            "model": {"kind": "mlp", "widths": [1, 1, 1], "activation": "tanh", "bias": False},
            "data": {"kind": "samples", "x": [[value] for value in x], "y": [[value] for value in y]},
            "dynamics": {"kind": "sgd", "learning_rate": rate, "batch_size": 1},
            "observables": ["loss"],
            "n_paths": 256,
            "n_steps": int(100.0 / rate),
            "n_records": 20,
            "seed": seed,
        }
    return asked


def measure(solutions: Solutions) -> Findings:
    """How far the variance of two layers falls from an earlier peak, and whether that of one ever falls."""
    rates = _rates(solutions, "two")
    one, two = (_variances(solutions, name) for name in MODELS)
    errors = np.array(
        [solutions.ensemble(f"one {rate}").variance_standard_error for rate in rates], dtype=float
    )
    rises = bool((np.diff(one) > STANDARD_ERRORS * np.hypot(errors[1:], errors[:-1])).all())
    spread = _spreads(solutions, "two")
    low = int(np.argmin(spread / np.maximum.accumulate(spread)))
    peak = int(np.argmax(spread[: low + 1]))
    lost = [
        rate
        for rate, value in zip(rates, two, strict=True)
        if rate > rates[low] and not value < FALL * two[low]
    ]
    falls = 0 < peak < low and spread[peak] > FALL * spread[low]
    norm = [solutions.ensemble(f"one {rate}").observables["norm"].mean[-1] for rate in (rates[0], rates[-1])]
    sentence = (
        f"SGD of batch size 1. D = 1: the interquartile range of the slope w u rises from {spread[0]:.2f} at "
        f"learning rate {rates[0]:g} to {spread[peak]:.2f} at {rates[peak]:g} and falls to {spread[low]:.0e} "
        f"at {rates[low]:g} (variance: {two[0]:.2f}, {two[peak]:.2f}, {two[low]:.3f}, from rare bursts)"
        + (f", and the model loses stability from {lost[0]:g} on. " if lost else ". ")
        + f"D = 0: the variance rises at every step, from {one[0]:.3f} to {one[-1]:.1f}, and the squared "
        f"norm from {norm[0]:.1f} to {norm[1]:.1f}."
    )
    verdict: Verdict = "shown" if rises and falls and lost else "shown in part" if falls else "not shown"
    numbers = {
        "peak": float(two[peak]),
        "peak_rate": rates[peak],
        "low": float(two[low]),
        "low_rate": rates[low],
    }
    return Findings(numbers, verdict, sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """Variance, norm and training loss against the learning rate."""
    critical = _critical_temperature()
    for (name, label), colour, mark in zip(MODELS.items(), COLOURS, "so", strict=False):
        rates = _rates(solutions, name)
        kept = np.isfinite(_variances(solutions, name))
        norms = np.array(
            [solutions.ensemble(f"{name} {rate}").observables["norm"].mean[-1] for rate in rates]
        )
        shown = np.array(rates)[kept]
        axes[0].loglog(shown, _variances(solutions, name)[kept], f"{mark}-", color=colour, label=label)
        axes[1].loglog(shown, np.maximum(norms[kept], FAINTEST), f"{mark}-", color=colour, label=label)
        if not kept.all():
            for ax in axes[:2]:
                ax.axvspan(np.array(rates)[~kept][0], RATES[-1] * 1.1, color=colour, alpha=0.15, lw=0)
    _draw_loss(solutions, axes[2])
    for ax in axes:
        ax.axvline(critical, color=LAW, lw=1.2, ls=":", label=f"Tc of the linear model, {critical:.2f}")
        ax.set(xlabel="learning rate, batches of 1", xlim=(RATES[0] * 0.9, RATES[-1] * 1.1))
        ax.legend()
    axes[0].set(title="fluctuations (shaded: D = 1 diverges)", ylabel="Var[v], v the slope of f at 0")
    axes[1].set(title="norm", ylabel="mean |θ|²", ylim=(FAINTEST, None))
    axes[2].set(title="training loss", ylabel="mean loss")


def _draw_loss(solutions: Solutions, ax: Axes) -> None:
    """Loss of one layer, from its histogram, and of two, as a network."""
    rates = _rates(solutions, "one")
    losses = [_loss_of_one(solutions, rate) for rate in rates]
    ax.semilogx(rates, losses, "s-", color=COLOURS[0], label=MODELS["one"])
    runs = [solutions.networks(f"network {rate}") for rate in _rates(solutions, "network")]
    stable = [run for run in runs if run.n_diverged == 0]
    series = [run.observables["loss"] for run in stable]
    means = [float(part.mean[len(part.mean) // 2 :].mean()) for part in series]
    errors = [2 * float(part.standard_error[-1]) for part in series]
    places = [_learning_rate(run) for run in stable]
    ax.errorbar(places, means, yerr=errors, fmt="o-", color=COLOURS[1], capsize=3, label=MODELS["two"])
    _, y = _samples()
    ax.axhline(float(np.mean(y**2)), color=LAW, lw=1.2, ls="--", label="f = 0")


FAINTEST = 1e-4
"""Smallest norm that is drawn as such."""


def _rates(solutions: Solutions, name: str) -> list[float]:
    return [rate for rate in RATES if f"{name} {rate}" in solutions.by_name]


def _variances(solutions: Solutions, name: str) -> NDArray[np.float64]:
    """Variance of v at each rate; NaN where a path diverged."""
    runs = [solutions.ensemble(f"{name} {rate}") for rate in _rates(solutions, name)]
    return np.array([run.variance if run.n_diverged == 0 else np.nan for run in runs], dtype=np.float64)


def _spreads(solutions: Solutions, name: str) -> NDArray[np.float64]:
    """Interquartile range of v at each rate, which rare bursts leave alone."""
    found = [solutions.ensemble(f"{name} {rate}").quantiles for rate in _rates(solutions, name)]
    return np.array([np.diff(np.interp((0.25, 0.75), part.levels, part.values))[0] for part in found])


def _loss_of_one(solutions: Solutions, rate: float) -> float:
    """Mean loss of tanh(v x) on the samples, over the histogram of v."""
    histogram = solutions.ensemble(f"one {rate}").histogram
    x, y = _samples()
    middles = 0.5 * (histogram.edges[1:] + histogram.edges[:-1])
    filled = histogram.counts > 0
    losses = ((np.tanh(middles[filled, None] * x) - y) ** 2).mean(axis=1)
    return float(np.average(losses, weights=histogram.counts[filled]))


def _learning_rate(run: problems.SimulateNetworkSolution) -> float:
    assert isinstance(run.spec.dynamics, problems.SGD)
    return run.spec.dynamics.learning_rate


def _samples() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pairs (x, x + e) and (x, x - e), quantiles of normal laws: slope 1 exactly."""
    x = np.array([NormalDist().inv_cdf((place + 0.5) / N_PAIRS) for place in range(N_PAIRS)])
    x /= np.sqrt(np.mean(x**2))
    noise = NOISE_STD * np.random.default_rng(0).permutation(x)
    x = INPUT_STD * x
    return np.concatenate([x, x]), np.concatenate([x + noise, x - noise])


def _critical_temperature() -> float:
    """E[xy]/Var[xy], at which v = 0 begins to attract without the tanh."""
    x, y = _samples()
    return float(np.mean(x * y) / np.var(x * y))
