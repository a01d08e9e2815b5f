"""Peak memory of W1 with many paths, each run in a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import DTYPES
from benchmarks.engine import THREADS, spec
from benchmarks.workloads import FLOW

N_PATHS, N_STEPS = 10_000_000, 1000


@dataclass(frozen=True)
class Peak:
    """Largest resident set of the whole process, [1e9 bytes], and million path-steps per second."""

    dtype: str
    n_paths: int
    gigabytes: float
    rate: float


def peaks(*, n_paths: int = N_PATHS) -> list[Peak]:
    """W1 by Euler, in both precisions."""
    return [_peak(dtype, n_paths) for dtype in DTYPES]


def _peak(dtype: str, n_paths: int) -> Peak:
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", dtype, str(n_paths)],
        cwd=Path(__file__).parent.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    return Peak(dtype, n_paths, **json.loads(process.stdout))


def main() -> None:
    """The process that is measured: run, and print its peak."""
    import time

    from equipoise_solver.solving import solve

    dtype, n_paths = sys.argv[1], int(sys.argv[2])
    solve(spec(FLOW, dtype, 256, 100, scheme="euler"), threads=1)
    started = time.perf_counter()
    solve(spec(FLOW, dtype, n_paths, N_STEPS, scheme="euler"), threads=THREADS)
    rate = n_paths * N_STEPS / (time.perf_counter() - started) / 1e6
    print(json.dumps({"gigabytes": _peak_bytes() / 1e9, "rate": rate}))


def _peak_bytes() -> float:
    """High-water mark of this program alone: getrusage would count the process that started it as well."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return 1024.0 * int(line.split()[1])
    raise RuntimeError("this system does not say the peak of a process's memory")


if __name__ == "__main__":
    main()
