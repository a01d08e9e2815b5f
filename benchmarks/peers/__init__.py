"""One file per peer: its best documented way to run each workload, in both precisions."""

import importlib
import os

from benchmarks.contenders import Contender
from benchmarks.workloads import Workload

# XLA puts one CPU device on one core: two devices use both. It is read when jax is first imported.
os.environ.setdefault("XLA_FLAGS", f"--xla_force_host_platform_device_count={os.cpu_count() or 1}")

MODULES = {
    "numpy": "numpy_peer",
    "torch": "torch_peer",
    "torchsde": "torchsde_peer",
    "jax": "jax_peer",
    "diffrax": "diffrax_peer",
    "numba": "numba_peer",
}
"""Where the rows of each library are written."""


def contenders(workload: Workload) -> tuple[list[Contender], list[str]]:
    """The peers that can run a workload, and the names of those that are not installed."""
    found: list[Contender] = []
    missing: list[str] = []
    for library, module in MODULES.items():
        try:
            peer = importlib.import_module(f"{__name__}.{module}")
        except ImportError:
            missing.append(library)
        else:
            found += peer.contenders(workload)
    return found, missing
