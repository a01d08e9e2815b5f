"""Shorthand of these tests: run a plan to its end, and look at its final states."""

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles import EnsemblePlan, EnsembleResult, advance, begin, finish

LAST_SAMPLE_ONLY = 1 - 1e-9
"""Burn-in that leaves one sample per path, so that histogram counts are of independent samples."""


def run(plan: EnsemblePlan, *, threads: int = 1, budget: float = 1e18) -> Checkpoint:
    """The checkpoint at the end."""
    state = begin(plan)
    while not state.is_done:
        state = advance(plan, state, budget=budget, threads=threads)
    return state


def result(plan: EnsemblePlan) -> EnsembleResult:
    """The result."""
    return finish(plan, run(plan))


def final_states(plan: EnsemblePlan) -> NDArray[np.float64]:
    """States of the paths of the last shard at the end, shape (n_state, paths)."""
    states = run(plan).arrays["shard_state"]
    flat = states.transpose(1, 0, 2).reshape(states.shape[1], -1)
    return np.asarray(flat[:, : (plan.n_paths - 1) % 65536 + 1], dtype=np.float64)
