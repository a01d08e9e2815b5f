"""Runs a case on the CPU and on numba's simulated card, and prints what differs (a process of its own).

NUMBA_ENABLE_CUDASIM=1 python -m tests.solver.ensembles.cuda.simulated "reciprocal"
"""

import json
import sys

import numpy as np
from numpy.typing import NDArray
from tests.solver.ensembles.cuda.cases import plan_of

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles import EnsemblePlan, advance, begin
from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.devices import resolve_device


def run(plan: EnsemblePlan, device: str) -> Checkpoint:
    """The checkpoint at the end of the plan alone, without the second run at twice the step."""
    state = begin(plan)
    while not state.is_done:
        state = advance(plan, state, budget=1, device=device)
    return state


def of_paths(name: str, array: NDArray[np.generic], plan: EnsemblePlan) -> NDArray[np.generic]:
    """An array without the lanes beyond the last path."""
    return array[..., : plan.n_paths % LANES] if name.endswith("shard_state") else array


def main() -> None:
    """Print the names of arrays that differ in a bit, and the numbers that tell what happened."""
    plan = plan_of(sys.argv[1])
    cpu, card = run(plan, "cpu"), run(plan, resolve_device("cuda:0", plan))
    differing = [
        name
        for name in cpu.arrays
        if of_paths(name, cpu.arrays[name], plan).tobytes()
        != of_paths(name, card.arrays[name], plan).tobytes()
    ]
    outcome = {
        "differing": differing,
        "scalars": [cpu.scalars, card.scalars],
        "n_samples": int(card.arrays["counts"].sum()),
    }
    print(json.dumps(outcome))  # noqa: T201


if __name__ == "__main__":
    main()
