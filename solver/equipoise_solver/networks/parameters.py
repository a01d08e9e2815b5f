"""Parameters of a network by block: names and shapes, one vector of them all, and checks of given values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError

Parameters = dict[str, Tensor]
"""Tensors by block name, for example {"W1": (out, in), "b1": (out,)}."""


@dataclass(frozen=True)
class Block:
    """One named tensor of parameters.

    Attributes:
        name: for example "W1"; a key of `Parameters`.
        shape: one or two axes; a matrix is (out, in).
    """

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of parameters in the block."""
        return math.prod(self.shape)


class HasBlocks(Protocol):
    """Whatever has parameters by block."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Blocks in the order of the flat vector."""
        ...


@runtime_checkable
class HasDomain(Protocol):
    """A network that is not defined at all parameters."""

    def check_domain(self, parameters: Parameters) -> None:
        """Refuse parameters at which predictions do not exist.

        Raises:
            InvalidModelError: naming the block.
        """
        ...


def n_parameters(network: HasBlocks) -> int:
    """Length p of the flat vector."""
    return sum(block.size for block in network.blocks)


def flatten(parameters: Parameters, blocks: Sequence[Block]) -> Tensor:
    """All parameters as one vector, in the order of the blocks, rows of a matrix one after another.

    Args:
        parameters: by block; leading axes (samples, networks), the same for all blocks, are kept.
        blocks: names and shapes.

    Returns:
        shape (..., p).
    """
    return torch.cat([parameters[b.name].flatten(start_dim=-len(b.shape)) for b in blocks], dim=-1)


def unflatten(vector: Tensor, blocks: Sequence[Block]) -> Parameters:
    """Inverse of `flatten`: blocks of a vector, shape (..., p), as views of it."""
    parts = torch.split(vector, [block.size for block in blocks], dim=-1)
    return {b.name: part.reshape(*part.shape[:-1], *b.shape) for b, part in zip(blocks, parts, strict=True)}


def check_parameters(network: HasBlocks, parameters: Mapping[str, object]) -> Parameters:
    """Given values as tensors, once they fit the network.

    Args:
        network: its blocks say what is wanted.
        parameters: tensors, arrays or nested lists by block.

    Returns:
        tensors in the order of the network's blocks; floating tensors keep their precision and device,
        everything else becomes float64.

    Raises:
        InvalidModelError: a block is missing, unknown, of another shape, not finite, or at values where
            the network is not defined; the field is "parameters" or "parameters.W2".
    """
    wanted = [block.name for block in network.blocks]
    if set(parameters) != set(wanted):
        raise InvalidModelError("parameters", given=sorted(parameters), allowed=f"the blocks {wanted}")
    checked = {b.name: _checked_block(b, parameters[b.name]) for b in network.blocks}
    if isinstance(network, HasDomain):
        network.check_domain(checked)
    return checked


def _checked_block(block: Block, value: object) -> Tensor:
    field = f"parameters.{block.name}"
    tensor = as_tensor(field, value)
    if tuple(tensor.shape) != block.shape:
        raise InvalidModelError(
            field,
            given=f"shape {list(tensor.shape)}",
            allowed=f"shape {list(block.shape)}",
            remedy="A weight matrix is (out, in).",
        )
    return tensor


def as_tensor(field: str, value: object) -> Tensor:
    """Finite numbers as a floating tensor.

    Args:
        field: name of the field for errors.
        value: a tensor, an array or nested lists.

    Returns:
        a floating tensor as it is; everything else as float64.

    Raises:
        InvalidModelError: not numbers, rows of unequal length, or not finite.
    """
    try:
        if isinstance(value, Tensor):
            tensor = value if value.is_floating_point() else value.to(torch.float64)
        else:
            tensor = torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidModelError(
            field, given=type(value).__name__, allowed="numbers in rows of equal length"
        ) from error
    n_bad = int((~torch.isfinite(tensor)).sum())
    if n_bad:
        raise InvalidModelError(field, given=f"{n_bad} values that are not finite", allowed="finite numbers")
    return tensor


def check_overflow(value: Tensor | float) -> None:
    """Refuse parameters so large that what was computed from them has overflown.

    Args:
        value: numbers computed from finite parameters and data.

    Raises:
        InvalidModelError: field "parameters", a number is not finite.
    """
    if not bool(torch.isfinite(torch.as_tensor(value)).all()):
        raise InvalidModelError(
            "parameters",
            given="values at which the loss or its derivatives overflow",
            allowed="parameters with a finite loss and finite derivatives",
        )
