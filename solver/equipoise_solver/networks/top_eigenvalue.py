"""Largest eigenvalue of the Hessian of the mean loss, by Lanczos' method."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.objective import check_objective, hessian_times
from equipoise_solver.networks.parameters import Parameters, check_overflow, flatten, n_parameters
from equipoise_solver.networks.streams import PROBES, stream

_N_BETWEEN = 5
"""Products between looks at convergence."""


@dataclass(frozen=True)
class TopEigenvalue:
    """Largest eigenvalue of a symmetric matrix.

    Attributes:
        value: the largest Ritz value, at most the eigenvalue but for rounding.
        error_bound: norm of the residual: an eigenvalue lies within it of `value`.
        vector: its unit eigenvector, shape (p,).
        n_products: products with the matrix.
        outcome: "CONVERGED", or "BUDGET_EXHAUSTED" if the error is still above the tolerance.
    """

    value: float
    error_bound: float
    vector: Tensor
    n_products: int
    outcome: str


def top_eigenvalue(
    network: Network,
    parameters: Parameters,
    data: Pairs | GaussianTeacher,
    *,
    weight_decay: float = 0.0,
    tolerance: float = 1e-3,
    max_products: int = 200,
    seed: int = 0,
) -> TopEigenvalue:
    """Largest eigenvalue of the Hessian of the mean loss plus weight_decay |theta|^2.

    Args:
        network: the model and its loss.
        parameters: by block.
        data: samples, or a teacher of a linear network.
        weight_decay: adds 2 weight_decay to every eigenvalue.
        tolerance: wanted residual, relative to the largest |eigenvalue|; the error of the eigenvalue is of
            the order of its square over the gap to the next.
        max_products: most products with the Hessian.
        seed: of the start vector.

    Raises:
        InvalidModelError, UnsupportedCombinationError: as `objective.check_objective`; field
            "max_products", below 1; "parameters", overflow.
    """
    check_objective(network, data)
    if max_products < 1:
        raise InvalidModelError("max_products", given=max_products, allowed="at least 1")
    start = torch.from_numpy(stream(seed, purpose=PROBES).standard_normal(n_parameters(network)))

    def times(vector: Tensor) -> Tensor:
        product = hessian_times(network, parameters, data, vector, weight_decay=weight_decay)
        check_overflow(product)
        return product

    like = flatten(parameters, network.blocks)
    return lanczos(times, start.to(like), tolerance=tolerance, max_products=max_products)


def lanczos(
    times: Callable[[Tensor], Tensor], start: Tensor, *, tolerance: float, max_products: int
) -> TopEigenvalue:
    """Largest eigenvalue of a symmetric matrix given by its products.

    Each new vector is made orthogonal to all before, twice, so that rounding makes no copies of eigenvalues.

    Args:
        times: vector (p,) -> matrix times vector (p,).
        start: a vector with a part along the wanted eigenvector, shape (p,).
        tolerance: wanted residual, relative to the largest |eigenvalue|.
        max_products: at least 1; never more than p are taken.

    References:
        Parlett, The symmetric eigenvalue problem (1998), section 13.2: residual of a Ritz pair |beta_k s_k|.
    """
    limit = min(max_products, start.numel())
    basis = [start / start.norm()]
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    while True:
        product = times(basis[-1])
        diagonal.append(float(basis[-1] @ product))
        stacked = torch.stack(basis)
        for _ in range(2):
            product = product - stacked.T @ (stacked @ product)
        beta = float(product.norm())
        n = len(diagonal)
        if n == limit or n % _N_BETWEEN == 0 or beta == 0:
            values, vectors = _ritz(diagonal, off_diagonal)
            scale = float(values.abs().max())
            bound = beta * abs(float(vectors[-1, -1])) if n < start.numel() else 0.0
            is_converged = bound <= tolerance * scale or beta <= 1e-14 * scale
            if is_converged or n == limit:
                vector = stacked.T @ vectors[:, -1].to(start)
                outcome = "CONVERGED" if is_converged else "BUDGET_EXHAUSTED"
                return TopEigenvalue(float(values[-1]), bound, vector / vector.norm(), n, outcome)
        off_diagonal.append(beta)
        basis.append(product / beta)


def _ritz(diagonal: list[float], off_diagonal: list[float]) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, and eigenvectors of a tridiagonal matrix."""
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if off_diagonal:
        beside = torch.tensor(off_diagonal, dtype=torch.float64)
        matrix = matrix + torch.diag(beside, 1) + torch.diag(beside, -1)
    values, vectors = torch.linalg.eigh(matrix)
    return values, vectors
