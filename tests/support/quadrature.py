"""Stationary laws by mpmath: tanh-sinh quadrature of the densities at 30 digits, no code of the solver.

Depth 0, depth 1 and infinite depth use closed forms of the exponent with powers and arctangents; other
depths the partial fractions of the exponent in s = v**(1/(D+1)).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mpmath
from mpmath.calculus.quadrature import TanhSinh

mp = mpmath.mp.clone()
mp.dps = 30
_LEVELS = 7
_RULE = TanhSinh(mp)
_NODES: list[Any] = [_RULE.calc_nodes(level, mp.prec) for level in range(1, _LEVELS + 1)]
# Between levels; tanh-sinh doubles its digits at each, so the last level is good to about twice as many.
_ENOUGH = mp.mpf(10) ** -15
Number = Any


@dataclass(frozen=True)
class GaussianNetwork:
    """A diagonal network on x ~ N(0, input_std**2), y = slope*x + N(0, noise_std**2); slope > 0 if depth > 0.

    depth None is the limit of infinite depth, where width stands for width/depth.
    """

    slope: float
    noise_std: float
    temperature: float
    depth: int | None
    width: float = 1.0
    weight_decay: float = 0.0
    input_std: float = 1.0

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """a1, a2, a3, b1, b2, sqrt(Delta), from the exact values of the parameters."""
        k, s, x = (mp.mpf(value) for value in (self.slope, self.noise_std, self.input_std))
        a1 = 2 * x**4
        return a1, k * a1, k * k * a1 + s * s * x * x, x * x, k * x * x, mp.sqrt(a1) * s * x

    @cached_property
    def log_density(self) -> Callable[[Number], Number]:
        """log p(v) up to a constant, for v > 0 (any v if depth is 0)."""
        if self.depth is None:
            return self._deep()
        return {0: self._line, 1: self._two_layers}.get(self.depth, self._layers)()

    def _line(self) -> Callable[[Number], Number]:
        a1, a2, a3, b1, b2, root = self.numbers
        # Width d acts as d temperatures and 1/d weight decays: dv is a sum of d equal increments.
        t = mp.mpf(self.temperature) * self.width
        b1 = b1 + mp.mpf(self.weight_decay) / self.width
        power, tilt = -1 - b1 / (2 * t * a1), (a2 * b1 - a1 * b2) / (t * a1 * root)
        return lambda v: power * mp.log(a1 * v * v - 2 * a2 * v + a3) - tilt * mp.atan((a1 * v - a2) / root)

    def _two_layers(self) -> Callable[[Number], Number]:
        a1, a2, a3, b1, b2, root = self.numbers
        t, b2 = mp.mpf(self.temperature), b2 - mp.mpf(self.weight_decay)
        first, second = b2 / (2 * a3 * t) - mp.mpf(3) / 2, -1 - b2 / (4 * a3 * t)
        tilt = (a3 * b1 - a2 * b2) / (2 * t * a3 * root)
        return lambda v: (
            first * mp.log(v)
            + second * mp.log(a1 * v * v - 2 * a2 * v + a3)
            - tilt * mp.atan((a1 * v - a2) / root)
        )

    def _deep(self) -> Callable[[Number], Number]:
        a1, a2, a3, b1, b2, root = self.numbers
        c, t = mp.mpf(self.width), mp.mpf(self.temperature)
        k1 = c * (a3 * b1 - 2 * a2 * b2) / (t * a3**2)
        tilt = (a2 * a3 * b1 - 2 * a2**2 * b2 + a1 * a3 * b2) / (a3**2 * root)
        return lambda v: (
            (-3 - k1) * mp.log(v)
            + (k1 / 2 - 1) * mp.log(a1 * v * v - 2 * a2 * v + a3)
            - c / t * (b2 / (a3 * v) + tilt * mp.atan((a1 * v - a2) / root))
        )

    def _layers(self) -> Callable[[Number], Number]:
        """By partial fractions: the exponent is (D+1) int (b1 s^(D+1) - b2) s^-D / g(s^(D+1)) ds over aT."""
        a1, a2, a3, b1, b2, root = self.numbers
        assert self.depth is not None
        depth, n = self.depth, self.depth + 1
        t, gamma, d = mp.mpf(self.temperature), mp.mpf(self.weight_decay), mp.mpf(self.width)
        a = n * d ** (mp.mpf(2) / n - 1)
        zero = mp.mpc(a2, root) / a1
        poles = [mp.root(zero, n) * mp.expjpi(mp.mpf(2 * j) / n) for j in range(n)]
        scale = a1 * mp.mpc(0, 2 * root / a1)
        force = [(b1 * zero - b2) * pole ** (-2 * depth) / scale for pole in poles]
        decay = [pole ** (1 - 3 * depth) / scale for pole in poles]
        residues = [f / (a * t) + n * gamma / (a * a * t) * e for f, e in zip(force, decay, strict=True)]

        def log_density(v: Number) -> Number:
            s = mp.root(v, n)
            exponent = 2 * sum((r * mp.log(s - pole)).real for r, pole in zip(residues, poles, strict=True))
            exponent += n * b2 / (a3 * (depth - 1) * s ** (depth - 1)) / (a * t)
            if gamma:
                pull = n / a3 * s ** (2 - 2 * depth) / (2 - 2 * depth)
                if depth == 3:
                    pull += n / a3 * (2 * a2 / a3) * mp.log(s)
                elif depth > 3:
                    pull += n / a3 * (2 * a2 / a3) * s ** (3 - depth) / (3 - depth)
                exponent += n * gamma / (a * a * t) * pull
            return -3 * depth * mp.log(v) / n - mp.log(a1 * v * v - 2 * a2 * v + a3) - exponent

        return log_density


@dataclass(frozen=True)
class Reference:
    """Mean, variance, densities at the points asked for, and P(V < first point)."""

    mean: float
    variance: float
    density: list[float]
    below: float


def reference_law(
    network: GaussianNetwork, *, points: Sequence[float], low: float | None = None
) -> Reference:
    """Integrate; the first point must lie in the bulk. `low` conditions on v > low."""
    line = network.depth == 0
    log_p, marks = network.log_density, [mp.mpf(point) for point in points]
    shift = log_p(marks[0])
    center = marks[0] if line else mp.log(marks[0])

    def value(u: Number) -> Number:
        return u if line else mp.exp(u)

    def weight(u: Number) -> Number:
        return mp.exp(log_p(value(u)) - shift + (0 if line else u))

    edges = _edges(network, center, weight, low=None if low is None else mp.log(mp.mpf(low)))
    pieces = [(a, b, _moments(weight, value, a, b)) for a, b in itertools.pairwise(edges)]
    ends = _ends(network, weight, value, edges, cut=low is not None)
    total = [sum(p[2][j] for p in pieces) + ends[0][j] + ends[1][j] for j in range(3)]
    mean = total[1] / total[0]
    below = ends[0][0] + sum(p[2][0] for p in pieces if p[1] <= center)
    return Reference(
        mean=float(mean),
        variance=float(total[2] / total[0] - mean**2),
        density=[float(mp.exp(log_p(mark) - shift) / total[0]) for mark in marks],
        below=float(below / total[0]),
    )


def _edges(
    network: GaussianNetwork, center: Number, weight: Callable[[Number], Number], *, low: Number | None
) -> list[Number]:
    """Edges that double away from the centre and from the poles of 1/g, out to where only ends are left."""
    k, width = mp.mpf(network.slope), mp.mpf("0.5")
    line = network.depth == 0
    while weight(center + width) + weight(center - width) < mp.mpf("0.5") * weight(center):
        width /= 2
    pole = k if line else mp.log(k)
    gap = mp.mpf(network.noise_std) / mp.mpf(network.input_std) / (1 if line else k)
    reach = 40
    if line:
        reach = 100 * (1 + abs(center) + mp.mpf(network.noise_std))
    found = {center}
    for middle, step in ((center, width), (pole, min(gap, mp.mpf(1)))):
        distance = step
        while distance < reach:
            found |= {middle - distance, middle + distance}
            distance *= 2
    edges = sorted(e for e in found if low is None or e > low)
    return edges if low is None else [low, *edges]


def _ends(
    network: GaussianNetwork,
    weight: Callable[[Number], Number],
    value: Callable[[Number], Number],
    edges: list[Number],
    *,
    cut: bool,
) -> list[list[Number]]:
    """The moments beyond the outermost edges, in variables z in which the ends are powers at z = 0."""
    low, high = edges[0], edges[-1]
    if network.depth == 0:
        # u = center +- z**(-1/rate): E[v**2], whose integrand falls like u**-(rate+1), is regular at z = 0.
        a1, _, _, b1, _, _ = network.numbers
        b1 = b1 + mp.mpf(network.weight_decay) / network.width
        rate, center = b1 / (a1 * mp.mpf(network.temperature) * network.width) - 1, (low + high) / 2

        def end(sign: int) -> list[Number]:
            return _moments(
                lambda z: weight(center + sign * z ** (-1 / rate)) * z ** (-1 / rate - 1) / rate,
                lambda z: value(center + sign * z ** (-1 / rate)),
                0,
                (high - center) ** -rate,
            )

        return [end(-1), end(1)]
    right = _moments(
        lambda z: 2 * weight(-2 * mp.log(z)) / z, lambda z: value(-2 * mp.log(z)), 0, mp.exp(-high / 2)
    )
    rate = mp.mpf(1)
    if network.depth == 1:
        _, _, a3, _, b2, _ = network.numbers
        rate = ((b2 - mp.mpf(network.weight_decay)) / (a3 * mp.mpf(network.temperature)) - 1) / 2
    nothing = [mp.mpf(0)] * 3
    left = (
        nothing
        if cut
        else _moments(
            lambda z: weight(mp.log(z) / rate) / (rate * z),
            lambda z: value(mp.log(z) / rate),
            0,
            mp.exp(rate * low),
        )
    )
    return [left, right]


def _moments(
    weight: Callable[[Number], Number], value: Callable[[Number], Number], low: Number, high: Number
) -> list[Number]:
    """Integrals of weight*value**j, j = 0, 1, 2, by tanh-sinh, halving steps until they settle."""
    middle, half = (mp.mpf(low) + high) / 2, (mp.mpf(high) - low) / 2
    totals = [mp.mpf(0)] * 3
    for level, nodes in enumerate(_NODES):
        fresh = [mp.mpf(0)] * 3
        for node, factor in nodes:
            u = middle + half * node
            if u <= low or u >= high:
                continue
            mass, v = factor * weight(u), value(u)
            fresh = [fresh[0] + mass, fresh[1] + mass * v, fresh[2] + mass * v * v]
        step = mp.ldexp(1, -(level + 1))
        news = (
            [t / 2 + f * step for t, f in zip(totals, fresh, strict=True)]
            if level
            else [f * step for f in fresh]
        )
        settled = level > 2 and all(
            abs(new - old) <= _ENOUGH * abs(new) for new, old in zip(news, totals, strict=True)
        )
        totals = news
        if settled:
            break
    return [half * total for total in totals]
