"""Names for the solutions of a search: rescalings, scales, double rotations, and what remains."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from equipoise_solver.networks.families import Action, Family, Kind, Side
from equipoise_solver.networks.parameters import Block, flatten, unflatten
from equipoise_solver.symmetry.detect_structures import SearchSpace
from equipoise_solver.symmetry.generator_basis import element_of
from equipoise_solver.symmetry.generator_sides import Factor
from equipoise_solver.symmetry.recognise_degrees import reduced_rows, whole_degrees

_SAME = 1e-6
"""Relative distance below which a generator counts as one of the solutions."""
_MOST_ENTRIES = 2**22
"""Entries of all dense matrices given, 32 MB."""


@dataclass(frozen=True)
class Found:
    """One symmetry, or a family of them, that a search found.

    Attributes:
        kind: "rescaling", "scale", "double_rotation" or "custom".
        name: as the network declares it, else made of the blocks that are acted on.
        dimension: independent generators it adds to those before it.
        family: how K acts, with degrees; None where that is not the form.
        members: which elements of the family's basis, from 0 (of a diagonal K: which entries); None for all.
        is_declared: whether the network declares this family.
        matrix: A on the flattened parameters, shape (p, p), where there is no family and p is not too large.
    """

    kind: Kind
    name: str
    dimension: int
    family: Family | None = None
    members: tuple[int, ...] | None = None
    is_declared: bool = False
    matrix: Tensor | None = None


class _Slot(NamedTuple):
    """One side of one block."""

    block: str
    side: Side
    size: int


class Recogniser:
    """Solutions of a search, and how many of them have a name.

    Args:
        space: the searched space.
        basis: orthonormal solutions, shape (u, m).
        blocks: blocks of the network.
    """

    def __init__(self, space: SearchSpace, basis: Tensor, blocks: Sequence[Block]) -> None:
        self._space = space
        self._basis = basis
        self._blocks = tuple(blocks)
        self._claimed = torch.zeros(basis.shape[1], 0, dtype=torch.float64)

    @property
    def n_open(self) -> int:
        """Independent solutions without a name."""
        return self._basis.shape[1] - self._claimed.shape[1]

    def all_found(self, declared: Sequence[Family]) -> list[Found]:
        """Names for all solutions: declared families first, then others of their forms, then single ones."""
        found = [one for family in declared for one in self._declared(family)]
        for search in (
            self._scales,
            self._rotations,
            self._entries,
            self._scalars,
            self._unused,
            self._shifts,
        ):
            if self.n_open:
                found += list(search())
        return found + self._rest()

    def _declared(self, family: Family) -> Iterator[Found]:
        """The part of a declared family that is among the solutions."""
        vectors = self._embedded(family)
        if not vectors:
            # Of a family of any symmetric K the space holds diagonal ones only.
            family = replace(family, kind="rescaling", structure="diagonal")
            vectors = self._embedded(family)
        stacked = torch.stack(vectors, dim=1)
        is_member = self._contains(stacked)
        dimension = self._claim(stacked[:, is_member])
        if dimension:
            whole = bool(is_member.all())
            members = None if whole else tuple(torch.nonzero(is_member).flatten().tolist())
            yield Found(family.kind, family.name, dimension, family, members, is_declared=True)

    def _scales(self) -> Iterator[Found]:
        """Scale of one block, and of all."""
        actions = [Action(block.name, "left", 1.0) for block in self._blocks]
        for action in actions:
            yield from self._family(Family("scale", f"scale of {action.block}", 1, "scalar", (action,)))
        yield from self._family(Family("scale", "scale of all parameters", 1, "scalar", tuple(actions)))

    def _rotations(self) -> Iterator[Found]:
        """Any symmetric K on sides of one size, found by a random one and then checked for all."""
        for size, slots in self._slots_by_size():
            if size == 1:
                continue
            root = torch.from_numpy(np.random.default_rng(size).standard_normal((size, size)))
            for actions in self._degrees(Factor("full", root + root.T), slots):
                kind: Kind = "double_rotation" if _has_both_signs(actions) else "custom"
                yield from self._family(Family(kind, _name(actions), size, "full", actions))

    def _entries(self) -> Iterator[Found]:
        """One diagonal entry of K at a time; those of equal degrees make a family."""
        for size, slots in self._slots_by_size():
            members: dict[tuple[Action, ...], list[int]] = {}
            for k, unit in enumerate(torch.eye(size, dtype=torch.float64)):
                for actions in self._degrees(Factor("diagonal", unit), slots):
                    members.setdefault(actions, []).append(k)
            for actions, entries in members.items():
                kind: Kind = "rescaling" if _has_both_signs(actions) else "scale"
                family = Family(kind, _name(actions), size, "diagonal", actions)
                yield from self._family(family, tuple(entries))

    def _scalars(self) -> Iterator[Found]:
        """Multiples of the identity on several blocks, of any degrees."""
        slots = [_Slot(block.name, "left", 1) for block in self._blocks]
        for actions in self._degrees(Factor("scalar", torch.tensor(1.0, dtype=torch.float64)), slots):
            kind: Kind = "rescaling" if _has_both_signs(actions) else "scale"
            yield from self._family(Family(kind, _name(actions), 1, "scalar", actions))

    def _unused(self) -> Iterator[Found]:
        """Whatever acts within the parameters that no gradient has."""
        outside = 1.0 - self._basis[: self._space.n_entries].square().sum(1)
        places = torch.nonzero(outside <= _SAME**2).flatten()
        if not len(places):
            return
        dimension = self._claim(self._space.between(places))
        if dimension:
            yield Found("custom", f"parameters without effect: {self._counted(places)}", dimension)

    def _counted(self, places: Tensor) -> str:
        """How many entries of which blocks, for example "96 of W1, 3 of b2"."""
        counts, start = [], 0
        for block in self._blocks:
            count = int(((places >= start) & (places < start + block.size)).sum())
            counts += [f"{count} of {block.name}"] * bool(count)
            start += block.size
        return ", ".join(counts)

    def _shifts(self) -> Iterator[Found]:
        """K = 11' on one side: one number added to all rows, or columns, of a block."""
        for size, slots in self._slots_by_size():
            ones = Factor("full", torch.ones(size, size, dtype=torch.float64))
            for slot in slots:
                vector = self._space.embed(ones, [Action(slot.block, slot.side, 1.0)])
                if vector is None or not bool(self._contains(vector[:, None])[0]):
                    continue
                if self._claim(vector[:, None]):
                    name = f"equal shift of all {_name([Action(slot.block, slot.side, 1.0)])}"
                    yield Found("custom", name, 1, matrix=self._matrix(vector, 2 * len(self._blocks)))

    def _rest(self) -> list[Found]:
        """Solutions without a name, as few entries as possible in each."""
        if not self.n_open:
            return []
        open_directions = torch.linalg.svd(self._claimed, full_matrices=True).U[:, self._claimed.shape[1] :]
        rows = reduced_rows((self._basis @ open_directions).T)
        rows = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        return [
            Found("custom", f"unnamed {i}", 1, matrix=self._matrix(row, len(rows)))
            for i, row in enumerate(rows, start=1)
        ]

    def _matrix(self, coordinates: Tensor, n_matrices: int) -> Tensor | None:
        n_parameters = sum(block.size for block in self._blocks)
        if n_matrices * n_parameters**2 > _MOST_ENTRIES:
            return None
        units = unflatten(torch.eye(n_parameters, dtype=torch.float64), self._blocks)
        return flatten(self._space.image(coordinates, units), self._blocks)

    def _family(self, family: Family, members: tuple[int, ...] | None = None) -> Iterator[Found]:
        """The family, if all of it (or all given members) are solutions and some without a name."""
        if members is not None and len(members) == family.size:
            members = None
        vectors = self._embedded(family)
        stacked = torch.stack(vectors if members is None else [vectors[k] for k in members], dim=1)
        if not bool(self._contains(stacked).all()):
            return
        dimension = self._claim(stacked)
        if dimension:
            yield Found(family.kind, family.name, dimension, family, members)

    def _embedded(self, family: Family) -> list[Tensor]:
        """Coordinates of the family's basis; empty if they lie outside the space."""
        units = torch.eye(family.dimension, dtype=torch.float64)
        factors = [Factor(family.structure, element_of(family, unit)) for unit in units]
        vectors = [self._space.embed(factor, family.actions) for factor in factors]
        return [vector for vector in vectors if vector is not None]

    def _slots_by_size(self) -> list[tuple[int, list[_Slot]]]:
        """Sides of blocks by their size, the largest first."""
        slots = []
        for block in self._blocks:
            slots.append(_Slot(block.name, "left", block.shape[0]))
            if len(block.shape) == 2 and block.size > 1:
                slots.append(_Slot(block.name, "right", block.shape[1]))
        sizes = sorted({slot.size for slot in slots}, reverse=True)
        return [(size, [slot for slot in slots if slot.size == size]) for size in sizes]

    def _degrees(self, factor: Factor, slots: Sequence[_Slot]) -> list[tuple[Action, ...]]:
        """Combinations of sides with which this K is among the solutions, as sparse as possible."""
        vectors = [self._space.embed(factor, [Action(slot.block, slot.side, 1.0)]) for slot in slots]
        columns = [vector for vector in vectors if vector is not None]
        if not columns:
            return []
        stacked = torch.stack(columns, dim=1)
        lengths = torch.linalg.vector_norm(stacked, dim=0)
        outside = self._outside(stacked / lengths)
        _, values, weights = torch.linalg.svd(torch.linalg.qr(outside, mode="r").R, full_matrices=True)
        null = weights[int((values > _SAME).sum()) :]
        return [_actions(slots, whole_degrees(row)) for row in reduced_rows(null / lengths)]

    def _outside(self, vectors: Tensor) -> Tensor:
        """What is left of columns without their part among the solutions."""
        return vectors - self._basis @ (self._basis.T @ vectors)

    def _contains(self, vectors: Tensor) -> Tensor:
        """Which columns are solutions, shape (k,)."""
        lengths = torch.linalg.vector_norm(vectors, dim=0)
        is_inside: Tensor = torch.linalg.vector_norm(self._outside(vectors), dim=0) <= _SAME * lengths
        return is_inside

    def _claim(self, vectors: Tensor) -> int:
        """Give solutions a name; returns how many are new."""
        weights = self._basis.T @ (vectors / torch.linalg.vector_norm(vectors, dim=0))
        weights = weights - self._claimed @ (self._claimed.T @ weights)
        if weights.numel() == 0:
            return 0
        directions, values, _ = torch.linalg.svd(weights, full_matrices=False)
        new = directions[:, values > _SAME]
        self._claimed = torch.linalg.qr(torch.cat([self._claimed, new], dim=1)).Q
        return int(new.shape[1])


def _actions(slots: Sequence[_Slot], degrees: Sequence[float]) -> tuple[Action, ...]:
    return tuple(
        Action(slot.block, slot.side, degree) for slot, degree in zip(slots, degrees, strict=True) if degree
    )


def _has_both_signs(actions: Sequence[Action]) -> bool:
    return min(a.degree for a in actions) < 0 < max(a.degree for a in actions)


def _name(actions: Sequence[Action]) -> str:
    """For example "rows of W1, b1, columns of W2"."""
    sides = {"left": "rows of", "right": "columns of"}
    return ", ".join(f"{sides[action.side]} {action.block}" for action in actions)
