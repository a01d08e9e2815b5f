"""Noise equilibria in closed form: one generator, one double rotation, a deep linear net at its minimum."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import logsumexp
from torch import Tensor

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.data import GaussianTeacher
from equipoise_solver.networks.parameters import Parameters

SINGULAR = 1e-13
"""Eigenvalues below this share of the largest, times the size, are zeros that rounding has spread."""


def scalar_exponent(
    degrees: ArrayLike,
    noise: ArrayLike,
    squares: ArrayLike,
    *,
    temperature: float,
    weight_decay: float = 0.0,
) -> float:
    """lam* of one generator, A = diag(degrees) in its eigenbasis: where noise and decay balance on its orbit.

    The minimum over lam of F = (T/2) sum c_i exp(-2 a_i lam) + 2 gamma sum q_i exp(2 a_i lam). The logarithms
    of the rising and of the falling part of dF are nearly straight and cross once; they never overflow.

    Args:
        degrees: a, shape (k,).
        noise: c, variance of the gradient along each eigenvector at lam = 0, shape (k,), >= 0.
        squares: q, squared parameter along each eigenvector at lam = 0, shape (k,), >= 0.
        temperature: T, >= 0.
        weight_decay: gamma, >= 0.

    Returns:
        lam*; +inf or -inf if F falls for ever that way; 0 if nothing depends on lam.
    """
    a, c, q = (np.asarray(values, dtype=np.float64) for values in (degrees, noise, squares))
    rates = np.concatenate([-2.0 * a, 2.0 * a])
    weights = np.concatenate([0.5 * temperature * c, 2.0 * weight_decay * q]) * np.abs(rates)
    rising, falling = (rates > 0) & (weights > 0), (rates < 0) & (weights > 0)
    if not rising.any() or not falling.any():
        return math.inf if falling.any() else -math.inf if rising.any() else 0.0
    up, down = np.log(weights[rising]), np.log(weights[falling])

    def excess(exponent: float) -> float:
        above = logsumexp(up + rates[rising] * exponent)
        return float(above - logsumexp(down + rates[falling] * exponent))

    return _root(excess, slope=float(rates[rising].min() - rates[falling].max()))


def _root(excess: Callable[[float], float], *, slope: float) -> float:
    """Zero of a function that rises at least as steeply as `slope`."""
    reach = -excess(0.0) / slope
    if reach == 0.0:
        return 0.0
    # The bound on the slope holds up to rounding: reach a little further.
    end = reach + math.copysign(1e-9 * (1.0 + abs(reach)), reach)
    return float(brentq(excess, min(0.0, end), max(0.0, end), xtol=1e-300, rtol=1e-15))


@dataclass(frozen=True)
class BalancingFactor:
    """Minimum of Tr(P^-1 A)/2 + Tr(P B)/2 over positive P, where A and B may be singular.

    Attributes:
        factor: P with P B P = A, shape (h, h); on the kernel of B that nothing determines, the identity. With
            escapes, P of the rest, and the identity along the escapes.
        rising: orthonormal columns along which P grows for ever, range of A in the kernel of B, (h, k).
        falling: orthonormal columns along which P falls to 0, range of B in the kernel of A, (h, l).
    """

    factor: Tensor
    rising: Tensor
    falling: Tensor

    @property
    def is_finite(self) -> bool:
        """Whether there is a minimum."""
        return self.rising.shape[1] + self.falling.shape[1] == 0


def balancing_factor(a: Tensor, b: Tensor) -> BalancingFactor:
    """P = M^2 for which W -> M W, U -> U M^-1 balances a pair of layers: the geometric mean of B^-1 and A.

    Args:
        a: what falls with P, T E[G_W G_W'] + 4 gamma U'U, shape (h, h), symmetric, no negative eigenvalue.
        b: what rises with P, T E[G_U' G_U] + 4 gamma W W', likewise.

    Returns:
        the minimum, and the directions along which there is none.

    References:
        For A and B regular P = B^-1/2 (B^1/2 A B^1/2)^1/2 B^-1/2, the theory's formula; computed as
        P = R (R'B R)^-1/2 R' with A = R R', which is the same and needs no inverse of B.
    """
    rising, falling = _escapes(a, b), _escapes(b, a)
    kept = _complement(torch.cat([rising, falling], dim=1))
    root_a = _half(kept.T @ a @ kept, zero=_zero(a))
    root_b = _half(kept.T @ b @ kept, zero=_zero(b))
    inner, vectors = torch.linalg.eigh(root_a.T @ (root_b @ root_b.T) @ root_a)
    half = root_a @ vectors * inner.clamp(min=0.0) ** -0.25
    free = _complement(_range(root_b))
    inside = half @ half.T + free @ free.T
    identity = torch.eye(a.shape[0], dtype=a.dtype) - kept @ kept.T
    return BalancingFactor(kept @ inside @ kept.T + identity, rising, falling)


def _zero(matrix: Tensor) -> float:
    """Largest eigenvalue that rounding may have made of a zero."""
    return SINGULAR * matrix.shape[0] * float(torch.linalg.matrix_norm(matrix))


def _half(matrix: Tensor, *, zero: float) -> Tensor:
    """R with R R' = matrix, one column per eigenvalue above `zero`."""
    values, vectors = torch.linalg.eigh(matrix)
    half: Tensor = vectors[:, values > zero] * values[values > zero].sqrt()
    return half


def _escapes(a: Tensor, b: Tensor) -> Tensor:
    """Orthonormal basis of the intersection of the range of A with the kernel of B, shape (h, k)."""
    root_a, root_b = _half(a, zero=_zero(a)), _half(b, zero=_zero(b))
    # Unit columns: what is asked is whether B annihilates a direction of the range, however small A is there.
    inside = _range(root_a)
    if not inside.shape[1] or not root_b.shape[1]:
        return inside
    _, values, vectors = torch.linalg.svd(root_b.T @ inside)
    sizes = torch.zeros(inside.shape[1], dtype=a.dtype)
    sizes[: values.numel()] = values
    # Singular values of a root are known to the square root of the rounding of the matrix.
    small = sizes <= math.sqrt(_zero(b))
    return _range(inside @ vectors.T[:, small])


def _range(matrix: Tensor) -> Tensor:
    """Orthonormal basis of the range of a matrix of full column rank."""
    basis: Tensor = torch.linalg.qr(matrix).Q if matrix.shape[1] else matrix
    return basis


def _complement(basis: Tensor) -> Tensor:
    """Orthonormal basis of what is orthogonal to some orthonormal columns, shape (h, h - k)."""
    if not basis.shape[1]:
        return torch.eye(basis.shape[0], dtype=basis.dtype)
    rest: Tensor = torch.linalg.qr(basis, mode="complete").Q[:, basis.shape[1] :]
    return rest


@dataclass(frozen=True)
class BalancedLinearNetwork:
    """Noise equilibrium of a deep linear net with W_L ... W_1 = V, one of those rotated inside.

    Attributes:
        singular_values: S of Se^1/2 V Sx^1/2 without zeros, falling, shape (r,).
        scales: c_1 .. c_{L-1} with P_i = c_i S and Q_i = S/c_i, shape (L - 1,).
        parameters: W1 .. WL, of rank r each.
    """

    singular_values: Tensor
    scales: Tensor
    parameters: Parameters


def balanced_linear_network(teacher: GaussianTeacher, widths: Sequence[int]) -> BalancedLinearNetwork:
    """Equilibrium at the global minimum of squared error, without weight decay.

    Args:
        teacher: V, Sx and Se; both covariances regular, V of any rank > 0.
        widths: [in, hidden ..., out], hidden widths at least the rank of V.

    Returns:
        inner layers sqrt(c_i/c_{i-1}) times a partial isometry, ends that carry S^1/2.

    Raises:
        InvalidModelError: field "data.input_cov", "data.noise_cov" (singular), "data.teacher" (V = 0, or
            another shape than the network's) or "model.widths" (too narrow for V, or no hidden layer).

    References:
        Balance of the pair (i, i+1) is Tr(Q_{i+1}) P_i = Tr(P_{i-1}) Q_i, so that log c_i is linear in i from
        c_0 = Tr Sx/Tr S to c_L = Tr S/Tr Se.
    """
    root_x = _regular_root("data.input_cov", teacher.input_cov)
    root_e = _regular_root("data.noise_cov", teacher.noise_cov)
    left, values, right = torch.linalg.svd(root_e @ teacher.teacher @ root_x, full_matrices=False)
    rank = int((values > SINGULAR * max(widths) * values[0]).sum())
    _check_widths(teacher, widths, rank)
    left, values, right = left[:, :rank], values[:rank], right[:rank]
    n_layers, total = len(widths) - 1, values.sum()
    ends = torch.stack([teacher.input_cov.trace() / total, total / teacher.noise_cov.trace()]).log()
    weight = torch.arange(n_layers + 1, dtype=values.dtype) / n_layers
    scales = (ends[0] * (1.0 - weight) + ends[1] * weight).exp()
    parameters = {
        f"W{i}": _isometry(widths[i], widths[i - 1], rank, like=values) * (scales[i] / scales[i - 1]).sqrt()
        for i in range(2, n_layers)
    }
    first = torch.linalg.solve(root_x, (values.sqrt()[:, None] * right).T).T * scales[1].sqrt()
    last = torch.linalg.solve(root_e, left * values.sqrt()) / scales[-2].sqrt()
    parameters["W1"] = _isometry(widths[1], rank, rank, like=values) @ first
    parameters[f"W{n_layers}"] = last @ _isometry(rank, widths[-2], rank, like=values)
    ordered = {f"W{i}": parameters[f"W{i}"] for i in range(1, n_layers + 1)}
    return BalancedLinearNetwork(values, scales[1:-1], ordered)


def _check_widths(teacher: GaussianTeacher, widths: Sequence[int], rank: int) -> None:
    if len(widths) < 3 or min(widths[1:-1]) < rank:
        raise InvalidModelError(
            "model.widths",
            given=list(widths),
            allowed=f"[in, hidden ..., out] with hidden widths of at least {rank}, the rank of the teacher",
        )
    wanted = [widths[-1], widths[0]]
    if rank == 0 or list(teacher.teacher.shape) != wanted:
        raise InvalidModelError(
            "data.teacher",
            given=f"rank {rank}, shape {list(teacher.teacher.shape)}",
            allowed=f"a matrix of shape {wanted} that is not 0",
        )


def _isometry(rows: int, columns: int, rank: int, *, like: Tensor) -> Tensor:
    """The first `rank` unit vectors onto the first `rank` unit vectors, shape (rows, columns)."""
    matrix = like.new_zeros((rows, columns))
    matrix[:rank, :rank] = torch.eye(rank, dtype=like.dtype)
    return matrix


def _regular_root(field: str, covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    if values[0] <= SINGULAR * values.numel() * values[-1]:
        raise InvalidModelError(
            field,
            given=f"eigenvalues from {float(values[0]):.3g} to {float(values[-1]):.3g}",
            allowed="a covariance that is not singular",
            remedy="Without noise in some direction layers are not balanced there.",
        )
    root: Tensor = (vectors * values.sqrt()) @ vectors.T
    return root
