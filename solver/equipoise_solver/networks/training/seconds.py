"""Processor seconds of training on one thread of the reference machine, estimated beforehand.

Measured as those of `ensembles.seconds`, and meant to be right within a factor of 3; the rest is calibrated.
"""

from equipoise_solver.networks.training.dynamics import Sgd
from equipoise_solver.networks.training.plan import TrainingPlan

BATCH_NS, WHOLE_NS, TORCH_NS = 2.2, 0.8, 1.5
"""Of a multiplication of `TrainingPlan.work_per_step` in each network of a group, [ns]: compiled, where each
network has a batch of its own, and where all see all samples; and by torch."""
TORCH_STEP_S = 2.5e-3
"""Of a step of a group by torch, however small, [s]."""
RECORD_S = 0.5e-3
"""Of a record of a group, [s]."""
OBSERVED_S = {"sharpness": 10e-3, "noise_trace": 10e-3, "balance_residual": 20e-3}
"""More for observables that take many gradients, [s]."""


def seconds(plan: TrainingPlan) -> float:
    """Processor seconds of all steps and records of a plan, [s]: groups are computed whole."""
    work = 1e-9 * plan.group_size * plan.work_per_step
    compiled = (BATCH_NS if isinstance(plan.dynamics, Sgd) else WHOLE_NS) * work
    step = compiled if plan.uses_lanes else TORCH_STEP_S + TORCH_NS * work
    record = RECORD_S + sum(OBSERVED_S.get(name, 0.0) for name in plan.observables)
    return plan.n_groups * (plan.n_updates * step + plan.n_records * record)
