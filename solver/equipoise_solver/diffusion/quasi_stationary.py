"""The law of a diffusion that survived for long where an end or a level kills, and its rate of escape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from equipoise_solver.diffusion.coordinates import Coordinate, line_of
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.operator import Operator, operator_on
from equipoise_solver.diffusion.operator_line import cut_line
from equipoise_solver.diffusion.operator_panels import DEGREE, DIFFERENTIATE, TO_SERIES, WEIGHTS
from equipoise_solver.diffusion.operator_segments import Behaviours, levels_of, tail_integral
from equipoise_solver.diffusion.problem import Diffusion
from equipoise_solver.diffusion.spectrum_continuum import continuum_onset
from equipoise_solver.diffusion.spectrum_iteration import lowest_modes
from equipoise_solver.errors import InvalidModelError

_INTEGRALS = np.stack([legendre.legint(row, lbnd=-1) for row in np.eye(DEGREE + 1)])
_FINENESS = (1.0, 1.4, 2.0)
_GOOD, _ACCEPTED = 1e-8, 1e-6


@dataclass(frozen=True, slots=True)
class QuasiStationaryLaw:
    """The limit of the law of x(t) given that it has not been absorbed by t.

    Attributes:
        rate: of absorption, [1/time]: P(alive at t) goes as exp(-rate*t).
        error: estimated relative error of the rate.
        next_rate: of the next mode: the law is reached as exp(-(next_rate - rate)*t), [1/time]; nan
            where it did not converge.
        mean: of x, [state]; inf if it does not exist.
        shares: what part is absorbed at the lower and at the upper end.
        x, density: at the nodes of the panels, ascending, [state] and [1/state].
    """

    rate: float
    error: float
    next_rate: float
    mean: float
    shares: tuple[float, float]
    x: Array
    density: Array
    _coordinate: Coordinate
    _edges: Array
    _series: Array
    _below: Array

    def cdf(self, x: Array) -> Array:
        """P(X <= x), any shape."""
        low, high = self._coordinate.low, self._coordinate.high
        x = np.asarray(x, dtype=np.float64)
        y = self._coordinate.invert(np.clip(x, low, high))
        panel = np.clip(np.searchsorted(self._edges, y, side="right") - 1, 0, self._edges.size - 2)
        length = self._edges[panel + 1] - self._edges[panel]
        place = np.clip(2.0 * (y - self._edges[panel]) / length - 1.0, -1.0, 1.0)
        part = np.sum(legendre.legvander(place, DEGREE + 1) * (self._series @ _INTEGRALS)[panel], axis=-1)
        return np.where(x <= low, 0.0, np.where(x >= high, 1.0, np.clip(self._below[panel] + part, 0.0, 1.0)))


def quasi_stationary_law(
    diffusion: Diffusion,
    *,
    behaviours: Behaviours = ("reflecting", "reflecting"),
    below: float | None = None,
    above: float | None = None,
) -> QuasiStationaryLaw:
    """The quasi-stationary law of a diffusion, with density proportional to m times its slowest mode.

    Args:
        diffusion: on an interval whose other ends may be singular.
        behaviours: what regular ends do.
        below, above: levels that kill, [state].

    Raises:
        InvalidModelError: nothing kills, or survival has no isolated slowest mode with a finite mass.
    """
    line = line_of(diffusion)
    levels = levels_of(line, below, above)
    onset = continuum_onset(line, cut_line(line, low=levels[0], high=levels[1]))
    ceiling = np.inf if onset is None else onset
    previous, errors, error = np.zeros(0), np.full(2, np.inf), np.inf
    for fineness in _FINENESS:
        operator = operator_on(line, behaviours=behaviours, levels=levels, fineness=fineness)
        if operator.conservative:
            raise InvalidModelError(
                "behaviours", given=list(behaviours), allowed="an end that absorbs, or a level",
                remedy="Without absorption ask for the stationary law.",
            )  # fmt: skip
        rates, modes = lowest_modes(operator, 2, ceiling=ceiling)
        errors = np.abs(rates / previous - 1.0) if previous.size == rates.size else errors
        error = float(errors[0])
        if error <= _GOOD and (errors[1] <= _GOOD or rates[1] >= ceiling):
            break
        previous = rates
    if not (error <= _ACCEPTED and rates[0] < ceiling):
        raise _no_law("the spectrum of survival is continuous from its lower end on")
    mode = np.abs(operator.by_panel(modes[:, 0]))
    if errors[1] > _ACCEPTED and rates[1] < ceiling:
        rates = np.array([rates[0], np.nan])
    return _law(operator, line.coordinate, mode, rates, max(error, 1e-14), ceiling)


def _no_law(reason: str) -> InvalidModelError:
    return InvalidModelError(
        "diffusion",
        given=f"a process without a quasi-stationary law: {reason}",
        allowed="survival with an isolated slowest mode of finite mass",
        remedy="If it escapes to an end that it never reaches, kill it at a level, as on top of the barrier.",
    )


def _law(
    operator: Operator, coordinate: Coordinate, mode: Array, rates: Array, error: float, ceiling: float
) -> QuasiStationaryLaw:
    panels = operator.panels
    with np.errstate(divide="ignore"):
        log_shape = np.log(mode) + panels.log_speed
    tails = [_tail(operator, log_shape, side) for side in (0, 1)]
    if not np.all(np.isfinite(tails)):
        raise _no_law("the slowest mode has no finite mass")
    shape = np.exp(log_shape)
    series = (shape @ TO_SERIES) * panels.half[:, None]
    masses = np.concatenate([[tails[0]], 2.0 * series[:, 0], [tails[1]]])
    total = float(masses.sum())
    with np.errstate(divide="ignore"):
        log_moment = log_shape + np.log(np.abs(panels.x))
    ends = [panels.x.flat[0] * tails[0], panels.x.flat[-1] * tails[1]]
    for side, end in ((0, coordinate.low), (1, coordinate.high)):
        if np.isinf(end) and not operator.at_level[side]:
            ends[side] = np.sign(end) * _tail(operator, log_moment, side)
    mean = (float(((panels.x * shape) @ WEIGHTS) @ panels.half) + ends[0] + ends[1]) / total
    return QuasiStationaryLaw(
        rate=float(rates[0]),
        error=error,
        next_rate=float(np.minimum(rates[1], ceiling)),
        mean=mean,
        shares=_shares(operator, mode),
        x=operator.flat(panels.x),
        density=operator.flat(np.exp(log_shape - panels.log_stretch)) / total,
        _coordinate=coordinate,
        _edges=panels.edges,
        _series=series / total,
        _below=np.cumsum(masses[:-1]) / total,
    )


def _tail(operator: Operator, logs: Array, side: int) -> float:
    """Integral beyond a cut; 0 beyond a level."""
    if operator.at_level[side]:
        return 0.0
    return tail_integral(logs[-side], (2 * side - 1) * float(operator.panels.half[-side]), -side)


def _shares(operator: Operator, mode: Array) -> tuple[float, float]:
    """Parts of the flow out of the mode at the two ends: mode/resistance, or its slope over s at a level."""
    panels, flows = operator.panels, [0.0, 0.0]
    for side in (0, 1):
        if operator.at_level[side]:
            slope = abs(float(DIFFERENTIATE[-side] @ mode[-side])) / panels.half[-side]
            flows[side] = slope * np.exp(-panels.log_scale[-side, -side])
        elif np.isfinite(operator.outer[side]):
            flows[side] = mode[-side, -side] / operator.outer[side]
    whole = flows[0] + flows[1]
    return float(flows[0] / whole), float(flows[1] / whole)
