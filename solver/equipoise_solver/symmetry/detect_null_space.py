"""Null spaces of rows that random points make, with the spectrum that shows the gap."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

NULL = 1e-10
"""Singular values below this, relative to the largest, are zero: rounding leaves some 1e-15."""

_NEGLIGIBLE = 1e-3
"""Points with a gradient this much smaller than the typical one are left out.

Rounding need not be small there: a saturated softmax has p - 1 with an error of 1e-16, not of 1e-16 |p - 1|.
"""
_NO_GRADIENT = 1e-12
"""A gradient this small, times |theta| and relative to the typical loss, is rounding."""
ROUNDING = 2.3e-16
"""Spacing of float64 at 1: no singular value is known better."""


@dataclass(frozen=True)
class NullSpace:
    """Solutions a of rows @ a = 0.

    Attributes:
        basis: orthonormal columns, shape (u, m).
        spectrum: singular values of the scaled rows, relative to the largest, descending, shape (u,).
    """

    basis: Tensor
    spectrum: Tensor

    @property
    def dimension(self) -> int:
        """Number of solutions m."""
        return self.basis.shape[1]

    @property
    def smallest_kept(self) -> float:
        """Smallest singular value above the gap; inf if there is none."""
        kept = self.spectrum.shape[0] - self.dimension
        return float(self.spectrum[kept - 1]) if kept else math.inf


def usable_rows(rows: Tensor, gradients: Tensor, losses: Tensor) -> Tensor:
    """Rows of unit length, without those of points where the gradient is rounding or nearly zero.

    Args:
        rows: shape (n, u).
        gradients: |theta| |grad l| at each point, shape (n,).
        losses: l, of either sign, shape (n,).

    Returns:
        shape (n_usable, u).
    """
    lengths = torch.linalg.vector_norm(rows, dim=1)
    is_used = torch.isfinite(gradients) & (gradients > _NO_GRADIENT * losses.abs().median())
    for sizes in (gradients, lengths):
        is_used &= sizes > 0
        if bool(is_used.any()):
            is_used &= sizes > _NEGLIGIBLE * sizes[is_used].median()
    usable: Tensor = rows[is_used] / lengths[is_used, None]
    return usable


def null_space(rows: Tensor) -> NullSpace:
    """Null space of rows, shape (n, u), n >= u.

    Columns are scaled to unit length first, so that layers of different scale count alike.
    """
    u = rows.shape[1]
    if rows.shape[0] == 0 or not bool(rows.any()):
        return NullSpace(torch.eye(u, dtype=rows.dtype), torch.zeros(u, dtype=rows.dtype))
    lengths = torch.linalg.vector_norm(rows, dim=0)
    scale = torch.where(lengths > NULL * lengths.max(), lengths, 1.0)
    triangle = torch.linalg.qr(rows / scale, mode="r").R
    _, values, vectors = torch.linalg.svd(triangle, full_matrices=True)
    spectrum = torch.cat([values, values.new_zeros(u - len(values))]) / values[0]
    raw = vectors[int((spectrum > NULL).sum()) :].T / scale[:, None]
    return NullSpace(torch.linalg.qr(raw).Q, spectrum)


def null_combinations(products: Tensor) -> NullSpace:
    """Null space of the products of rows of unit length with orthonormal candidates, shape (n, c).

    All candidates may be solutions, which leaves nothing but rounding: singular values are relative to what
    rows of unit length can give, not to the largest.
    """
    if len(products) == 0:
        return null_space(products)
    triangle = torch.linalg.qr(products, mode="r").R
    _, values, vectors = torch.linalg.svd(triangle, full_matrices=True)
    c = products.shape[1]
    spectrum = torch.cat([values, values.new_zeros(c - len(values))]) / math.sqrt(len(products))
    return NullSpace(vectors[int((spectrum > NULL).sum()) :].T, spectrum)
