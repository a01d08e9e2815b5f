"""Latent representations of a tanh network, whose symmetry is only approximate."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from examples.gallery.figure import STANDARD_ERRORS, Findings, Size, Solutions, Spec, Verdict
from examples.gallery.style import COLOURS, LAW
from examples.gallery.training import diagonal, gd, level, sgd, training

TITLE = "Latent representations of a tanh network"
PAPER = "arXiv 2402.07193, approximate symmetry"
CLAIM = (
    "A two-layer tanh network has the double rotation symmetry only near zero, yet under SGD its latent "
    "representations come close to alignment as those of a linear network do; under gradient descent they "
    "do not."
)
PANELS = (1, 3)
WIDTHS = [10, 20, 10]
BATCH_SIZE = 4
RUNS = {"gd tanh": "GD, tanh", "sgd tanh": "SGD, tanh", "sgd linear": "SGD, linear"}


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """SGD and GD of the same time, and SGD on the linear network as a control."""
    rate, duration = (0.01, 100.0) if size == "full" else (0.02, 40.0)
    data = {"kind": "teacher", "teacher": diagonal([1.0] * WIDTHS[0])}
    shared = {
        "n_paths": 16,
        "parameters": {"init": "xavier"},
        "seed": seed,
        "observables": ["alignment", "loss"],
        "n_records": 40 if size == "full" else 20,
    }
    models = {
        name: {"kind": "mlp", "widths": WIDTHS, "activation": name, "bias": False}
        for name in ("tanh", "linear")
    }
    step = sgd(rate, batch_size=BATCH_SIZE)
    return {
        **{
            f"sgd {name}": training(model, data, step, **shared, n_steps=int(duration / rate))
            for name, model in models.items()
        },
        "gd tanh": training(
            models["tanh"], {**data, "n_samples": 1000}, gd(0.05), **shared, n_steps=int(duration / 0.05)
        ),
    }


def measure(solutions: Solutions) -> Findings:
    """Cosine between W Σx Wᵀ and Uᵀ Σε U over the last quarter of the run."""
    numbers: dict[str, float] = {}
    for name in RUNS:
        numbers[name], numbers[f"{name} error"] = level(solutions.networks(name), "alignment.1")
    start = float(solutions.networks("sgd tanh").observables["alignment.1"].mean[0])
    margin = STANDARD_ERRORS * (numbers["gd tanh error"] + numbers["sgd tanh error"])
    apart = numbers["sgd tanh"] - numbers["gd tanh"] > margin
    verdict: Verdict = "shown" if apart and numbers["sgd tanh"] > 0.9 else "not shown"
    sentence = (
        "The cosine between W Σx Wᵀ and Uᵀ Σε U, mean of 16 networks, goes from "
        f"{start:.3f} to {numbers['sgd tanh']:.3f} ± {numbers['sgd tanh error']:.3f} under SGD, and to "
        f"{numbers['gd tanh']:.3f} ± {numbers['gd tanh error']:.3f} under GD. The linear network ends at "
        f"{numbers['sgd linear']:.3f} ± {numbers['sgd linear error']:.3f} under the same SGD."
    )
    return Findings({**numbers, "start": start}, verdict, sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """Alignment over time, and the two matrices of a tanh network at the end of SGD."""
    for (name, label), colour in zip(RUNS.items(), COLOURS, strict=False):
        found = solutions.networks(name)
        axes[0].plot(found.learned, found.observables["alignment.1"].mean, color=colour, label=label)
    axes[0].axhline(1.0, color=LAW, ls=":", label="aligned")
    axes[0].set(title="alignment", xlabel="time, learning rate × steps", ylim=(0, 1.05))
    axes[0].set(ylabel="cosine of W Σx Wᵀ and Uᵀ Σε U")
    axes[0].legend(loc="center right")
    names = ("W Σx Wᵀ", "Uᵀ Σε U")
    for matrix, name, ax in zip(_latent(solutions, "sgd tanh"), names, axes[1:], strict=True):
        largest = np.abs(matrix).max()
        image = ax.imshow(matrix, cmap="RdBu_r", vmin=-largest, vmax=largest)
        ax.figure.colorbar(image, ax=ax, shrink=0.85)
        ax.set(title=f"{name} of one tanh network, SGD", xlabel="hidden unit", ylabel="hidden unit")
        ax.set(xticks=range(0, WIDTHS[1], 5), yticks=range(0, WIDTHS[1], 5))
        ax.grid(visible=False)


def _latent(solutions: Solutions, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two matrices of the first network, but for the size of the second: both covariances are "
    "isotropic."""
    weights = solutions.networks(name).parameters
    return weights["W1"] @ weights["W1"].T, weights["W2"].T @ weights["W2"]
