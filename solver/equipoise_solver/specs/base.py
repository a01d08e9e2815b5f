"""What every spec and solution shares: frozen, closed to unknown fields, every number finite and bounded."""

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError


class Part(BaseModel):
    """Base of everything a request is made of: immutable, and unknown fields are refused."""

    # Validators are built at the first use: the import of the thin client stays short.
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True, defer_build=True
    )


class Answer(BaseModel):
    """Base of everything an answer is made of: immutable; fields added by a newer server are ignored."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
        defer_build=True,
    )


def refusal(field: str, message: str) -> PydanticCustomError:
    """Error for values that do not fit together; `ctx["field"]` names the field relative to the model."""
    return PydanticCustomError("does_not_fit", "{message}", {"field": field, "message": message})


def plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays into Python numbers and lists; leave the rest to validation."""
    return value.tolist() if hasattr(value, "tolist") else value


# Strict: "1.0" and true are not numbers, 1.0 is not a count. Integers are accepted where a float is wanted.
Real = Annotated[float, BeforeValidator(plain), Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(plain), Field(strict=True)]

LARGEST = 1e9  # Far beyond the accuracy range of the theory (1e-3 .. 1e3), and its fourth power stays finite.
Bounded = Annotated[Real, Field(ge=-LARGEST, le=LARGEST)]
NonNegative = Annotated[Real, Field(ge=0, le=LARGEST)]
Positive = Annotated[Real, Field(ge=1 / LARGEST, le=LARGEST)]


def _array(value: Any) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64).view()  # A view: the caller's own array stays writable.
    array.setflags(write=False)
    return array


def _counts(value: Any) -> NDArray[np.int64]:
    array = np.asarray(value, dtype=np.int64).view()
    array.setflags(write=False)
    return array


def _nullable(array: NDArray[Any]) -> list[Any]:
    """List the numbers of an array, with null where JSON has no number (NaN, infinities)."""
    numbers: list[Any] = array.tolist()
    if np.isfinite(array).all():
        return numbers
    return [x if math.isfinite(x) else None for x in numbers]


Numbers = Annotated[
    NDArray[np.float64],
    BeforeValidator(_array),
    PlainSerializer(_nullable, when_used="json"),
    WithJsonSchema({"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}}),
]
Counts = Annotated[
    NDArray[np.int64],
    BeforeValidator(_counts),
    PlainSerializer(lambda array: array.tolist(), when_used="json"),
    WithJsonSchema({"type": "array", "items": {"type": "integer"}}),
]
