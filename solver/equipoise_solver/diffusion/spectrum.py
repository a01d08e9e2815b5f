"""Relaxation rates and modes of a diffusion, its spectral gap, and the autocorrelation of x."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh_tridiagonal

from equipoise_solver.diffusion.coordinates import line_of
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.operator import Operator, operator_on
from equipoise_solver.diffusion.operator_line import cut_line
from equipoise_solver.diffusion.operator_segments import Behaviours, levels_of
from equipoise_solver.diffusion.problem import Diffusion
from equipoise_solver.diffusion.spectrum_continuum import continuum_onset
from equipoise_solver.diffusion.spectrum_iteration import lowest_modes
from equipoise_solver.errors import InvalidModelError

MOST_RATES = 32
_FINENESS = (1.0, 1.4, 2.0, 3.0)
_MANY = 4000  # nodes after which it is not refined any more
_GOOD = 1e-8  # where refining stops
_ACCEPTED = 1e-6  # relative error of rates that are reported
_BELOW = 1.0 - 1e-9
_MOMENTS = 24  # steps of Lanczos: nodes of the Gauss rule for the spectral measure of x
_NEGLIGIBLE = 1e-9


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """Cov(x(0), x(t))/Var(x) of the stationary process as a sum of exponentials.

    Attributes:
        time: its integral over t > 0, [time].
        rates, weights: the Gauss rule of the spectral measure of x; the weights are positive and sum to 1.
    """

    time: float
    rates: Array
    weights: Array

    def __call__(self, times: Array) -> Array:
        """Autocorrelation at times >= 0, [time], any shape."""
        decay = np.exp(-np.multiply.outer(np.asarray(times, dtype=np.float64), self.rates))
        return np.asarray(decay @ self.weights)


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The lower end of the spectrum of -L in L2 of the speed measure.

    Attributes:
        rates: converged eigenvalues > 0 below the continuum, ascending, shape (n,), [1/time].
        errors: estimated relative errors of the rates, shape (n,).
        complete: False if eigenvalues below the continuum were asked for that did not converge.
        continuum: where the continuous spectrum begins, [1/time]; inf if there is none, None if unknown.
        conservative: nothing is absorbed; if the speed measure is finite too, 0 is one more eigenvalue.
        stationary: 0 is an eigenvalue.
        x: nodes, shape (node,), [state].
        modes: eigenfunctions of L, shape (node, n), of mean square 1 under the speed measure (made a
            probability if it is finite).
        autocorrelation: of x; None if there is no stationary law or x has no variance.
    """

    rates: Array
    errors: Array
    complete: bool
    continuum: float | None
    conservative: bool
    stationary: bool
    x: Array
    modes: Array
    autocorrelation: Autocorrelation | None

    @property
    def gap(self) -> float | None:
        """Distance of the slowest relaxation from 0, [1/time]; None if it is not known."""
        if self.rates.size:
            return float(self.rates[0])
        return self.continuum if self.complete else None


def spectrum(
    diffusion: Diffusion,
    count: int = 5,
    *,
    behaviours: Behaviours = ("reflecting", "reflecting"),
    below: float | None = None,
    above: float | None = None,
) -> Spectrum:
    """The slowest relaxation rates of a diffusion, by spectral elements, refined until they stand.

    Args:
        diffusion: on an interval whose other ends may be singular.
        count: how many rates, 1..32.
        behaviours: what regular ends do.
        below, above: levels where the process is stopped, [state].

    Raises:
        InvalidModelError: count outside 1..32, or levels outside the interval.
        LimitExceededError: coefficients on too many scales.
    """
    if not 1 <= count <= MOST_RATES:
        raise InvalidModelError("count", given=count, allowed=f"1..{MOST_RATES}")
    line = line_of(diffusion)
    levels = levels_of(line, below, above)
    onset = continuum_onset(line, cut_line(line, low=levels[0], high=levels[1]))
    ceiling = np.inf if onset is None else onset * _BELOW
    previous = np.zeros(0)
    for fineness in _FINENESS:
        operator = operator_on(line, behaviours=behaviours, levels=levels, fineness=fineness)
        rates, modes = lowest_modes(operator, count, ceiling=ceiling) if ceiling > 0 else _nothing(operator)
        errors = _errors(rates, previous)
        wanted = rates < ceiling
        good = np.all(errors[wanted] <= _GOOD) and previous.size == rates.size
        if good or operator.mass.size > _MANY:
            break
        previous = rates
    kept = wanted & (errors <= _ACCEPTED)
    kept &= np.cumprod(kept).astype(bool)
    total = operator.mass.sum() if operator.finite_mass else 1.0
    open_ends = (bool(np.isinf(diffusion.low)), bool(np.isinf(diffusion.high)))
    stationary = operator.finite_mass and operator.conservative
    return Spectrum(
        rates=rates[kept],
        errors=errors[kept],
        complete=bool(np.all(kept == wanted)),
        continuum=onset,
        conservative=operator.conservative,
        stationary=stationary,
        x=operator.flat(operator.panels.x),
        modes=modes[:, kept] * np.sqrt(total),
        autocorrelation=autocorrelation_of(operator, open_ends=open_ends) if stationary else None,
    )


def _nothing(operator: Operator) -> tuple[Array, Array]:
    return np.zeros(0), np.zeros((operator.mass.size, 0))


def _errors(rates: Array, previous: Array) -> Array:
    result = np.full(rates.size, np.inf)
    both = min(rates.size, previous.size)
    result[:both] = np.maximum(np.abs(rates[:both] / previous[:both] - 1.0), 1e-14)
    return result


def autocorrelation_of(operator: Operator, *, open_ends: tuple[bool, bool]) -> Autocorrelation | None:
    """The autocorrelation of x under the stationary law; None if x has no variance.

    Args:
        operator: conservative, with a finite speed measure.
        open_ends: whether x is infinite at the (lower, upper) end.
    """
    root = np.sqrt(operator.mass / operator.mass.sum())
    x = operator.flat(operator.panels.x)
    vector = root * (x - float(operator.mean(x[:, None])[0]))
    square = vector**2
    density = operator.by_panel(square).max(axis=1)
    far = max(density[0] * open_ends[0], density[-1] * open_ends[1])
    if not np.isfinite(square.sum()) or far > _NEGLIGIBLE * density.max():
        return None
    steps = _lanczos(operator, root[:, None], (vector / np.sqrt(square.sum()))[:, None])
    inverse_rates, rotation = eigh_tridiagonal(steps[0], steps[1])
    weights, good = rotation[0] ** 2, inverse_rates > 0
    weights = weights[good] / weights[good].sum()
    order = np.argsort(-inverse_rates[good])
    inverse_rates, weights = inverse_rates[good][order], weights[order]
    return Autocorrelation(float(inverse_rates @ weights), np.asarray(1.0 / inverse_rates), weights)


def _lanczos(operator: Operator, root: Array, start: Array) -> tuple[Array, Array]:
    """Diagonal and off-diagonal of the inverse on the Krylov space of a vector."""
    basis, diagonal, off = start, [], []
    for _ in range(_MOMENTS):
        image = operator.inverse(basis[:, -1:] / root) * root
        diagonal.append(float(basis[:, -1] @ image[:, 0]))
        for _ in range(2):
            image = image - basis @ (basis.T @ image)
        length = float(np.linalg.norm(image))
        if length < 1e-13 * diagonal[0]:
            break
        off.append(length)
        basis = np.column_stack([basis, image / length])
    return np.array(diagonal), np.array(off[: len(diagonal) - 1])
