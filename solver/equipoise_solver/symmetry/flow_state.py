"""Where on an orbit the Noether flow is: factors by which families have multiplied blocks."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise_solver.networks.families import Family
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.symmetry.equilibrium_walk import composed, identity, logarithms
from equipoise_solver.symmetry.orbit import FamilyOrbit
from equipoise_solver.symmetry.orbit_sides import Elements

Array = NDArray[np.float64]

FARTHEST = 0.7
"""Logarithm of a factor at which the base point moves along, so that factors stay near 1."""


@dataclass(frozen=True)
class FlowState:
    """A base point, with coordinates of the orbit around it.

    The flow multiplies by exp(X dt) again and again, X symmetric. Coordinates are y in the product M = 1 + y
    of these for a family of matrices, and lam for diagonals and numbers.

    Attributes:
        base: the orbit at the base point.
        factors: per family the factor that leads from the start of the flow to the base point.
    """

    base: FamilyOrbit
    factors: Elements

    @property
    def families(self) -> tuple[Family, ...]:
        """The families that flow."""
        return self.base.sides.families

    def zero(self) -> Array:
        """Coordinates of the base point, shape (n,)."""
        sizes = [f.size**2 if f.structure == "full" else f.size for f in self.families]
        return np.zeros(sum(sizes))

    def orbit(self, coordinates: Array, temperature: float) -> FamilyOrbit:
        """The point with these coordinates."""
        factors = self._factors(coordinates)
        pairs = [(f, torch.linalg.inv(f).T if f.ndim == 2 else 1.0 / f) for f in factors]
        parameters, inverse = {}, {}
        for block, acting in self.base.sides.acting.items():
            value = self.base.parameters[block]
            back: dict[str, Tensor | None] = {"left": None, "right": None}
            for family, side, degree in acting:
                size = value.shape[0 if side == "left" else 1]
                forth, undo = (_power(pair, degree, size) for pair in (pairs[family], pairs[family][::-1]))
                value = forth @ value if side == "left" else value @ forth.T
                before = back[side]
                back[side] = undo if before is None else undo @ before
            parameters[block] = value
            right = back["right"]
            inverse[block] = (back["left"], None if right is None else right.T)
        noise = self.base.noise.moved(parameters, inverse)
        return replace(self.base, parameters=parameters, noise=noise, temperature=temperature)

    def after(self, coordinates: Array, factors: Elements) -> Array:
        """Coordinates of the point that factors lead to from the one with these coordinates."""
        total = composed(factors, self._factors(coordinates))
        parts = [f - torch.eye(f.shape[0], dtype=f.dtype) if f.ndim == 2 else f.log() for f in total]
        return np.asarray(torch.cat([part.reshape(-1) for part in parts]).numpy(), dtype=np.float64)

    def exponents(self, coordinates: Array) -> Elements:
        """K of each family: where exp(K) leads from the start, but for a rotation."""
        return logarithms(composed(self._factors(coordinates), self.factors))

    def reach(self, coordinates: Array) -> float:
        """Largest logarithm of a factor since the base point."""
        logs = [torch.linalg.svdvals(f) if f.ndim == 2 else f for f in self._factors(coordinates)]
        return max(float(each.log().abs().max()) for each in logs)

    def travelled(self) -> float:
        """Largest exponent of the base point."""
        logs = [torch.linalg.svdvals(f) if f.ndim == 2 else f for f in self.factors]
        return max(float(each.log().abs().max()) for each in logs)

    def rebased(self, coordinates: Array, afresh: Callable[[Parameters], FamilyOrbit]) -> "FlowState":
        """The same with another base point.

        Args:
            coordinates: of that point.
            afresh: the orbit at given blocks with statistics taken there, so that rounding does not grow.
        """
        factors = composed(self._factors(coordinates), self.factors)
        return FlowState(afresh(self.orbit(coordinates, 0.0).parameters), factors)

    def _factors(self, coordinates: Array) -> Elements:
        """Factor of each family since the base point: a matrix, or exp(lam), stored as K is."""
        vector, factors, place = torch.from_numpy(np.ascontiguousarray(coordinates)), [], 0
        for family in self.families:
            if family.structure == "full":
                part = vector[place : place + family.size**2].reshape(family.size, family.size)
                factors.append(torch.eye(family.size, dtype=torch.float64) + part)
                place += family.size**2
            else:
                factor = vector[place : place + family.size].exp()
                factors.append(factor if family.structure == "diagonal" else factor.reshape(()))
                place += family.size
        return tuple(factors)


def state_of(orbit: FamilyOrbit) -> FlowState:
    """The start of a flow."""
    return FlowState(orbit, identity(orbit))


def _power(pair: tuple[Tensor, Tensor], degree: float, size: int) -> Tensor:
    """What exp(K) -> M makes of exp(degree K), as a matrix: M for 1, M^-T for -1, powers of diagonals."""
    forth = pair[0] if degree > 0 else pair[1]
    if forth.ndim == 2:
        return forth
    return torch.diag((forth ** abs(degree)).expand(size))
