"""What the parts of the task `diffusion` share: whose field an error blames, and numbers that JSON has."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from equipoise_solver.errors import (
    InvalidModelError,
    LimitExceededError,
    SolverError,
    UnsupportedCombinationError,
)
from equipoise_solver.specs import Diffusion

Part = TypeVar("Part")
_NAMES = {"below": "low", "above": "high"}
"""What the solver calls fields by another name."""
_TOO_MANY_SCALES = "coefficients over more scales than 64-bit numbers resolve"
_REMEDY = "Raise the noise, narrow the interval, or ask between levels."


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


def attempted(name: str, notes: list[str], answer: Callable[[], Part]) -> Part | None:
    """The answer, or None and a note where it is beyond the solver: the other parts stand without it.

    Raises:
        SolverError: a field of the spec that is wrong.
    """
    n_notes = len(notes)
    try:
        return answer()
    except SolverError as error:
        if _blames_a_user(error):
            raise
        reason = _reason(error)
    except (ValueError, ArithmeticError):  # What libraries raise when numbers overflow.
        reason = f"{_TOO_MANY_SCALES}. {_REMEDY}"
    notes[n_notes:] = [f"{name} is left out: {reason}"]
    return None


def _blames_a_user(error: SolverError) -> bool:
    if isinstance(error, LimitExceededError | UnsupportedCombinationError):
        return False
    return not isinstance(error, InvalidModelError) or error.field.split(".")[0] in Diffusion.model_fields


def _reason(error: SolverError) -> str:
    """What the solver met, and what helps, in the words of its error."""
    if isinstance(error, InvalidModelError):  # Of an argument that no user gave.
        return f"{_TOO_MANY_SCALES}. {_REMEDY}"
    given = error.given if isinstance(error.given, str) else f"{error.field}={error.given!r}"
    return f"{given} (need {error.allowed}). {error.remedy or _REMEDY}"


def finite(value: float) -> float | None:
    """The number, or None for what JSON has no number for."""
    return value if math.isfinite(value) else None
