"""Deep tanh networks on handwritten digits, at one learning rate and at one that falls as 1/D."""

import gzip
from collections.abc import Sequence
from functools import cache
from math import sqrt
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from equipoise import specs as problems
from examples.gallery.figure import STANDARD_ERRORS, Findings, Size, Solutions, Spec, Verdict
from examples.gallery.style import COLOURS, LAW

TITLE = "Deep tanh networks on digits, learning rate scaled as 1/D"
PAPER = "arXiv 2308.06671, scaling with depth"
CLAIM = (
    "Scaling the learning rate as 1/D, D being the depth, keeps the performance of fully connected tanh "
    "networks nearly unchanged, where one and the same rate does not."
)
PANELS = (1, 2)
FILE = Path(__file__).parents[1] / "digits.csv.gz"
RATE = 1.0
DEPTHS = {"full": (1, 2, 4, 8), "small": (1, 6)}
NEARLY = 0.2
"""Share of the accuracy that one rate for all loses which the scaled one may lose as well."""
WIDTH = 32
N_TRAINING = 1400
N_CLASSES = 10
WAYS = {"scaled": f"learning rate {RATE:g}/D", "fixed": f"learning rate {RATE:g}"}


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """Networks with D hidden layers, trained on the same digits for the same number of updates."""
    pixels, classes = (part[: N_TRAINING if size == "full" else 800] for part in _digits())
    shared = {
        "task": "simulate",
        "data": {
            "kind": "samples",
            "x": pixels.tolist(),
            "y": classes[:, None].tolist(),
        },
        "n_paths": 2,
        "n_steps": 1200 if size == "full" else 500,
        "n_records": 20,
        "observables": ["loss"],
        "parameters": {"init": "xavier"},
        "seed": seed,
    }
    return {
        f"{way} {depth}": {
            **shared,
            "model": {
                "kind": "mlp",
                "widths": [pixels.shape[1], *[WIDTH] * depth, N_CLASSES],
                "activation": "tanh",
                "bias": True,
                "loss": "cross_entropy",
            },
            "dynamics": {
                "kind": "sgd",
                "learning_rate": RATE / depth if way == "scaled" else RATE,
                "batch_size": 16,
                "sampling": "epoch",
            },
        }
        for way in WAYS
        for depth in DEPTHS[size]
        # Both rates are the same for one hidden layer.
        if way == "scaled" or depth > 1
    }


def measure(solutions: Solutions) -> Findings:
    """Accuracy on digits that the networks have not seen, deep against shallow, both ways."""
    accuracies = {way: _accuracies(solutions, way) for way in WAYS}
    shallow = accuracies["scaled"][1]
    n_tested = _digits()[1].size - N_TRAINING
    lost = {way: shallow - min(found.values()) for way, found in accuracies.items()}
    worst = min(accuracies["scaled"].values())
    error = sqrt(2 * max(worst * (1 - worst), 1 / n_tested) / n_tested)
    loses = lost["fixed"] > STANDARD_ERRORS * error
    keeps = loses and lost["scaled"] < NEARLY * lost["fixed"]
    shares = {
        way: ", ".join(f"{value:.1%} (D = {depth})" for depth, value in found.items())
        for way, found in accuracies.items()
    }
    losses = [_loss(solutions.networks(_name("scaled", depth))) for depth in accuracies["scaled"]]
    sentence = (
        f"Accuracy on {n_tested} digits that were held back, after "
        f"{solutions.networks('scaled 1').spec.n_steps} updates: {shares['scaled']} at learning rate "
        f"{RATE:g}/D; {shares['fixed']} at learning rate {RATE:g} for all. The standard error of a "
        f"difference is {error:.1%}. The loss on the digits trained on, at {RATE:g}/D, is "
        f"{', '.join(f'{loss:.4f}' for loss in losses)} nat in the same order."
    )
    numbers = {f"{way} {depth}": value for way, found in accuracies.items() for depth, value in found.items()}
    verdict: Verdict = (
        "shown" if keeps else "shown in part" if lost["scaled"] < STANDARD_ERRORS * error else "not shown"
    )
    return Findings(numbers, verdict, sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """Accuracy on unseen digits, and training loss at the end, against depth."""
    for (way, label), colour, mark in zip(WAYS.items(), COLOURS, "os", strict=False):
        found = _accuracies(solutions, way)
        axes[0].plot(
            list(found), [100 * value for value in found.values()], f"{mark}-", color=colour, label=label
        )
        losses = [_loss(solutions.networks(_name(way, depth))) for depth in found]
        axes[1].loglog(list(found), losses, f"{mark}-", color=colour, label=label)
    axes[0].axhline(100 / N_CLASSES, color=LAW, lw=1.0, ls=":", label="by chance")
    axes[1].axhline(np.log(N_CLASSES), color=LAW, lw=1.0, ls=":", label="by chance")
    axes[0].set(title="digits that were held back", ylabel="accuracy  [%]", xscale="log", ylim=(0, 103))
    axes[1].set(title="digits trained on", ylabel="mean cross entropy  [nat]")
    for ax in axes:
        depths = list(_accuracies(solutions, "scaled"))
        ax.set_xticks(depths, [str(depth) for depth in depths])
        ax.minorticks_off()
        ax.set_xlabel("hidden layers D")
        ax.legend()


def _name(way: str, depth: int) -> str:
    return f"scaled {depth}" if depth == 1 else f"{way} {depth}"


def _accuracies(solutions: Solutions, way: str) -> dict[int, float]:
    """Accuracy of the first network of each depth on the digits that it has not seen."""
    depths = [
        depth
        for depth in sorted({*DEPTHS["full"], *DEPTHS["small"]})
        if _name(way, depth) in solutions.by_name
    ]
    pixels, classes = (part[N_TRAINING:] for part in _digits())
    return {
        depth: float(np.mean(_classified(solutions.networks(_name(way, depth)), pixels) == classes))
        for depth in depths
    }


def _classified(run: problems.SimulateNetworkSolution, pixels: NDArray[np.float64]) -> NDArray[np.intp]:
    """Class that the first network of a run gives to each row of pixels, shape (n,)."""
    hidden = pixels
    n_layers = sum(name.startswith("W") for name in run.parameters)
    for layer in range(1, n_layers + 1):
        hidden = hidden @ run.parameters[f"W{layer}"].T + run.parameters[f"b{layer}"]
        hidden = np.tanh(hidden) if layer < n_layers else hidden
    result: NDArray[np.intp] = hidden.argmax(axis=1)
    return result


def _loss(run: problems.SimulateNetworkSolution) -> float:
    """Mean training loss over the last quarter of the run."""
    mean = run.observables["loss"].mean
    return float(mean[-len(mean) // 4 :].mean())


@cache
def _digits() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels, shape (n, 64), of mean 0 and variance 1 over all, and classes, shape (n,), in a random "
    "order."""
    with gzip.open(FILE, "rt") as lines:
        table = np.loadtxt(lines, delimiter=",")
    table = table[np.random.default_rng(0).permutation(len(table))]
    pixels = table[:, :-1]
    return (pixels - pixels.mean()) / pixels.std(), table[:, -1]
