"""Sums of matrices K on one side of a block, in the cheapest storage, and what they do to the block."""

from typing import NamedTuple

import torch
from torch import Tensor

from equipoise_solver.networks.families import Side, Structure


class Factor(NamedTuple):
    """A symmetric matrix on one side of a block.

    Attributes:
        structure: how `matrix` is stored: "full" (..., h, h), "diagonal" (..., h), "scalar" (...).
        matrix: the sum of degree K.
    """

    structure: Structure
    matrix: Tensor


def sum_of(first: Factor | None, second: Factor) -> Factor:
    """Sum of two factors of one side, stored as the less special of the two."""
    if first is None:
        return second
    order: list[Structure] = ["scalar", "diagonal", "full"]
    widest = max(first, second, key=lambda factor: order.index(factor.structure))
    return Factor(widest.structure, _stored(first, widest) + _stored(second, widest))


def _stored(factor: Factor, like: Factor) -> Tensor:
    """The factor in the storage of another that is no more special."""
    matrix = factor.matrix
    if factor.structure == like.structure:
        return matrix
    if factor.structure == "scalar":
        matrix = matrix[..., None].expand(*matrix.shape, like.matrix.shape[-1])
    return torch.diag_embed(matrix) if like.structure == "full" else matrix


def exponential(factor: Factor) -> Factor:
    """exp of the matrix, stored the same way."""
    full = factor.structure == "full"
    return Factor(factor.structure, torch.linalg.matrix_exp(factor.matrix) if full else factor.matrix.exp())


def multiplied(factor: Factor, value: Tensor, *, side: Side, n_axes: int) -> Tensor:
    """K W ("left") or W K ("right").

    Args:
        factor: K.
        value: block, shape (..., rows, columns), or (..., rows) with n_axes 1, which is a column.
        side: side of W that K stands on; "left" for a column.
        n_axes: axes of the block, 1 or 2.
    """
    matrix = factor.matrix
    if factor.structure == "scalar":
        return matrix.reshape(*matrix.shape, *[1] * n_axes) * value
    if n_axes == 1:
        return (matrix @ value[..., None])[..., 0] if factor.structure == "full" else matrix * value
    if factor.structure == "diagonal":
        return (matrix[..., :, None] if side == "left" else matrix[..., None, :]) * value
    return matrix @ value if side == "left" else value @ matrix


def side_moment(structure: Structure, first: Tensor, second: Tensor, *, side: Side, n_axes: int) -> Tensor:
    """M with first' A(K) second = Tr(K M) for A(K) W = K W ("left") or W K ("right"), stored as K is.

    Args:
        structure: of K.
        first: block, shape (..., rows, columns) or (..., rows).
        second: likewise.
        side: of K.
        n_axes: axes of the block, 1 or 2.

    Returns:
        second first' ("left") or first' second ("right"), its diagonal, or its trace.
    """
    if n_axes == 1:
        first, second = first[..., None], second[..., None]
    if structure == "scalar":
        return (first * second).sum((-2, -1))
    if structure == "diagonal":
        return (first * second).sum(-1 if side == "left" else -2)
    return second @ first.mT if side == "left" else first.mT @ second
