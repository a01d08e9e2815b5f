"""Charges of a family of symmetries and how far they are from balance, as matrices on the family's own space.

For a generator K of a family, theta' A theta = Tr[K C] with C = sum of degree times W W' (from the left) or
W' W (from the right), and Tr[Sigma A] = Tr[K N] with N made of E[G G'] and E[G' G] of the covariance of
gradients in the same way. Charges stand still on average where T N = 4 gamma C.
"""

import torch
from torch import Tensor

from equipoise_solver.networks.families import Action, Family
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.networks.statistics import GradientStatistics


def charge_matrix(family: Family, parameters: Parameters) -> Tensor:
    """C as the family has it: (..., size, size) if full, (..., size) if diagonal, (..., 1) if scalar."""
    return _total(family, [_charge(family, action, parameters[action.block]) for action in family.actions])


def charges_of(family: Family, parameters: Parameters) -> Tensor:
    """theta' A theta for each generator of an orthonormal basis of the family, shape (..., dimension).

    For structure "full": the diagonal of C, then sqrt(2) C_ij for i < j, row by row. Blocks may have leading
    axes if all are matrices: a vector then is one column.
    """
    matrix = charge_matrix(family, parameters)
    if family.structure != "full":
        return matrix
    rows, columns = torch.triu_indices(family.size, family.size, offset=1)
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    return torch.cat([diagonal, 2**0.5 * matrix[..., rows, columns]], dim=-1)


def balance_residual(
    family: Family,
    parameters: Parameters,
    statistics: GradientStatistics,
    *,
    temperature: float,
    weight_decay: float,
) -> float:
    """|T N - 4 gamma C| over the sum of the norms of its parts, between 0 (balanced) and 1.

    Args:
        family: the symmetries.
        parameters: by block.
        statistics: of the gradients, with the left and right matrices that the family acts by.
        temperature: T.
        weight_decay: gamma.

    Returns:
        0 also where all parts are 0.
    """
    noises = [temperature * _noise(family, action, statistics) for action in family.actions]
    decays = [
        4 * weight_decay * _charge(family, action, parameters[action.block]) for action in family.actions
    ]
    size = sum(float(part.norm()) for part in (*noises, *decays))
    gap = float((_total(family, noises) - _total(family, decays)).norm())
    return gap / size if size > 0 else 0.0


def sides_of(families: tuple[Family, ...]) -> tuple[set[str], set[str]]:
    """Blocks whose left and whose right matrices the families need."""
    actions = [action for family in families if family.structure != "scalar" for action in family.actions]
    left = {action.block for action in actions if action.side == "left"}
    return left, {action.block for action in actions if action.side == "right"}


def _total(family: Family, parts: list[Tensor]) -> Tensor:
    shape = {"full": (family.size, family.size), "diagonal": (family.size,), "scalar": (1,)}[family.structure]
    return sum(parts, start=torch.zeros(shape, dtype=torch.float64))


def _charge(family: Family, action: Action, block: Tensor) -> Tensor:
    matrix = block if block.ndim > 1 else block.unsqueeze(-1)
    if family.structure == "scalar":
        return action.degree * (matrix**2).sum((-2, -1)).unsqueeze(-1)
    if family.structure == "diagonal":
        return action.degree * (matrix**2).sum(-1 if action.side == "left" else -2)
    return action.degree * (matrix @ matrix.mT if action.side == "left" else matrix.mT @ matrix)


def _noise(family: Family, action: Action, statistics: GradientStatistics) -> Tensor:
    if family.structure == "scalar":
        return torch.tensor([action.degree * statistics.trace[action.block]], dtype=torch.float64)
    sides = statistics.left if action.side == "left" else statistics.right
    matrix = sides[action.block]
    return action.degree * (matrix.diagonal() if family.structure == "diagonal" else matrix)
