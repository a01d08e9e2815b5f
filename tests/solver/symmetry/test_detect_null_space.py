"""Null spaces of rows against matrices of known rank, and degrees from null vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from equipoise_solver.symmetry.detect_null_space import null_combinations, null_space, usable_rows
from equipoise_solver.symmetry.recognise_degrees import reduced_rows, whole_degrees


def test_null_space_of_a_matrix_of_known_rank(rng: np.random.Generator) -> None:
    """Columns of scales that differ by six decades do not blur the gap."""
    scales = 10.0 ** rng.uniform(-3, 3, size=9)
    unscaled = np.linalg.qr(rng.normal(size=(9, 2)))[0]
    rows = rng.normal(size=(40, 9))
    rows = (rows - (rows @ unscaled) @ unscaled.T) * scales
    null = null_space(torch.from_numpy(rows))
    assert null.dimension == 2
    assert null.spectrum.shape == (9,)
    assert null.smallest_kept > 1e-3
    assert float(null.spectrum[-2:].max()) < 1e-13
    inside = null.basis.numpy()
    wanted = np.linalg.qr(unscaled / scales[:, None])[0]
    np.testing.assert_allclose(inside.T @ inside, np.eye(2), atol=1e-13)
    np.testing.assert_allclose(wanted @ (wanted.T @ inside), inside, atol=1e-9)


def test_null_space_without_rows_is_everything() -> None:
    null = null_space(torch.zeros(0, 4, dtype=torch.float64))
    assert null.dimension == 4
    assert null.smallest_kept == math.inf


def test_too_few_rows_leave_the_rest_open(rng: np.random.Generator) -> None:
    assert null_space(torch.from_numpy(rng.normal(size=(3, 7)))).dimension == 4


def test_combinations_of_candidates(rng: np.random.Generator) -> None:
    """Of candidates, those that solve; all of them where rows leave only rounding."""
    frame = torch.linalg.qr(torch.from_numpy(rng.normal(size=(10, 10)))).Q
    rows = torch.from_numpy(rng.normal(size=(50, 6))) @ frame[:, :6].T
    rows = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    null = null_combinations(rows @ frame[:, 4:])
    assert null.dimension == 4
    assert float((rows @ frame[:, 4:] @ null.basis).abs().max()) < 1e-14
    assert null_combinations(rows @ frame[:, 6:]).dimension == 4
    assert null_combinations(rows @ frame[:, :6]).dimension == 0
    assert null_combinations(rows[:0] @ frame[:, :3]).dimension == 3


def test_rows_without_gradient_are_left_out() -> None:
    """Zero rows, gradients that are not finite, small beside the others, or rounding of the loss."""
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-9, 0.0], [0.0, 2.0], [0.0, 1.0]], dtype=torch.float64)
    gradients = torch.tensor([5.0, 1.0, 1e-9, math.nan, 1.0], dtype=torch.float64)
    losses = torch.ones(5, dtype=torch.float64)
    wanted = torch.tensor([[0.6, 0.8], [0.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(usable_rows(rows, gradients, losses), wanted)
    losses = torch.tensor([-2e12, 3e12, 1.0, 2e12, 1.0], dtype=torch.float64)
    torch.testing.assert_close(usable_rows(rows, gradients, losses), wanted[:1])


@pytest.mark.parametrize(
    ("degrees", "whole"),
    [
        ([0.4, -0.4], (1.0, -1.0)),
        ([-0.3, 0.6], (1.0, -2.0)),
        ([0.5, 0.0, -0.75], (2.0, 0.0, -3.0)),
        ([1.0, -math.sqrt(2.0)], (1.0, -1.414214)),
    ],
)
def test_degrees_are_whole_where_they_can_be(degrees: list[float], whole: tuple[float, ...]) -> None:
    assert whole_degrees(torch.tensor(degrees, dtype=torch.float64)) == whole


def test_reduced_rows_take_disjoint_vectors_apart(rng: np.random.Generator) -> None:
    apart = np.array([[1.0, 0.0, -1.0, 0.0, 1.0], [0.0, 1.0, 0.0, -2.0, 0.0]])
    mixed = rng.normal(size=(2, 2)) @ apart
    torch.testing.assert_close(
        reduced_rows(torch.from_numpy(mixed)), torch.from_numpy(apart), rtol=0, atol=1e-11
    )
