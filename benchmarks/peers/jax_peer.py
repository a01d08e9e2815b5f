"""jax: fori_loop with four steps unrolled, the noise drawn inside, pmap over one device per core."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contenders import DTYPES, Contender, Run
from benchmarks.updates import descent, flow, weights
from benchmarks.workloads import BATCH_SIZE, DESCENT, FLOW, START, WEIGHTS, Workload

jax.config.update("jax_enable_x64", True)

SIZES = {FLOW.key: (1 << 15, 1000), WEIGHTS.key: (1 << 15, 800), DESCENT.key: (1 << 13, 100)}
"""(n_paths, n_steps) at which it is fastest."""
UNROLL = 4


def contenders(workload: Workload, device: str = "cpu") -> list[Contender]:
    """Rows of jax on all devices of one kind."""
    return [
        Contender(
            f"jax fori_loop, pmap, {label}",
            dtype,
            partial(_prepare, workload, dtype, generator, device),
            *SIZES[workload.key],
        )
        for label, generator in {"threefry": "threefry2x32", "rbg": "rbg"}.items()
        for dtype in DTYPES
    ]


def _step(workload: Workload) -> Any:
    if workload.key == DESCENT.key:
        return descent
    if workload.key == WEIGHTS.key:
        return partial(weights, sqrt=jnp.sqrt)
    return lambda v, normal: (flow(v, normal, sqrt=jnp.sqrt),)


def _prepare(workload: Workload, dtype: str, generator: str, device: str, n_paths: int, n_steps: int) -> Run:
    devices = jax.devices(device)
    n = n_paths // len(devices)
    advance = _step(workload)
    leading = (2, BATCH_SIZE) if workload.key == DESCENT.key else (1,)

    def simulate(seed: Any) -> Any:
        key = jax.random.key(seed, impl=generator)

        def step(index: Any, state: Any) -> Any:
            numbers = jax.random.normal(jax.random.fold_in(key, index), (*leading, n), dtype)
            return advance(*state, *numbers)

        rows = 1 if workload.key == FLOW.key else 2
        start = (jnp.full((n,), START, dtype),) * rows
        final = jax.lax.fori_loop(0, n_steps, step, start, unroll=UNROLL)
        return final[0] if rows == 1 else final[0] * final[1]

    simulate_all = jax.pmap(simulate, devices=devices)
    seeds = np.arange(len(devices))
    return lambda: np.asarray(simulate_all(seeds))
