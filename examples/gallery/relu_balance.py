"""Balance of the noise, not of the norms, of the two layers of ReLU networks."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from examples.gallery.figure import Findings, Size, Solutions, Spec, Verdict
from examples.gallery.style import COLOURS, LAW
from examples.gallery.training import Level, diagonal, gd, level, sgd, training

TITLE = "Noise balance of a 20-200-20 ReLU network"
PAPER = "arXiv 2402.07193, rescaling symmetry"
CLAIM = (
    "SGD on a two-layer ReLU network goes where the gradients of both layers are equally noisy, neuron by "
    "neuron, and gradient descent does not; the norms of the two layers become equal only if the noise "
    "is isotropic."
)
PANELS = (1, 3)
INPUTS = {"isotropic": (1.0, 1.0), "anisotropic": (0.2, 1.8)}
"""Variances of the two halves of the inputs."""
GD_RATE = 0.01
WITHIN = 0.05
"""What the noise of the two layers may differ by at balance."""


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """SGD and GD from the same unbalanced start, on inputs of equal and of unequal variances."""
    full = size == "full"
    n, n_hidden = (20, 200) if full else (6, 40)
    noise = 2.0 if full else 4.0
    rate, duration = (0.003, 50.0) if full else (0.005, 60.0)
    shared = {
        "n_paths": 1 if full else 16,
        "parameters": {"init": "kaiming", "seed": seed},
        "seed": seed,
        "observables": ["noise_trace", "norm", "loss"],
        "n_records": 60 if full else 30,
    }
    asked = {}
    for name, variances in INPUTS.items():
        model = {"kind": "mlp", "widths": [n, n_hidden, n], "activation": "relu", "bias": False}
        data = {
            "kind": "teacher",
            "teacher": diagonal([1.0] * n),
            "input_cov": diagonal(np.repeat(variances, n // 2).tolist()),
            "noise_cov": diagonal([noise] * n),
            "n_samples": 2048 if full else 512,
        }
        noisy = {**shared, "observables": ["noise_trace", "norm", "loss", "balance_residual"]}
        asked[f"sgd {name}"] = training(model, data, sgd(rate), **noisy, n_steps=int(duration / rate))
        asked[f"gd {name}"] = training(model, data, gd(GD_RATE), **shared, n_steps=300 if full else 200)
    return asked


def measure(solutions: Solutions) -> Findings:
    """Ratios of noise traces, and of norms, of the two layers at the end."""
    numbers: dict[str, float] = {}
    for name in INPUTS:
        for kind in ("sgd", "gd"):
            for what in ("noise_trace", "norm"):
                numbers[f"{kind} {name} {what}"] = _ratio(solutions, f"{kind} {name}", what)
        numbers[f"{name} neurons"] = level(
            solutions.networks(f"sgd {name}"), "balance_residual.neurons of layer 1"
        ).mean
    balanced = all(abs(numbers[f"sgd {name} noise_trace"] - 1) < WITHIN for name in INPUTS)
    apart = all(abs(numbers[f"gd {name} noise_trace"] - 1) > 0.5 for name in INPUTS)
    norms = abs(numbers["sgd isotropic norm"] - 1) < 0.1 and numbers["sgd anisotropic norm"] > 1.5
    verdict: Verdict = "shown" if balanced and apart and norms else "not shown"
    sentence = (
        "The noise of the first layer over that of the second, Tr Σ₁ / Tr Σ₂, ends at "
        f"{numbers['sgd isotropic noise_trace']:.3f} with isotropic and at "
        f"{numbers['sgd anisotropic noise_trace']:.3f} with anisotropic inputs under SGD (1 is balance), and "
        f"at {numbers['gd isotropic noise_trace']:.3f} and {numbers['gd anisotropic noise_trace']:.3f} under "
        f"GD; over all neurons the balance is missed by {numbers['isotropic neurons']:.1%} and "
        f"{numbers['anisotropic neurons']:.1%} of the noise, at the step that was used. The squared norms "
        f"end at a ratio of {numbers['sgd isotropic norm']:.2f} and {numbers['sgd anisotropic norm']:.2f} "
        "under SGD."
    )
    return Findings(numbers, verdict, sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """Noise of both layers over time, their norms, and the norms of each neuron at the end."""
    _draw_noise(solutions, axes[0])
    _draw_norms(solutions, axes[1])
    for (kind, label), colour in zip((("gd", "GD"), ("sgd", "SGD")), COLOURS, strict=False):
        below, above = _neurons(solutions, f"{kind} isotropic")
        axes[2].loglog(below, above, ".", color=colour, alpha=0.5, ms=5, label=label)
    ends = np.array([1e-3, 10.0])
    axes[2].loglog(ends, ends, ":", color=LAW, label="balance")
    axes[2].set(title="each neuron at the end, isotropic inputs", xlim=(0.05, 10), ylim=(5e-3, 3))
    axes[2].set(xlabel="squared norm of its weights in", ylabel="squared norm of its weights out")
    axes[2].legend(loc="lower left")


def _draw_noise(solutions: Solutions, ax: Axes) -> None:
    for (kind, label), colour in zip((("gd", "GD"), ("sgd", "SGD")), COLOURS, strict=False):
        found = solutions.networks(f"{kind} anisotropic")
        traces = [found.observables[f"noise_trace.W{layer}"].mean[1:] for layer in (1, 2)]
        for layer, (trace, style) in enumerate(zip(traces, ("-", "--"), strict=True), 1):
            ax.loglog(found.learned[1:], trace, style, color=colour, label=f"{label}, layer {layer}")
        if kind == "sgd":
            predicted = np.sqrt(traces[0] * traces[1])
            ax.loglog(found.learned[1:], predicted, ":", color=LAW, label="equilibrium of the layers of SGD")
    ax.set(title="noise of the gradients, anisotropic inputs", xlabel="time, learning rate × steps")
    ax.set(ylabel="Tr Σ of a layer")
    ax.set_ylim(top=8 * ax.get_ylim()[1])
    ax.legend(loc="upper right")


def _draw_norms(solutions: Solutions, ax: Axes) -> None:
    for name, colour in zip(INPUTS, COLOURS[2:], strict=False):
        found = solutions.networks(f"sgd {name}")
        for layer, style in ((1, "-"), (2, "--")):
            ax.semilogy(
                found.learned,
                found.observables[f"norm.W{layer}"].mean,
                style,
                color=colour,
                label=f"{name}, layer {layer}",
            )
    ax.set(title="norms under SGD", xlabel="time, learning rate × steps", ylabel="squared norm of a layer")
    ax.legend()


def _ratio(solutions: Solutions, run: str, what: str) -> float:
    first, second = (_end(solutions, run, f"{what}.W{layer}") for layer in (1, 2))
    return first.mean / second.mean


def _end(solutions: Solutions, run: str, name: str) -> Level:
    return level(solutions.networks(run), name)


def _neurons(solutions: Solutions, run: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared norms of the weights into and out of each hidden neuron of the first network."""
    weights = solutions.networks(run).parameters
    return (weights["W1"] ** 2).sum(1), (weights["W2"] ** 2).sum(0)
