"""Equipoise, the peers and the limits of a graphics card, where this machine has one.

`python -m benchmarks.gpu` writes GPU.md beside it; `make bench` has the same tables.
"""

import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks import engine
from benchmarks.contenders import DTYPES, F32, F64, Contender, measured
from benchmarks.page import workload_table
from benchmarks.timing import interleaved, machine
from benchmarks.workloads import DESCENT, WORKLOADS, Workload

N_PATHS, BATCH_PATHS, N_STEPS = 1 << 22, 1 << 17, 200
"""Paths that fill a card; W3's peers hold 32 numbers a path."""
CHAIN, ELEMENTS = 64, 1 << 26
OUR_PATHS = 1 << 20
"""Paths of equipoise's rows: 16 shards, which the card takes one after the other."""
CARD = "cuda:0"
PAGE = Path(__file__).parent / "GPU.md"


def section(*, n_rounds: int, n_tries: int, factor: int) -> list[str]:
    """Tables of the card, or one sentence where there is none."""
    name = card()
    if name is None:
        return ["## Graphics card", "", "This machine has none: nothing was measured on one.", ""]
    lines = [f"## Graphics card: {name}", ""]
    for workload in WORKLOADS:
        ours = engine.contenders(workload, CARD, OUR_PATHS)
        everyone = [each.smaller(factor) for each in (*ours, *contenders(workload, "cuda", "gpu"))]
        rows = {workload.key: measured(workload, everyone, n_rounds=n_rounds, n_tries=n_tries)}
        lines += workload_table(workload, rows, [])
    return [*lines, *_limits("cuda", n_rounds, factor)]


def card() -> str | None:
    """Name of the card that torch sees."""
    torch = _optional("torch")
    return torch.cuda.get_device_name(0) if torch and torch.cuda.is_available() else None


def contenders(workload: Workload, torch_device: str, jax_device: str) -> list[Contender]:
    """Peers with sizes that fill a card."""
    n_paths = BATCH_PATHS if workload.key == DESCENT.key else N_PATHS
    found: list[Contender] = []
    for module, device in (
        ("torch_peer", torch_device),
        ("jax_peer", jax_device),
        ("diffrax_peer", jax_device),
    ):
        peer: Any = _optional(f"benchmarks.peers.{module}")
        if peer is not None and (module == "torch_peer" or _jax_has(device)):
            found += peer.contenders(workload, device)
    return [replace(contender, n_paths=n_paths, n_steps=N_STEPS) for contender in found]


def _optional(name: str) -> ModuleType | Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _jax_has(device: str) -> bool:
    jax: Any = importlib.import_module("jax")
    try:
        return bool(jax.devices(device))
    except RuntimeError:
        return False


def _limits(device: str, n_rounds: int, factor: int) -> list[str]:
    """Normal numbers, square roots and multiply-adds per second of the card, by torch's compiler."""
    torch: Any = importlib.import_module("torch")
    runs: dict[tuple[str, str], tuple[Callable[[], object], int]] = {}
    for dtype in DTYPES:
        numbers = torch.full((ELEMENTS // factor,), 2.0, dtype=getattr(torch, dtype), device=device)
        adds, roots = torch.compile(_multiply_adds), torch.compile(_roots)
        runs["fused multiply-add", dtype] = (_timed(torch, adds, numbers), CHAIN * numbers.numel())
        runs["square root", dtype] = (_timed(torch, roots, numbers), CHAIN * numbers.numel())
        runs["normals, torch", dtype] = (_timed(torch, torch.randn_like, numbers), numbers.numel())
    timings = interleaved({key: run for key, (run, _) in runs.items()}, n_rounds=n_rounds, n_tries=1)
    rates = {key: runs[key][1] / timing.median_s / 1e9 for key, timing in timings.items()}
    lines = ["| operation | float64, 1e9/s | float32, 1e9/s |", "|---|---|---|"]
    for operation in dict.fromkeys(operation for operation, _ in rates):
        lines.append(f"| {operation} | {rates[operation, F64]:.1f} | {rates[operation, F32]:.1f} |")
    return [*lines, ""]


def _timed(torch: Any, function: Callable[[Any], Any], numbers: Any) -> Callable[[], object]:
    """A run that ends when the card has finished: reading one number waits for it."""

    def run() -> object:
        with torch.no_grad():
            return function(numbers)[0].item()

    return run


def _multiply_adds(x: Any) -> Any:
    for _ in range(CHAIN):
        x = x * 0.999 + 1e-3
    return x


def _roots(x: Any) -> Any:
    for _ in range(CHAIN):
        x = x.sqrt()
    return x


def main() -> int:
    """Measure and write the page; on a machine without a card, say so."""
    text = section(n_rounds=5, n_tries=1, factor=1)
    if card() is None:
        print(text[-2])
        return 0
    page = ["# Graphics card", "", f"Written by `python -m benchmarks.gpu` on: {machine()}.", "", *text]
    PAGE.write_text("\n".join(page), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
