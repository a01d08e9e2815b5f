"""Spec in, chunks of work, solution out."""

import os
import re
import reprlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError

from equipoise_solver.checkpoint import CHECKPOINT_VERSION, Checkpoint
from equipoise_solver.errors import InvalidModelError, SolverError, UnsupportedCombinationError
from equipoise_solver.specs import (
    Compare,
    Diffusion,
    Equilibrium,
    Simulate,
    SimulateNetwork,
    Solution,
    Spec,
    Stationary,
    Sweep,
    Symmetries,
    parse_spec,
)
from equipoise_solver.specs.refusals import written_path
from equipoise_solver.tasks.stationary import StationaryWork
from equipoise_solver.tasks.work import Cost, LoadDataset, Work

__all__ = ["CHECKPOINT_VERSION", "Checkpoint", "Cost", "LoadDataset", "Work", "prepare", "solve"]

OnProgress = Callable[[float, Mapping[str, float | int | None]], None]
"""Takes the fraction done, 0..1, and live statistics."""

# Path-steps before the first report of progress, and seconds between later ones.
_FIRST_BUDGET = 20_000_000
_REPORT_EVERY_S = 0.5
# What is left is one chunk where it takes no longer than this: a chunk begins by copying its checkpoint.
_LAST_CHUNK_S = 1.0
_ALL = 10**18

_DEVICE = re.compile(r"auto|cpu|cuda:\d+")
_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
# What is allowed, where the words of pydantic do not say it in those of a spec.
_ALLOWED = {
    "missing": "a value",
    "extra_forbidden": "only fields that exist: this one does not",
    "model_attributes_type": "an object",
}
_ECHO_CHARACTERS = 80


def prepare(spec: Any, *, load_dataset: LoadDataset | None = None, device: str = "cpu") -> Work:
    """Validate a spec, resolve its data, and return the work that it is.

    Args:
        spec: dictionary or spec model.
        load_dataset: maps a dataset id to its (x, y); needed for data of kind "dataset".
        device: "cpu"; a graphics card "cuda:0", "cuda:1", ...; or "auto", a card if there is one, it takes
            the work, and the work is long.

    Raises:
        SolverError: a field is unknown, missing, of the wrong kind or out of bounds (code "invalid_spec"), or
            the fields are valid one by one, but describe nothing that can be solved, or the device is not
            there or does not take the work.
    """
    if not isinstance(device, str) or not _DEVICE.fullmatch(device):
        raise InvalidModelError("device", given=device, allowed="'auto', 'cpu' or 'cuda:N' with a number N")
    match _parsed(spec):
        case Stationary() as stationary:
            _need_cpu(device, "a stationary law")
            return StationaryWork(stationary, load_dataset=load_dataset)
        case Simulate() as simulate:
            from equipoise_solver.tasks.simulate import SimulateWork  # Compiled kernels only when needed.

            return SimulateWork(simulate, load_dataset=load_dataset, device=device)
        case SimulateNetwork() as networks:
            from equipoise_solver.tasks.simulate_network import SimulateNetworkWork  # Torch only when needed.

            return SimulateNetworkWork(networks, load_dataset=load_dataset, device=device)
        case Compare() as compare:
            from equipoise_solver.tasks.compare import CompareWork

            return CompareWork(compare, load_dataset=load_dataset, device=device)
        case Diffusion() as diffusion:
            from equipoise_solver.tasks.diffusion import DiffusionWork

            _need_cpu(device, "a diffusion")
            return DiffusionWork(diffusion)
        case Equilibrium() as equilibrium:
            from equipoise_solver.tasks.equilibrium import EquilibriumWork

            _need_cpu(device, "an equilibrium")
            return EquilibriumWork(equilibrium, load_dataset=load_dataset)
        case Symmetries() as symmetries:
            from equipoise_solver.tasks.symmetries import SymmetriesWork

            _need_cpu(device, "a search for symmetries")
            return SymmetriesWork(symmetries, load_dataset=load_dataset)
        case Sweep() as sweep:
            from equipoise_solver.tasks.sweep import SweepWork

            return SweepWork(sweep, prepare=partial(prepare, load_dataset=load_dataset, device=device))


def _need_cpu(device: str, what: str) -> None:
    if device not in ("auto", "cpu"):
        raise UnsupportedCombinationError("device", given=device, allowed=f"'auto' or 'cpu' for {what}")


def solve(
    spec: Any,
    *,
    device: str = "auto",
    threads: int | None = None,
    on_progress: OnProgress | None = None,
    load_dataset: LoadDataset | None = None,
) -> Solution:
    """Solve a spec in this process.

    Args:
        spec: dictionary or spec model.
        device: "cpu"; a graphics card "cuda:0", "cuda:1", ...; or "auto", a card if there is one, it takes
            the work, and the work is long. The results of card and CPU agree to rounding.
        threads: threads of a simulation; None takes the processors of this machine. The result does not
            depend on it.
        on_progress: called between chunks with the fraction done, 0..1, and live statistics.
        load_dataset: maps a dataset id to its (x, y); needed for data of kind "dataset".

    Returns:
        The solution; `solution.model_dump(mode="json")` is what the HTTP API returns.

    Raises:
        SolverError: a field is unknown, missing, of the wrong kind or out of bounds (code "invalid_spec"), or
            the fields are valid one by one, but describe nothing that can be solved, or the device is not
            there or does not take the work.
    """
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise InvalidModelError(
            "threads", given=threads, allowed="an integer >= 1, or None for all processors"
        )
    work = prepare(spec, load_dataset=load_dataset, device=device)
    n_threads = threads or os.cpu_count() or 1
    if on_progress is not None:
        return work.finish(_watched(work, n_threads, on_progress))
    checkpoint = work.begin()
    while not checkpoint.is_done:
        # All is one chunk, for each begins by copying its checkpoint.
        checkpoint = work.advance(checkpoint, _ALL, threads=n_threads)
    return work.finish(checkpoint)


def _watched(work: Work, threads: int, on_progress: OnProgress) -> Checkpoint:
    """The end of the work, reached in chunks of some time with a report after each."""
    checkpoint = work.begin()
    budget = _FIRST_BUDGET
    while not checkpoint.is_done:
        start, before = time.perf_counter(), checkpoint.fraction
        checkpoint = work.advance(checkpoint, budget, threads=threads)
        elapsed = max(time.perf_counter() - start, 1e-3)
        # The result does not depend on how the work is cut, so the clock may choose.
        budget = int(budget * min(64.0, max(0.25, _REPORT_EVERY_S / elapsed)))
        if (1 - checkpoint.fraction) * elapsed < _LAST_CHUNK_S * (checkpoint.fraction - before):
            budget = _ALL
        on_progress(checkpoint.fraction, checkpoint.live)
    return checkpoint


def _parsed(spec: Any) -> Spec:
    try:
        return parse_spec(spec)
    except ValidationError as error:
        # The library below is no part of the promise, and its message names inner parts instead of fields.
        raise _refused(spec, error) from None


def _refused(spec: Any, error: ValidationError) -> SolverError:
    """The refusal of the first wrong field; its remedy names the others."""
    first, *others = error.errors(include_url=False)
    context: Mapping[str, Any] = first.get("ctx", {})
    field = _path(spec, first)
    more = sorted({_path(spec, other) for other in others} - {field})
    also = f"Refused too: {', '.join(more[:5])}{', ...' * (len(more) > 5)}." if more else ""
    if first["type"] == "does_not_fit":
        remedy, given = context["remedy"], context["given"]
    else:
        remedy = ""
        # The input of a missing field is what surrounds it, that of a wrong tag the whole part.
        given = None if first["type"] in ("missing", "union_tag_not_found") else first["input"]
        given = context.get("tag", given)
    remedy = " ".join(part for part in (remedy, also) if part)
    return SolverError(field, given=_shown(given), allowed=_allowed(first, context), remedy=remedy)


def _allowed(item: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    tag = str(context.get("discriminator", ""))
    if "expected_tags" in context:
        return f"a {tag.strip(chr(39))} among {context['expected_tags']}"
    if tag:
        return f"a field {tag}"
    if item["type"] == "does_not_fit":
        return str(context["allowed"])
    bounds = [f"{sign} {context[name]}" for name, sign in _BOUNDS.items() if name in context]
    says = str(item["msg"]).removeprefix("Input should be ")
    return " and ".join(bounds) or _ALLOWED.get(item["type"], says)


def _path(spec: Any, item: Mapping[str, Any]) -> str:
    """Dotted path of the field to blame, as the user wrote it."""
    field = item["ctx"]["field"] if item["type"] == "does_not_fit" else ""
    return ".".join(part for part in (written_path(spec, item["loc"]), field) if part) or "spec"


def _shown(value: Any) -> Any:
    """A value as JSON has it, and of bounded size."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**64 else f"an integer of {value.bit_length()} bits"
    return (value if isinstance(value, str) else reprlib.repr(value))[:_ECHO_CHARACTERS]
