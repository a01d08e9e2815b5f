"""Spaces of generators that are searched: coordinates of A, and the equation that a point makes for them.

In every space coordinates are orthonormal in Tr(A A'), so a point (theta, z) has the row r with
theta' A grad l = r . coordinates.

full      any symmetric A, p(p+1)/2 coordinates
blocks    A(W) = K W + W M for every block, K and M symmetric and M without trace (a multiple of the
          identity is the same from both sides); a block with one axis has K only
diagonal  diagonal A, p coordinates
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from equipoise_solver.networks.families import Action, Side
from equipoise_solver.networks.parameters import Block, Parameters, flatten, unflatten
from equipoise_solver.symmetry.generator_basis import symmetric_components, symmetric_of
from equipoise_solver.symmetry.generator_sides import Factor, multiplied, side_moment

SearchStructure = Literal["full", "blocks", "diagonal"]


class SearchSpace(Protocol):
    """A linear space of symmetric generators."""

    @property
    def dimension(self) -> int:
        """Number of coordinates u."""
        ...

    def rows(self, parameters: Parameters, gradients: Parameters) -> Tensor:
        """Rows of points, shape (n, u), of parameters and gradients with a leading axis n."""
        ...

    def constraints(self) -> Tensor:
        """Rows of unit length that coordinates obey by definition, shape (k, u)."""
        ...

    def embed(self, factor: Factor, actions: Sequence[Action]) -> Tensor | None:
        """Coordinates (u,) of the generator that multiplies blocks by degree K; None if it lies outside."""
        ...

    def image(self, coordinates: Tensor, parameters: Parameters) -> Parameters:
        """A theta by block."""
        ...

    @property
    def n_entries(self) -> int:
        """How many coordinates, the first ones, are entries A_aa of one parameter each: all p or none."""
        ...

    def between(self, places: Tensor) -> Tensor:
        """Columns (u, k) of generators that act within a set of parameters; none if n_entries is 0."""
        ...


@dataclass(frozen=True)
class DiagonalSpace:
    """Diagonal generators: one coordinate per parameter."""

    blocks: tuple[Block, ...]

    @property
    def dimension(self) -> int:
        """Number of parameters."""
        return sum(block.size for block in self.blocks)

    def rows(self, parameters: Parameters, gradients: Parameters) -> Tensor:
        """theta_a dl/dtheta_a, shape (n, p)."""
        return flatten(parameters, self.blocks) * flatten(gradients, self.blocks)

    def constraints(self) -> Tensor:
        """None."""
        return torch.zeros(0, self.dimension, dtype=torch.float64)

    def embed(self, factor: Factor, actions: Sequence[Action]) -> Tensor | None:
        """The diagonal; None for a matrix K that is not diagonal."""
        if factor.structure == "full":
            return None
        ones = {b.name: torch.zeros(b.shape, dtype=torch.float64) for b in self.blocks}
        for action in actions:
            one = torch.ones_like(ones[action.block])
            part = multiplied(factor, one, side=action.side, n_axes=one.ndim)
            ones[action.block] = ones[action.block] + action.degree * part
        return flatten(ones, self.blocks)

    def image(self, coordinates: Tensor, parameters: Parameters) -> Parameters:
        """Entries times the diagonal."""
        return unflatten(coordinates * flatten(parameters, self.blocks), self.blocks)

    @property
    def n_entries(self) -> int:
        """All parameters."""
        return self.dimension

    def between(self, places: Tensor) -> Tensor:
        """One generator per parameter."""
        columns = torch.zeros(self.dimension, len(places), dtype=torch.float64)
        columns[places, torch.arange(len(places))] = 1.0
        return columns


@dataclass(frozen=True)
class FullSpace:
    """All symmetric generators, in the full basis of `generator_basis`."""

    blocks: tuple[Block, ...]

    @property
    def n_parameters(self) -> int:
        """Number of parameters p."""
        return sum(block.size for block in self.blocks)

    @property
    def dimension(self) -> int:
        """p(p+1)/2."""
        return self.n_parameters * (self.n_parameters + 1) // 2

    def rows(self, parameters: Parameters, gradients: Parameters) -> Tensor:
        """Symmetric part of theta grad l', shape (n, u)."""
        theta, gradient = flatten(parameters, self.blocks), flatten(gradients, self.blocks)
        return symmetric_components(theta[..., :, None] * gradient[..., None, :])

    def constraints(self) -> Tensor:
        """None."""
        return torch.zeros(0, self.dimension, dtype=torch.float64)

    def embed(self, factor: Factor, actions: Sequence[Action]) -> Tensor | None:
        """The dense matrix, by its action on each unit vector."""
        units = unflatten(torch.eye(self.n_parameters, dtype=torch.float64), self.blocks)
        images = {name: torch.zeros_like(value) for name, value in units.items()}
        for action in actions:
            value = units[action.block]
            part = multiplied(factor, value, side=action.side, n_axes=value.ndim - 1)
            images[action.block] = images[action.block] + action.degree * part
        return symmetric_components(flatten(images, self.blocks))

    def image(self, coordinates: Tensor, parameters: Parameters) -> Parameters:
        """Matrix times vector."""
        matrix = symmetric_of(coordinates, self.n_parameters)
        return unflatten(flatten(parameters, self.blocks) @ matrix, self.blocks)

    @property
    def n_entries(self) -> int:
        """All parameters."""
        return self.n_parameters

    def between(self, places: Tensor) -> Tensor:
        """One generator per pair of parameters."""
        is_inside = torch.zeros(self.n_parameters, dtype=torch.float64)
        is_inside[places] = 1.0
        chosen = torch.nonzero(symmetric_components(torch.outer(is_inside, is_inside))).flatten()
        columns = torch.zeros(self.dimension, len(chosen), dtype=torch.float64)
        columns[chosen, torch.arange(len(chosen))] = 1.0
        return columns


@dataclass(frozen=True)
class _Slot:
    """One side of one block: a symmetric matrix of so many rows, repeated `count` times in A."""

    block: str
    side: Side
    size: int
    count: int
    n_axes: int
    start: int

    @property
    def stop(self) -> int:
        """End of its coordinates."""
        return self.start + self.size * (self.size + 1) // 2


@dataclass(frozen=True)
class BlocksSpace:
    """Symmetric matrices from the left and from the right of every block."""

    blocks: tuple[Block, ...]

    @property
    def slots(self) -> list[_Slot]:
        """Sides of blocks in order, left before right."""
        slots: list[_Slot] = []
        for block in self.blocks:
            n_axes = len(block.shape)
            rows, columns = block.shape[0], block.size // block.shape[0]
            sides: list[tuple[Side, int, int]] = [("left", rows, columns)]
            if n_axes == 2:
                sides.append(("right", columns, rows))
            for side, size, count in sides:
                start = slots[-1].stop if slots else 0
                slots.append(_Slot(block.name, side, size, count, n_axes, start))
        return slots

    @property
    def dimension(self) -> int:
        """Sum of s(s+1)/2 over sides of size s, traces from the right included."""
        return self.slots[-1].stop

    def rows(self, parameters: Parameters, gradients: Parameters) -> Tensor:
        """Symmetric parts of W G' and W' G, shape (n, u)."""
        parts = []
        for s in self.slots:
            value, gradient = parameters[s.block], gradients[s.block]
            moment = side_moment("full", value, gradient, side=s.side, n_axes=s.n_axes)
            parts.append(symmetric_components(moment) / math.sqrt(s.count))
        return torch.cat(parts, dim=-1)

    def constraints(self) -> Tensor:
        """Matrices from the right have no trace."""
        slots = [slot for slot in self.slots if slot.side == "right"]
        rows = torch.zeros(len(slots), self.dimension, dtype=torch.float64)
        for row, slot in zip(rows, slots, strict=True):
            row[slot.start : slot.start + slot.size] = 1.0 / math.sqrt(slot.size)
        return rows

    def embed(self, factor: Factor, actions: Sequence[Action]) -> Tensor | None:
        """Coordinates by side; the trace from the right counts from the left."""
        slots = {(slot.block, slot.side): slot for slot in self.slots}
        vector = torch.zeros(self.dimension, dtype=torch.float64)
        for action in actions:
            slot, left = slots[action.block, action.side], slots[action.block, "left"]
            matrix = action.degree * _as_matrix(factor, slot.size)
            if slot.side == "right":
                mean = torch.diagonal(matrix).mean()
                matrix = matrix - mean * torch.eye(slot.size, dtype=torch.float64)
                vector[left.start : left.start + left.size] += mean * math.sqrt(left.count)
            vector[slot.start : slot.stop] += symmetric_components(matrix) * math.sqrt(slot.count)
        return vector

    def image(self, coordinates: Tensor, parameters: Parameters) -> Parameters:
        """K W + W M by block."""
        images = {name: torch.zeros_like(value) for name, value in parameters.items()}
        for s in self.slots:
            matrix = symmetric_of(coordinates[s.start : s.stop] / math.sqrt(s.count), s.size)
            part = multiplied(Factor("full", matrix), parameters[s.block], side=s.side, n_axes=s.n_axes)
            images[s.block] = images[s.block] + part
        return images

    @property
    def n_entries(self) -> int:
        """None: K and M act on rows and columns."""
        return 0

    def between(self, places: Tensor) -> Tensor:
        """None."""
        return torch.zeros(self.dimension, 0, dtype=torch.float64)


def _as_matrix(factor: Factor, size: int) -> Tensor:
    if factor.structure == "full":
        return factor.matrix
    return torch.diag(factor.matrix.expand(size).to(torch.float64))
