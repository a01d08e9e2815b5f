"""Few atoms with the same moments: the law of a minibatch mean without enumerating minibatches.

Moments of a sum of independent vectors up to total degree DEGREE depend only on such moments of the parts.
So each sum of two parts may be replaced by at most (DEGREE + 1)(DEGREE + 2)/2 of its atoms, reweighted so
that those moments stay (Caratheodory), and S samples take about 2 log2(S) such sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import hermite_e
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEGREE = 8
_PAIRS = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
_RANK = 1e-13  # Singular values below this fraction of the largest are rounding.
_DEGENERATE = 1e-13
_TINY = 1e-300


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
    """Atoms for the mean of `count` independent draws, with its moments up to total degree DEGREE.

    The last sum is not reduced: at most len(_PAIRS)**2 = 2025 atoms, and a law that is less coarse.
    """
    points, weights = np.stack([single.squares, single.products], axis=1), single.weights
    if count == 1:
        points, weights = _thinned(points, weights)
    else:
        one = _reduced(points, weights)
        half = _power(one, count // 2)
        other = _sum(half, one) if count % 2 else half
        points, weights = _product(half, other)
    return Atoms(points[:, 0] / count, points[:, 1] / count, weights / float(np.sum(weights)), DEGREE)


def _power(one: tuple[Array, Array], count: int) -> tuple[Array, Array]:
    """The sum of `count` independent draws, by its binary digits."""
    total = one
    for digit in bin(count)[3:]:  # From the second highest on: double, and add one.
        total = _sum(total, total)
        if digit == "1":
            total = _sum(total, one)
    return total


def _sum(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    """The sum of two independent discrete vectors, reduced."""
    return _reduced(*_product(first, second))


def _product(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    """The sum of two independent discrete vectors."""
    points = (first[0][:, None, :] + second[0][None, :, :]).reshape(-1, 2)
    return points, np.outer(first[1], second[1]).ravel()


def _thinned(points: Array, weights: Array) -> tuple[Array, Array]:
    """Fewer of the points, at most len(_PAIRS)**2: reduced in parts along the second axis."""
    order = np.argsort(points[:, 1])
    parts = [_reduced(points[part], weights[part]) for part in np.array_split(order, len(_PAIRS))]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _reduced(points: Array, weights: Array) -> tuple[Array, Array]:
    """At most len(_PAIRS) of the points with weights that keep every moment up to total degree DEGREE."""
    basis = _basis(points, weights)
    target = 2 * basis.shape[1]
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
    first, second = (hermite_e.hermevander(axis, DEGREE) for axis in _whitened(points, weights).T)
    values = np.stack([first[:, i] * second[:, j] for i, j in _PAIRS], axis=1)
    values /= np.sqrt(weights @ values**2 + _TINY)
    triangle = np.linalg.qr(np.sqrt(weights)[:, None] * values, mode="r")  # The long factor is not needed.
    _, singular, right = np.linalg.svd(triangle, full_matrices=False)
    rank = int(np.sum(singular > _RANK * singular[0]))
    result: Array = values @ (right[:rank].T / singular[:rank])
    return result


def _whitened(points: Array, weights: Array) -> Array:
    """The points less their mean in units of their spread along the principal axes, 0 where there is none."""
    total = float(np.sum(weights))
    central = points - (weights @ points) / total
    central /= np.sqrt(weights @ central**2 / total + _TINY)
    variances, axes = np.linalg.eigh((central * weights[:, None]).T @ central / total)
    spread = np.where(variances > _DEGENERATE, variances, np.inf)
    result: Array = central @ axes / np.sqrt(spread)
    return result


def _eliminate(basis: Array, weights: Array) -> tuple[NDArray[np.intp], Array]:
    """Indices and weights of the atoms left when every linear relation between rows of basis is used up.

    Rows are scaled to one length first, since those far out are larger by many orders.
    """
    length = np.sqrt(np.sum(basis**2, axis=1))
    _, singular, right = np.linalg.svd((basis / length[:, None]).T, full_matrices=True)
    null = right[int(np.sum(singular > _RANK * singular[0])) :].copy()
    scaled = weights * length
    alive = np.ones(weights.size, dtype=bool)
    while null.shape[0]:
        relation = null[-1] if np.any(null[-1] > 0) else -null[-1]
        ratio = np.where(alive & (relation > 0), scaled / np.where(relation > 0, relation, 1.0), np.inf)
        gone = int(np.argmin(ratio))
        scaled = scaled - ratio[gone] * relation
        alive[gone] = False
        scaled[~alive] = 0.0
        null = null[:-1] - np.outer(null[:-1, gone] / relation[gone], relation)
        null[:, ~alive] = 0.0
    kept = np.flatnonzero(alive & (scaled > 0))
    return kept, scaled[kept] / length[kept]
