"""Few atoms with the same moments: the law of a minibatch mean without enumerating minibatches.

Moments of a sum of independent vectors up to total degree DEGREE depend only on such moments of the parts.
So each sum of two parts may be replaced by at most (DEGREE + 1)(DEGREE + 2)/2 of its atoms, reweighted so
that those moments stay (Caratheodory), and S samples take about 2 log2(S) such sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEGREE = 8
_PAIRS = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
_RANK = 1e-13  # Singular values below this fraction of the largest are rounding.


@dataclass(frozen=True, slots=True, eq=False)
class Atoms:
    """A discrete law of (A, B) = (mean x**2, mean x*y).

    Attributes:
        squares: A, shape (n,), >= 0.
        products: B, shape (n,).
        weights: probabilities, shape (n,), > 0, sum 1.
        degree: total degree up to which moments are exact; None where the law itself is.
    """

    squares: Array
    products: Array
    weights: Array
    degree: int | None

    @property
    def is_exact(self) -> bool:
        """Whether these are all minibatches."""
        return self.degree is None


def mean_of_independent(single: Atoms, count: int) -> Atoms:
    """Atoms for the mean of `count` independent draws, with its moments up to total degree DEGREE."""
    power = _reduced(np.stack([single.squares, single.products], axis=1), single.weights)
    points, weights = power
    for digit in bin(count)[3:]:  # From the second highest binary digit on: double, and add one.
        points, weights = _sum((points, weights), (points, weights))
        if digit == "1":
            points, weights = _sum((points, weights), power)
    return Atoms(points[:, 0] / count, points[:, 1] / count, weights / float(np.sum(weights)), DEGREE)


def _sum(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    """The sum of two independent discrete vectors, reduced."""
    points = (first[0][:, None, :] + second[0][None, :, :]).reshape(-1, 2)
    return _reduced(points, np.outer(first[1], second[1]).ravel())


def _reduced(points: Array, weights: Array) -> tuple[Array, Array]:
    """At most len(_PAIRS) of the points with weights that keep every moment up to total degree DEGREE."""
    basis = _basis(points, weights)
    target = 2 * len(_PAIRS)
    while weights.size > target:
        groups = np.arange(weights.size) * target // weights.size
        mass = np.bincount(groups, weights, target).astype(np.float64)
        means = np.stack([np.bincount(groups, weights * column, target) for column in basis.T], axis=1)
        kept, scaled = _eliminate(means / mass[:, None], mass)
        factor = np.zeros(target)
        factor[kept] = scaled / mass[kept]
        weights = weights * factor[groups]
        alive = weights > 0
        points, weights, basis = points[alive], weights[alive], basis[alive]
    kept, left = _eliminate(basis, weights)
    return points[kept], left


def _basis(points: Array, weights: Array) -> Array:
    """Polynomials up to total degree DEGREE at the points, orthonormal under the weights, (n, n_basis)."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = np.where(high > low, 0.5 * (high - low), 1.0)
    unit = (points - 0.5 * (low + high)) / half
    first, second = (chebyshev.chebvander(unit[:, axis], DEGREE) for axis in (0, 1))
    values = np.stack([first[:, i] * second[:, j] for i, j in _PAIRS], axis=1)
    left, singular, right = np.linalg.svd(np.sqrt(weights)[:, None] * values, full_matrices=False)
    rank = int(np.sum(singular > _RANK * singular[0]))
    del left
    result: Array = values @ (right[:rank].T / singular[:rank])
    return result


def _eliminate(basis: Array, weights: Array) -> tuple[NDArray[np.intp], Array]:
    """Indices and weights of the atoms left when every linear relation between rows of basis is used up."""
    _, singular, right = np.linalg.svd(basis.T, full_matrices=True)
    null = right[int(np.sum(singular > _RANK * singular[0])) :].copy()
    weights = weights.copy()
    alive = np.ones(weights.size, dtype=bool)
    while null.shape[0]:
        relation = null[-1] if np.any(null[-1] > 0) else -null[-1]
        ratio = np.where(alive & (relation > 0), weights / np.where(relation > 0, relation, 1.0), np.inf)
        gone = int(np.argmin(ratio))
        weights = weights - ratio[gone] * relation
        alive[gone] = False
        weights[~alive] = 0.0
        null = null[:-1] - np.outer(null[:-1, gone] / relation[gone], relation)
        null[:, ~alive] = 0.0
    kept = np.flatnonzero(alive & (weights > 0))
    return kept, weights[kept]
