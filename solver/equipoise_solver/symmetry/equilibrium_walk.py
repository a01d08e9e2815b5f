"""From a point of an orbit to its noise equilibrium: closed forms pair by pair, then Newton."""

from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise_solver.symmetry.closed_forms import balancing_factor
from equipoise_solver.symmetry.equilibrium_newton import minimize
from equipoise_solver.symmetry.orbit import FamilyOrbit, flat
from equipoise_solver.symmetry.orbit_sides import Elements, exponential, zero_element

SWEEPS = 3
"""Rounds of closed forms, each family in turn, before Newton's method: enough to come near."""


@dataclass(frozen=True)
class Arrival:
    """The end of a walk.

    Attributes:
        orbit: the point.
        factors: per family the product of exp(K) of all steps, stored as K is.
        n_iterations: Newton steps.
    """

    orbit: FamilyOrbit
    factors: Elements
    n_iterations: int


def walk(start: FamilyOrbit, *, tolerance: float, max_iterations: int) -> Arrival:
    """The minimum of F over the kept directions.

    Args:
        start: a point of the orbit.
        tolerance: residual to reach.
        max_iterations: most Newton steps.
    """
    orbit, factors = _sweeps(start, tolerance=tolerance)
    orbit, way = minimize(orbit, tolerance=tolerance, max_iterations=max_iterations)
    for step in way.steps:
        factors = after(orbit.elements(step), factors)
    return Arrival(orbit, factors, len(way.steps))


def _sweeps(orbit: FamilyOrbit, *, tolerance: float) -> tuple[FamilyOrbit, Elements]:
    """Each family in turn to its own minimum, where that has a closed form."""
    factors = identity(orbit)
    for _ in range(SWEEPS):
        for index in range(len(orbit.sides.families)):
            element = _own_minimum(orbit, index)
            if element is None:
                continue
            elements = [zero_element(family) for family in orbit.sides.families]
            elements[index] = element
            trial = orbit.moved(flat(tuple(elements)))
            if trial.potential() > orbit.potential():
                continue
            orbit, factors = trial, after(tuple(elements), factors)
        if len(orbit.sides.families) == 1 or orbit.residual() <= tolerance:
            break
    return orbit, factors


def _own_minimum(orbit: FamilyOrbit, index: int) -> Tensor | None:
    """K of the minimum of F along one family, if all its degrees are +-d: exp(2 d K) is a geometric mean."""
    family = orbit.sides.families[index]
    degrees = {abs(action.degree) for action in family.actions}
    if len(degrees) != 1:
        return None
    twice = 2.0 * degrees.pop()
    down, up, kept = orbit.falling[index], orbit.rising[index], orbit.kept[index]
    if down.ndim < 2:
        moves = (down > 0) & (up > 0)
        shift = torch.where(moves, (down / torch.where(moves, up, 1.0)).log() / (2.0 * twice), 0.0)
        return shift if kept is None else shift * kept
    if kept is not None:
        down, up = kept @ down @ kept, kept @ up @ kept
    values, vectors = torch.linalg.eigh(balancing_factor(down, up).factor)
    if not float(values[0]) > 0.0:
        return None
    element: Tensor = (vectors * (values.log() / twice)) @ vectors.T
    return element if kept is None else kept @ element @ kept


def identity(orbit: FamilyOrbit) -> Elements:
    """Factors of no step at all."""
    zeros = [zero_element(family) for family in orbit.sides.families]
    return tuple(exponential(z) if z.ndim == 2 else z.exp() for z in zeros)


def after(elements: Elements, factors: Elements) -> Elements:
    """exp(K) after earlier factors."""
    return composed(tuple(exponential(k) if k.ndim == 2 else k.exp() for k in elements), factors)


def composed(later: Elements, earlier: Elements) -> Elements:
    """Products of factors, family by family."""
    return tuple(
        second @ first if first.ndim == 2 else second * first
        for second, first in zip(later, earlier, strict=True)
    )


def upright(factors: Elements) -> Elements:
    """Factors without their rotations: the exponentials of `logarithms`."""
    return tuple(exponential(k) if k.ndim == 2 else k.exp() for k in logarithms(factors))


def logarithms(factors: Elements) -> Elements:
    """K whose exponential is a factor, but for a rotation from the left, which F does not see."""
    return tuple(_logarithm(factor) for factor in factors)


def _logarithm(factor: Tensor) -> Tensor:
    if factor.ndim < 2:
        return factor.log()
    _, values, vectors = torch.linalg.svd(factor)
    element: Tensor = (vectors.T * values.log()) @ vectors
    return element
