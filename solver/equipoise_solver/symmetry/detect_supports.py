"""Diagonal generators of large networks: null spaces on small parts of the parameters, joined.

At points where all parameters outside a set S are zero, the equation sum_a A_a theta_a dl/dtheta_a = 0 holds
the entries of A in S only. So solutions restricted to S solve the equations of S, and what agrees on all sets
contains every solution; the few that are left then have to pass at points without zeros, which makes the
result exact for any network. The sets take some indices of every axis, the same for axes of equal length, so
that they are smaller networks of the same kind: a matter of cost, not of correctness.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise_solver.errors import LimitExceededError
from equipoise_solver.networks.parameters import Block, Parameters, flatten

SHARED = 1e-8
"""Sine of an angle below which two solutions agree on common parameters."""

_MOST_ENTRIES = 2**26
"""Numbers in one basis of solutions, 512 MB."""

Choice = dict[int, tuple[int, ...]]
"""By length of axis, the groups of indices that are free."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """Solutions on a set of parameters.

    Attributes:
        places: their places in the flat vector, ascending, shape (s,).
        basis: orthonormal columns, shape (s, m).
    """

    places: Tensor
    basis: Tensor


@dataclass(frozen=True)
class Grouping:
    """Axes cut into groups of indices.

    Attributes:
        blocks: blocks of the network.
        group: longest axis that stays whole, and the most indices in a group.
    """

    blocks: tuple[Block, ...]
    group: int

    def n_groups(self, length: int) -> int:
        """Groups of an axis of this length."""
        return math.ceil(length / self.group)

    def supports(self) -> list[Parameters]:
        """Sets that together hold every parameter, and every pair of groups of a matrix's two axes.

        Returns:
            by block, 1 for a free parameter and 0 for one at zero.
        """
        return [self._mask(choice) for choice in self._choices()]

    @property
    def n_supports(self) -> int:
        """Number of sets."""
        return len(self._choices())

    @property
    def largest(self) -> int:
        """Most free parameters in a set."""
        return max(
            sum(math.prod(self._n_free(n, choice) for n in block.shape) for block in self.blocks)
            for choice in self._choices()
        )

    def _n_free(self, length: int, choice: Choice) -> int:
        return sum(min(self.group, length - group * self.group) for group in choice[length])

    def _choices(self) -> list[Choice]:
        """One set for all groups of a block's axes that no set has together yet; other axes take turns."""
        menus = self._menus()
        choices: list[Choice] = []
        covered: set[tuple[Shape, Shape]] = set()
        for shape in dict.fromkeys(block.shape for block in self.blocks):
            lengths = tuple(dict.fromkeys(shape))
            for chosen in itertools.product(*(menus[length] for length in lengths)):
                choice = {n: menu[len(choices) % len(menu)] for n, menu in menus.items()}
                choice.update(zip(lengths, chosen, strict=True))
                if not _together(shape, choice) <= covered:
                    choices.append(choice)
                    for other in {block.shape for block in self.blocks}:
                        covered |= _together(other, choice)
        return choices

    def _menus(self) -> dict[int, list[Shape]]:
        """By length, what a set may take: one group, or two where a matrix has two axes of that length."""
        square = {block.shape[0] for block in self.blocks if len(set(block.shape)) < len(block.shape)}
        menus: dict[int, list[Shape]] = {}
        for length in {length for block in self.blocks for length in block.shape}:
            groups = range(self.n_groups(length))
            size = 2 if length in square and len(groups) > 1 else 1
            menus[length] = list(itertools.combinations(groups, size))
        return menus

    def _mask(self, choice: Choice) -> Parameters:
        masks = {}
        for block in self.blocks:
            mask = torch.ones(block.shape, dtype=torch.float64)
            for axis, length in enumerate(block.shape):
                is_free = torch.zeros(length, dtype=torch.float64)
                for group in choice[length]:
                    is_free[group * self.group : (group + 1) * self.group] = 1.0
                mask = mask * (is_free if axis == len(block.shape) - 1 else is_free[:, None])
            masks[block.name] = mask
        return masks


def _together(shape: Shape, choice: Choice) -> set[tuple[Shape, Shape]]:
    """Groups of the axes of a block that a choice frees together."""
    return {(shape, groups) for groups in itertools.product(*(choice[length] for length in shape))}


def cheapest_grouping(blocks: tuple[Block, ...]) -> tuple[Grouping, float]:
    """Size of groups that costs least, and its cost in floating point operations, roughly.

    A set of s parameters takes some 20 s^3 operations for its null space, and s gradients of all p.
    """
    n_parameters = sum(block.size for block in blocks)

    def cost(grouping: Grouping) -> float:
        size = float(grouping.largest)
        return grouping.n_supports * (20.0 * size**3 + 100.0 * size * n_parameters)

    groupings = [Grouping(blocks, group) for group in (8, 16, 32, 64, 128)]
    costs = [cost(grouping) for grouping in groupings]
    best = costs.index(min(costs))
    return groupings[best], costs[best]


def places_of(support: Parameters, blocks: Sequence[Block]) -> Tensor:
    """Places of the free parameters in the flat vector, ascending."""
    return torch.nonzero(flatten(support, blocks)).flatten()


def joined(parts: Sequence[Part]) -> tuple[Part, list[float]]:
    """Solutions on the union of sets that agree with the solutions on each.

    Neighbours are joined first, so that solutions on half of the sets are few where neighbours overlap.

    Returns:
        the union's part, and the sines of angles that decided what agrees.
    """
    if len(parts) == 1:
        return parts[0], []
    half = len(parts) // 2
    (first, sines), (second, more) = joined(parts[:half]), joined(parts[half:])
    part, last = _pair_joined(first, second)
    return part, [*sines, *more, *last]


def _pair_joined(first: Part, second: Part) -> tuple[Part, list[float]]:
    is_shared = torch.isin(second.places, first.places)
    ours = torch.searchsorted(first.places, second.places[is_shared])
    difference = torch.cat([first.basis[ours], -second.basis[is_shared]], dim=1)
    weights, sines = _null_vectors(difference)
    kept = first.basis.shape[1]
    n_places, n_solutions = len(first.places) + int((~is_shared).sum()), weights.shape[1]
    if n_places * n_solutions > _MOST_ENTRIES:
        raise LimitExceededError(
            "structure",
            given=f"diagonal, {n_solutions} solutions on {n_places} parameters",
            allowed=f"at most {_MOST_ENTRIES} entries of a basis of solutions",
            remedy="Take a smaller network of the same kind.",
        )
    rows = torch.cat([first.basis @ weights[:kept], second.basis[~is_shared] @ weights[kept:]])
    places, order = torch.sort(torch.cat([first.places, second.places[~is_shared]]))
    return Part(places, torch.linalg.qr(rows[order]).Q), sines


def _null_vectors(matrix: Tensor) -> tuple[Tensor, list[float]]:
    """Orthonormal null vectors of a matrix, shape (n, m), and its singular values."""
    n = matrix.shape[1]
    if matrix.shape[0] == 0 or n == 0:
        return torch.eye(n, dtype=matrix.dtype), []
    _, values, vectors = torch.linalg.svd(matrix, full_matrices=True)
    return vectors[int((values > SHARED).sum()) :].T, values.tolist()
