"""Outputs of a sweep: numbers, words and flags of a solution by their dotted paths."""

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.specs import (
    Compare,
    CompareSolution,
    Diffusion,
    DiffusionSolution,
    Equilibrium,
    EquilibriumSolution,
    Simulate,
    SimulateNetwork,
    SimulateNetworkSolution,
    SimulateSolution,
    Stationary,
    StationarySolution,
    Symmetries,
    SymmetriesSolution,
)
from equipoise_solver.specs.solved import Solved

_SOLUTIONS: dict[type[Any], type[Solved]] = {
    Stationary: StationarySolution,
    Simulate: SimulateSolution,
    SimulateNetwork: SimulateNetworkSolution,
    Compare: CompareSolution,
    Diffusion: DiffusionSolution,
    Equilibrium: EquilibriumSolution,
    Symmetries: SymmetriesSolution,
}
# What says nothing about a point.
_ABOUT_ALL = frozenset({"task", *Solved.model_fields}) - {"device"} | {"device", "seed", "spec"}


def default_outputs(base: BaseModel) -> tuple[str, ...]:
    """All numbers, words and flags at the top level of the solutions of a spec."""
    fields = _SOLUTIONS[type(base)].model_fields
    return tuple(
        name for name, field in fields.items() if name not in _ABOUT_ALL and _is_leaf(field.annotation)
    )


def check_outputs(base: BaseModel, paths: tuple[str, ...]) -> None:
    """Refuse paths that no solution of the spec has.

    Raises:
        InvalidModelError: the first of them; field "outputs".
    """
    for path in paths:
        known = _paths(_SOLUTIONS[type(base)])
        if path not in known and not any(
            is_open and path.startswith(name) for name, is_open in known.items()
        ):
            shown = ", ".join(name for name, is_open in known.items() if not is_open)
            raise InvalidModelError("outputs", given=path, allowed=f"among {shown}")


def output_of(solution: BaseModel, path: str) -> Any:
    """The number, word or flag at a path, as JSON has it; None where a solution has none."""
    node: Any = solution
    for name in path.split("."):
        node = node.get(name) if isinstance(node, Mapping) else getattr(node, name, None)
    if hasattr(node, "item") and getattr(node, "ndim", 1) == 0:
        node = node.item()
    if isinstance(node, float) and not math.isfinite(node):
        return None
    return node if isinstance(node, bool | int | float | str) else None


def _paths(kind: Any, prefix: str = "", depth: int = 0) -> dict[str, bool]:
    """Paths of a class of answers; True marks the beginnings of paths that only a solution knows."""
    found: dict[str, bool] = {}
    for name, field in kind.model_fields.items():
        if depth == 0 and name in _ABOUT_ALL:
            continue
        if _is_leaf(field.annotation):
            found[prefix + name] = False
        for part in _parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= _paths(part, f"{prefix}{name}.", depth + 1)
            elif get_origin(part) is dict:
                found[f"{prefix}{name}."] = True
    return found


def _parts(annotation: Any) -> list[Any]:
    """Members of a union, without what annotates them."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal or not arguments or get_origin(annotation) in (dict, tuple, list):
        return [annotation]
    if hasattr(annotation, "__metadata__"):
        return _parts(arguments[0])
    return [part for argument in arguments for part in _parts(argument)]


def _is_leaf(annotation: Any) -> bool:
    parts = [part for part in _parts(annotation) if part is not type(None)]
    return bool(parts) and all(
        part in (int, float, str, bool) or get_origin(part) is Literal for part in parts
    )
