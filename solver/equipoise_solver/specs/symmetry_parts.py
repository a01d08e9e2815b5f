"""Symmetries that a task is asked to use: those that a network declares, parts of them, or own generators."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from equipoise_solver.specs.base import AtLeast, Bounded, Part, refusal
from equipoise_solver.specs.network_data import Matrix, check_symmetric
from equipoise_solver.specs.network_models import Network

MAX_GENERATOR = 2048
MAX_SYMMETRIES = 256

Names = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(min_length=1, max_length=4096)
]


class DeclaredSymmetry(Part):
    """Base of the symmetries that a network declares itself."""

    names: Names | None = None
    """Names of the ones to use, as `families` of a solution has them; null is all of the kind."""


class RescalingSymmetry(DeclaredSymmetry):
    """What comes into a hidden neuron times a number, what goes out divided by a power of it.

    Neurons of homogeneous activations, entries of diagonal networks; of linear layers, where it is the
    diagonal part of a double rotation.
    """

    kind: Literal["rescaling"] = "rescaling"
    per: Literal["neuron", "layer"] = "neuron"
    """A number for each neuron, or the same one for all neurons of a layer."""


class ScaleSymmetry(DeclaredSymmetry):
    """Weights whose length does not matter, as in normalised networks."""

    kind: Literal["scale"] = "scale"


class DoubleRotationSymmetry(DeclaredSymmetry):
    """W -> M W and U -> U M^-1 for adjacent linear maps, M symmetric and positive."""

    kind: Literal["double_rotation"] = "double_rotation"


class CustomSymmetry(Part):
    """A symmetric generator A of one's own: theta -> exp(lam A) theta leaves the loss of every sample alone.

    It is verified on random points before use.
    """

    kind: Literal["custom"] = "custom"
    name: Annotated[str, Field(min_length=1, max_length=200)] = "custom"
    """Name in the solution."""
    matrix: Matrix | None = None
    """A, shape (p, p), symmetric, on `blocks` flattened row by row, one after another."""
    diagonal: Annotated[tuple[Bounded, ...], Field(min_length=1, max_length=MAX_GENERATOR)] | None = None
    """Instead of `matrix`: its diagonal, shape (p,), where the rest is 0."""
    blocks: Names | None = None
    """Names of the parameters that A acts on, in order; null is all of them."""

    @model_validator(mode="after")
    def _is_one_symmetric_generator(self) -> Self:
        if (self.matrix is None) == (self.diagonal is None):
            given = None if self.matrix is None else "matrix and diagonal"
            raise refusal("matrix", given=given, allowed="either matrix or diagonal")
        if self.matrix is not None:
            check_symmetric("matrix", self.matrix)
        rows = (self.diagonal or (),) if self.matrix is None else self.matrix
        if not any(any(row) for row in rows):
            field = "matrix" if self.diagonal is None else "diagonal"
            raise refusal(field, given="zeros alone", allowed="a generator that moves something")
        return self


Symmetry = Annotated[
    RescalingSymmetry | ScaleSymmetry | DoubleRotationSymmetry | CustomSymmetry, Field(discriminator="kind")
]
SymmetryList = Annotated[tuple[Symmetry, ...], AtLeast(1), Field(max_length=MAX_SYMMETRIES)]


def _kind_of_symmetries(value: Any) -> str:
    return "(word)" if isinstance(value, str) else "(list)"


SymmetryChoice = Annotated[
    Annotated[Literal["auto"], Tag("(word)")] | Annotated[SymmetryList, Tag("(list)")],
    Discriminator(_kind_of_symmetries),
]


def check_symmetries(model: Network, symmetries: Any) -> None:
    """Refuse generators of one's own whose size is not that of the parameters that they act on.

    Raises:
        PydanticCustomError: a block does not exist, or the generator has another size.
    """
    if symmetries == "auto":
        return
    sizes = {name: _size(shape) for name, shape in model.shapes.items()}
    for place, symmetry in enumerate(symmetries):
        if isinstance(symmetry, CustomSymmetry):
            _check_custom(f"symmetries.{place}", symmetry, sizes)


def _check_custom(field: str, symmetry: CustomSymmetry, sizes: dict[str, int]) -> None:
    names = tuple(sizes) if symmetry.blocks is None else symmetry.blocks
    for name in names:
        if name not in sizes:
            raise refusal(f"{field}.blocks", given=name, allowed=f"names among {', '.join(list(sizes)[:12])}")
    if len(set(names)) < len(names):
        raise refusal(f"{field}.blocks", given=list(names[:12]), allowed="each name once")
    entries, part = (
        (symmetry.matrix, "matrix") if symmetry.diagonal is None else (symmetry.diagonal, "diagonal")
    )
    wanted = sum(sizes[name] for name in names)
    if len(entries or ()) != wanted:
        raise refusal(
            f"{field}.{part}",
            given=f"size {len(entries or ())}",
            allowed=f"size {wanted}, all numbers of {', '.join(names[:6])}{', ...' * (len(names) > 6)}",
        )


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for part in shape:
        size *= part
    return size
