"""What the parts of the task `diffusion` share: whose field an error blames, and numbers that JSON has."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from equipoise_solver.errors import LimitExceededError, SolverError

_NAMES = {"below": "low", "above": "high"}
"""What the solver calls fields by another name."""


@contextmanager
def asked(part: str, fields: tuple[str, ...]) -> Iterator[None]:
    """Blame the fields of a part of the spec by their whole path."""
    try:
        yield
    except (np.linalg.LinAlgError, FloatingPointError):
        raise LimitExceededError(
            part, given="coefficients over too many scales", allowed="what 64-bit numbers resolve"
        ) from None
    except SolverError as error:
        name = _NAMES.get(error.field, error.field)
        if name in fields:
            name = f"{part}.{name}"
        elif isinstance(error, LimitExceededError):
            name = part
        else:
            raise
        raise type(error)(name, given=error.given, allowed=error.allowed, remedy=error.remedy) from None


def finite(value: float) -> float | None:
    """The number, or None for what JSON has no number for."""
    return value if math.isfinite(value) else None
