"""Processor seconds of training on one thread of the reference machine, estimated beforehand.

Measured as those of `ensembles.seconds`, and meant to be right within a factor of 3; the rest is calibrated.
"""

from equipoise_solver.networks.training.plan import TrainingPlan

COMPILED_NS, TORCH_NS = 2.2, 1.5
"""Of a multiplication of `TrainingPlan.work_per_step` in each network of a group, [ns]."""
TORCH_STEP_S = 2.5e-3
"""Of a step of a group by torch, however small, [s]."""
RECORD_S, CURVATURE_S = 0.5e-3, 10e-3
"""Of a record of a group, and more for each observable that takes many gradients, [s]."""
CURVED = frozenset({"sharpness", "noise_trace"})
"""Observables that take many gradients."""


def seconds(plan: TrainingPlan) -> float:
    """Processor seconds of all steps and records of a plan, [s]: groups are computed whole."""
    work = 1e-9 * plan.group_size * plan.work_per_step
    step = COMPILED_NS * work if plan.uses_lanes else TORCH_STEP_S + TORCH_NS * work
    record = RECORD_S + CURVATURE_S * len(CURVED.intersection(plan.observables))
    return plan.n_groups * (plan.n_updates * step + plan.n_records * record)
