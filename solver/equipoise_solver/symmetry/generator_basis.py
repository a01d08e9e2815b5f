"""Bases of the matrices K of a family: from coefficients to K, and back by inner products.

An element K is stored by structure: "full" as (size, size), "diagonal" as its diagonal (size,), "scalar" as
the number (). Leading axes (networks, samples) are kept. The bases, orthonormal in Tr(K K') but for
"scalar", whose one element is the identity:

full      E_11, .., E_hh, then (E_ij + E_ji)/sqrt(2) for i < j, row by row
diagonal  E_11, .., E_hh
scalar    the identity
"""

import math

import torch
from torch import Tensor

from equipoise_solver.networks.families import Family


def element_of(family: Family, coefficients: Tensor) -> Tensor:
    """K = sum c_k B_k, of coefficients, shape (..., family.dimension)."""
    match family.structure:
        case "full":
            return symmetric_of(coefficients, family.size)
        case "diagonal":
            return coefficients
        case "scalar":
            return coefficients[..., 0]


def components_of(family: Family, moment: Tensor) -> Tensor:
    """Inner products Tr(B_k M), shape (..., family.dimension).

    Args:
        family: structure and size.
        moment: M, stored as K is: a matrix that need not be symmetric, a diagonal, or a trace.
    """
    match family.structure:
        case "full":
            return symmetric_components(moment)
        case "diagonal":
            return moment
        case "scalar":
            return moment[..., None]


def component_names(family: Family) -> list[str]:
    """Names of the basis, for example "neurons of layer 1 [3]"; entries count from 0."""
    match family.structure:
        case "full":
            rows, columns = _above(family.size)
            pairs = [(i, i) for i in range(family.size)]
            pairs += list(zip(rows.tolist(), columns.tolist(), strict=True))
            return [f"{family.name} [{i},{j}]" for i, j in pairs]
        case "diagonal":
            return [f"{family.name} [{i}]" for i in range(family.size)]
        case "scalar":
            return [family.name]


def squared_basis_components(family: Family, moment: Tensor) -> Tensor:
    """Inner products Tr(B_k^2 M): B_k^2 is E_ii, (E_ii + E_jj)/2, or the identity. As `components_of`."""
    if family.structure != "full":
        return components_of(family, moment)
    diagonal = torch.diagonal(moment, dim1=-2, dim2=-1)
    rows, columns = _above(family.size)
    return torch.cat([diagonal, (diagonal[..., rows] + diagonal[..., columns]) / 2], dim=-1)


def symmetric_of(coefficients: Tensor, size: int) -> Tensor:
    """Symmetric matrix (..., size, size) of coefficients (..., size(size+1)/2) in the full basis."""
    rows, columns = _above(size)
    number = torch.zeros(size, size, dtype=torch.int64)
    number[range(size), range(size)] = torch.arange(size)
    number[rows, columns] = number[columns, rows] = size + torch.arange(len(rows))
    weight = coefficients.new_full((size, size), math.sqrt(0.5))
    weight.fill_diagonal_(1.0)
    return coefficients[..., number] * weight


def symmetric_components(matrix: Tensor) -> Tensor:
    """Components (..., size(size+1)/2) in the full basis of the symmetric part of (..., size, size)."""
    rows, columns = _above(matrix.shape[-1])
    diagonal = torch.diagonal(matrix, dim1=-2, dim2=-1)
    above = (matrix[..., rows, columns] + matrix[..., columns, rows]) * math.sqrt(0.5)
    return torch.cat([diagonal, above], dim=-1)


def _above(size: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of the entries above the diagonal."""
    rows, columns = torch.triu_indices(size, size, 1)
    return rows, columns
