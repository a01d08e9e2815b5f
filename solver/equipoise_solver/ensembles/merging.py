"""What the parts of an ensemble have found, merged: what the undivided run ends in, bit for bit."""

from collections.abc import Mapping, Sequence
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
from equipoise_solver.errors import InvalidModelError

REMEDY = (
    "Give the last checkpoints of the parts (0, of), (1, of), ..., (of - 1, of) of one work, in this order."
)


def merge(plan: EnsemblePlan, parts: Sequence[Checkpoint]) -> Checkpoint:
    """The end of a run from the ends of all its parts, in their order.

    Raises:
        InvalidModelError: a part is missing, not done, out of order, or of another plan; field "checkpoints".
    """
    _check(plan, parts)
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


def _check(plan: EnsemblePlan, parts: Sequence[Checkpoint]) -> None:
    """Refuse what are not all parts of one run, done and in order."""
    if not parts:
        raise _refused([], "at least one part")
    for i, part in enumerate(parts):
        if part.scalars.get("plan") != plan.fingerprint:
            raise _refused(f"part {i} of another spec, or of another kind of work", "parts of this work")
        if not part.is_done:
            raise _refused(f"part {i}, {part.fraction:.3g} of which is done", "parts of which all is done")
    numbers = [_number(part.scalars) for part in parts]
    if numbers != [[i, len(parts)] for i in range(len(parts))]:
        raise _refused(numbers, "all parts of one division, in order")


def _number(scalars: Mapping[str, Any]) -> list[int]:
    """Number of a part and of how many."""
    return [0, 1] if scalars["part"] is None else list(scalars["part"])


def _refused(given: object, allowed: str) -> InvalidModelError:
    return InvalidModelError("checkpoints", given=given, allowed=allowed, remedy=REMEDY)
