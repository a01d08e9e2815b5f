"""What every spec and solution shares: frozen, closed to unknown fields, every number finite and bounded."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from equipoise_solver.specs.descriptions import Described


def plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays into Python numbers and lists; leave the rest to validation."""
    return value.tolist() if hasattr(value, "tolist") else value


class Brief(BaseModel):
    """Base of models that refuse a list at its first wrong entry.

    Else a list of a million wrong entries is refused a million times, which takes gigabytes.
    """

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The schema, whose lists stop early."""
        schema = handler(source)
        _stop_early(schema)
        return schema


def _stop_early(schema: Any) -> None:
    if isinstance(schema, dict):
        if schema.get("type") in ("list", "tuple", "set"):
            schema["fail_fast"] = True
        for part in schema.values():
            _stop_early(part)
    elif isinstance(schema, (list, tuple)):
        for part in schema:
            _stop_early(part)


class Part(Brief, Described):
    """Base of everything a request is made of: immutable, and unknown fields are refused."""

    # Validators are built at the first use: the import of the thin client stays short.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    unspoken: ClassVar[frozenset[str]] = frozenset()
    """Fields of a spec that its canonical JSON leaves out at their defaults."""

    @model_validator(mode="before")
    @classmethod
    def _take_numpy(cls, content: Any) -> Any:
        """Accept NumPy numbers and arrays as the values of fields."""
        if not isinstance(content, dict):
            return content
        return {name: plain(value) for name, value in content.items()}


class Answer(Described):
    """Base of everything an answer is made of: immutable; fields added by a newer server are ignored."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        arbitrary_types_allowed=True,
        defer_build=True,
    )


def refusal(field: str, *, given: Any, allowed: str, remedy: str = "") -> PydanticCustomError:
    """Error for values that do not fit together.

    Args:
        field: dotted path of the field to blame, relative to the model.
        given: what was given, JSON-able.
        allowed: what would be accepted.
        remedy: what to do, if `allowed` does not say it.
    """
    message = " ".join(part for part in (f"{field}={given!r}: need {allowed}.", remedy) if part)
    context = {"field": field, "message": message, "given": given, "allowed": allowed, "remedy": remedy}
    return PydanticCustomError("does_not_fit", "{message}", context)


@dataclass(frozen=True)
class AtLeast:
    """Bound on the length of a list or object that says nothing where what it holds is refused itself."""

    n: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the length after all else."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The bound under its standard name."""
        content = handler(schema)
        name = "minProperties" if content.get("type") == "object" else "minItems"
        return {**content, name: self.n}

    def _check(self, value: Any) -> Any:
        if len(value) < self.n:
            raise PydanticCustomError(
                "too_short", "List should have at least {min_length} entries", {"min_length": self.n}
            )
        return value


# Strict: "1.0" and true are not numbers, 1.0 is not a count. Integers are accepted where a float is wanted.
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True)]


def _zero_or_sizeable(value: float) -> float:
    if 0 < abs(value) < SMALLEST:
        raise PydanticCustomError(
            "too_small", "Input should be 0 or at least {allowed}", {"allowed": f"{SMALLEST:g}"}
        )
    return value


SMALLEST = 1e-30  # Smaller numbers than this are slips, and their powers leave the floating-point numbers.
LARGEST = 1e9  # Far beyond the accuracy range of the theory (1e-3 .. 1e3), and its fourth power stays finite.
Bounded = Annotated[Real, Field(ge=-LARGEST, le=LARGEST)]
NonNegative = Annotated[Real, Field(ge=0, le=LARGEST), AfterValidator(_zero_or_sizeable)]
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
