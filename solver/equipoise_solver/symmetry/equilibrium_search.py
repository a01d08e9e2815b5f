"""Walks to the equilibrium of families, repeated from fresh statistics until nothing is left to gain."""

from typing import NamedTuple

from torch import Tensor

from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.symmetry.equilibrium_problem import Problem
from equipoise_solver.symmetry.equilibrium_walk import composed, identity, logarithms, upright, walk
from equipoise_solver.symmetry.existence import Escape, Kept, at_boundary, escapes, runaways, without
from equipoise_solver.symmetry.orbit import FamilyOrbit
from equipoise_solver.symmetry.orbit_dense import DenseOrbit
from equipoise_solver.symmetry.orbit_sides import Sides

ROUNDS = 6
"""Most sets of statistics: each sheds rounding that the walk before it has gathered."""


class Found(NamedTuple):
    """The best point that was found.

    Attributes:
        parameters: all blocks.
        orbit: there, with statistics taken afresh.
        exponents: shape (m,), None if no single exponential leads there.
        escapes: directions without equilibrium.
        n_iterations: Newton steps in all.
    """

    parameters: Parameters
    orbit: FamilyOrbit | DenseOrbit
    exponents: Tensor | None
    escapes: tuple[Escape, ...]
    n_iterations: int


def search(problem: Problem, start: Parameters, *, tolerance: float, max_iterations: int) -> Found:
    """The equilibrium of the families, or of what is left of them without escapes."""
    lost: tuple[Escape, ...] = ()
    kept: Kept | None = None
    while True:
        orbit = problem.orbit(start, kept)
        escaping = escapes(orbit)
        if not escaping:
            found, escaping = _rounds(problem, start, orbit, tolerance=tolerance, most=max_iterations)
        if not escaping:
            return found._replace(escapes=lost)
        # Once those that end at the boundary are gone, others may have nothing left to grow.
        escaping = [escape for escape in escaping if escape.is_bounded] or escaping
        lost += tuple(escaping)
        start, kept = at_boundary(start, problem.sides, escaping), without(orbit, escaping)


def _rounds(
    problem: Problem, start: Parameters, orbit: FamilyOrbit, *, tolerance: float, most: int
) -> tuple[Found, list[Escape]]:
    """Walks from fresh statistics while the residual falls; the best point, or directions that ran away."""
    factors, n_iterations = identity(orbit), 0
    # Where several do not commute on one side of a block, no sum of exponents says what they did together.
    commutes = is_separable(orbit.sides)
    best = Found(start, orbit, problem.generators.coefficients(logarithms(factors)), (), 0)
    for _ in range(ROUNDS):
        arrival = walk(orbit, tolerance=1e-2 * tolerance, max_iterations=most)
        n_iterations += arrival.n_iterations
        factors = composed(arrival.factors, factors)
        running = runaways(arrival.orbit, factors)
        if running:
            return best, running
        exponents = problem.generators.coefficients(logarithms(factors))
        if commutes:
            point = problem.generators.move(exponents, start)
            factors = upright(factors)
        else:
            moved = {b: v.reshape(start[b].shape) for b, v in arrival.orbit.parameters.items()}
            point = {**start, **moved}
        orbit = problem.orbit(point, orbit.kept)
        if orbit.residual() > 0.5 * best.orbit.residual():
            break
        best = Found(point, orbit, exponents if commutes else None, (), n_iterations)
        if orbit.residual() <= 1e-2 * tolerance:
            break
    return best._replace(n_iterations=n_iterations), []


def is_separable(sides: Sides) -> bool:
    """Whether families on the same side of a block commute: all diagonal, or a matrix and numbers."""
    for acting in sides.acting.values():
        for side in ("left", "right"):
            kinds = [sides.families[f].structure for f, s, _ in acting if s == side]
            if "full" in kinds and sum(kind != "scalar" for kind in kinds) > 1:
                return False
    return True
