"""The potential F = (T/2) Tr Sigma + 2 gamma |theta|^2 on an orbit of families, and its derivatives.

Along X in the span of the generators theta -> exp(X) theta and Sigma -> exp(-X) Sigma exp(-X), so that

dF(X) = -T Tr(Sigma X) + 4 gamma theta' X theta
d2F(X, Y) = T Tr((X Y + Y X) Sigma) + 4 gamma theta' (X Y + Y X) theta >= 0 for X = Y.

A block W carries X W = L W + W R with L and R the sums of degree K on its sides; everything is then traces of
L and R against the moments of gradient and parameters on each side.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self

import torch
from torch import Tensor

from equipoise_solver.networks.families import Side
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.symmetry.noise import Noise
from equipoise_solver.symmetry.orbit_sides import Elements, Sides, exponentials

SIDES: tuple[Side, Side] = ("left", "right")

FLAT = 1e-13
"""Share of the largest curvature below which there is none."""


class Orbit(Protocol):
    """A point of an orbit, with the potential around it; directions are flat vectors of coordinates."""

    def potential(self) -> float:
        """F."""
        ...

    def gradient(self) -> Tensor:
        """dF in every direction, shape (k,)."""
        ...

    def residual(self) -> float:
        """How far dF is from 0, against the parts that cancel; 0 to 1."""
        ...

    def curvature(self, direction: Tensor) -> Tensor:
        """d2F(direction, .), shape (k,)."""
        ...

    def preconditioned(self, direction: Tensor) -> Tensor:
        """An approximate solution x of d2F(x, .) = direction, shape (k,)."""
        ...

    def reach(self, direction: Tensor) -> float:
        """Largest logarithm of a factor by which exp(X) stretches a block."""
        ...

    def moved(self, direction: Tensor) -> Self:
        """The point exp(X) theta."""
        ...


@dataclass(frozen=True)
class FamilyOrbit:
    """An orbit of families of generators.

    Attributes:
        sides: where the families act.
        parameters: theta as matrices, blocks that are acted on.
        noise: Sigma there; not asked for if the temperature is 0.
        temperature: T.
        weight_decay: gamma.
        kept: per family an orthogonal projection K -> P K P ("full", (h, h)) or weights 0 and 1 of the
            diagonal or the number, onto the directions that may be taken; None for all.
    """

    sides: Sides
    parameters: Parameters
    noise: Noise
    temperature: float
    weight_decay: float
    kept: tuple[Tensor | None, ...]

    def potential(self) -> float:
        """(T/2) Tr Sigma + 2 gamma |theta|^2 of the blocks that are acted on."""
        total = 0.0
        for block in self.sides.acting:
            side: Side = "left" if self.sides.has(block, "left") else "right"
            total += 0.5 * float(self._moments[block, side].trace())
        return total

    def gradient(self) -> Tensor:
        """dF, joined over the families."""
        return flat(self.slopes)

    def residual(self) -> float:
        """Largest over the families of |dF| over the parts of both signs, entry by entry if diagonal."""
        parts = [self._projected(part) for part in (self.falling, self.rising)]
        return max(_ratio(*each) for each in zip(self.slopes, *parts, strict=True))

    def curvature(self, direction: Tensor) -> Tensor:
        """d2F(direction, .)."""
        moments: dict[tuple[str, Side], Tensor] = {}
        for block, (left, right) in self.sides.motions(self._projected(self.elements(direction))).items():
            for side, own, other in zip(SIDES, (left, right), (right, left), strict=True):
                if own is None:
                    continue
                moment = own @ self._moments[block, side] + self._moments[block, side] @ own
                crossed = 0.0 if other is None else 2.0 * self._crossed(block, side, other)
                moments[block, side] = moment + crossed
        return flat(self._projected(self.sides.collected(moments)))

    def preconditioned(self, direction: Tensor) -> Tensor:
        """d2F without what couples families and the two sides of a block, inverted per family."""
        solved = []
        for b, (values, vectors) in zip(self.elements(direction), self._strengths, strict=True):
            if vectors is None:
                solved.append(torch.where(values > 0.0, b / (2.0 * values), 0.0))
            else:
                inside = vectors.T @ b @ vectors / _regular(values[:, None] + values)
                solved.append(vectors @ inside @ vectors.T)
        return flat(self._projected(tuple(solved)))

    def reach(self, direction: Tensor) -> float:
        """Largest eigenvalue of any L or R, by size."""
        pairs = self.sides.motions(self.elements(direction)).values()
        sizes = [float(torch.linalg.matrix_norm(m, 2)) for pair in pairs for m in pair if m is not None]
        return max(sizes)

    def moved(self, direction: Tensor) -> "FamilyOrbit":
        """The point exp(X) theta."""
        motions = self.sides.motions(self.elements(direction))
        parameters = {}
        for block, (left, right) in exponentials(motions, 1.0).items():
            value = self.parameters[block] if left is None else left @ self.parameters[block]
            parameters[block] = value if right is None else value @ right
        return replace(
            self, parameters=parameters, noise=self.noise.moved(parameters, exponentials(motions, -1.0))
        )

    def norm(self) -> "FamilyOrbit":
        """The same with F = |theta|^2/2, of which d2F(X, Y) = theta' (X Y + Y X) theta."""
        return replace(self, temperature=0.0, weight_decay=0.25)

    def elements(self, direction: Tensor) -> Elements:
        """K of each family from a flat vector."""
        axes = [{"full": 2, "diagonal": 1, "scalar": 0}[f.structure] for f in self.sides.families]
        shapes = [[f.size] * n for f, n in zip(self.sides.families, axes, strict=True)]
        parts = torch.split(direction, [f.size**n for f, n in zip(self.sides.families, axes, strict=True)])
        return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))

    @cached_property
    def falling(self) -> Elements:
        """Part of -dF that is positive: noise of actions with positive degree, squares of the others."""
        return self._part(1)

    @cached_property
    def rising(self) -> Elements:
        """Part of dF that is positive; dF = rising - falling."""
        return self._part(-1)

    def _part(self, sign: int) -> Elements:
        noise = self.sides.collected(self.noise_moments, sign=sign)
        squares = self.sides.collected(self.square_moments, sign=-sign)
        return tuple(
            self.temperature * n + 4.0 * self.weight_decay * s for n, s in zip(noise, squares, strict=True)
        )

    @cached_property
    def slopes(self) -> Elements:
        """dF of each family, stored as K is."""
        return self._projected(tuple(up - down for up, down in zip(self.rising, self.falling, strict=True)))

    @cached_property
    def noise_moments(self) -> dict[tuple[str, Side], Tensor]:
        """E[G G'] or E[G' G] by block and side that is acted on."""
        if self.temperature == 0.0:
            return {place: torch.zeros_like(square) for place, square in self.square_moments.items()}
        return {
            (block, side): self.noise.left(block) if side == "left" else self.noise.right(block)
            for block, side in self.square_moments
        }

    @cached_property
    def square_moments(self) -> dict[tuple[str, Side], Tensor]:
        """W W' or W' W by block and side that is acted on."""
        return {
            (block, side): w @ w.T if side == "left" else w.T @ w
            for block, w in self.parameters.items()
            for side in SIDES
            if self.sides.has(block, side)
        }

    @cached_property
    def _moments(self) -> dict[tuple[str, Side], Tensor]:
        """T noise + 4 gamma squares."""
        squares = self.square_moments
        return {
            place: self.temperature * noise + 4.0 * self.weight_decay * squares[place]
            for place, noise in self.noise_moments.items()
        }

    def _crossed(self, block: str, side: Side, other: Tensor) -> Tensor:
        """T E[G other G'] + 4 gamma W other W', or the same from the other side."""
        w = self.parameters[block] if side == "left" else self.parameters[block].T
        crossed = 4.0 * self.weight_decay * w @ other @ w.T
        if self.temperature == 0.0:
            return crossed
        moment = self.noise.left if side == "left" else self.noise.right
        return crossed + self.temperature * moment(block, other)

    @cached_property
    def _strengths(self) -> list[tuple[Tensor, Tensor | None]]:
        """Sum of degree^2 (T noise + 4 gamma squares) per family; of a matrix, eigenvalues and vectors."""
        sums = self.sides.collected(self._moments, power=2)
        return [tuple(torch.linalg.eigh(s)) if s.ndim == 2 else (s, None) for s in sums]

    def _projected(self, elements: Elements) -> Elements:
        return tuple(
            element if p is None else p @ element @ p if element.ndim == 2 else p * element
            for element, p in zip(elements, self.kept, strict=True)
        )


def flat(elements: Elements) -> Tensor:
    """One vector of K of each family; inner products are sums of Tr(K K')."""
    return torch.cat([element.reshape(-1) for element in elements])


def _ratio(slope: Tensor, down: Tensor, up: Tensor) -> float:
    """|slope| over the sum of the parts: of the whole matrix, or the largest of the entries of a diagonal."""
    if slope.ndim == 2:
        size = float(torch.linalg.matrix_norm(down) + torch.linalg.matrix_norm(up))
        return float(torch.linalg.matrix_norm(slope)) / size if size > 0 else 0.0
    sizes = (down + up).reshape(-1)
    ratios = slope.reshape(-1).abs()[sizes > 0] / sizes[sizes > 0]
    return float(ratios.max()) if ratios.numel() else 0.0


def _regular(values: Tensor) -> Tensor:
    """Divisors with zeros made harmless: nothing moves where curvature is what rounding leaves of none."""
    return torch.where(values > FLAT * values.max(), values, torch.inf)
