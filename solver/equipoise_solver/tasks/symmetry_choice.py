"""The symmetries that a spec asks for, among those that its network declares, and generators of its own."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from equipoise_solver import specs
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks import Family, GaussianTeacher, Network, Pairs
from equipoise_solver.specs import SymmetryFamily
from equipoise_solver.specs.symmetry_parts import Symmetry, SymmetryChoice
from equipoise_solver.symmetry.custom import Custom
from equipoise_solver.symmetry.generators import Generators
from equipoise_solver.symmetry.verify import verify_generators


def chosen_symmetries(
    network: Network, choice: SymmetryChoice
) -> tuple[tuple[Family, ...], tuple[Custom, ...]]:
    """Families and dense generators of a spec.

    Raises:
        InvalidModelError: the network declares none, none of that kind, or none of that name; or one is asked
            for twice.
    """
    declared = network.families()
    if choice == "auto":
        if not declared:
            raise InvalidModelError(
                "symmetries",
                given="auto",
                allowed="a list with a generator of your own: this network declares no symmetry",
                remedy="See task 'symmetries' for those it has.",
            )
        return declared, ()
    families: list[Family] = []
    custom: list[Custom] = []
    for place, symmetry in enumerate(choice):
        if isinstance(symmetry, specs.CustomSymmetry):
            custom.append(_custom(symmetry))
        else:
            families += _picked(f"symmetries.{place}", symmetry, declared)
    _check_once(families)
    return tuple(families), tuple(custom)


def check_generators(
    network: Network, families: Sequence[Family], custom: Sequence[Custom], source: Pairs | GaussianTeacher
) -> None:
    """Refuse generators that are no symmetries of the loss, seen at random points.

    Raises:
        InvalidModelError: which one, and by how much.
    """
    verify_generators(network, Generators(network.blocks, tuple(families), tuple(custom)), data=source)


def describe_family(family: Family) -> SymmetryFamily:
    """A family as users read it."""
    return SymmetryFamily(
        kind=family.kind,
        name=family.name,
        dimension=family.dimension,
        structure=family.structure,
        blocks=tuple(action.block for action in family.actions),
        sides=tuple(action.side for action in family.actions),
        degrees=tuple(action.degree for action in family.actions),
    )


def describe_custom(custom: Custom, network: Network) -> SymmetryFamily:
    """A generator of one's own as users read it."""
    return SymmetryFamily(
        kind="custom", name=custom.name, dimension=1, blocks=tuple(custom.names(network.blocks))
    )


def _picked(
    field: str,
    symmetry: specs.RescalingSymmetry | specs.ScaleSymmetry | specs.DoubleRotationSymmetry,
    declared: Sequence[Family],
) -> list[Family]:
    of_kind = [family for family in declared if symmetry.kind in _kinds(family)]
    if not of_kind:
        kinds = sorted({kind for family in declared for kind in _kinds(family)})
        raise InvalidModelError(
            f"{field}.kind",
            given=symmetry.kind,
            allowed=f"one of {', '.join(map(repr, [*kinds, 'custom']))} with this model",
        )
    names = [family.name for family in of_kind]
    for name in symmetry.names or ():
        if name not in names:
            shown = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
            raise InvalidModelError(f"{field}.names", given=name, allowed=f"names among {shown}")
    wanted = [family for family in of_kind if symmetry.names is None or family.name in symmetry.names]
    return [_restricted(family, symmetry) for family in wanted]


def _kinds(family: Family) -> tuple[str, ...]:
    """Kinds under which a family may be asked for: a double rotation has rescalings as its diagonal part."""
    return (family.kind, "rescaling") if family.kind == "double_rotation" else (family.kind,)


def _restricted(family: Family, symmetry: Symmetry) -> Family:
    if not isinstance(symmetry, specs.RescalingSymmetry):
        return family
    if symmetry.per == "layer":
        return replace(family, kind="rescaling", size=1, structure="scalar")
    return replace(family, kind="rescaling", structure="diagonal")


def _check_once(families: Sequence[Family]) -> None:
    seen: set[object] = set()
    for family in families:
        if family.actions in seen:
            raise InvalidModelError(
                "symmetries",
                given=f"{family.name} twice",
                allowed="each place once: a double rotation holds its rescalings already",
            )
        seen.add(family.actions)


def _custom(symmetry: specs.CustomSymmetry) -> Custom:
    matrix = np.diag(symmetry.diagonal) if symmetry.diagonal is not None else np.array(symmetry.matrix)
    return Custom(symmetry.name, torch.from_numpy(0.5 * (matrix + matrix.T)), symmetry.blocks)
