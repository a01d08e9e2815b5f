"""Parameters of a network: given by name, or drawn."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from equipoise_solver.specs.base import AtLeast, Bounded, Count, Part, Positive, plain, refusal
from equipoise_solver.specs.network_data import check_matrix
from equipoise_solver.specs.network_models import MAX_PARAMETERS, Network

InitName = Literal["kaiming", "xavier", "small", "orthogonal", "global_minimum"]


class NetworkInit(Part):
    """Parameters drawn at random."""

    init: InitName = "kaiming"
    """How; "global_minimum" is an exact minimum of linear networks, in a random gauge."""
    seed: Annotated[Count, Field(ge=0, lt=2**63)] | None = None
    """Seed of the draw; null is 0, and in an ensemble a draw of its own for each network."""
    scale: Positive = 1.0
    """Factor on all parameters; 1 for "global_minimum"."""


def _kind_of_block(value: Any) -> str:
    first = value[0] if isinstance(value, Sequence) and len(value) and not isinstance(value, str) else None
    return "(numbers)" if first is None or isinstance(first, int | float) else "(rows)"


def _blocks(value: Any) -> Any:
    """NumPy arrays as lists."""
    return {name: plain(block) for name, block in value.items()} if isinstance(value, Mapping) else value


_Numbers = Annotated[tuple[Bounded, ...], AtLeast(1), Field(max_length=MAX_PARAMETERS)]
_Rows = Annotated[tuple[_Numbers, ...], AtLeast(1), Field(max_length=MAX_PARAMETERS)]
Block = Annotated[
    Annotated[_Numbers, Tag("(numbers)")] | Annotated[_Rows, Tag("(rows)")], Discriminator(_kind_of_block)
]
GivenParameters = Annotated[dict[str, Block], BeforeValidator(_blocks), AtLeast(1), Field(max_length=4096)]


def _kind_of_parameters(value: Any) -> str:
    is_init = isinstance(value, NetworkInit) or (
        isinstance(value, Mapping) and set(value) <= NetworkInit.model_fields.keys()
    )
    is_init |= isinstance(value, Mapping) and "init" in value
    return "(init)" if is_init else "(given)"


NetworkParameters = Annotated[
    Annotated[NetworkInit, Tag("(init)")] | Annotated[GivenParameters, Tag("(given)")],
    Discriminator(_kind_of_parameters),
]


def check_parameters(model: Network, parameters: Any) -> None:
    """Refuse given parameters whose names or shapes are not those of the network.

    Raises:
        PydanticCustomError: a block is missing, unknown, or has another shape.
    """
    if isinstance(parameters, NetworkInit):
        _check_init(model, parameters)
        return
    shapes = model.shapes
    for name in parameters:
        if name not in shapes:
            raise refusal(f"parameters.{name}"[:80], given="a value", allowed=f"only {_listed(shapes)}")
    for name, shape in shapes.items():
        if name not in parameters:
            raise refusal(f"parameters.{name}", given=None, allowed=f"numbers of shape {shape}")
        block = parameters[name]
        is_vector = not isinstance(block[0], tuple)
        given = (len(block),) if is_vector else check_matrix(f"parameters.{name}", block)
        if given != shape:
            raise refusal(
                f"parameters.{name}",
                given=f"shape {given}",
                allowed=f"shape {shape}",
                remedy="W of layer i is out x in." if len(shape) == 2 else "",
            )


def _check_init(model: Network, parameters: NetworkInit) -> None:
    if parameters.init != "global_minimum":
        return
    if parameters.scale != 1:
        raise refusal("parameters.scale", given=parameters.scale, allowed="1 at a global minimum")
    if model.kind not in ("linear", "matrix_factorization") or model.loss != "squared_error":
        raise refusal(
            "parameters.init",
            given="global_minimum",
            allowed="'kaiming', 'xavier', 'small' or 'orthogonal' with this model",
            remedy="Exact minima are known for linear networks with squared error.",
        )


def _listed(names: Mapping[str, Any]) -> str:
    shown = ", ".join(list(names)[:12])
    return f"{shown}, ..." if len(names) > 12 else shown
