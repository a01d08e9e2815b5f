"""The search itself: points until the null space is settled, at once or on parts of the parameters."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.symmetry.detect_null_space import (
    NULL,
    ROUNDING,
    NullSpace,
    null_combinations,
    null_space,
    usable_rows,
)
from equipoise_solver.symmetry.detect_structures import DiagonalSpace, SearchSpace
from equipoise_solver.symmetry.detect_supports import SHARED, Grouping, Part, joined, places_of
from equipoise_solver.symmetry.points import draw_points

NEARLY = 1e-6
"""Singular values between `NULL` and this ask for more points: too small to be called clearly not zero."""

_MORE_POINTS = 1.25
"""Points per unknown; as many as unknowns would leave the smallest singular value near zero by chance."""
_SPARE = 32
_MOST_ROUNDS = 4
_MOST_DRAWS = 6
"""Doublings while points with a gradient are missing."""
_CHUNK = 2**24
"""Numbers held at once, some 128 MB."""


@dataclass
class Source:
    """Where points come from.

    Attributes:
        network: the model.
        data: samples, a teacher, or None for samples of any kind.
        generator: source of randomness, which advances.
        n_drawn: points drawn so far.
        n_usable: those of them with a gradient.
    """

    network: Network
    data: Pairs | GaussianTeacher | None
    generator: np.random.Generator
    n_drawn: int = 0
    n_usable: int = 0

    def rows(
        self, space: SearchSpace, n: int, support: Parameters | None = None, within: Tensor | None = None
    ) -> Tensor:
        """At least n rows of points with a gradient, fewer if such points are rare.

        Args:
            space: of generators.
            n: rows wanted.
            support: free parameters, None for all.
            within: candidates (u, c), to give rows' products with them instead of rows.
        """
        n_numbers = space.dimension + 8 * sum(block.size for block in self.network.blocks)
        chunk = max(_SPARE, _CHUNK // n_numbers)
        parts, n_rows = [], 0
        for round_ in range(_MOST_DRAWS):
            missing = n - n_rows
            if missing <= 0:
                break
            for start in range(0, missing << round_, chunk):
                rows = self._some_rows(space, min(chunk, (missing << round_) - start), support)
                parts.append(rows if within is None else rows @ within)
            n_rows = sum(len(part) for part in parts)
        return torch.cat(parts)

    def _some_rows(self, space: SearchSpace, n: int, support: Parameters | None) -> Tensor:
        points = draw_points(self.network, n, data=self.data, generator=self.generator, support=support)
        if support is None:
            rows = space.rows(points.parameters, points.gradients)
        else:
            rows = free_products(points.parameters, points.gradients, support)
        scales = squared_lengths(points.parameters) * squared_lengths(points.gradients)
        usable = usable_rows(rows, scales.sqrt(), points.losses)
        self.n_drawn += n
        self.n_usable += len(usable)
        return usable


@dataclass
class Search:
    """What a search found, and on what grounds.

    Attributes:
        basis: orthonormal solutions, shape (u, m).
        spectrum: relative singular values of every system solved, joined, descending.
        dropped: those of them that count as zero.
        residual: largest part of a row of unit length, at fresh points, along the solutions.
        is_confirmed: whether that is zero, and enough fresh points had a gradient to tell.
    """

    basis: Tensor
    spectrum: list[float] = field(default_factory=list)
    dropped: list[float] = field(default_factory=list)
    residual: float = 0.0
    is_confirmed: bool = True

    @property
    def smallest_kept(self) -> float:
        """Smallest singular value that does not count as zero; inf if there is none."""
        kept = sorted(self.spectrum, reverse=True)[: len(self.spectrum) - len(self.dropped)]
        return kept[-1] if kept else math.inf

    @property
    def gap(self) -> float:
        """Ratio of that and the largest that counts as zero, or rounding."""
        return self.smallest_kept / max([ROUNDING, *self.dropped])

    def count(self, null: NullSpace) -> None:
        """Add the spectrum of one system."""
        values = null.spectrum.tolist()
        kept = len(values) - null.dimension
        self.spectrum += values
        self.dropped += values[kept:]


def search_at_once(source: Source, space: SearchSpace) -> Search:
    """Null space over all coordinates of a space."""
    search = Search(torch.zeros(0))
    search.basis = _settled(source, space, search, None)
    return search


def search_in_parts(source: Source, space: DiagonalSpace, grouping: Grouping) -> Search:
    """Diagonal generators from small parts of the parameters, settled at points without zeros."""
    search = Search(torch.zeros(0))
    parts = []
    for support in grouping.supports():
        basis = _settled(source, space, search, support)
        parts.append(Part(places_of(support, space.blocks), basis))
    union, sines = joined(parts)
    search.spectrum += sines
    search.dropped += [sine for sine in sines if sine <= SHARED]
    search.basis = _settled(source, space, search, None, within=union.basis)
    return search


def _settled(
    source: Source,
    space: SearchSpace,
    search: Search,
    support: Parameters | None,
    *,
    within: Tensor | None = None,
) -> Tensor:
    """Solutions that fresh points confirm, as orthonormal columns over the free coordinates.

    Args:
        source: of points.
        space: of generators.
        search: gets the spectrum and the residual.
        support: free parameters, None for all.
        within: orthonormal columns that solutions are combinations of, None for all vectors.
    """
    n_free = space.dimension if support is None else len(places_of(support, source.network.blocks))
    n_unknowns = n_free if within is None else within.shape[1]
    if n_unknowns == 0:
        return torch.zeros(n_free, 0, dtype=torch.float64)
    is_whole = support is None and within is None
    rows = space.constraints() if is_whole else torch.zeros(0, n_unknowns, dtype=torch.float64)
    n_fixed = len(rows)
    n_points = math.ceil(_MORE_POINTS * n_unknowns) + _SPARE
    for _ in range(_MOST_ROUNDS):
        rows = torch.cat([rows, source.rows(space, n_points, support, within)])
        null = null_space(rows) if within is None else null_combinations(rows)
        fresh = source.rows(space, _SPARE, support, within)
        residual = _largest_part(fresh, null.basis)
        is_confirmed = residual <= NULL and (len(fresh) > 0 or len(rows) == n_fixed)
        if is_confirmed and null.smallest_kept > NEARLY:
            break
        n_points *= 2
    search.count(null)
    search.residual = max(search.residual, residual)
    search.is_confirmed &= is_confirmed
    return null.basis if within is None else within @ null.basis


def squared_lengths(values: Parameters) -> Tensor:
    """Sum of squares of each of n parameter vectors, shape (n,)."""
    return torch.stack([value.flatten(1).square().sum(1) for value in values.values()]).sum(0)


def free_products(parameters: Parameters, gradients: Parameters, support: Parameters) -> Tensor:
    """theta_a dl/dtheta_a of free parameters a, shape (n, s): rows of diagonal generators."""
    parts = []
    for name, free in support.items():
        places = torch.nonzero(free.flatten()).flatten()
        parts.append(parameters[name].flatten(1)[:, places] * gradients[name].flatten(1)[:, places])
    return torch.cat(parts, dim=1)


def _largest_part(rows: Tensor, basis: Tensor) -> float:
    """Largest part of a row of unit length along the solutions."""
    if len(rows) == 0 or basis.shape[1] == 0:
        return 0.0
    return float(torch.linalg.vector_norm(rows @ basis, dim=1).max())
