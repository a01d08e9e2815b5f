"""Laws of finite data sets that are a few atoms: finite sets of v that every minibatch maps into themselves.

No panel and no cell resolves such a law: what they add to it in width, steps may stretch to its whole extent.
Whether there is one is found by running paths until they would lie on it, following all images of one end,
and merging those that are equal within rounding. The masses are those of a finite Markov chain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.theory.discrete.recombination import Atoms

Array = NDArray[np.float64]

MOST_POINTS = 200
ROUNDING = 1e-11
"""Relative distance at which two values of v are one."""
_PATHS = 48
_STEPS = 1500
_SEED = 20_211
_ESCAPED = 1e30
_NEGLIGIBLE = 1e-15


@dataclass(frozen=True, slots=True, eq=False)
class StepMaps:
    """v -> delta v + X (depth 0), v -> v (delta + X)**2 (depth 1), X = -step (A v - B), by minibatch (A, B).

    Attributes:
        atoms: all minibatches.
        step: 2 eta.
        retention: delta.
        depth: 0 or 1.
    """

    atoms: Atoms
    step: float
    retention: float
    depth: int

    def images(self, v: Array, chosen: NDArray[np.intp] | None = None) -> Array:
        """v after every minibatch, shape (v.size, minibatch), or after one chosen for each, (v.size,)."""
        squares, products = self.atoms.squares, self.atoms.products
        if chosen is None:
            v = v[:, None]
        else:
            squares, products = squares[chosen], products[chosen]
        displacement = -self.step * (squares * v - products)
        result: Array = (
            v * (self.retention + displacement) ** 2 if self.depth else self.retention * v + displacement
        )
        return result

    def slopes(self, v: Array) -> Array:
        """Derivatives of the maps at v, shape (v.size, minibatch)."""
        pull = self.step * self.atoms.squares
        if not self.depth:
            return np.broadcast_to(self.retention - pull, (v.size, pull.size))
        factor = self.retention - pull * v[:, None] + self.step * self.atoms.products
        result: Array = factor * (factor - 2.0 * pull * v[:, None])
        return result


def finite_orbit(maps: StepMaps, start: Array) -> tuple[Array, Array] | None:
    """Places and masses, shape (n,), of a law of at most MOST_POINTS atoms; None if it is no such law.

    Args:
        maps: the chain; None is the answer unless they are all its minibatches.
        start: values of v from which paths run; all that do not escape must end on the atoms.
    """
    if not maps.atoms.is_exact or maps.atoms.weights.size > MOST_POINTS:
        return None
    ends = _ends(maps, start)
    places = _closed(maps, ends[:1]) if ends.size else None
    if places is None or np.any(_distance(places, ends) > 1e2 * ROUNDING * _size(places)):
        return None
    masses = _stationary(maps, places)
    with np.errstate(divide="ignore"):
        growth = float(masses @ np.log(np.abs(maps.slopes(places))) @ maps.atoms.weights)
    if not growth < 0:  # It repels: paths were on it by exact hits alone.
        return None
    kept = masses > _NEGLIGIBLE
    return places[kept], masses[kept] / float(np.sum(masses[kept]))


def _ends(maps: StepMaps, start: Array) -> Array:
    """Where paths are that have not escaped."""
    rng = np.random.default_rng(_SEED)
    v = np.resize(start, _PATHS)
    for _ in range(_STEPS):
        v = maps.images(v, rng.choice(maps.atoms.weights.size, v.size, p=maps.atoms.weights))
        v = v[np.abs(v) < _ESCAPED]
    return v


def _closed(maps: StepMaps, start: Array) -> Array | None:
    """All that can be reached, increasing, where that is at most MOST_POINTS values."""
    places, fresh = start, start
    while fresh.size:
        candidates = _merged(maps.images(fresh).ravel())
        fresh = candidates[_distance(places, candidates) > ROUNDING * _size(places)]
        places = np.sort(np.concatenate([places, fresh]))
        if places.size > MOST_POINTS:
            return None
    return places


def _merged(values: Array) -> Array:
    values = np.sort(values)
    result: Array = values[np.append(True, np.diff(values) > ROUNDING * _size(values))]
    return result


def _size(values: Array) -> float:
    return float(np.max(np.abs(values)))


def _distance(places: Array, values: Array) -> Array:
    """From each value to the nearest place."""
    result: Array = np.abs(values - places[_nearest(places, values)])
    return result


def _nearest(places: Array, values: Array) -> NDArray[np.intp]:
    right = np.clip(np.searchsorted(places, values), 1, max(places.size - 1, 1))
    if places.size == 1:
        return np.zeros(values.shape, dtype=np.intp)
    closer: NDArray[np.intp] = np.where(values - places[right - 1] < places[right] - values, right - 1, right)
    return closer


def _stationary(maps: StepMaps, places: Array) -> Array:
    """The probabilities of the finite chain, which has one class that all paths come to."""
    n = places.size
    into = _nearest(places, maps.images(places).ravel())
    start = np.repeat(np.arange(n), maps.atoms.weights.size)
    matrix = np.zeros((n, n))
    np.add.at(matrix, (into, start), np.tile(maps.atoms.weights, n))
    system = np.concatenate([matrix - np.eye(n), np.ones((1, n))])
    solution: Array = np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=None)[0]
    return np.maximum(solution, 0.0)
