"""Laws of SGD on a tanh unit, trained in one layer and in two."""

from collections.abc import Mapping, Sequence
from math import sqrt

from matplotlib.axes import Axes

from equipoise.plots.bars import bars_of
from examples.gallery.figure import STANDARD_ERRORS, Findings, Size, Solutions, Spec, Verdict
from examples.gallery.histograms import share_below
from examples.gallery.style import COLOURS, LAW

TITLE = "One- and two-layer tanh models"
PAPER = "arXiv 2308.06671, stationary distribution"
CLAIM = (
    "With a nonlinearity the laws look the same: the shallow model f(x) = tanh(v x) may learn the wrong "
    "sign of v, the deeper one f(x) = w tanh(u x) does not learn the wrong sign of v = w u."
)
PANELS = (1, 2)
RATES = (0.02, 0.06)
SLOPE = 0.2
SHOWN = (-0.6, 1.2)
MODELS: dict[str, tuple[str, Spec]] = {
    "one": ("f = tanh(v x)", {"kind": "tanh1d", "hidden": False}),
    "two": ("f = w tanh(u x), v = w u", {"kind": "tanh1d", "hidden": True}),
    "linear": ("f = w u x", {"kind": "diagonal", "depth": 1}),
}
"""The linear model is a control: it has the rescaling symmetry that tanh lacks."""


def specs(size: Size, seed: int) -> dict[str, Spec]:
    """SGD of batch size 1 on the models, from random signs."""
    return {
        f"{name} {rate}": {
            "task": "simulate",
            "model": model,
            "data": {"kind": "gaussian", "slope": SLOPE, "noise_std": 1.0},
            "dynamics": {"kind": "sgd", "learning_rate": rate, "batch_size": 1},
            "init": {"kind": "normal", "std": 0.5},
            "n_paths": 8192 if size == "full" else 4096,
            "n_steps": int((800 if size == "full" else 300) / rate),
            "burn_in": 0.75,
            "seed": seed,
        }
        for name, (_, model) in MODELS.items()
        for rate in RATES
    }


def measure(solutions: Solutions) -> Findings:
    """Share of the last quarter of the run in which paths have the wrong sign."""
    numbers: dict[str, float] = {}
    for name in MODELS:
        for rate in RATES:
            found = solutions.ensemble(f"{name} {rate}")
            share = share_below(found.histogram, 0.0)
            numbers[f"{name} {rate}"] = share
            # As if all times of a path were one: an upper bound.
            numbers[f"{name} {rate} error"] = sqrt(max(share, 1 / found.n_paths) / found.n_paths)
    apart = all(_is_below(numbers, rate) for rate in RATES)
    never = all(numbers[f"two {rate}"] == 0.0 for rate in RATES)
    words = "; ".join(
        f"at learning rate {rate} the one-layer model has the wrong sign {numbers[f'one {rate}']:.2%} "
        f"(± {numbers[f'one {rate} error']:.2%}) of the time, the two-layer one {numbers[f'two {rate}']:.3%} "
        f"(± {numbers[f'two {rate} error']:.3%}), the linear two-layer one {numbers[f'linear {rate}']:.2%}"
        for rate in RATES
    )
    sentence = (
        f"By SGD of batch size 1, started with random signs: {words}. So two layers all but keep the right "
        "sign, but not strictly once there is tanh, which has no rescaling symmetry to balance its weights."
    )
    verdict: Verdict = "shown" if apart and never else "shown in part" if apart else "not shown"
    return Findings(numbers, verdict, sentence)


def draw(solutions: Solutions, axes: Sequence[Axes]) -> None:
    """One panel per learning rate."""
    for rate, ax in zip(RATES, axes, strict=True):
        for (name, (label, _)), colour in zip(MODELS.items(), COLOURS, strict=False):
            bars = bars_of(solutions.ensemble(f"{name} {rate}").histogram, SHOWN)
            if name == "linear":
                ax.plot(*bars.outline, color=LAW, lw=1.2, ls="--", label=label)
            else:
                ax.stairs(bars.heights, bars.edges, fill=True, color=colour, alpha=0.4, label=label)
        ax.axvspan(SHOWN[0], 0.0, color="0.5", alpha=0.1, lw=0)
        ax.annotate("wrong sign", (0.02, 0.93), xycoords="axes fraction", color=LAW)
        ax.axvline(SLOPE, color="0.4", lw=1.0, ls=":", label="slope of the teacher")
        ax.set(title=f"SGD, learning rate {rate}, batches of 1", xlim=SHOWN)
        ax.set(xlabel="slope v of f at x = 0", ylabel="probability density  [1/v]")
        ax.legend(loc="upper right")


def _is_below(numbers: Mapping[str, float], rate: float) -> bool:
    """Whether two layers have the wrong sign less than a fifth as often as one, errors included."""
    one, two = (
        numbers[f"{name} {rate}"] + sign * STANDARD_ERRORS * numbers[f"{name} {rate} error"]
        for name, sign in (("one", -1.0), ("two", 1.0))
    )
    return two < 0.2 * one
