"""Norms and sharpness at the noise equilibrium against the anisotropy of the inputs."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from matplotlib.axes import Axes

from examples.gallery.figure import STANDARD_ERRORS, Findings, Size, Solutions, Spec
from examples.gallery.style import COLOURS, LAW
from examples.gallery.training import Level, diagonal, gd, level, relative, sgd, training

TITLE = "Norms and sharpness against the anisotropy of the inputs"
PAPER = "arXiv 2402.07193, progressive sharpening and flattening"
CLAIM = (
    "A two-layer linear network fits its data near the balanced solution of gradient flow; the noise of SGD "
    "then moves it to the noise equilibrium of the same loss, which is flatter or sharper as the data decide."
)
PANELS = (1, 3)
NOISE = (0.3, 1.7)
"""Variances of the noise of the two labels; those of the two inputs are phi and 2 - phi."""
WITHIN = 0.05
"""What SGD may miss the equilibrium by."""
GD_WITHIN = 0.01
BALANCED_SHARPNESS = 16.0
"""Tr H where W1 W1' = W2' W2 and W2 W1 = 1: 4 (|W2|^2 Tr Sx/2 + Tr(W1 Sx W1')), whatever phi."""


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """SGD, GD and the equilibrium for some variances phi of the first input."""
    model = {"kind": "linear", "widths": [2, 2, 2]}
    rate, batch_size = (0.01, 2) if size == "full" else (0.02, 4)
    shared = {
        "parameters": {"init": "small"},
        "seed": seed,
        "observables": ["norm", "sharpness", "loss"],
        "n_records": 100 if size == "full" else 40,
    }
    asked: dict[str, Spec] = {}
    for phi in (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 1.9) if size == "full" else (0.1, 1.0, 1.5):
        data = _population(phi)
        asked[f"sgd {phi}"] = training(
            model, data, sgd(rate, batch_size=batch_size), **shared, n_paths=32, n_steps=int(1000 / rate)
        )
        asked[f"gd {phi}"] = training(model, _moments(phi), gd(0.05), **shared, n_paths=4, n_steps=4000)
        asked[f"equilibrium {phi}"] = {
            "task": "equilibrium",
            "model": model,
            "data": data,
            "temperature": rate / batch_size,
            "parameters": {"init": "global_minimum", "seed": seed},
            "flow": None,
        }
    return asked


def measure(solutions: Solutions) -> Findings:
    """How far norms and sharpness end from the equilibrium, and from the balanced solution."""
    numbers: dict[str, float] = {}
    worst = 0.0
    for phi in _phis(solutions):
        for what in ("norm.W1", "norm.W2", "sharpness"):
            found = relative(_end(solutions, f"sgd {phi}", what), _equilibrium(solutions, phi, what))
            numbers[f"{what} {phi}"] = found.mean
            worst = max(worst, abs(found.mean))
        numbers[f"gd {phi}"] = _end(solutions, f"gd {phi}", "sharpness").mean / BALANCED_SHARPNESS - 1.0
    changes = {phi: _change(solutions, phi) for phi in _phis(solutions)}
    flattest, sharpest = (pick(changes, key=lambda phi: changes[phi].mean) for pick in (min, max))
    gd_worst = max(abs(numbers[f"gd {phi}"]) for phi in _phis(solutions))
    turns = _is_sure(changes[flattest]) and _is_sure(changes[sharpest])
    shown = worst < WITHIN and gd_worst < GD_WITHIN and turns
    shown = shown and changes[flattest].mean < 0 < changes[sharpest].mean
    sentence = (
        f"SGD ends within {worst:.1%} of the predicted equilibrium in the squared norms of both layers and "
        f"in Tr H, at {len(changes)} variances φ of the first input (the second has 2 - φ); GD ends within "
        f"{gd_worst:.1%} of the balanced solution. From there SGD changes Tr H by "
        f"{changes[flattest].mean:+.1%} ± {changes[flattest].error:.1%} at φ = {flattest}, which is "
        f"flattening, and by {changes[sharpest].mean:+.1%} ± {changes[sharpest].error:.1%} at "
        f"φ = {sharpest}, which is sharpening."
    )
    for phi, change in changes.items():
        numbers[f"change {phi}"], numbers[f"change error {phi}"] = change
    return Findings({**numbers, "worst": worst}, "shown" if shown else "not shown", sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """Sharpness over time, and sharpness and norms at the end against phi."""
    phis = _phis(solutions)
    _draw_time(solutions, (phis[0], 1.0), axes[0])
    fine = np.linspace(0.02, 1.98, 200)
    axes[1].plot(fine, [_closed_form(phi)[2] for phi in fine], color=LAW, label="noise equilibrium")
    axes[1].axhline(BALANCED_SHARPNESS, color=LAW, ls=":", label="balanced: gradient flow")
    for (kind, label), colour in zip((("gd", "GD"), ("sgd", "SGD")), COLOURS, strict=False):
        ends = [_end(solutions, f"{kind} {phi}", "sharpness") for phi in phis]
        errors = [0.0 if kind == "gd" else end.error for end in ends]
        axes[1].errorbar(phis, [end.mean for end in ends], errors, fmt="o", color=colour, label=label)
    axes[1].set(title="sharpness at the end", xlabel="φ, variance of the first of two inputs", ylabel="Tr H")
    axes[1].legend()
    for layer, colour, style in zip((1, 2), COLOURS[1:], ("-", "--"), strict=False):
        norms = [_closed_form(phi)[layer - 1] for phi in fine]
        axes[2].plot(fine, norms, style, color=LAW, label=f"equilibrium, layer {layer}")
        ends = [_end(solutions, f"sgd {phi}", f"norm.W{layer}") for phi in phis]
        axes[2].errorbar(
            phis,
            [end.mean for end in ends],
            [end.error for end in ends],
            fmt="o",
            color=colour,
            label=f"SGD, layer {layer}",
        )
    axes[2].axhline(2.0, color=LAW, ls=":", label="balanced, both layers")
    axes[2].set(title="norms at the end", xlabel="φ, variance of the first of two inputs")
    axes[2].set(ylabel="squared norm of a layer")
    axes[2].legend()


def _draw_time(solutions: Solutions, phis: Sequence[float], ax: Axes) -> None:
    for phi, colour in zip(phis, COLOURS[1:], strict=False):
        series = solutions.networks(f"sgd {phi}")
        ax.semilogx(
            series.learned[1:],
            series.observables["sharpness"].mean[1:],
            color=colour,
            label=f"SGD, φ = {phi:g}",
        )
        ax.axhline(_equilibrium(solutions, phi, "sharpness"), color=colour, ls=":", lw=1.2)
    series = solutions.networks(f"gd {phis[-1]}")
    ax.semilogx(
        series.learned[1:], series.observables["sharpness"].mean[1:], color=COLOURS[0], label="GD, φ = 1"
    )
    ax.set(
        title="fit first, then sharpen or flatten", xlabel="time, learning rate × steps", ylabel="mean Tr H"
    )
    ax.legend(loc="lower right")


def _population(phi: float) -> Spec:
    return {
        "kind": "teacher",
        "teacher": diagonal([1.0, 1.0]),
        "input_cov": diagonal([phi, 2.0 - phi]),
        "noise_cov": diagonal(NOISE),
    }


def _moments(phi: float) -> Spec:
    """Four samples with the second moments of the population: to gradient descent they are the same."""
    rows = [[sign * sqrt(2 * phi), 0.0] for sign in (1, -1)]
    rows += [[0.0, sign * sqrt(2 * (2.0 - phi))] for sign in (1, -1)]
    return {"kind": "samples", "x": rows, "y": rows}


def _closed_form(phi: float) -> tuple[float, float, float]:
    """|W1|^2, |W2|^2 and Tr H at the equilibrium: W1 Sx W1' = S and W2' Se W2 = S with S = (Se Sx)^(1/2)."""
    inputs, noise = np.array([phi, 2.0 - phi]), np.array(NOISE)
    first, second = np.sqrt(noise / inputs), np.sqrt(inputs / noise)
    sharpness = 2 * (inputs.sum() * second.sum() + 2 * np.sqrt(inputs * noise).sum())
    return float(first.sum()), float(second.sum()), float(sharpness)


def _phis(solutions: Solutions) -> list[float]:
    return [float(name.split()[1]) for name in solutions.by_name if name.startswith("sgd")]


def _end(solutions: Solutions, run: str, what: str) -> Level:
    return level(solutions.networks(run), what, share=0.5)


def _equilibrium(solutions: Solutions, phi: float, what: str) -> float:
    found = solutions.equilibrium(f"equilibrium {phi}")
    value = found.sharpness.after if what == "sharpness" else found.norms[what.removeprefix("norm.")].after
    assert value is not None
    return value


def _change(solutions: Solutions, phi: float) -> Level:
    """Of Tr H from where GD ends to where SGD ends, as a part of it."""
    start = _end(solutions, f"gd {phi}", "sharpness").mean
    return relative(_end(solutions, f"sgd {phi}", "sharpness"), start)


def _is_sure(change: Level) -> bool:
    return abs(change.mean) > STANDARD_ERRORS * change.error
