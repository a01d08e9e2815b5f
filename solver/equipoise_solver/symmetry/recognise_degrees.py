"""Degrees of symmetries from null vectors: sparse bases, scaled to whole numbers."""

import torch
from torch import Tensor

_ZERO = 1e-6
"""Entries this small, relative to the largest, are zero: null vectors are known to some 1e-13."""
_MOST_MULTIPLE = 6
_DIGITS = 6


def reduced_rows(rows: Tensor) -> Tensor:
    """Reduced row echelon form, shape (rank, n), of rows, shape (r, n).

    Vectors that do not overlap come apart whatever combinations of them are given.
    """
    rows = rows.clone()
    scale = float(rows.abs().max()) if rows.numel() else 0.0
    rank = 0
    for column in range(rows.shape[1]):
        if rank == len(rows):
            break
        pivot = rank + int(rows[rank:, column].abs().argmax())
        if abs(float(rows[pivot, column])) <= _ZERO * scale:
            continue
        rows[[rank, pivot]] = rows[[pivot, rank]]
        rows[rank] = rows[rank] / rows[rank, column]
        others = torch.arange(len(rows)) != rank
        rows[others] -= rows[others, column, None] * rows[rank]
        rank += 1
    return rows[:rank]


def whole_degrees(degrees: Tensor) -> tuple[float, ...]:
    """Degrees, shape (n,), as the smallest whole numbers in their ratio, the first positive.

    Ratios without whole numbers up to a factor of 6 are kept as they are, the first one 1.
    """
    first = degrees[torch.nonzero(degrees.abs() > _ZERO * degrees.abs().max())[0, 0]]
    ratios = degrees / first
    for multiple in range(1, _MOST_MULTIPLE + 1):
        scaled = ratios * multiple
        if float((scaled - scaled.round()).abs().max()) < _ZERO * multiple:
            return tuple(float(value) + 0.0 for value in scaled.round())
    return tuple(round(float(value), _DIGITS) for value in ratios)
