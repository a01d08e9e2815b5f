"""Norms of scale-invariant networks with and without weight decay."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from examples.gallery.figure import STANDARD_ERRORS, Findings, Size, Solutions, Spec
from examples.gallery.style import COLOURS, LAW
from examples.gallery.training import Level, diagonal, each, gd, sgd, training

TITLE = "Norms of scale-invariant networks"
PAPER = "arXiv 2402.07193, scale symmetry"
CLAIM = (
    "If the loss does not depend on the length of the weights there is no noise equilibrium without weight "
    "decay, and |θ|⁴ grows in a straight line, by 2 T Tr Σ₁ per unit of time; with weight decay γ it goes to "
    "T Tr Σ₁ / (4 γ), where Σ₁ is the noise at unit length."
)
PANELS = (1, 3)
WIDTHS = [10, 12, 10]
NETS = {"a": ("layer", "net A"), "b": ("network", "net B")}
"""Net A divides each layer by its own norm, net B all weights by the norm of all."""
SCALES = {"a": {".W1": "layer 1 of net A", ".W2": "layer 2 of net A"}, "b": {"": "net B"}}
"""What has a length of its own."""
LEARNING_RATE, WEIGHT_DECAY = 0.1, 0.0045
N_NETWORKS = 16
GROWTH_WITHIN, STATIONARY_WITHIN = 0.02, 0.03
SETTLED = {"sgd": 0.2, "decay": 0.7}
"""Part of a run that is left out: in it the function settles, and under weight decay the length."""


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """SGD without and with weight decay, and GD; what the equilibrium is without weight decay."""
    full = size == "full"
    n_steps = {"sgd": 1500, "decay": 2000} if full else {"sgd": 300, "decay": 1000}
    shared = {
        "parameters": {"init": "xavier", "seed": 1, "scale": 0.52},
        "seed": seed,
        "observables": ["norm", "noise_trace"],
        "n_records": 50 if full else 25,
    }
    networks = {"n_paths": N_NETWORKS, "n_snapshots": N_NETWORKS}
    asked: dict[str, Spec] = {}
    # The tests leave one net out of each: steps of such networks are slow.
    for net, kind in (
        [(net, kind) for kind in n_steps for net in NETS] if full else (("a", "sgd"), ("b", "decay"))
    ):
        step = sgd(LEARNING_RATE, weight_decay=WEIGHT_DECAY if kind == "decay" else 0.0)
        asked[f"{net} {kind}"] = training(
            _model(net), _data(), step, **shared, **networks, n_steps=n_steps[kind]
        )
    asked["a gd"] = training(
        _model("a"), _data(), gd(LEARNING_RATE), **shared, n_paths=1, n_steps=n_steps["sgd"] // 3
    )
    asked["a equilibrium"] = {
        "task": "equilibrium",
        "model": _model("a"),
        "data": _data(),
        "temperature": LEARNING_RATE,
        "parameters": shared["parameters"],
        "flow": None,
        "curvature": False,
    }
    return asked


def measure(solutions: Solutions) -> Findings:
    """Growth over what was predicted, and stationary values over what was predicted."""
    numbers: dict[str, float] = {}
    holds = []
    words: dict[str, list[str]] = {"sgd": [], "decay": []}
    for run, net, kind in _runs(solutions):
        for scale, label in SCALES[net].items():
            found = _growth(solutions, run, scale) if kind == "sgd" else _stationary(solutions, run, scale)
            within = GROWTH_WITHIN if kind == "sgd" else STATIONARY_WITHIN
            numbers[f"{kind} {label}"], numbers[f"{kind} {label} error"] = found
            holds.append(abs(found.mean - 1) < within + STANDARD_ERRORS * found.error)
            words[kind].append(f"{found.mean:.3f} ± {found.error:.3f} ({label})")
    gd_growth = [_fourth(solutions, "a gd", scale)[0] for scale in SCALES["a"]]
    numbers["gd"] = max(float(values[-1] / values[0] - 1) for values in gd_growth)
    none = solutions.equilibrium("a equilibrium").outcome == "NO_EQUILIBRIUM"
    grown = _fourth(solutions, "a sgd", ".W1").mean(0)
    numbers["grown"] = float(grown[-1] / grown[0] - 1)
    shown = all(holds) and none and numbers["gd"] < 0.1 * numbers["grown"]
    sentence = (
        "Without weight decay the search for an equilibrium says that there is none. |θ|⁴ of 16 networks "
        f"grows by {' and '.join(words['sgd'])} times what 2 T Tr Σ₁ says (that of layer 1 of net A by "
        f"{numbers['grown']:.0%} of its start, and by {numbers['gd']:.1%} under GD). With weight decay it "
        f"ends at {' and '.join(words['decay'])} times T Tr Σ₁ / (4 γ). Tr Σ₁ is measured along the run; "
        "the formulas are those of a small step, to which the mean gradient adds at most half the learning "
        "rate times the largest curvature, here 1 % to 2 %."
    )
    return Findings(numbers, "shown" if shown else "not shown", sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """|theta|^4 without weight decay, with it, and the noise at unit length."""
    labels = [label for scales in SCALES.values() for label in scales.values()]
    colours = dict(zip(labels, COLOURS, strict=False))
    for run, net, kind in _runs(solutions):
        for scale, label in SCALES[net].items():
            steps, fourth = solutions.networks(run).observables["norm"].time, _fourth(solutions, run, scale)
            noise = _noise(solutions, run, scale)
            axes[kind == "decay"].plot(steps, fourth.mean(0), color=colours[label], label=label)
            if kind == "decay":
                axes[1].axhline(_predicted_end(noise), color=LAW, ls=":")
                continue
            predicted = fourth.mean(0)[0] + _expected_growth(solutions, run, scale)
            axes[0].plot(steps, predicted, ":", color=LAW, zorder=3)
            axes[2].plot(steps, noise.mean(0), color=colours[label], label=label)
    steps = solutions.networks("a gd").observables["norm"].time
    axes[0].plot(steps, _fourth(solutions, "a gd", ".W1")[0], color="k", lw=1.2, label="layer 1 of net A, GD")
    axes[0].plot([], [], ":", color=LAW, label="2 T Tr Σ₁ per unit of time")
    axes[1].plot([], [], ":", color=LAW, label="T Tr Σ₁ / (4 γ)")
    axes[0].set(title="no weight decay", xlabel="step", ylabel="mean |θ|⁴")
    axes[1].set(title=f"weight decay γ = {WEIGHT_DECAY}", xlabel="step", ylabel="mean |θ|⁴", ylim=(0, None))
    axes[2].set(title="noise at unit length, no weight decay", xlabel="step", ylabel="Tr Σ₁", ylim=(0, None))
    for ax in axes:
        ax.legend()


def _model(net: str) -> Spec:
    return {"kind": "normalized_mlp", "widths": WIDTHS, "normalization": NETS[net][0]}


def _data() -> Spec:
    n_in, n_out = WIDTHS[0], WIDTHS[-1]
    teacher, noise = diagonal([0.3] * n_in), diagonal([0.1] * n_out)
    return {"kind": "teacher", "teacher": teacher, "noise_cov": noise, "n_samples": 1024, "seed": 1}


def _runs(solutions: Solutions) -> list[tuple[str, str, str]]:
    names = [(name, *name.split()) for name in solutions.by_name]
    return [(name, net, kind) for name, net, kind in names if kind in SETTLED]


def _fourth(solutions: Solutions, run: str, scale: str) -> NDArray[np.float64]:
    """|theta|^4 of each network, shape (networks, records)."""
    found = solutions.networks(run)
    if found.n_paths == 1:
        single: NDArray[np.float64] = found.observables[f"norm{scale}"].mean[None] ** 2
        return single
    return each(found, f"norm{scale}") ** 2


def _noise(solutions: Solutions, run: str, scale: str) -> NDArray[np.float64]:
    """Tr Sigma at unit length of each network, shape (networks, records)."""
    found = solutions.networks(run)
    return each(found, f"norm{scale}") * each(found, f"noise_trace{scale}")


def _expected_growth(solutions: Solutions, run: str, scale: str) -> NDArray[np.float64]:
    """What |theta|^4 should have grown by, mean over the networks, shape (records,)."""
    power = _noise(solutions, run, scale).mean(0)
    steps = solutions.networks(run).observables["norm"].time
    parts = 2 * LEARNING_RATE**2 * np.diff(steps) * 0.5 * (power[1:] + power[:-1])
    result: NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(parts)])
    return result


def _growth(solutions: Solutions, run: str, scale: str) -> Level:
    """Growth after the function has settled, over what was expected."""
    fourth = _fourth(solutions, run, scale)
    first = _first(fourth, "sgd")
    grown = fourth[:, -1] - fourth[:, first]
    expected = _expected_growth(solutions, run, scale)
    return _over(grown, float(expected[-1] - expected[first]))


def _stationary(solutions: Solutions, run: str, scale: str) -> Level:
    """Mean of |theta|^4 over the last part of the run, over what was expected."""
    fourth = _fourth(solutions, run, scale)
    ends = fourth[:, _first(fourth, "decay") :].mean(1)
    return _over(ends, _predicted_end(_noise(solutions, run, scale)))


def _predicted_end(noise: NDArray[np.float64]) -> float:
    return LEARNING_RATE * float(noise[:, _first(noise, "decay") :].mean()) / (4 * WEIGHT_DECAY)


def _first(records: NDArray[np.float64], kind: str) -> int:
    return int(SETTLED[kind] * records.shape[1])


def _over(values: NDArray[np.float64], expected: float) -> Level:
    """Mean of independent values over what was expected, with its standard error."""
    return Level(float(values.mean()) / expected, float(values.std(ddof=1)) / values.size**0.5 / expected)
