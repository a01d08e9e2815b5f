"""Steps of the Noether flow: implicit, extrapolated to fourth order, with a neighbour to compare.

The flow is M X = -dF dt with the inertia M(X, Y) = theta' (X Y + Y X) theta. An implicit step of first
order, (M + h d2F) X = -h dF, is a system of the kind that Newton's method solves, positive however small
weights are and however fast some directions settle. Its error has an expansion in powers of h, so that the
results of 1, 2, 3 and 4 steps over the same time combine to one of fourth order (Hairer and Wanner, Solving
ODEs II, section IV.9).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch

from equipoise_solver.symmetry.equilibrium_newton import solve
from equipoise_solver.symmetry.equilibrium_walk import after, identity
from equipoise_solver.symmetry.orbit import FamilyOrbit
from equipoise_solver.symmetry.orbit_sides import Elements

COUNTS = (1, 2, 3, 4)
"""Numbers of implicit steps that are combined."""

PRECISE = 1e-9
"""Tolerance of the linear systems, relative."""


class Step(NamedTuple):
    """A step of the flow.

    Attributes:
        factors: per family the factor that leads to its end; of a diagonal or number exp(lam).
        rough: the same of third order.
    """

    factors: Elements
    rough: Elements


def extrapolated_step(
    orbit: FamilyOrbit, temperature: Callable[[float], float], *, start: float, length: float
) -> Step:
    """One step of fourth order, with its neighbour of third order to compare.

    Args:
        orbit: the point at the start.
        temperature: T(t) between start and end, smooth.
        start: t, [time].
        length: h, [time].
    """
    row: list[Elements] = []
    for j, count in enumerate(COUNTS):
        above, row = row, [_several(orbit, temperature, start=start, length=length, count=count)]
        for k in range(1, j + 1):
            weight = 1.0 / (count / COUNTS[j - k] - 1.0)
            row.append(tuple(a + weight * (a - b) for a, b in zip(row[k - 1], above[k - 1], strict=True)))
    factors, rough = (tuple(f if f.ndim == 2 else f.exp() for f in each) for each in (row[-1], row[-2]))
    return Step(factors, rough)


def _several(
    orbit: FamilyOrbit,
    temperature: Callable[[float], float],
    *,
    start: float,
    length: float,
    count: int,
) -> Elements:
    """So many implicit steps: matrix factors, and exponents of diagonals and numbers."""
    factors, h = identity(orbit), length / count
    for i in range(count):
        here = replace(orbit, temperature=temperature(start + (i + 1) * h))
        system = replace(here, temperature=h * here.temperature, weight_decay=h * here.weight_decay + 0.25)
        direction = solve(system, -h * here.gradient(), tolerance=PRECISE)
        orbit = here.moved(direction)
        factors = after(orbit.elements(direction), factors)
    return tuple(f if f.ndim == 2 else torch.log(f) for f in factors)
