"""Symmetric generators A_1 .. A_m as one ordered basis: A theta, exp(A) theta, charges, traces of noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.func import vmap

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.families import Action, Family, Side
from equipoise_solver.networks.parameters import Block, Parameters, flatten, unflatten
from equipoise_solver.symmetry.custom import Custom, check_dense_size
from equipoise_solver.symmetry.generator_basis import (
    component_names,
    components_of,
    element_of,
    squared_basis_components,
)
from equipoise_solver.symmetry.generator_sides import Factor, exponential, multiplied, side_moment, sum_of


class NoiseMatrices(Protocol):
    """What traces of noise need of the covariance Sigma of the gradient, by block."""

    @property
    def trace(self) -> Mapping[str, Tensor]:
        """Tr Sigma of a block, scalar."""
        ...

    @property
    def left(self) -> Mapping[str, Tensor]:
        """E[G G'], (rows, rows), or its diagonal; of a block with one axis, E[g g'] or its diagonal."""
        ...

    @property
    def right(self) -> Mapping[str, Tensor]:
        """E[G' G], (columns, columns), or its diagonal, of a block with two axes."""
        ...


@dataclass(frozen=True)
class Generators:
    """Ordered basis of symmetric generators: those of the families in order, then the custom ones.

    Coefficients lam, shape (..., m), stand for A = sum lam_k A_k. Functions are pure in torch, may run under
    `torch.func.vmap`, and keep leading axes (networks, samples) of parameters.

    Attributes:
        blocks: blocks of the network.
        families: families with their bases (`generator_basis`).
        custom: dense generators.
    """

    blocks: tuple[Block, ...]
    families: tuple[Family, ...] = ()
    custom: tuple[Custom, ...] = ()

    def __post_init__(self) -> None:
        for family in self.families:
            _check_family(family, self.blocks)
        if self.custom:
            check_dense_size(sum(block.size for block in self._dense_blocks))

    @property
    def dimension(self) -> int:
        """Number of generators m."""
        return sum(family.dimension for family in self.families) + len(self.custom)

    @property
    def names(self) -> list[str]:
        """Names of the m generators."""
        names = [name for family in self.families for name in component_names(family)]
        return names + [custom.name for custom in self.custom]

    def elements(self, coefficients: Tensor) -> tuple[Tensor, ...]:
        """Matrix K of each family, stored as `generator_basis` says, of coefficients (..., m)."""
        parts = torch.split(coefficients, self._dimensions, dim=-1)
        return tuple(element_of(f, part) for f, part in zip(self.families, parts[:-1], strict=True))

    def coefficients(self, elements: Sequence[Tensor], custom: Tensor | None = None) -> Tensor:
        """Inverse of `elements`, shape (..., m).

        Args:
            elements: symmetric K of each family.
            custom: coefficients of the custom generators, shape (..., n); needed if there are any.
        """
        parts = [
            components_of(family, element) for family, element in zip(self.families, elements, strict=True)
        ]
        return torch.cat(parts if custom is None else [*parts, custom], dim=-1)

    def apply(self, coefficients: Tensor, parameters: Parameters) -> Parameters:
        """A theta by block; blocks that nothing acts on are zero."""
        moved = {b.name: torch.zeros_like(parameters[b.name]) for b in self.blocks}
        for (name, side), factor in self._factors(coefficients).items():
            value = parameters[name]
            moved[name] = moved[name] + multiplied(factor, value, side=side, n_axes=self._n_axes(name))
        weights = torch.split(coefficients, self._dimensions, dim=-1)[-1]
        for i, custom in enumerate(self.custom):
            blocks = self._blocks_of(custom)
            vector = flatten(parameters, blocks) @ custom.matrix.to(coefficients)
            for name, part in unflatten(weights[..., i, None] * vector, blocks).items():
                moved[name] = moved[name] + part
        return moved

    def move(self, coefficients: Tensor, parameters: Parameters) -> Parameters:
        """exp(A) theta, exact also where generators do not commute.

        What acts on one side of a block is summed and exponentiated as one matrix; its two sides commute.
        Blocks that custom generators act on get one dense exponential of everything, without leading axes.
        """
        moved = dict(parameters)
        for (name, side), factor in self._factors(coefficients).items():
            factor = exponential(factor)
            moved[name] = multiplied(factor, moved[name], side=side, n_axes=self._n_axes(name))
        if self.custom:
            moved.update(self._exponential(coefficients, parameters))
        return moved

    def products(self, first: Parameters, second: Parameters) -> Tensor:
        """first' A_k second for all k, shape (..., m)."""
        parts = [components_of(f, self._moment(f, first, second)) for f in self.families]
        for custom in self.custom:
            blocks = self._blocks_of(custom)
            image = flatten(second, blocks) @ custom.matrix.to(flatten(second, blocks))
            parts.append((flatten(first, blocks) * image).sum(-1, keepdim=True))
        return torch.cat(parts, dim=-1) if parts else torch.zeros(0).to(first[self.blocks[0].name])

    def charges(self, parameters: Parameters) -> Tensor:
        """Noether charges theta' A_k theta, shape (..., m), [parameter^2]."""
        return self.products(parameters, parameters)

    def squared_norms(self, parameters: Parameters) -> Tensor:
        """|A_k theta|^2 for all k, shape (..., m)."""
        parts = []
        for family in self.families:
            actions = tuple(replace(action, degree=action.degree**2) for action in family.actions)
            moment = self._moment(replace(family, actions=actions), parameters, parameters)
            parts.append(squared_basis_components(family, moment))
        for custom in self.custom:
            image = flatten(parameters, self._blocks_of(custom))
            image = image @ custom.matrix.to(image)
            parts.append((image**2).sum(-1, keepdim=True))
        return torch.cat(parts, dim=-1) if parts else torch.zeros(0).to(parameters[self.blocks[0].name])

    def noise_traces(self, noise: NoiseMatrices, *, covariance: Tensor | None = None) -> Tensor:
        """Tr[Sigma A_k] for all k, shape (m,), from matrices by block.

        Args:
            noise: traces, left and right matrices of the blocks and sides that families act on.
            covariance: full Sigma, shape (p, p); only custom generators need it.

        Raises:
            InvalidModelError: field "covariance": custom generators without it.
        """
        parts = [components_of(f, _noise_moment(f, noise)) for f in self.families]
        for custom in self.custom:
            if covariance is None:
                raise InvalidModelError("covariance", given=None, allowed="Sigma, for custom generators")
            index = self._indices(self._blocks_of(custom))
            parts.append((covariance[index][:, index] * custom.matrix.to(covariance)).sum()[None])
        return torch.cat(parts, dim=-1) if parts else torch.zeros(0)

    def dense(self, coefficients: Tensor) -> Tensor:
        """A as a matrix, shape (p, p), of coefficients, shape (m,).

        Raises:
            LimitExceededError: more parameters than dense matrices are made for.
        """
        n = sum(block.size for block in self.blocks)
        check_dense_size(n)

        def image(vector: Tensor) -> Tensor:
            return flatten(self.apply(coefficients, unflatten(vector, self.blocks)), self.blocks)

        columns: Tensor = vmap(image)(torch.eye(n).to(coefficients))
        return columns.T

    @property
    def _dimensions(self) -> list[int]:
        return [*(family.dimension for family in self.families), len(self.custom)]

    def _n_axes(self, name: str) -> int:
        return next(len(block.shape) for block in self.blocks if block.name == name)

    @property
    def _dense_blocks(self) -> tuple[Block, ...]:
        """Blocks that a custom generator acts on."""
        names = {name for custom in self.custom for name in custom.names(self.blocks)}
        return tuple(block for block in self.blocks if block.name in names)

    def _blocks_of(self, custom: Custom) -> list[Block]:
        by_name = {block.name: block for block in self.blocks}
        return [by_name[name] for name in custom.names(self.blocks)]

    def _indices(self, blocks: Sequence[Block]) -> Tensor:
        """Places of the blocks' entries in the flat vector of all."""
        places: dict[str, Tensor] = {}
        start = 0
        for block in self.blocks:
            places[block.name] = torch.arange(start, start + block.size)
            start += block.size
        return torch.cat([places[block.name] for block in blocks])

    def _factors(self, coefficients: Tensor) -> dict[tuple[str, Side], Factor]:
        """Sum of degree K by block and side."""
        factors: dict[tuple[str, Side], Factor] = {}
        for family, element in zip(self.families, self.elements(coefficients), strict=True):
            for action in family.actions:
                place = (action.block, action.side)
                term = Factor(family.structure, action.degree * element)
                factors[place] = sum_of(factors.get(place), term)
        return factors

    def _moment(self, family: Family, first: Parameters, second: Parameters) -> Tensor:
        """M with first' A(K) second = Tr(K M), stored as K is."""
        terms = [
            a.degree
            * side_moment(
                family.structure, first[a.block], second[a.block], side=a.side, n_axes=self._n_axes(a.block)
            )
            for a in family.actions
        ]
        return torch.stack(terms).sum(0)

    def _exponential(self, coefficients: Tensor, parameters: Parameters) -> Parameters:
        """exp(A) theta on blocks that custom generators act on, flattened and joined."""
        blocks = self._dense_blocks
        names = {block.name for block in blocks}
        families = tuple(
            replace(f, actions=tuple(a for a in f.actions if a.block in names)) for f in self.families
        )
        matrix = Generators(blocks, families, self.custom).dense(coefficients)
        return unflatten(torch.linalg.matrix_exp(matrix) @ flatten(parameters, blocks), blocks)


def _noise_moment(family: Family, noise: NoiseMatrices) -> Tensor:
    """M with Tr[Sigma A(K)] = Tr(K M), stored as K is."""
    return torch.stack([a.degree * _noise_of(family, a, noise) for a in family.actions]).sum(0)


def _noise_of(family: Family, action: Action, noise: NoiseMatrices) -> Tensor:
    if family.structure == "scalar":
        return noise.trace[action.block]
    matrix = (noise.left if action.side == "left" else noise.right)[action.block]
    if family.structure == "full":
        return matrix
    return torch.diagonal(matrix, dim1=-2, dim2=-1) if matrix.ndim > 1 else matrix


def _check_family(family: Family, blocks: Sequence[Block]) -> None:
    """Refuse a family that does not fit the blocks; no action at all is the generator 0 and fits."""
    shapes = {block.name: block.shape for block in blocks}
    names = [action.block for action in family.actions]
    if len(set(names)) < len(names):
        raise InvalidModelError("symmetries", given=f"{family.name}: {names}", allowed="each block once")
    for action in family.actions:
        if action.block not in shapes:
            raise InvalidModelError(
                "symmetries", given=f"{family.name}: block {action.block}", allowed=f"one of {list(shapes)}"
            )
        shape = shapes[action.block]
        if action.side == "right" and len(shape) == 1 and family.structure != "scalar":
            raise InvalidModelError(
                "symmetries",
                given=f"{family.name}: {action.block} from the right",
                allowed='side "left" for a block with one axis',
            )
        size = shape[0] if action.side == "left" else shape[-1]
        if family.structure != "scalar" and family.size != size:
            raise InvalidModelError(
                "symmetries",
                given=f"{family.name}: size {family.size}",
                allowed=f"size {size}, the {action.side} side of {action.block}",
            )
