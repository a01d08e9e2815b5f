"""The whole distribution of the time at which a diffusion first reaches a level or leaves an interval.

Its Laplace transform comes from spectral elements at complex z and is inverted along a hyperbola: one method
from the shortest times that carry probability to the longest, and for laws that miss part of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from scipy.optimize import brentq

from equipoise_solver.diffusion.coordinates import Line, line_of
from equipoise_solver.diffusion.ends import end_of
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.operator_panels import Panels
from equipoise_solver.diffusion.operator_response import leaving
from equipoise_solver.diffusion.operator_segments import Behaviours, Levels, Segments, levels_of, segments_on
from equipoise_solver.diffusion.passage_law_contour import WINDOW, Complex, contour, line, window_of
from equipoise_solver.diffusion.passage_law_end import rest_of_way
from equipoise_solver.diffusion.problem import Diffusion
from equipoise_solver.errors import InvalidModelError, LimitExceededError

Side = Literal["low", "high", "either"]

_LAYER = 5.0  # longest panel next to the start, in lengths 1/sqrt(2|z|) over which transforms decay by e.
_REACH = 45.0  # lengths after which nothing of the transform is left.
_RELEVANT = 60.0  # nodes of the contour with |z|*t beyond carry factors below 1e-15.
_ROUNDS, _MOST_PIECES = 40, 8
_TAME, _FADED = 100.0, 1e-13  # larger terms of the hyperbola cost digits; its last one has to be negligible.
_BLOCK, _MOST_BLOCKS = 128, 128
_SURE = 1e-11  # below the precision of the cdf nothing is left of the last quantiles.
_RARE = 45.0  # probabilities below exp(-45) are 0 here.
_FINER = 1.4
_LATEST = 500  # 4**500 = 1e301


@dataclass(frozen=True)
class PassageLaw:
    """Law of the time tau of the first passage from a start, through either side or through one of them.

    Attributes:
        start: [state].
        side: through which side: "low", "high" or "either".
        probability: that it ever happens; below 1 the law is defective.
        earliest: before this time its probability is below 1e-19, [time].
    """

    start: float
    side: Side
    probability: float
    earliest: float
    _problem: _Problem
    _known: dict[int, tuple[Complex, Complex]] = field(default_factory=dict, repr=False)

    def cdf(self, times: Array) -> Array:
        """P(tau <= t) at times >= 0, any shape; see `error` for how exact."""
        return np.clip(self._inverted(times, 1), 0.0, self.probability)

    def density(self, times: Array) -> Array:
        """Density of tau at times >= 0, any shape, [1/time]; its integral is `probability`."""
        return np.maximum(self._inverted(times, 0), 0.0)

    def quantiles(self, probabilities: Array) -> Array:
        """The smallest t with cdf(t) >= p, any shape, [time]; inf from `probability` on, 0 for p = 0."""
        wanted = np.asarray(probabilities, dtype=np.float64)
        if np.any(~((wanted >= 0) & (wanted <= 1))):
            raise InvalidModelError("probabilities", given=wanted.tolist(), allowed="numbers in 0..1")
        return np.array([self._quantile(float(p)) for p in wanted.ravel()]).reshape(wanted.shape)

    def error(self, times: Array) -> float:
        """Largest change of the cdf at these times when panels are made shorter and the line longer."""
        finer = replace(self._problem, fineness=_FINER)
        other = PassageLaw(self.start, self.side, self.probability, self.earliest, finer)
        return float(np.max(np.abs(self.cdf(times) - other.cdf(times)), initial=0.0))

    def _inverted(self, times: Array, power: int) -> Array:
        """The function whose transform is E[exp(-z tau)]/z**power."""
        times = np.asarray(times, dtype=np.float64)
        if np.any(np.isnan(times)):
            raise InvalidModelError("times", given="nan", allowed="times >= 0")
        flat = times.ravel()
        late = flat > WINDOW**_LATEST
        result = np.where(late, self.probability if power else 0.0, 0.0)
        alive = ~late & (flat > self.earliest)
        windows = np.full(flat.size, _LATEST + 1, dtype=np.int64)
        windows[alive] = window_of(flat[alive])
        for window in np.unique(windows[alive]):
            z, terms = self._terms(int(window))
            here = windows == window
            result[here] = np.imag(np.exp(np.multiply.outer(flat[here], z)) @ (terms / z**power))
        return np.asarray(result.reshape(times.shape))

    def _terms(self, window: int) -> tuple[Complex, Complex]:
        if window not in self._known:
            self._known[window] = self._problem.terms(window)
        return self._known[window]

    def _quantile(self, p: float) -> float:
        if p == 0 or p > self.probability * (1.0 - _SURE):
            return 0.0 if p == 0 else math.inf
        low, high = self.earliest, WINDOW * self.earliest
        while float(self.cdf(np.array(high))) < p:
            low, high = high, high * WINDOW
            if high > WINDOW ** (_LATEST - 2):
                return math.inf
        root = brentq(
            lambda log_t: float(self.cdf(np.array(math.exp(log_t)))) - p,
            math.log(low),
            math.log(high),
            xtol=1e-14,
        )
        return math.exp(float(root))


def passage_law(
    diffusion: Diffusion,
    start: float,
    *,
    side: Side = "either",
    below: float | None = None,
    above: float | None = None,
    behaviours: Behaviours = ("reflecting", "reflecting"),
) -> PassageLaw:
    """The law of the time at which a diffusion first reaches a level, or an end that absorbs.

    Args:
        diffusion: the problem.
        start: where it starts, strictly between levels and ends, [state].
        side: which of the two exits counts; after leaving through the other one it never happens.
        below, above: levels where it is stopped, [state]; without one the end of the interval stops it if it
            is an exit, or regular and absorbing.
        behaviours: what regular ends do.

    Raises:
        InvalidModelError: a start outside, or no exit on that side.
        LimitExceededError: coefficients on too many scales.
    """
    line = line_of(diffusion)
    levels = levels_of(line, below, above)
    y = _inside(line, levels, start)
    exits = (
        below is not None or _stops(diffusion, "low", behaviours),
        above is not None or _stops(diffusion, "high", behaviours),
    )
    counts = (exits[0] and side != "high", exits[1] and side != "low")
    if not any(counts):
        raise InvalidModelError("side", given=side, allowed="a side with a level, or an end that absorbs")
    problem = _Problem(line, levels, behaviours, y, counts, 1.0)
    segments, first = problem.segments(), problem.start_edge
    panels = segments.panels
    reached = leaving(segments, np.zeros(1, dtype=np.complex128), first(panels))
    probability = sum(float(part[0].real) for part, counted in zip(reached, counts, strict=True) if counted)
    return PassageLaw(start, side, min(probability, 1.0), _earliest(panels, first(panels), counts), problem)


def _inside(line: Line, levels: Levels, start: float) -> float:
    low, high = line.coordinate.low, line.coordinate.high
    y = float(line.coordinate.invert(start)) if low < start < high else math.inf
    if not levels[0] < y < levels[1]:
        raise InvalidModelError(
            "start", given=start, allowed="a point inside the interval, between the levels"
        )
    return y


def _stops(diffusion: Diffusion, side: Literal["low", "high"], behaviours: Behaviours) -> bool:
    end = end_of(diffusion, side, behaviour=behaviours[0 if side == "low" else 1])
    return end.reached and end.absorbs


def _earliest(panels: Panels, start: int, counts: tuple[bool, bool]) -> float:
    """The time before which the passage is rarer than exp(-45).

    Along the metric coordinate P(tau < t) <= C*exp(-d**2/(2t) + (h(exit) - h(start))/2), h = log m_z.
    """
    place = _distances(panels, start)
    h = panels.log_speed - np.log(panels.metric)
    times = []
    for counted, node in zip(counts, (0, -1), strict=True):
        if counted:
            distance = place[node]
            begin = h[start, 0] if start < h.shape[0] else h[-1, -1]
            times.append(distance**2 / (2.0 * (_RARE + 0.5 * max(float(h[node, node]) - begin, 0.0))))
    return float(min(times))


@dataclass(frozen=True)
class _Problem:
    """What the transform is made of; y is the start, counts says which of (low, high) count."""

    line: Line
    levels: Levels
    behaviours: Behaviours
    y: float
    counts: tuple[bool, bool]
    fineness: float

    def segments(self, edges: tuple[float, ...] = ()) -> Segments:
        return segments_on(
            self.line,
            behaviours=self.behaviours,
            levels=self.levels,
            fineness=self.fineness,
            edges=(self.y, *edges),
        )

    def start_edge(self, panels: Panels) -> int:
        return int(np.argmin(np.abs(panels.edges - self.y)))

    def terms(self, window: int) -> tuple[Complex, Complex]:
        """Nodes z of the window, and the weights times E[exp(-z*tau)]: f(t) = Im sum exp(z*t)*terms."""
        z, weights = contour(window)
        segments = self.segments()
        scale = math.sqrt(2.0 * _RELEVANT / WINDOW**window) * self.fineness
        reach = _REACH / math.sqrt(2.0 * abs(z[0]))
        for _ in range(_ROUNDS):
            panels = segments.panels
            extra = _layers(panels, self.start_edge(panels), scale, reach)
            if extra.size == 0:
                break
            segments = self.segments((*panels.edges[1:-1], *extra))
        terms = self._transform(segments, z) * weights
        sizes = np.abs(np.exp(z * WINDOW**window) * terms / z)
        if np.max(sizes) < _TAME and sizes[-1] < _FADED:
            return z, terms
        return self._terms_on_line(segments, window)

    def _terms_on_line(self, segments: Segments, window: int) -> tuple[Complex, Complex]:
        nodes, found = [], []
        for block in range(_MOST_BLOCKS):
            z, weights = line(window, block * _BLOCK, _BLOCK)
            nodes.append(z)
            found.append(self._transform(segments, z) * weights)
            if np.max(np.abs(found[-1] / z)) < 1e-16:
                return np.concatenate(nodes), np.concatenate(found)
        raise LimitExceededError(
            "start",
            given="a passage too sharp in time",
            allowed=f"passage times spread by more than 1/{_MOST_BLOCKS * _BLOCK // 30} of their mean",
        )

    def _transform(self, segments: Segments, z: Complex) -> Complex:
        outer, onward = [*segments.outer], [np.ones_like(z), np.ones_like(z)]
        for side, outward in ((0, -1.0), (1, 1.0)):
            if self.counts[side] and not segments.at_level[side]:
                rest = rest_of_way(self.line, float(segments.panels.edges[-side]), outward, z)
                if rest is not None:
                    outer[side], onward[side] = 0.0, rest
        segments = replace(segments, outer=(outer[0], outer[1]))
        low, high = leaving(segments, z, self.start_edge(segments.panels))
        return np.asarray(self.counts[0] * low * onward[0] + self.counts[1] * high * onward[1])


def _distances(panels: Panels, start: int) -> Array:
    """Metric distance of every edge from the start."""
    length = panels.metric_lengths
    return np.concatenate([np.cumsum(length[:start][::-1])[::-1], [0.0], np.cumsum(length[start:])])


def _layers(panels: Panels, start: int, scale: float, reach: float) -> Array:
    """New edges in panels too long for the layers of the transform around the start."""
    length, place = panels.metric_lengths, _distances(panels, start)
    away = np.minimum(place[:-1], place[1:])
    with np.errstate(divide="ignore"):
        longest = _LAYER / np.minimum(scale, _REACH / away)
    pieces = np.where(away < reach, np.ceil(length / longest), 1)
    chosen = np.flatnonzero(pieces > 1)
    count = np.minimum(pieces[chosen], _MOST_PIECES).astype(int)
    edges = [
        np.linspace(panels.edges[k], panels.edges[k + 1], n + 1)[1:-1]
        for k, n in zip(chosen, count, strict=True)
    ]
    return np.concatenate([np.zeros(0), *edges])
