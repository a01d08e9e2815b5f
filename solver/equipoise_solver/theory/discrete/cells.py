"""Laws of empirical data on many narrow cells: however fractal, and where a step may land next to v = 0.

Panels carry functions of v back by polynomials. Where a minibatch takes some v to 0, log v after the step
has a pole there that no polynomial resolves, and a fractal law need not be dense enough about it for that
not to matter. Cells carry probability forward: each place sends its mass by every minibatch, and what
arrives between two places is shared so that the mean of y stays. That is positive, keeps mass, and widens a
law by the squares of the cells alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from equipoise_solver.errors import LimitExceededError
from equipoise_solver.theory.discrete.data import Training
from equipoise_solver.theory.discrete.law import DiscreteDensity, DiscreteLaw
from equipoise_solver.theory.discrete.points import PointLaw
from equipoise_solver.theory.discrete.recombination import Atoms
from equipoise_solver.theory.discrete.solution import Chain
from equipoise_solver.theory.discrete.transfer import Coordinate

Array = NDArray[np.float64]

_MOST_IMAGES = 1_500_000  # Cells times minibatches; a step then takes some milliseconds.
_FEWEST, _MOST = 1_000, 16_000
_COARSER = 4  # Cells of a second solution, by how many times fewer.
_AGREED = 1e-3
_STEPS = 64  # The panels' law has settled on the scale of its spread; cells add what is finer.
_SETTLED = 1e-9
_SMALLEST_LOSS = 1e-8  # Rarer escapes come from tails that take longer to settle.
_ABOVE = 200  # Cells between the ceiling and certain escape.


@dataclass(frozen=True, slots=True)
class _Step:
    """One step from cells to cells.

    Attributes:
        sharing: probability from each cell (second index) to each (first), shape (cell, cell).
        escape: probability of passing the last cell for good, shape (cell,).
    """

    sharing: csr_array
    escape: Array


@dataclass(frozen=True, slots=True)
class _Cells:
    """A law on cells.

    Attributes:
        places: of the cells up to the last edge of the panels, shape (cell,).
        masses: given that v lies there, shape (cell,), sum 1.
        loss: probability per step of escape.
        beyond: probability of lying above.
    """

    places: Array
    masses: Array
    loss: float
    beyond: float

    def moments(self, chain: Chain) -> tuple[float, float]:
        """Mean and variance of the chain's v."""
        v = chain.scale.value(self.places)
        mean = float(self.masses @ v)
        return mean, float(self.masses @ (v - mean) ** 2)


def refined(law: DiscreteLaw, atoms: Atoms) -> DiscreteLaw:
    """The law of empirical data with its distribution function from cells, and its moments where panels fail.

    Two layers in which a minibatch can take v to 0 get mean, variance and explosion rate from cells too, to
    about 1e-4 of the standard deviation; elsewhere those of the panels are better and stay. Where steps
    stretch what the cells add to a law, fewer cells give other moments, and there is no answer.

    Raises:
        LimitExceededError: moments that hang on the width of the cells, or on the method.
    """
    if law.density is None:
        return law
    chain, sign = law.density.chain, law.density.sign
    most = min(max(_MOST_IMAGES // atoms.weights.size, _FEWEST), _MOST)
    fine = _on_cells(law, chain, atoms, most)
    mean, variance = fine.moments(chain)
    places = fine.places
    points = PointLaw(places + 0.5 * np.append(np.diff(places), 0.0), np.cumsum(fine.masses))
    step = 2.0 * law.learning_rate
    crosses = law.depth == 1 and bool(
        np.any(_offset(law, atoms) <= step * atoms.squares * np.exp(places[-1]))
    )
    if not crosses:
        if law.mean is not None and law.variance is not None:  # Panels are the second method.
            _require_agreement(law, (sign * law.mean, law.variance), (mean, variance))
        return replace(law, density=DiscreteDensity(replace(chain, points=points), sign))
    coarse = _on_cells(law, chain, atoms, most // _COARSER)
    _require_agreement(law, coarse.moments(chain), (mean, variance))
    solved = replace(chain, points=points, nodes=places, masses=fine.masses, loss=fine.loss)
    return replace(
        law,
        mean=sign * mean,
        variance=variance,
        second_moment=variance + mean**2,
        explosion_rate=fine.loss if fine.loss > _SMALLEST_LOSS else law.explosion_rate,
        mass_above_ceiling=fine.beyond,
        density=DiscreteDensity(solved, sign),
    )


def _on_cells(law: DiscreteLaw, chain: Chain, atoms: Atoms, n: int) -> _Cells:
    """The law on n cells, and some above the ceiling."""
    step = 2.0 * law.learning_rate
    offset, slope = _offset(law, atoms), step * atoms.squares
    own = _places(chain, n)
    escapes = law.ceiling is not None
    places = own
    if escapes:
        moving = slope > 0
        top = np.log(np.max((np.abs(offset[moving]) + 1.0) / slope[moving])) + 2.0
        places = np.append(own, np.linspace(own[-1], max(top, own[-1] + 1.0), _ABOVE + 1)[1:])
    masses, loss = _settled(_start(chain, places), _step(chain, places, atoms, step, escapes=escapes))
    kept = masses[: own.size] / float(np.sum(masses[: own.size]))
    return _Cells(own, kept, loss, float(np.sum(masses[own.size :])))


def _offset(law: DiscreteLaw, atoms: Atoms) -> Array:
    """delta + 2 eta B of every minibatch, shape (minibatch,)."""
    run = Training(law.learning_rate, law.batch_size, law.weight_decay)
    return run.retention + 2.0 * run.learning_rate * atoms.products


def _require_agreement(law: DiscreteLaw, one: tuple[float, float], other: tuple[float, float]) -> None:
    """Refuse laws whose means or standard deviations differ by more than _AGREED standard deviations."""
    spread = np.sqrt(other[1])
    apart = max(abs(one[0] - other[0]), abs(np.sqrt(one[1]) - spread))
    if not apart <= _AGREED * spread:
        raise LimitExceededError(
            "learning_rate",
            given=law.learning_rate,
            allowed="a step at which the law of the finite data set is resolved",
            remedy="Its moments hang on the numerical method: simulate it, or change learning_rate a little.",
        )


def _places(chain: Chain, n: int) -> Array:
    """Places from the first edge to the last: half by panels, which grow outwards, half by probability."""
    edges = chain.density.panels.edges
    levels = np.linspace(0.0, 1.0, edges.size) + chain.cdf(edges)
    levels = (levels - levels[0]) / (levels[-1] - levels[0])
    return np.unique(np.interp(np.linspace(0.0, 1.0, n), levels, edges))


def _start(chain: Chain, places: Array) -> Array:
    """The panels' law, as probabilities of the cells about the places."""
    middles = 0.5 * (places[1:] + places[:-1])
    return np.diff(np.concatenate([[0.0], chain.cdf(middles), [1.0]]))


def _step(chain: Chain, places: Array, atoms: Atoms, step: float, *, escapes: bool) -> _Step:
    coordinate = cast(Coordinate, chain.scale)
    values = coordinate.value(places)[:, None]
    images = coordinate.image(places[:, None], -step * (atoms.squares * values - atoms.products))
    gone = (images > places[-1]) & escapes
    images = np.clip(images, places[0], places[-1])
    left = np.clip(np.searchsorted(places, images, side="right") - 1, 0, places.size - 2)
    share = (images - places[left]) / (places[left + 1] - places[left])
    weights = np.where(gone, 0.0, atoms.weights)
    into = np.stack([left, left + 1], axis=2).astype(np.int32)
    parts = np.stack([weights * (1.0 - share), weights * share], axis=2)
    starts = np.arange(places.size + 1, dtype=np.int64) * (2 * atoms.weights.size)
    forward = csr_array((parts.ravel(), into.ravel(), starts), shape=(places.size, places.size))
    return _Step(csr_array(forward.T), np.sum(np.where(gone, atoms.weights, 0.0), axis=1))


def _settled(masses: Array, step: _Step) -> tuple[Array, float]:
    """Masses after at most _STEPS steps, of sum 1, and the probability per step of escape."""
    for _ in range(_STEPS):
        following = step.sharing @ masses
        following /= float(np.sum(following))
        change = float(np.max(np.abs(np.cumsum(following - masses))))
        masses = following
        if change < _SETTLED:
            break
    return masses, float(masses @ step.escape)
