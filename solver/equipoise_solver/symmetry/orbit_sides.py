"""Elements K of several families: their sums on the sides of each block, and moments given back to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise_solver.networks.families import Family, Side
from equipoise_solver.networks.parameters import Block, Parameters
from equipoise_solver.symmetry.noise import Motion

Elements = tuple[Tensor, ...]
"""K of each family, stored as `generator_basis` says: (h, h), (h,) or ()."""


@dataclass(frozen=True)
class Sides:
    """The sides of blocks that some families act on.

    Attributes:
        families: the families.
        shapes: (rows, columns) of each block that is acted on; a block with one axis is a column.
        acting: (family, side, degree) of each action on a block. A scalar family, which may stand on either
            side, stands where others do.
    """

    families: tuple[Family, ...]
    shapes: Mapping[str, tuple[int, int]]
    acting: Mapping[str, tuple[tuple[int, Side, float], ...]]

    def has(self, block: str, side: Side) -> bool:
        """Whether a family acts on this side of the block."""
        return any(a == side for _, a, _ in self.acting[block])

    def structure(self, block: str, side: Side) -> str:
        """ "full" if a matrix stands on this side, else "diagonal"."""
        kinds = [self.families[f].structure for f, a, _ in self.acting[block] if a == side]
        return "full" if "full" in kinds else "diagonal"

    def motions(self, elements: Elements) -> dict[str, tuple[Tensor | None, Tensor | None]]:
        """Sums (L, R) of degree K on the sides of each block, of which the motion is the exponential."""
        return {
            block: (self._sum(block, "left", elements), self._sum(block, "right", elements))
            for block in self.acting
        }

    def _sum(self, block: str, side: Side, elements: Elements) -> Tensor | None:
        terms = [
            degree * as_matrix(elements[f], self._size(block, side))
            for f, acting, degree in self.acting[block]
            if acting == side
        ]
        return torch.stack(terms).sum(0) if terms else None

    def _size(self, block: str, side: Side) -> int:
        return self.shapes[block][0 if side == "left" else 1]

    def collected(
        self, moments: Mapping[tuple[str, Side], Tensor], *, power: int = 1, sign: int = 0
    ) -> Elements:
        """Per family the sum of degree^power times the moments of the sides that it acts on, stored as K is.

        Args:
            moments: matrix (h, h) by block and side.
            power: of the degrees.
            sign: only actions with degrees of this sign, by their size; 0 for all.
        """
        sums: list[Tensor] = []
        for index, family in enumerate(self.families):
            terms = []
            for block, acting in self.acting.items():
                for f, side, degree in acting:
                    if f == index and degree * sign >= 0 and degree != 0:
                        weight = abs(degree) ** power if sign else degree**power
                        terms.append(weight * _as_element(family, moments[block, side]))
            sums.append(torch.stack(terms).sum(0) if terms else zero_element(family))
        return tuple(sums)


def sides_of(families: Sequence[Family], blocks: Sequence[Block]) -> Sides:
    """The sides that families act on."""
    shapes = {b.name: (b.shape[0], b.shape[1] if len(b.shape) > 1 else 1) for b in blocks}
    acting: dict[str, list[tuple[int, Side, float]]] = {}
    order = sorted(range(len(families)), key=lambda f: families[f].structure == "scalar")
    for f in order:
        for action in families[f].actions:
            there = acting.setdefault(action.block, [])
            is_scalar = families[f].structure == "scalar"
            there.append((f, (there[0][1] if there else "left") if is_scalar else action.side, action.degree))
    return Sides(
        tuple(families), {b: shapes[b] for b in acting}, {b: tuple(actions) for b, actions in acting.items()}
    )


def columns(parameters: Parameters, names: Sequence[str]) -> Parameters:
    """Blocks as float64 matrices on the CPU, those with one axis as columns."""
    values = {name: parameters[name].detach().to("cpu", torch.float64) for name in names}
    return {name: value if value.ndim > 1 else value[:, None] for name, value in values.items()}


def as_matrix(element: Tensor, size: int) -> Tensor:
    """K as a matrix, shape (size, size)."""
    match element.ndim:
        case 2:
            return element
        case 1:
            return torch.diag(element)
        case _:
            return torch.eye(size, dtype=element.dtype) * element


def _as_element(family: Family, matrix: Tensor) -> Tensor:
    match family.structure:
        case "full":
            return (matrix + matrix.T) / 2
        case "diagonal":
            return matrix.diagonal()
        case "scalar":
            return matrix.trace()


def zero_element(family: Family) -> Tensor:
    """K = 0."""
    shapes = {"full": (family.size, family.size), "diagonal": (family.size,), "scalar": ()}
    return torch.zeros(shapes[family.structure], dtype=torch.float64)


def exponential(matrix: Tensor, weight: float = 1.0) -> Tensor:
    """exp(weight K) of a symmetric matrix; of a diagonal one entry by entry."""
    diagonal = matrix.diagonal()
    if torch.equal(torch.diag(diagonal), matrix):
        return torch.diag((weight * diagonal).exp())
    values, vectors = torch.linalg.eigh(matrix)
    power: Tensor = (vectors * (weight * values).exp()) @ vectors.T
    return power


def exponentials(motions: Motion, weight: float) -> dict[str, tuple[Tensor | None, Tensor | None]]:
    """exp(weight L), exp(weight R) of each block."""
    return {
        block: (
            None if left is None else exponential(left, weight),
            None if right is None else exponential(right, weight),
        )
        for block, (left, right) in motions.items()
    }
