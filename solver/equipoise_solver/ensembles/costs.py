"""What a run costs in time and memory, and the sizes of the pieces that it is cut into."""

from typing import TYPE_CHECKING

from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.problem import Langevin, SamplePairs, Sgd

if TYPE_CHECKING:
    from equipoise_solver.ensembles.plan import EnsemblePlan

SHARD_BLOCKS = 65536 // LANES
"""Blocks per shard, 65536 paths, the most that a checkpoint holds the state of."""
TASK_BLOCKS = 8
"""Most blocks that one thread takes at a time."""
UNIT_WORK = 4_000_000
"""Cheap steps that one piece of work aims at, so that a run can stop and report."""
MAX_SHOWN = 1 << 18
"""Samples (times, paths) that one piece of work keeps, 24 bytes each."""
FAST_STEP = 0.05
"""Cost of a step of a vectorised scheme, in cheap steps."""
TANH_WORK, DRAWN_PAIR_WORK = 0.08, 0.4
"""Cost of one pair of the tanh model, in cheap steps, and of one that is drawn first."""
LANGEVIN_WORK = 0.2
"""Cost of one parameter of a Langevin step, in cheap steps."""


def work_per_step(plan: "EnsemblePlan") -> float:
    """Cost of a step of one path; 1 is a cheap step, of some 20 ns.

    A network costs by its parameters; a batch of a data set by the samples that it draws or shuffles.
    """
    if isinstance(plan.dynamics, Langevin):
        return max(LANGEVIN_WORK, LANGEVIN_WORK * plan.width * (plan.depth + 1))
    if plan.model == "tanh1d":
        return max(1.0, _tanh_work(plan))
    if plan.has_fixed_clock and plan.noise_source.steps > 1:
        return FAST_STEP
    parameters = 1 if plan.is_reduced else plan.width * (plan.depth + 1)
    return max(1.0, parameters / 4 + _drawn(plan) / 2)


def _tanh_work(plan: "EnsemblePlan") -> float:
    if isinstance(plan.dynamics, Sgd):
        return DRAWN_PAIR_WORK * plan.dynamics.batch_size
    assert isinstance(plan.data, SamplePairs)
    return TANH_WORK * plan.data.x.size


def _drawn(plan: "EnsemblePlan") -> float:
    """Samples that a step draws, or twice those that it takes from a shuffle."""
    if not isinstance(plan.data, SamplePairs) or not isinstance(plan.dynamics, Sgd):
        return 1.0
    size = plan.dynamics.batch_size
    return 2.0 * min(size, plan.data.x.size) if plan.dynamics.sampling == "epoch" else float(size)


def memory_bytes(plan: "EnsemblePlan") -> float:
    """Largest working memory of a run with few threads, estimated, [bytes]."""
    paths = min(plan.n_paths, SHARD_BLOCKS * LANES)
    state = paths * (16.0 * plan.scheme.n_state + 144.0)
    thread = 8.0 * LANES * plan.scheme.n_work + 4.0 * LANES * plan.noise_source.work_columns
    shown = 0.0 if plan.has_fixed_clock else 24.0 * MAX_SHOWN * (1 + len(plan.observables))
    return 2 * state + 4 * (thread + shown)
