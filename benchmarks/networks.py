"""256 small networks that train together, against jax, torch.func and a loop over networks, in the same run.

`python -m benchmarks.networks` writes NETWORKS.md beside it (`--quick` only shows that it works).
"""

import argparse
import importlib
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.page import packages
from benchmarks.timing import Timing, interleaved, machine
from equipoise_solver.networks import Mlp, Pairs
from equipoise_solver.networks.parameters import unflatten
from equipoise_solver.networks.training import Sgd, TrainingPlan, advance, begin, finish
from equipoise_solver.networks.training.starts import initial_rows

PAGE = Path(__file__).parent / "NETWORKS.md"
WIDTHS, BATCH_SIZE, N_SAMPLES, N_NETWORKS = (8, 32, 4), 16, 4096, 256
LEARNING_RATE, SEED = 0.01, 1
N_CHECKED = 40
"""Steps of the runs whose answers are checked."""
OURS, OURS_ALONE = "equipoise, 2 threads", "equipoise, 1 thread"
LOOP = "torch, a loop over networks"
PEERS = {"jax": "networks_jax", "torch": "networks_torch"}
CASES = [(activation, precision) for activation in ("tanh", "relu") for precision in ("float64", "float32")]
SIZES = {OURS: 2000, OURS_ALONE: 2000, "jax": 200, "torch": 16, LOOP: 4}
"""Steps that are timed: each at least some tenths of a second."""
Run = Callable[[], dict[str, Any]]
Prepare = Callable[[int], Run]


@dataclass(frozen=True)
class Line:
    """A way to train all networks.

    Attributes:
        name: what it is.
        prepare: from a number of steps to a run that gives the final parameters.
        n_steps: steps that are timed.
    """

    name: str
    prepare: Prepare
    n_steps: int


@dataclass(frozen=True)
class Timed:
    """A line's time in one case.

    Attributes:
        rate: million steps of single networks per second.
        timing: seconds of all steps.
    """

    rate: float
    timing: Timing


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the page unless it is only tried, and print it; 1 if we are slower than is claimed.

    Args:
        arguments: of the command line; None for those of this process.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few steps and rounds; the page is only printed")
    is_quick = parser.parse_args(arguments).quick
    table = {case: measured(*case, is_quick=is_quick) for case in CASES}
    text = "\n".join([*page(table, is_quick=is_quick), ""])
    if not is_quick:
        PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0 if is_quick or all(claims(rows) for rows in table.values()) else 1


def measured(activation: str, precision: str, *, is_quick: bool) -> dict[str, Timed]:
    """All lines of a case, timed interleaved after their answers have been found right."""
    lines = lines_of(activation, precision)
    reference: NDArray[np.float64] | None = None
    for line in lines:
        losses = _losses(line.prepare(N_CHECKED)(), activation)
        reference = losses if reference is None else reference
        # Networks start alike in all lines; their batches differ, and with them the loss of each.
        off = losses - reference
        error = float(off.std(ddof=1)) / math.sqrt(N_NETWORKS)
        if not abs(float(off.mean())) <= 5 * error:
            raise RuntimeError(f"{line.name}, {activation}, {precision}: loss off by {off.mean():.3g}")
        said = f"right, {losses.mean():.5g}"
        print(f"  {activation} {precision} {line.name}: {said}", file=sys.stderr, flush=True)
    share = 8 if is_quick else 1
    steps = {line.name: max(2, line.n_steps // share) for line in lines}
    runs = {line.name: line.prepare(steps[line.name]) for line in lines}
    timings = interleaved(runs, n_rounds=2 if is_quick else 5, n_tries=1 if is_quick else 3)
    return {
        name: Timed(N_NETWORKS * steps[name] / timing.median_s / 1e6, timing)
        for name, timing in timings.items()
    }


def lines_of(activation: str, precision: str) -> list[Line]:
    """Equipoise with two threads and with one, and all peers that are installed."""
    plan = _plan(activation, precision, n_steps=1)
    ours = [
        Line(OURS, lambda n: _ours(activation, precision, n_steps=n, threads=2), SIZES[OURS]),
        Line(OURS_ALONE, lambda n: _ours(activation, precision, n_steps=n, threads=1), SIZES[OURS_ALONE]),
    ]
    assert isinstance(plan.data, Pairs)
    x, y = (each.numpy().astype(precision) for each in (plan.data.x, plan.data.y))
    rows = torch.from_numpy(initial_rows(plan).reshape(N_NETWORKS, -1))
    start = {name: value.numpy() for name, value in unflatten(rows, plan.network.blocks).items()}
    for library, module in PEERS.items():
        try:
            peer: Any = importlib.import_module(f"benchmarks.peers.{module}")
        except ImportError:
            print(f"  {library} is not installed", file=sys.stderr)
            continue
        ours += _peer_lines(peer, library, start, x, y, activation)
    return ours


def _peer_lines(
    peer: Any, library: str, start: dict[str, Any], x: Any, y: Any, activation: str
) -> list[Line]:
    def prepare(name: str) -> Prepare:
        def runs(n_steps: int) -> Run:
            options = {"learning_rate": LEARNING_RATE, "batch_size": BATCH_SIZE, "n_steps": n_steps}
            run: Run = peer.runs(start, x, y, activation=activation, **options)[name]
            return run

        return runs

    names = peer.runs(
        start, x, y, activation=activation, learning_rate=LEARNING_RATE, batch_size=BATCH_SIZE, n_steps=1
    )
    return [Line(name, prepare(name), SIZES.get(name, SIZES[library])) for name in names]


def _data() -> Pairs:
    """y = V x + noise."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((N_SAMPLES, WIDTHS[0]))
    noise = 0.3 * rng.standard_normal((N_SAMPLES, WIDTHS[-1]))
    y = x @ rng.standard_normal((WIDTHS[0], WIDTHS[-1])) / math.sqrt(WIDTHS[0]) + noise
    return Pairs(torch.from_numpy(x), torch.from_numpy(y))


def _plan(activation: str, precision: Any, *, n_steps: int) -> TrainingPlan:
    return TrainingPlan(
        network=Mlp(WIDTHS, activation),
        data=_data(),
        dynamics=Sgd(LEARNING_RATE, BATCH_SIZE),
        n_paths=N_NETWORKS,
        seed=SEED,
        n_steps=n_steps,
        observables=(),
        n_records=1,
        precision=precision,
    )


def _ours(activation: str, precision: str, *, n_steps: int, threads: int) -> Run:
    plan = _plan(activation, precision, n_steps=n_steps)

    def run() -> dict[str, Any]:
        checkpoint = begin(plan)
        while not checkpoint.is_done:
            checkpoint = advance(plan, checkpoint, budget=1e30, threads=threads)
        return dict(finish(plan, checkpoint).parameters)

    return run


def _losses(parameters: dict[str, Any], activation: str) -> NDArray[np.float64]:
    """Loss of each network on all samples, shape (networks,)."""
    data, network = _data(), Mlp(WIDTHS, activation)
    each = []
    for i in range(N_NETWORKS):
        own = {name: torch.from_numpy(value[i].astype(np.float64)) for name, value in parameters.items()}
        gap = network.predict(own, data.x) - data.y
        each.append(float((gap**2).sum(1).mean()))
    return np.array(each)


def best_of(rows: dict[str, Timed], start: str) -> float | None:
    """Best rate of the lines whose name begins so; None without any."""
    rates = [row.rate for name, row in rows.items() if name.startswith(start)]
    return max(rates) if rates else None


def claims(rows: dict[str, Timed]) -> bool:
    """Whether we are ten times as fast as a loop over networks, and as fast as jax where it is installed."""
    loop, jax = best_of(rows, LOOP), best_of(rows, "jax")
    own = rows[OURS].rate
    return (loop is None or own >= 10 * loop) and (jax is None or own >= jax)


def page(table: dict[tuple[str, str], dict[str, Timed]], *, is_quick: bool) -> list[str]:
    """The page in Markdown."""
    widths = "-".join(map(str, WIDTHS))
    lines = [
        "# Networks trained together",
        "",
        f"Written by `python -m benchmarks.networks`{' --quick' if is_quick else ''} on: {machine()}.",
        f"With {packages()}.",
        "",
        f"{N_NETWORKS} networks {widths} with biases, squared error, plain SGD with replacement: each",
        f"network draws its own batches of {BATCH_SIZE} out of the same {N_SAMPLES} samples. M/s: million",
        "steps of single networks per second, compiling excluded; the median of 5 interleaved rounds; spread",
        "is (largest - smallest) / median, with an asterisk where other processes used more than 4 % of the",
        "machine in every try of a round. Before anything is timed, the networks' mean loss after some steps",
        "is held against that of the first line, to 5 standard errors of the difference. Of equipoise: the",
        "rate over that of equipoise with 2 threads.",
        "",
    ]
    for (activation, precision), rows in table.items():
        lines += [f"## {activation}, {precision}", "", "| way | M/s | spread | of equipoise |"]
        lines += ["|---|---|---|---|"]
        for name, row in rows.items():
            mark = "*" if row.timing.is_disturbed else ""
            ratio = row.rate / rows[OURS].rate
            lines.append(f"| {name} | {row.rate:.3g} | {row.timing.spread:.0%}{mark} | {ratio:.2g}x |")
        lines += ["", *_sentences(rows), ""]
    lines.append(
        "A graphics card was not measured: torch trains networks there too, see `advance(device=...)`."
    )
    return lines


def _sentences(rows: dict[str, Timed]) -> list[str]:
    own = rows[OURS].rate
    said = []
    for start, label in ((LOOP, "a loop over networks"), ("jax", "the fastest way of jax")):
        rate = best_of(rows, start)
        said.append(
            f"{label[0].upper()}{label[1:]}: equipoise is {own / rate:.3g} times as fast."
            if rate is not None
            else f"{label[0].upper()}{label[1:]}: not installed."
        )
    return said


if __name__ == "__main__":
    sys.exit(main())
