"""torch: eager and compiled steps over all paths at once, by its own threads and its own generator.

A third row splits the paths over two Python threads with a generator each: torch's threads share one
generator, which draws alone. Its pages do not describe that, so it counts as no documented best.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.contenders import DTYPES, Contender, Run
from benchmarks.updates import descent, flow, weights
from benchmarks.workloads import BATCH_SIZE, DESCENT, FLOW, START, WEIGHTS, Workload

SIZES = {FLOW.key: (1 << 17, 200), WEIGHTS.key: (1 << 17, 200), DESCENT.key: (1 << 13, 60)}
"""(n_paths, n_steps) at which it is fastest."""
THREADS = 2
BY_HAND_ROW = "torch.compile in 2 Python threads, own generators"


def contenders(workload: Workload, device: str = "cpu") -> list[Contender]:
    """Rows of torch on one device."""
    torch._dynamo.config.recompile_limit = (
        64  # Each size and precision is a graph; beyond 8 it would go eager.
    )
    ways = {"torch, eager": False, "torch.compile of the step, noise by torch.randn": True}
    documented = [
        Contender(name, dtype, partial(_prepare, workload, dtype, compiled, device), *SIZES[workload.key])
        for name, compiled in ways.items()
        for dtype in DTYPES
    ]
    by_hand = [
        Contender(
            BY_HAND_ROW,
            dtype,
            partial(_prepare_by_hand, workload, dtype),
            *SIZES[workload.key],
            is_documented=False,
        )
        for dtype in DTYPES
        if device == "cpu"
    ]
    return [*documented, *by_hand]


def _prepare(workload: Workload, dtype: str, compiled: bool, device: str, n_paths: int, n_steps: int) -> Run:
    """The loop stays eager, and so does the noise: torch's compiled generator for CPUs is slower."""
    step = torch.compile(_step(workload), dynamic=False) if compiled else _step(workload)
    return lambda: _simulate(workload, step, getattr(torch, dtype), device, n_paths, n_steps, None)


def _prepare_by_hand(workload: Workload, dtype: str, n_paths: int, n_steps: int) -> Run:
    step = torch.compile(_step(workload), dynamic=False)

    def part(seed: int) -> Any:
        torch.set_num_threads(1)
        generator = torch.Generator()
        generator.manual_seed(seed)
        n = n_paths // THREADS
        return _simulate(workload, step, getattr(torch, dtype), "cpu", n, n_steps, generator)

    def run() -> Any:
        n_threads = torch.get_num_threads()
        with ThreadPoolExecutor(THREADS) as pool:
            parts = list(pool.map(part, range(THREADS)))
        torch.set_num_threads(n_threads)
        return np.concatenate(parts)

    return run


def _simulate(
    workload: Workload,
    step: Callable[..., Any],
    kind: Any,
    device: str,
    n_paths: int,
    n_steps: int,
    generator: Any,
) -> Any:
    rows = 1 if workload.key == FLOW.key else 2
    shapes = [(BATCH_SIZE, n_paths)] * 2 if workload.key == DESCENT.key else [(n_paths,)]
    draw = partial(torch.randn, dtype=kind, device=device, generator=generator)
    with torch.no_grad():
        state = tuple(torch.full((n_paths,), START, dtype=kind, device=device) for _ in range(rows))
        for _ in range(n_steps):
            state = step(*state, *(draw(shape) for shape in shapes))
        return torch.stack(state).prod(0).cpu().numpy()


def _step(workload: Workload) -> Callable[..., Any]:
    if workload.key == FLOW.key:
        return lambda v, normal: (flow(v, normal, sqrt=torch.sqrt),)
    if workload.key == WEIGHTS.key:
        return lambda u, w, normal: weights(u, w, normal, sqrt=torch.sqrt)
    return descent
