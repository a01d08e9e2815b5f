"""A chain solved on panels that are halved until its law is resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.theory.discrete.panels import ORDER, PanelDensity, Panels
from equipoise_solver.theory.discrete.points import PointLaw
from equipoise_solver.theory.discrete.transfer import Transfer, leading

Array = NDArray[np.float64]

# Size of the last coefficients of a resolved panel relative to the largest: moments are then good to 1e-11.
_RESOLVED = 1e-7
_MAX_ROUNDS = 7
_CONSISTENT = 1e-10
_MOST_PANELS = 160


class Scale(Protocol):
    """v as a function of the line's coordinate y."""

    def value(self, y: Array) -> Array:
        """v of y."""

    def invert(self, v: Array) -> Array:
        """y of v."""

    def slope(self, y: Array) -> Array:
        """dv/dy > 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """The (quasi-)stationary law of a chain, below a level of y that counts as its own.

    Attributes:
        density: the law given y <= the level.
        scale: v as a function of y.
        nodes, masses: a quadrature rule of that law for smooth functions of y, shape (node,) each.
        loss: probability per step of leaving for good.
        beyond: probability of lying above the level.
        balances: whether the loss per step leaves a law that settles near v = 0.
        points: the law as points, where it need not have a density.
        resolution: size of the last Legendre coefficients of the density relative to the largest.
    """

    density: PanelDensity
    scale: Scale
    nodes: Array
    masses: Array
    loss: float
    beyond: float
    resolution: float
    balances: bool
    points: PointLaw | None = None

    def cdf(self, y: Array) -> Array:
        """P(Y <= y), shape (n,)."""
        return self.points.cdf(y) if self.points is not None else self.density.cdf(y)

    def quantile(self, q: Array) -> Array:
        """y with cdf(y) = q, shape (n,)."""
        return self.points.quantile(q) if self.points is not None else self.density.quantile(q)

    def mean(self, function: Callable[[Array], Array]) -> float:
        """The mean of a smooth function of v."""
        return float(self.masses @ function(self.scale.value(self.nodes)))


def settled(
    panels: Panels,
    transfer: Callable[[Panels, float], Transfer],
    scale: Scale,
    *,
    cut: float,
    tail_rate: Callable[[float], tuple[float, bool]] | None = None,
    carried: Callable[[Array, Array], PointLaw] | None = None,
) -> Chain:
    """Solve, halve the panels whose density is not resolved, and solve again.

    Args:
        panels: to begin with; `cut` is one of their edges.
        transfer: the operator on panels, for a density exp(rate*y) below them if `tail_rate` is given.
        scale: v as a function of y.
        cut: the level below which the law is reported.
        tail_rate: that rate as a function of the loss per step, and whether it balances the loss; from the
            first that does not it stays what it is.
        carried: points of the law from nodes and masses, for a law without a smooth density, which halving
            panels would not resolve.
    """
    rate, balances = tail_rate(0.0) if tail_rate else (1.0, True)
    for turn in range(_MAX_ROUNDS):
        found = leading(transfer(panels, rate))
        used = rate
        if tail_rate and balances:
            rate, balances = tail_rate(found.loss)
        is_consistent = abs(rate - used) * found.below < _CONSISTENT * rate
        density = PanelDensity.of(panels, found.masses, found.below)
        rough = density.ends() > _RESOLVED
        if carried or turn == _MAX_ROUNDS - 1 or (is_consistent and not np.any(rough)):
            break
        if panels.count + int(rough.sum()) <= _MOST_PANELS:
            panels = panels.halved(rough)
        elif is_consistent:
            break
    last = int(np.argmin(np.abs(panels.edges - cut)))
    masses = found.masses[: last * ORDER]
    total = float(np.sum(masses)) + found.below
    own = Panels(panels.edges[: last + 1])
    return Chain(
        density=PanelDensity.of(own, masses, found.below, used),
        scale=scale,
        nodes=np.concatenate([own.edges[:1], own.nodes]),
        masses=np.concatenate([[found.below], masses]) / total,
        loss=found.loss,
        beyond=max(float(np.sum(found.masses[last * ORDER :])), 0.0),
        resolution=float(np.max(density.ends())),
        balances=balances,
        points=carried(panels.nodes, found.masses) if carried else None,
    )
