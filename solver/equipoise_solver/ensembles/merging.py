"""What the parts of an ensemble have found, merged: what the undivided run ends in, bit for bit."""

from collections.abc import Sequence
from typing import Any

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.run import PILOT, checkpoint_of
from equipoise_solver.ensembles.schedule import schedule_of
from equipoise_solver.ensembles.shards import (
    COUNTED,
    Arrays,
    fold_spans,
    settled,
    spans_in,
    stored_spans,
    wider,
)
from equipoise_solver.ensembles.units import MAX_LOST_KEPT
from equipoise_solver.parts import check_parts


def merge(plan: EnsemblePlan, parts: Sequence[Checkpoint]) -> Checkpoint:
    """The end of a run from the ends of all its parts, in their order.

    Raises:
        InvalidModelError: a part is missing, not done, out of order, or of another plan; field "checkpoints".
    """
    check_parts(parts, plan.fingerprint)
    first, last = parts[0], parts[-1]
    if first.scalars["part"] is None:
        return first
    scalars: dict[str, Any] = {
        **first.scalars,
        "part": None,
        "unit": schedule_of(plan).n_units,
        "lost": [lost for part in parts for lost in part.scalars["lost"]][:MAX_LOST_KEPT],
        **{name: sum(part.scalars[name] for part in parts) for name in COUNTED},
    }
    # What belongs to the first paths, and to the second run, is in the first part.
    arrays: Arrays = {
        name: array
        for name, array in first.arrays.items()
        if name in ("path_means", "snapshots") or name.startswith(PILOT)
    }
    extent = first.arrays["extent"]
    for part in parts[1:]:
        extent = wider(extent, part.arrays["extent"])
    arrays["extent"] = extent
    for name in ("counts", "passage_counts"):
        arrays[name] = sum((part.arrays[name] for part in parts[1:]), start=first.arrays[name])
    arrays["shard_state"] = last.arrays["shard_state"]
    arrays |= stored_spans(settled([span for part in parts for span in spans_in(part.arrays)]))
    fold_spans(arrays, scalars)
    return checkpoint_of(plan, arrays, scalars)
