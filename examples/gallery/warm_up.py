"""Rank-1 factorisation with and without warm-up of the learning rate, beside its Noether flow."""

from collections.abc import Sequence
from math import log, sqrt

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from examples.gallery.figure import Findings, Size, Solutions, Spec
from examples.gallery.style import COLOURS, LAW
from examples.gallery.training import level, sgd, training

TITLE = "Rank-1 factorisation with and without warm-up"
PAPER = "arXiv 2402.07193, Noether flow and warm-up"
CLAIM = (
    "The way of SGD to the noise equilibrium is the Noether flow, whose clock is the sum of squared learning "
    "rates: warm-up leads to the same equilibrium, later; and from a sharp start it lets the noise flatten "
    "the loss before the learning rate is too large for it."
)
PANELS = (1, 3)
WIDTH = 10
RUNS = {"plain": "constant learning rate", "warm": "with warm-up"}
LEFT = 0.05
"""Of the charge, at arrival."""
WITHIN = 0.05
"""What arrival and norms may differ from the flow's by."""


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """SGD at a small and at a large learning rate, from unequal layers whose product is right."""
    full = size == "full"
    largest = 4.0 if full else 3.0
    model = {"kind": "linear", "widths": [WIDTH, 1, WIDTH]}
    direction = np.full(WIDTH, 1 / sqrt(WIDTH))
    data = {"kind": "teacher", "teacher": np.outer(direction, direction).tolist()}
    start = {"W1": (direction[None] / largest).tolist(), "W2": (direction[:, None] * largest).tolist()}
    shared = {"n_paths": 32, "parameters": start, "seed": seed, "n_records": 200 if full else 40}
    # Steps, learning rates and lengths of the warm-up: the charge falls by e per 1/(40 rate^2) steps.
    rate, n_steps, warm_up = (0.0007, 260_000, 100_000) if full else (0.001, 120_000, 40_000)
    large, n_large, warm_up_large = (0.02, 40_000, 20_000) if full else (0.03, 10_000, 5_000)
    asked: dict[str, Spec] = {}
    for name in RUNS:
        for kind, step, n, ramp in (("", rate, n_steps, warm_up), (" large", large, n_large, warm_up_large)):
            schedule = {"schedule": {"kind": "warmup", "duration": ramp}} if name == "warm" else {}
            seen = {"observables": ["sharpness"] if kind else ["norm"]}
            asked[name + kind] = training(model, data, sgd(step), **shared, **seen, **schedule, n_steps=n)
    asked["flow"] = {
        "task": "equilibrium",
        "model": model,
        "data": data,
        "temperature": rate,
        "parameters": start,
        "flow": {"duration": rate * n_steps, "n_points": 200},
    }
    return asked


def measure(solutions: Solutions) -> Findings:
    """Steps until 5 % of the charge is left, norms at the end, networks lost at the large learning rate."""
    numbers: dict[str, float] = {}
    flow = solutions.equilibrium("flow")
    assert flow.flow is not None
    aim = _crossing(_flow_clock(solutions), flow.flow.charges[:, 0])
    for name in RUNS:
        found = solutions.networks(name)
        clock, steps = _clock(solutions, name), found.observables["norm"].time
        numbers[f"{name} arrival"] = _crossing(steps, _charge(solutions, name))
        numbers[f"{name} predicted"] = float(np.interp(aim, clock, steps))
        numbers[f"{name} norm"], numbers[f"{name} norm error"] = level(found, "norm", share=0.1)
        numbers[f"{name} lost"] = float(solutions.networks(f"{name} large").n_diverged)
    norm = sum(pair.after or 0.0 for pair in flow.norms.values())
    hurry = _hurry(solutions)
    misses = [numbers[f"{name} arrival"] / numbers[f"{name} predicted"] - 1 + hurry for name in RUNS]
    misses += [numbers[f"{name} norm"] / norm - 1 for name in RUNS]
    n_paths = solutions.networks("warm large").n_paths
    shown = max(map(abs, misses)) < WITHIN
    shown = shown and numbers["warm lost"] == 0 and numbers["plain lost"] > 0
    rate = solutions.networks("plain large").spec.dynamics.learning_rate  # type: ignore[union-attr]
    sentence = (
        f"95 % of the charge |W₁|² - |W₂|² is gone after {numbers['plain arrival']:,.0f} steps without "
        f"warm-up (the Noether flow says {numbers['plain predicted']:,.0f}) and after "
        f"{numbers['warm arrival']:,.0f} with it (says {numbers['warm predicted']:,.0f}); a finite step "
        f"arrives about {hurry:.1%} early. The squared norm ends at {numbers['plain norm']:.3f} ± "
        f"{numbers['plain norm error']:.3f} and {numbers['warm norm']:.3f} ± "
        f"{numbers['warm norm error']:.3f}; at the equilibrium it is {norm:.3f}. At learning rate {rate} "
        f"{numbers['plain lost']:.0f} of {n_paths} networks diverge without warm-up, "
        f"{numbers['warm lost']:.0f} with it."
    )
    return Findings({**numbers, "norm": norm}, "shown" if shown else "not shown", sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """Charge over steps and over the clock of the flow, and sharpness at the large learning rate."""
    flow = solutions.equilibrium("flow").flow
    assert flow is not None
    charges, flow_clock = np.abs(flow.charges[:, 0]), _flow_clock(solutions)
    for (name, label), colour, width in zip(RUNS.items(), COLOURS, (3.5, 1.8), strict=False):
        charge, clock = np.abs(_charge(solutions, name)), _clock(solutions, name)
        steps = solutions.networks(name).observables["norm"].time
        axes[0].semilogy(steps / 1000, charge, color=colour, label=label)
        axes[0].semilogy(steps / 1000, np.interp(clock, flow_clock, charges), ":", color=LAW)
        axes[1].semilogy(clock, charge, color=colour, lw=width, label=label)
        large = solutions.networks(f"{name} large")
        sharpness = large.observables["sharpness"]
        left = f"{label}: {large.n_diverged} of {large.n_paths} diverge"
        axes[2].semilogy(sharpness.time / 1000, sharpness.mean, color=colour, label=left)
    axes[0].plot([], [], ":", color=LAW, label="Noether flow")
    axes[1].semilogy(flow_clock, charges, ":", color=LAW, label="Noether flow")
    axes[0].set(title="the same way, later", xlabel="1000 steps", ylabel="| mean |W₁|² - |W₂|² |")
    axes[1].set(
        title="the same, by the clock of the flow", xlabel="sum of squared learning rates / batch size"
    )
    axes[1].set(ylabel="| mean |W₁|² - |W₂|² |", xlim=(0, 0.75 * flow_clock[-1]))
    after = solutions.equilibrium("flow").sharpness.after or 0.0
    axes[2].axhline(after, color=LAW, ls=":", label="noise equilibrium")
    axes[2].set(title="large learning rate: networks that survive", xlabel="1000 steps", ylabel="mean Tr H")
    for ax in axes:
        ax.legend()


def _charge(solutions: Solutions, name: str) -> NDArray[np.float64]:
    found = solutions.networks(name).observables
    result: NDArray[np.float64] = found["norm.W1"].mean - found["norm.W2"].mean
    return result


def _hurry(solutions: Solutions) -> float:
    """Part of the way that SGD at a finite step without warm-up saves, to first order.

    The output along W2 fluctuates by learning_rate * WIDTH * |W2|^2 times the noise of a label, and the
    noise of W1 is as much larger; while the charge, about -|W2|^2, falls exponentially, this adds up to
    its value at the start.
    """
    found = solutions.networks("plain")
    rate: float = found.spec.dynamics.learning_rate  # type: ignore[union-attr]
    return rate * WIDTH * float(found.observables["norm.W2"].mean[0]) / log(1 / LEFT)


def _clock(solutions: Solutions, name: str) -> NDArray[np.float64]:
    """Sum of squared learning rates over the batch size, at the records."""
    found = solutions.networks(name)
    rate: float = found.spec.dynamics.learning_rate  # type: ignore[union-attr]
    steps = np.arange(found.spec.n_steps or 0)
    factors = np.ones(steps.size)
    for schedule in found.spec.schedule:
        factors *= np.minimum(1.0, steps / schedule.duration)  # type: ignore[union-attr]
    sums = np.concatenate([[0.0], np.cumsum((rate * factors) ** 2)])
    result: NDArray[np.float64] = sums[found.observables["norm"].time.astype(int)]
    return result


def _flow_clock(solutions: Solutions) -> NDArray[np.float64]:
    """The same of the flow: temperature times time."""
    found = solutions.equilibrium("flow")
    assert found.flow is not None
    result: NDArray[np.float64] = found.spec.temperature * found.flow.time
    return result


def _crossing(time: NDArray[np.float64], charge: NDArray[np.float64]) -> float:
    """When a charge has only LEFT of its start to go, by straight lines between its logarithms."""
    logs = np.log(np.maximum(np.abs(charge / charge[0]), 1e-12))
    first = int(np.argmax(logs < np.log(LEFT)))
    share = (logs[first - 1] - np.log(LEFT)) / (logs[first - 1] - logs[first])
    return float(time[first - 1] + share * (time[first] - time[first - 1]))
