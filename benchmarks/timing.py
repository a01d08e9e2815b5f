"""Interleaved timing: every contender once per round, so that a neighbour's burst hits all alike."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """Seconds of one contender.

    Attributes:
        median_s: median over the rounds.
        spread: (largest - smallest) / median.
    """

    median_s: float
    spread: float


def interleaved(contenders: Mapping[str, Callable[[], object]], *, n_rounds: int = 5) -> dict[str, Timing]:
    """Time each contender once per round, after one untimed call that compiles and warms up."""
    for run in contenders.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(n_rounds):
        for name, run in contenders.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {
        name: Timing(statistics.median(values), (max(values) - min(values)) / statistics.median(values))
        for name, values in seconds.items()
    }


def machine() -> str:
    """One line that says what was measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
        cores = sum(line.startswith("processor") for line in lines)
        model = f"{model}, {cores} cores"
    return f"{model}; Python {platform.python_version()} on {platform.system()}"
