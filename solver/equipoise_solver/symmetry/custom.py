"""Generators given as a matrix on the flattened parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, LimitExceededError
from equipoise_solver.networks.parameters import Block, as_tensor

MOST_PARAMETERS = 2048
"""Largest side of a dense generator: its exponential takes some p^3 operations, a few seconds here."""

_ROUNDING = 1e-12
"""Relative asymmetry that is taken for rounding."""


@dataclass(frozen=True)
class Custom:
    """One symmetric generator, theta -> exp(lam A) theta, as a dense matrix.

    Attributes:
        name: how results call it.
        matrix: A, shape (q, q), symmetric; acts on the given blocks, flattened row by row and joined.
        blocks: names of those blocks in order; None for all blocks of the network.
    """

    name: str
    matrix: Tensor
    blocks: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        matrix = as_tensor("symmetries.matrix", self.matrix)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise InvalidModelError(
                "symmetries.matrix", given=f"shape {list(matrix.shape)}", allowed="a square matrix"
            )
        check_dense_size(matrix.shape[0])
        _check_symmetric(matrix)
        object.__setattr__(self, "matrix", (matrix + matrix.T) / 2)

    def names(self, blocks: Sequence[Block]) -> tuple[str, ...]:
        """Blocks that are acted on, of the network's blocks.

        Raises:
            InvalidModelError: field "symmetries": an unknown or repeated block, or a matrix of another size.
        """
        sizes = {block.name: block.size for block in blocks}
        names = tuple(sizes) if self.blocks is None else self.blocks
        if len(set(names)) < len(names) or not set(names) <= set(sizes):
            raise InvalidModelError(
                "symmetries.blocks", given=list(names), allowed=f"some of {list(sizes)}, each once"
            )
        wanted = sum(sizes[name] for name in names)
        if self.matrix.shape[0] != wanted:
            raise InvalidModelError(
                "symmetries.matrix",
                given=f"shape {list(self.matrix.shape)}",
                allowed=f"shape [{wanted}, {wanted}], for the blocks {list(names)}",
            )
        return names


def check_dense_size(size: int) -> None:
    """Refuse a dense generator on too many parameters.

    Raises:
        LimitExceededError: field "symmetries".
    """
    if size > MOST_PARAMETERS:
        raise LimitExceededError(
            "symmetries",
            given=f"a dense generator on {size} parameters",
            allowed=f"at most {MOST_PARAMETERS}",
            remedy="Name fewer blocks, or declare a rescaling, scale or double rotation.",
        )


def _check_symmetric(matrix: Tensor) -> None:
    scale = float(torch.linalg.matrix_norm(matrix))
    if scale == 0.0:
        raise InvalidModelError("symmetries.matrix", given="only zeros", allowed="a matrix that is not zero")
    gap = float(torch.linalg.matrix_norm(matrix - matrix.T)) / scale
    if gap > _ROUNDING:
        raise InvalidModelError(
            "symmetries.matrix",
            given=f"a matrix A with |A - A'|/|A| = {gap:.3g}",
            allowed="a symmetric matrix",
            remedy="Only symmetric generators have a charge theta' A theta.",
        )
