"""Interleaved timing: each contender once per round; a repeat that other processes disturbed is redone."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

SHARE_OF_OTHERS = 0.04
"""Part of the machine that other processes may use during a repeat."""
TICKS_S = 0.03
"""Seconds by which the kernel's counters of 10 ms may be off together."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one contender.

    Attributes:
        median_s: median over the rounds.
        spread: (largest - smallest) / median.
        redone: repeats that were dropped, since other processes used the machine.
        is_disturbed: some repeat stayed disturbed to the last try.
    """

    median_s: float
    spread: float
    redone: int = 0
    is_disturbed: bool = False


@dataclass
class _Laps:
    seconds: list[float] = field(default_factory=list)
    redone: int = 0
    is_disturbed: bool = False

    def timing(self) -> Timing:
        median = statistics.median(self.seconds)
        spread = (max(self.seconds) - min(self.seconds)) / median
        return Timing(median, spread, self.redone, self.is_disturbed)


def interleaved(
    contenders: Mapping[Key, Callable[[], object]],
    *,
    n_rounds: int = 5,
    n_tries: int = 3,
    is_warm: bool = False,
) -> dict[Key, Timing]:
    """Time each contender once per round, after one untimed call unless they have all run already."""
    for run in contenders.values() if not is_warm else ():
        run()
    laps: dict[Key, _Laps] = {key: _Laps() for key in contenders}
    for _ in range(n_rounds):
        for key, run in contenders.items():
            _add_lap(laps[key], run, n_tries)
    return {key: lap.timing() for key, lap in laps.items()}


def _add_lap(laps: _Laps, run: Callable[[], object], n_tries: int) -> None:
    for attempt in range(n_tries):
        others, started = -_seconds_of_others(), time.perf_counter()
        run()
        seconds = time.perf_counter() - started
        others += _seconds_of_others()
        if others <= SHARE_OF_OTHERS * (os.cpu_count() or 1) * seconds + TICKS_S:
            break
        if attempt < n_tries - 1:
            laps.redone += 1
        else:
            laps.is_disturbed = True
    laps.seconds.append(seconds)


def _seconds_of_others() -> float:
    """Processor seconds that other processes have used since the machine started; 0 where it is not said."""
    counters = Path("/proc/stat")
    if not counters.exists():
        return 0.0
    user, nice, system, _, _, irq, soft_irq, steal, *_ = map(
        int, counters.read_text().split("\n")[0].split()[1:]
    )
    busy = (user + nice + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")
    return busy - sum(os.times()[:4])


def machine() -> str:
    """One line that says what was measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
        width = "AVX-512" if any("avx512f" in line for line in lines) else "no AVX-512"
        model = f"{model}, {os.cpu_count()} cores, {width}"
    return f"{model}; Python {platform.python_version()} on {platform.system()}"
