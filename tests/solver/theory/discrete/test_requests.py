"""Requests that describe no run are refused with the field, what was given and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from equipoise_solver.errors import (
    InvalidModelError,
    SolverError,
    UnstableStepError,
    UnsupportedCombinationError,
)
from equipoise_solver.theory.discrete import GaussianData, SampleData, Training, critical_line, discrete_law

DATA = GaussianData(1.0, 1.0)


@pytest.mark.parametrize(
    ("request_", "error", "field"),
    [
        (
            lambda: discrete_law(DATA, depth=2, learning_rate=0.1, batch_size=1),
            InvalidModelError,
            "model.depth",
        ),
        (
            lambda: discrete_law(DATA, depth=1, learning_rate=0.0, batch_size=1),
            InvalidModelError,
            "learning_rate",
        ),
        (
            lambda: discrete_law(DATA, depth=1, learning_rate=math.nan, batch_size=1),
            InvalidModelError,
            "learning_rate",
        ),
        (
            lambda: discrete_law(DATA, depth=0, learning_rate=0.1, batch_size=0),
            InvalidModelError,
            "batch_size",
        ),
        (lambda: Training(0.1, 1, -0.1), InvalidModelError, "weight_decay"),
        (lambda: critical_line(DATA, batch_size=0), InvalidModelError, "batch_size"),
        (lambda: GaussianData(1.0, -1.0), InvalidModelError, "data.noise_std"),
        (lambda: GaussianData(1.0, 1.0, 0.0), InvalidModelError, "data.input_std"),
        (lambda: SampleData.from_lists([1.0, 2.0], [1.0]), InvalidModelError, "data.y"),
        (lambda: SampleData.from_lists([0.0, 0.0], [1.0, 2.0]), InvalidModelError, "data.x"),
        (
            lambda: discrete_law(DATA, depth=1, learning_rate=0.5, batch_size=1, weight_decay=1.0),
            UnstableStepError,
            "weight_decay",
        ),
        (
            lambda: discrete_law(
                GaussianData(1.0, 0.0), depth=1, learning_rate=0.1, batch_size=1, weight_decay=0.1
            ),
            UnsupportedCombinationError,
            "data.noise_std",
        ),
        (
            lambda: discrete_law(GaussianData(1.0, 0.0), depth=1, learning_rate=3.0, batch_size=1),
            UnsupportedCombinationError,
            "learning_rate",
        ),
    ],
)
def test_nonsense_is_refused(request_: Callable[[], object], error: type[SolverError], field: str) -> None:
    """The error names the field."""
    with pytest.raises(error) as caught:
        request_()
    assert caught.value.field == field
    assert caught.value.allowed
