"""torchsde: sdeint with method "euler" and the step of the workload; it solves SDEs only."""

from functools import partial
from typing import Any

import torch
import torchsde

from benchmarks.contenders import DTYPES, Contender, Run
from benchmarks.workloads import A1, A2, A3, B1, B2, FLOW, START, STEP_SIZE, TEMPERATURE, WEIGHTS, Workload

N_PATHS, N_STEPS = 1 << 17, 80


def contenders(workload: Workload, device: str = "cpu") -> list[Contender]:
    """Rows of torchsde on one device."""
    if workload.key not in (FLOW.key, WEIGHTS.key):
        return []
    return [
        Contender(
            "torchsde, sdeint euler", dtype, partial(_prepare, workload, dtype, device), N_PATHS, N_STEPS
        )
        for dtype in DTYPES
    ]


def _prepare(workload: Workload, dtype: str, device: str, n_paths: int, n_steps: int) -> Run:
    sde = Flow() if workload.key == FLOW.key else Weights()
    kind = getattr(torch, dtype)
    start = torch.full((n_paths, sde.dimension), START, dtype=kind, device=device)
    times = torch.tensor([0.0, n_steps * STEP_SIZE], dtype=kind, device=device)

    def run() -> Any:
        with torch.no_grad():
            final = torchsde.sdeint(sde, start, times, dt=STEP_SIZE, method="euler")[-1]
        return final.prod(1).cpu().numpy()

    return run


class Flow:
    """W1; torchsde calls the drift f and the diffusion g."""

    noise_type, sde_type, dimension = "diagonal", "ito", 1

    def f(self, t: Any, v: Any) -> Any:
        """Drift, shape (path, 1)."""
        return 4 * v * (TEMPERATURE * _noise(v) - B1 * v + B2)

    def g(self, t: Any, v: Any) -> Any:
        """Diffusion, shape (path, 1)."""
        return 4 * v * torch.sqrt(TEMPERATURE * _noise(v))


class Weights:
    """W2, state (u, w) under scalar noise."""

    noise_type, sde_type, dimension = "scalar", "ito", 2

    def f(self, t: Any, state: Any) -> Any:
        """Drift, shape (path, 2)."""
        v = state.prod(1, keepdim=True)
        return -2 * (B1 * v - B2) * state.flip(1)

    def g(self, t: Any, state: Any) -> Any:
        """Diffusion, shape (path, 2, 1)."""
        v = state.prod(1, keepdim=True)
        return (2 * torch.sqrt(TEMPERATURE * _noise(v)) * state.flip(1)).unsqueeze(2)


def _noise(v: Any) -> Any:
    return (A1 * v - 2 * A2) * v + A3
