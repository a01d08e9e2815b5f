"""Minimum of the convex potential on an orbit: Newton steps by conjugate gradients, of trusted length."""

from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from equipoise_solver.symmetry.orbit import Orbit

LONGEST = 1.0
"""Longest step, in logarithms of stretch: over it the curvature changes by at most exp(4) either way."""

FLAT = 1e-9
"""Share of F below which a promised fall is judged by the residual, because rounding hides it in F."""

FINEST = 1e-6
"""Finest tolerance of conjugate gradients: beyond, rounding along flat directions takes over."""

AnyOrbit = TypeVar("AnyOrbit", bound=Orbit)


class Walk(NamedTuple):
    """The way of Newton's method.

    Attributes:
        steps: directions walked in turn, each shape (k,); the end is exp(X_n) .. exp(X_1) theta.
        residual: of dF at the end.
    """

    steps: list[Tensor]
    residual: float


def minimize(orbit: AnyOrbit, *, tolerance: float, max_iterations: int) -> tuple[AnyOrbit, Walk]:
    """Walk down F until the residual is below the tolerance, or does not fall any more.

    F is convex along exp(t X), so that each direction of Newton leads down; it is shortened to a trusted
    length and halved until F falls by a share of what its slope promises. Close to the minimum, where F is
    flat to rounding, a step is taken if the residual falls.

    Args:
        orbit: the start.
        tolerance: residual to reach.
        max_iterations: most Newton steps.

    Returns:
        the last point, and the way to it.
    """
    steps: list[Tensor] = []
    residual = orbit.residual()
    while residual > tolerance and len(steps) < max_iterations:
        step, trial = _step(orbit, residual)
        if step is None:
            break
        steps.append(step)
        orbit, residual = trial, trial.residual()
    return orbit, Walk(steps, residual)


def _step(orbit: AnyOrbit, residual: float) -> tuple[Tensor | None, AnyOrbit]:
    """A step that lowers F, or the residual where F is flat to rounding; None if there is none."""
    gradient = orbit.gradient()
    for direction in (
        solve(orbit, -gradient, tolerance=min(0.1, max(residual, FINEST))),
        orbit.preconditioned(-gradient),
    ):
        step, trial = _shortened(orbit, direction, slope=float(gradient @ direction), residual=residual)
        if step is not None:
            return step, trial
    return None, orbit


def _shortened(
    orbit: AnyOrbit, direction: Tensor, *, slope: float, residual: float
) -> tuple[Tensor | None, AnyOrbit]:
    """The longest of halved steps along one direction that is an improvement."""
    start, reach = orbit.potential(), orbit.reach(direction)
    weight = min(1.0, LONGEST / reach) if slope < 0.0 and reach > 0.0 else 0.0
    while weight > 1e-6:
        promised = -weight * slope
        trial = orbit.moved(weight * direction)
        if promised > FLAT * start:
            is_better = start - trial.potential() >= 1e-4 * promised
        else:
            is_better = trial.residual() < 0.999 * residual
        if is_better:
            return weight * direction, trial
        weight /= 2.0
    return None, orbit


def solve(orbit: Orbit, right: Tensor, *, tolerance: float) -> Tensor:
    """x with d2F(x, .) = right, by conjugate gradients; preconditioned, few cross terms mean few rounds.

    Args:
        orbit: where.
        right: shape (k,), without a part where the curvature vanishes.
        tolerance: of the remainder relative to `right`, in the norm of the preconditioner.

    Returns:
        shape (k,); nothing along directions without curvature.
    """
    x, remainder = torch.zeros_like(right), right
    z = orbit.preconditioned(remainder)
    direction, power = z, float(remainder @ z)
    goal = tolerance**2 * power
    for _ in range(min(500, 10 + 2 * right.numel())):
        if power <= goal:
            break
        image = orbit.curvature(direction)
        bend = float(direction @ image)
        if bend <= 0.0:
            break
        x = x + (power / bend) * direction
        remainder = remainder - (power / bend) * image
        z = orbit.preconditioned(remainder)
        following = float(remainder @ z)
        direction, power = z + (following / power) * direction, following
    return x
