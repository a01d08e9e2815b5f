"""Alignment of the latent representations of a matrix factorisation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from examples.gallery.figure import STANDARD_ERRORS, Findings, Size, Solutions, Spec
from examples.gallery.style import COLOURS, LAW
from examples.gallery.training import diagonal, gd, level, sgd, training

TITLE = "Latent representations of a matrix factorisation"
PAPER = "arXiv 2402.07193, double rotation symmetry"
CLAIM = (
    "SGD on f(x) = U W x aligns the two sides of the latent space, W Σx Wᵀ ∝ Uᵀ Σε U, whatever the start; "
    "gradient descent does not."
)
PANELS = (1, 3)
RUNS = {"gd": "GD", "sgd": "SGD"}


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """SGD and GD on y = x + noise, and the equilibrium of a global minimum."""
    full = size == "full"
    widths = [30, 40, 30] if full else [6, 8, 6]
    model = {"kind": "matrix_factorization", "widths": widths}
    data = {"kind": "teacher", "teacher": diagonal([1.0] * widths[0])}
    rate, batch_size, n_steps = (0.004, 4, 4000) if full else (0.01, 2, 6000)
    shared = {"n_paths": 8, "seed": seed, "observables": ["alignment", "norm", "loss"], "n_records": 40}
    shared["parameters"] = {"init": "xavier"}
    return {
        "sgd": training(model, data, sgd(rate, batch_size=batch_size), **shared, n_steps=n_steps),
        "gd": training(model, {**data, "n_samples": 400}, gd(0.03), **shared, n_steps=400),
        "equilibrium": {
            "task": "equilibrium",
            "model": model,
            "data": data,
            "temperature": rate / batch_size,
            "parameters": {"init": "global_minimum", "seed": seed},
            "flow": None,
        },
    }


def measure(solutions: Solutions) -> Findings:
    """Cosine between the two matrices at the start and at the end."""
    numbers: dict[str, float] = {}
    for name in RUNS:
        found = solutions.networks(name)
        numbers[f"{name} start"] = float(found.observables["alignment.1"].mean[0])
        numbers[name], numbers[f"{name} error"] = level(found, "alignment.1")
    predicted = solutions.equilibrium("equilibrium").alignment["layer 1"].after or 0.0
    margin = STANDARD_ERRORS * numbers["gd error"]
    shown = numbers["sgd"] > 0.95 and numbers["gd"] + margin < 0.9 and predicted > 1 - 1e-6
    sentence = (
        f"The cosine between W Σx Wᵀ and Uᵀ Σε U, mean of 8 networks, goes from {numbers['sgd start']:.3f} "
        f"to {numbers['sgd']:.3f} ± {numbers['sgd error']:.3f} under SGD, and from {numbers['gd start']:.3f} "
        f"to {numbers['gd']:.3f} ± {numbers['gd error']:.3f} under GD; at the noise equilibrium it is "
        f"{predicted:.6f}. What SGD lacks is its fluctuation at a finite step."
    )
    return Findings({**numbers, "predicted": predicted}, "shown" if shown else "not shown", sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """Alignment over time, and the entries of the two matrices against each other."""
    for (name, label), colour in zip(RUNS.items(), COLOURS, strict=False):
        found = solutions.networks(name)
        axes[0].plot(found.learned, found.observables["alignment.1"].mean, color=colour, label=label)
    axes[0].axhline(1.0, color=LAW, ls=":", label="noise equilibrium")
    axes[0].set(title="alignment", xlabel="time, learning rate × steps", ylim=(0, 1.05))
    axes[0].set(ylabel="cosine of W Σx Wᵀ and Uᵀ Σε U")
    axes[0].legend(loc="lower right")
    for (name, label), colour, ax in zip(RUNS.items(), COLOURS, axes[1:], strict=False):
        below, above = _latent(solutions, name)
        rows, columns = np.tril_indices(below.shape[0], -1)
        ax.plot(below[rows, columns], above[rows, columns], ".", color=colour, alpha=0.4, ms=4, label="i ≠ j")
        ax.plot(below.diagonal(), above.diagonal(), "s", color=colour, mec="k", ms=5, label="i = j")
        lowest, highest = min(below.min(), above.min()), max(below.max(), above.max())
        ax.plot([lowest, highest], [lowest, highest], ":", color=LAW, label="equal")
        ax.set(title=f"entries (i, j) at the end of {label}", xlabel="W Σx Wᵀ", ylabel="Uᵀ Σε U")
        ax.legend()


def _latent(solutions: Solutions, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two matrices of the first network; both covariances are the identity."""
    weights = solutions.networks(name).parameters
    return weights["W1"] @ weights["W1"].T, weights["W2"].T @ weights["W2"]
