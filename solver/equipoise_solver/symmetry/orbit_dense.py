"""The potential on an orbit of generators given as dense matrices, for small networks."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from equipoise_solver.symmetry.orbit_sides import exponential


@dataclass(frozen=True)
class DenseOrbit:
    """A point of an orbit; directions are coefficients of the generators, shape (m,).

    Attributes:
        basis: A_1 .. A_m, shape (m, p, p), symmetric.
        spectra: eigenvalues and eigenvectors of each.
        parameters: theta, shape (p,).
        covariance: Sigma, shape (p, p).
        temperature: T.
        weight_decay: gamma.
        kept: weights 0 and 1 of the generators, shape (m,).
    """

    basis: Tensor
    spectra: tuple[tuple[Tensor, Tensor], ...]
    parameters: Tensor
    covariance: Tensor
    temperature: float
    weight_decay: float
    kept: Tensor

    def potential(self) -> float:
        """(T/2) Tr Sigma + 2 gamma |theta|^2."""
        return 0.5 * float(self._moment.trace())

    def gradient(self) -> Tensor:
        """dF along each generator."""
        return self.kept * (self.rising - self.falling)

    def residual(self) -> float:
        """Largest |dF| over its parts of both signs."""
        size = self.kept * (self.rising + self.falling)
        ratios = self.gradient().abs()[size > 0] / size[size > 0]
        return float(ratios.max()) if ratios.numel() else 0.0

    def curvature(self, direction: Tensor) -> Tensor:
        """d2F(direction, .)."""
        product = self._sum(self.kept * direction) @ self._moment
        return self.kept * (self.basis * (product + product.T)).sum((1, 2))

    def preconditioned(self, direction: Tensor) -> Tensor:
        """Divided by d2F(A_k, A_k)."""
        own = 2.0 * ((self.basis @ self._moment) * self.basis).sum((1, 2))
        return self.kept * torch.where(own > 1e-15 * own.max(), direction / own, 0.0)

    def reach(self, direction: Tensor) -> float:
        """Largest eigenvalue of the sum, by size."""
        return float(torch.linalg.matrix_norm(self._sum(direction), 2))

    def moved(self, direction: Tensor) -> "DenseOrbit":
        """The point exp(X) theta."""
        total = self._sum(direction)
        back = exponential(total, -1.0)
        return replace(
            self,
            parameters=exponential(total) @ self.parameters,
            covariance=back @ self.covariance @ back,
        )

    @cached_property
    def falling(self) -> Tensor:
        """T Tr(Sigma A+) + 4 gamma theta' A- theta with A = A+ - A- split by the signs of eigenvalues."""
        return self.temperature * self._against(self.covariance, 1) + self._decay(-1)

    @cached_property
    def rising(self) -> Tensor:
        """T Tr(Sigma A-) + 4 gamma theta' A+ theta; dF = rising - falling."""
        return self.temperature * self._against(self.covariance, -1) + self._decay(1)

    def _decay(self, sign: int) -> Tensor:
        return 4.0 * self.weight_decay * self._against(torch.outer(self.parameters, self.parameters), sign)

    def _against(self, matrix: Tensor, sign: int) -> Tensor:
        sums = [(v * (matrix @ v)).sum(0) @ (sign * values).clamp(min=0.0) for values, v in self.spectra]
        return torch.stack(sums)

    @cached_property
    def _moment(self) -> Tensor:
        square = torch.outer(self.parameters, self.parameters)
        return self.temperature * self.covariance + 4.0 * self.weight_decay * square

    def _sum(self, direction: Tensor) -> Tensor:
        return torch.einsum("k,kij->ij", direction, self.basis)


def spectra_of(basis: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    """Eigenvalues and eigenvectors of each generator."""
    return tuple(tuple(torch.linalg.eigh(matrix)) for matrix in basis)
