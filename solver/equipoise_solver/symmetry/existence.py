"""Directions in which the potential falls for ever, so that there is no finite equilibrium: scale invariance
without decay, neurons with noise on one side only, weights that nothing reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise_solver.networks.families import Family
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.symmetry.closed_forms import balancing_factor
from equipoise_solver.symmetry.orbit import FamilyOrbit
from equipoise_solver.symmetry.orbit_sides import Elements, Sides

FAR = 5.0
"""Exponent from which a direction that is not balanced is taken to run away: factors of 150."""

UNBALANCED = 0.5
"""Share of the parts that cancel that is left in a direction that runs away."""

EMPTY = 1e-10
"""Share of a block's norm below which it has nothing along a direction."""

Kept = tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Escape:
    """A direction of one family without equilibrium.

    Attributes:
        family: index of the family.
        sign: +1 if exponents go to +infinity, -1 for -infinity.
        vector: unit vector v of K = v v', shape (h,); of a scalar family (1,).
        is_bounded: whether the blocks that would grow have nothing there, so that the orbit has a limit, in
            which the blocks that shrink have nothing there either, and the predictions are the same.
        reason: which, where to and why.
    """

    family: int
    sign: int
    vector: Tensor
    is_bounded: bool
    reason: str


def escapes(orbit: FamilyOrbit) -> list[Escape]:
    """Directions of single families in which only one side pushes, at the present point."""
    found = []
    for index, (down, up, kept) in enumerate(zip(orbit.falling, orbit.rising, orbit.kept, strict=True)):
        if down.ndim == 2:
            p = torch.eye(down.shape[0], dtype=down.dtype) if kept is None else kept
            factor = balancing_factor(p @ down @ p, p @ up @ p)
            pairs = [(1, v) for v in factor.rising.T] + [(-1, v) for v in factor.falling.T]
        else:
            pairs = _one_sided(down.reshape(-1), up.reshape(-1), kept)
        found += [escape_of(orbit, index, sign=sign, vector=vector) for sign, vector in pairs]
    return found


def _one_sided(down: Tensor, up: Tensor, kept: Tensor | None) -> list[tuple[int, Tensor]]:
    allowed = torch.ones_like(down) if kept is None else kept.reshape(-1)
    basis = torch.eye(down.numel(), dtype=down.dtype)
    places = torch.nonzero(((down == 0) != (up == 0)) & (allowed > 0)).reshape(-1).tolist()
    return [(1 if float(down[i]) > 0 else -1, basis[i]) for i in places]


def runaways(orbit: FamilyOrbit, factors: Elements) -> list[Escape]:
    """Directions that were followed far without coming to balance.

    Args:
        orbit: where the walk stopped.
        factors: per family the product of exp(K) that leads there.
    """
    found = []
    for index, factor in enumerate(factors):
        down, up = orbit.falling[index], orbit.rising[index]
        if factor.ndim == 2:
            here, stretches, start = torch.linalg.svd(factor)
            values, vectors = stretches.log(), start.T
            down, up = ((here * (part @ here)).sum(0) for part in (down, up))
        else:
            values, vectors = factor.reshape(-1).log(), torch.eye(factor.numel(), dtype=factor.dtype)
        slope = (down.reshape(-1) - up.reshape(-1)) * values.sign()
        is_running = (values.abs() > FAR) & (slope >= UNBALANCED * (down + up).reshape(-1))
        for i in torch.nonzero(is_running).reshape(-1).tolist():
            found.append(escape_of(orbit, index, sign=int(values[i].sign()), vector=vectors[:, i]))
    return found


def escape_of(orbit: FamilyOrbit, index: int, *, sign: int, vector: Tensor) -> Escape:
    """An escape with its reason in words."""
    family = orbit.sides.families[index]
    grown, shrunk = (
        ", ".join(action.block for action in family.actions if action.degree * way > 0)
        for way in (sign, -sign)
    )
    ways = [f"{blocks} {verb}" for blocks, verb in ((grown, "grows"), (shrunk, "shrinks")) if blocks]
    # Noise pushes a block outwards, decay inwards.
    with_decay = orbit.weight_decay > 0.0
    holds = [f"noise of the gradient of {shrunk}"] if shrunk else []
    holds += [f"decay of {grown}"] if grown and with_decay else []
    missing = " and no ".join(holds) or "weight decay"
    is_bounded = bool(grown) and bool(shrunk) and _is_empty(orbit, index, sign=sign, vector=vector)
    if is_bounded:
        ways, end = [f"{shrunk} shrinks to 0"], f"where {grown} has nothing"
    else:
        end = "without end"
    reason = f"{_place(family, vector)}: {' and '.join(ways)} {end}, since no {missing} holds it."
    return Escape(index, sign, vector, is_bounded, reason)


def _is_empty(orbit: FamilyOrbit, index: int, *, sign: int, vector: Tensor) -> bool:
    """Whether the blocks that would grow have no part along the vector."""
    for block, acting in orbit.sides.acting.items():
        value = orbit.parameters[block]
        for family, side, degree in acting:
            if family == index and degree * sign > 0:
                part = vector @ value if side == "left" else value @ vector
                if float(part.norm()) > EMPTY * float(value.norm()):
                    return False
    return True


def at_boundary(parameters: Parameters, sides: Sides, found: Sequence[Escape]) -> Parameters:
    """Parameters at the limit of the orbit along bounded escapes: what shrinks is gone."""
    there = dict(parameters)
    for index, family in enumerate(sides.families):
        for sign in (1, -1):
            gone = [e.vector for e in found if e.family == index and e.sign == sign and e.is_bounded]
            for action in family.actions if gone else ():
                if action.degree * sign < 0:
                    rest = _complement(gone)
                    value = there[action.block]
                    there[action.block] = (
                        torch.tensordot(rest, value, dims=1) if action.side == "left" else value @ rest
                    )
    return there


def _complement(vectors: Sequence[Tensor]) -> Tensor:
    """Projection onto what is orthogonal to some vectors; exactly 0 along axes, and where nothing is left."""
    rows = torch.stack(list(vectors), dim=1)
    if not bool(((rows != 0).sum(0) > 1).any()):
        return torch.diag((rows == 0).all(1).to(rows.dtype))
    basis = torch.linalg.qr(rows, mode="complete").Q[:, rows.shape[1] :]
    projection: Tensor = basis @ basis.T
    return projection


def _place(family: Family, vector: Tensor) -> str:
    if family.structure == "scalar":
        return family.name
    largest = int(vector.abs().argmax())
    if family.structure == "diagonal":
        return f"{family.name} [{largest}]"
    return f"{family.name}, along a direction of the hidden space (unit {largest} and others)"


def without(orbit: FamilyOrbit, found: Sequence[Escape]) -> Kept:
    """What may still be moved once these directions stay where they are."""
    kept = list(orbit.kept)
    for index, family in enumerate(orbit.sides.families):
        vectors = [escape.vector for escape in found if escape.family == index]
        if not vectors:
            continue
        old = kept[index]
        if family.structure == "full":
            whole = torch.eye(family.size, dtype=torch.float64) if old is None else old
            basis = torch.linalg.qr(torch.stack(vectors, dim=1)).Q
            left = whole - basis @ basis.T
            # Rounding of nothing is no direction.
            kept[index] = left if float(left.trace()) > 0.5 else torch.zeros_like(left)
        else:
            mask = torch.ones(family.size, dtype=torch.float64) if old is None else old.reshape(-1)
            mask = mask - torch.stack(vectors).abs().sum(0).clamp(max=1.0)
            kept[index] = mask if family.structure == "diagonal" else mask[0]
    return tuple(kept)
