"""What the parts of an ensemble of networks give, merged: what the undivided run ends in, bit for bit."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.networks.training.pieces import CPU, Workshop
from equipoise_solver.networks.training.plan import TrainingPlan
from equipoise_solver.networks.training.run import Arrays, checkpoint_of, merged_records, stored
from equipoise_solver.networks.training.segments import segments_of
from equipoise_solver.parts import check_parts

MAX_RECORDS_BYTES = 2**27
"""Most memory of the records that parts keep of each group: a run with more is not cut."""


def n_shards(plan: TrainingPlan) -> int:
    """Most parts that a run can be cut into: groups of networks, if their records are not too many."""
    n_numbers = plan.n_groups * len(segments_of(plan).record_steps) * len(Workshop(plan, CPU).names)
    return plan.n_groups if 24 * n_numbers <= MAX_RECORDS_BYTES else 1


def merge(plan: TrainingPlan, parts: Sequence[Checkpoint], *, fingerprint: str) -> Checkpoint:
    """The end of a run from the ends of all its parts, in their order.

    Raises:
        InvalidModelError: a part is missing, not done, out of order, or of another plan; field "checkpoints".
    """
    check_parts(parts, fingerprint)
    if parts[0].scalars["part"] is None:
        return parts[0]
    joined = [name for name in parts[0].arrays if name in ("parameters", "momenta", "lost_at")]
    arrays: Arrays = {name: np.concatenate([part.arrays[name] for part in parts]) for name in joined}
    records = [name for name in parts[0].arrays if name.startswith("records_")]
    every_group = {name: np.concatenate([part.arrays[name] for part in parts]) for name in records}
    arrays |= stored(merged_records(every_group))
    arrays["snapshots"] = _snapshots(plan, parts)
    scalars = {
        "plan": fingerprint,
        "part": None,
        "piece": segments_of(plan).n_pieces,
        "path_steps": sum(part.scalars["path_steps"] for part in parts),
    }
    return checkpoint_of(plan, arrays, scalars)


def _snapshots(plan: TrainingPlan, parts: Sequence[Checkpoint]) -> NDArray[np.float64]:
    """Observables of the first networks, each from the part that it is in."""
    snapshots: NDArray[np.float64] = parts[0].arrays["snapshots"].copy()
    for part in parts[1:]:
        first = segments_of(plan, part.scalars["part"]).first_group * plan.group_size
        snapshots[first:] = part.arrays["snapshots"][first:]
    return snapshots
