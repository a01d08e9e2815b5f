"""Exponential symmetries of a network, found numerically.

A symmetric A is a symmetry iff theta' A grad l(theta, z) = 0 for all parameters theta and samples z. Each
random point makes one linear equation for A; the null space of enough of them is what all points leave, and
the gap in their singular values, of 13 decades or so, tells symmetries from the rest.

Dimensions to expect (d the width of a diagonal net, h hidden widths, p parameters):

diagonal net of depth D        d D rescalings; D = 1 and one input: see the linear net with widths 1, h, 1
ReLU-like net                  sum of h rescalings
linear net                     sum of h(h+1)/2 double rotations; with one input and one output h^2, as
                               f = u . w is kept by O(h, h), whose symmetric generators are the h(h+1)/2 and
                               the h(h-1)/2 that mix u and w by an antisymmetric matrix ("full" only)
attention                      per head 2 times head_dim(head_dim+1)/2 double rotations
normalised net                 one scale per norm and nothing else: f = F/|W_1||W_2|.. for homogeneous F, and
                               A must change log F and log |W_i| by the same constants, while A log |W_i| is
                               constant for symmetric A only if A is a multiple of 1 on W_i
cross entropy                  what adds one number to all logits: K = 11' on the rows of the last layer
no homogeneity, with biases    none
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, LimitExceededError
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.families import Family
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.streams import POINTS, stream
from equipoise_solver.symmetry.detect_search import NEARLY, Search, Source, search_at_once, search_in_parts
from equipoise_solver.symmetry.detect_structures import (
    BlocksSpace,
    DiagonalSpace,
    FullSpace,
    SearchSpace,
    SearchStructure,
)
from equipoise_solver.symmetry.detect_supports import cheapest_grouping
from equipoise_solver.symmetry.points import check_source
from equipoise_solver.symmetry.recognise import Found, Recogniser

MOST_COORDINATES = 3000
"""Unknowns that one null space is computed for: half a minute and 1 GB here."""
MOST_DIAGONAL = 20_000
"""Parameters of a network whose diagonal generators are searched in parts."""
_AT_ONCE = 1000
_MOST_OPERATIONS = 1e12
"""Floating point operations of a search in parts: about a minute."""
_AUTOMATIC = 1000
"""Unknowns up to which a larger space is searched unasked."""

Asked = Literal["auto", "full", "blocks", "diagonal"]


@dataclass(frozen=True)
class Detected:
    """Symmetries of a network within a space of generators.

    Attributes:
        structure: the space: "full" (any symmetric A), "blocks" (symmetric matrices on sides of blocks) or
            "diagonal".
        dimension: number of independent symmetries.
        found: the same by name; dimensions add up.
        undetected: declared families, or parts of them, that are no symmetries of this loss on these samples.
        spectrum: relative singular values of the equations, descending; the last count as zero.
        gap: smallest of them above zero divided by the largest that counts as zero (or by rounding).
        n_points: random points (theta, z) drawn.
        residual: largest part of a fresh equation, of unit length, along the solutions.
        notes: what a reader should know.
    """

    structure: SearchStructure
    dimension: int
    found: tuple[Found, ...]
    undetected: tuple[str, ...]
    spectrum: Tensor
    gap: float
    n_points: int
    residual: float
    notes: tuple[str, ...]


def detect_symmetries(
    network: Network,
    *,
    data: Pairs | GaussianTeacher | None = None,
    seed: int = 0,
    structure: Asked = "auto",
) -> Detected:
    """All exponential symmetries of a network's loss within a space of generators.

    Args:
        network: the model and its loss; nothing is assumed of it but names and shapes of its blocks. The
            families that it declares only lend their names.
        data: samples or a teacher, for symmetries on these samples; None for x ~ N(0, 1) and any labels.
        seed: of the random points.
        structure: the space; "auto" for the largest that is cheap: "full" up to 44 parameters, then "blocks"
            while these are at most 1000 unknowns, then "diagonal".

    Raises:
        LimitExceededError: field "structure", more unknowns than one search takes.
        InvalidModelError: field "data...", or "structure", no such space.
    """
    check_source(network, data)
    space, name = _space(network, structure)
    source = Source(network, data, stream(seed, purpose=POINTS))
    search = _searched(source, space)
    recogniser = Recogniser(space, search.basis, network.blocks)
    declared = network.families()
    found = tuple(recogniser.all_found(declared))
    undetected = _undetected(declared, found)
    notes = _notes(source, space, search, found, undetected)
    return Detected(
        structure=name,
        dimension=search.basis.shape[1],
        found=found,
        undetected=undetected,
        spectrum=torch.tensor(sorted(search.spectrum, reverse=True), dtype=torch.float64),
        gap=search.gap,
        n_points=source.n_drawn,
        residual=search.residual,
        notes=(*_untried(network, name, structure), *notes),
    )


def _space(network: Network, structure: Asked) -> tuple[SearchSpace, SearchStructure]:
    spaces: dict[SearchStructure, SearchSpace] = {
        "full": FullSpace(network.blocks),
        "blocks": BlocksSpace(network.blocks),
        "diagonal": DiagonalSpace(network.blocks),
    }
    if structure == "auto":
        cheap = (name for name in spaces if name == "diagonal" or spaces[name].dimension <= _AUTOMATIC)
        structure = next(cheap)
    if structure not in spaces:
        raise InvalidModelError("structure", given=structure, allowed=f"one of {['auto', *spaces]}")
    space, most = spaces[structure], MOST_DIAGONAL if structure == "diagonal" else MOST_COORDINATES
    if space.dimension > most:
        raise LimitExceededError(
            "structure",
            given=f"{structure} with {space.dimension} unknowns",
            allowed=f"at most {most}",
            remedy="Take a smaller network of the same kind."
            if structure == "diagonal"
            else 'Take structure "diagonal" or a smaller network of the same kind.',
        )
    return space, structure


def _searched(source: Source, space: SearchSpace) -> Search:
    if not isinstance(space, DiagonalSpace) or space.dimension <= _AT_ONCE:
        return search_at_once(source, space)
    grouping, operations = cheapest_grouping(space.blocks)
    if operations > _MOST_OPERATIONS:
        raise LimitExceededError(
            "structure",
            given=f"diagonal, some {operations:.1g} operations",
            allowed=f"at most {_MOST_OPERATIONS:.0e}",
            remedy="Take a smaller network of the same kind.",
        )
    return search_in_parts(source, space, grouping)


def _untried(network: Network, taken: SearchStructure, asked: Asked) -> list[str]:
    """What an automatic choice leaves out."""
    if asked != "auto" or taken == "full":
        return []
    larger = FullSpace(network.blocks) if taken == "blocks" else BlocksSpace(network.blocks)
    name = "full" if taken == "blocks" else "blocks"
    return [f'Searched {taken} generators only; structure "{name}" has {larger.dimension} unknowns.']


def _undetected(declared: Sequence[Family], found: Sequence[Found]) -> tuple[str, ...]:
    whole = {one.name for one in found if one.is_declared and one.members is None}
    return tuple(family.name for family in declared if family.name not in whole)


def _notes(
    source: Source, space: SearchSpace, search: Search, found: Sequence[Found], undetected: Sequence[str]
) -> list[str]:
    network, notes = source.network, []
    if source.n_usable == 0:
        notes.append("The loss does not depend on the parameters.")
    if isinstance(space, DiagonalSpace) and any(f.structure == "full" for f in network.families()):
        notes.append("Of double rotations, structure diagonal holds those with diagonal K only.")
    if search.smallest_kept < NEARLY:
        notes.append(
            f"A singular value of {search.smallest_kept:.1e} is small without being zero: some generator is "
            "nearly a symmetry at points of this scale."
        )
    if not search.is_confirmed:
        notes.append(
            "Fresh points do not confirm the solutions: too few of the points drawn have a gradient."
        )
    if undetected:
        notes.append(f"Declared, but not all of it a symmetry on these samples: {', '.join(undetected)}.")
    if network.loss == "cross_entropy" and any("equal shift" in one.name for one in found):
        notes.append(
            "Cross entropy does not see one number added to all logits: the last layer has symmetries."
        )
    return notes
