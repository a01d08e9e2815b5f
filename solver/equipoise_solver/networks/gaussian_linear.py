"""Exact statistics of the gradients of deep linear networks under a Gaussian teacher, squared error.

With B = W_L ... W_1 the residual is r = (B - V) x - e, and the gradient of layer i is G = 2 u h' with
u = (W_L ... W_{i+1})' r and h = W_{i-1} ... W_1 x, jointly Gaussian with mean 0. So all follows from
their covariances R = E[u u'], P = E[h h'], C = E[u h'] by Isserlis' theorem,
E[u_a u_b h_c h_d] = R_ab P_cd + C_ac C_bd + C_ad C_bc; nothing assumes that the parameters are at a minimum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor

from equipoise_solver.errors import UnsupportedCombinationError
from equipoise_solver.networks.data import GaussianTeacher, check_teacher
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.parameters import Parameters, check_overflow
from equipoise_solver.networks.statistics import GradientStatistics


@dataclass(frozen=True)
class LayerMoments:
    """Second moments of the factors of one layer's gradient G = 2 u h'.

    Attributes:
        weight: name of the layer's weight.
        backward: R = E[u u'], shape (out, out).
        forward: P = E[h h'], shape (in, in).
        cross: C = E[u h'], shape (out, in); 0 at a minimum.
    """

    weight: str
    backward: Tensor
    forward: Tensor
    cross: Tensor

    @property
    def mean(self) -> Tensor:
        """E G, shape (out, in)."""
        return 2 * self.cross

    def left(self, middle: Tensor, *, second_moments: bool = False) -> Tensor:
        """Covariance of G with `middle` between: E[(G - EG) M (G - EG)'], M (in, in); (out, out)."""
        covariance = self.backward * (middle * self.forward).sum() + self.cross @ middle.T @ self.cross.T
        return 4 * (covariance + self.cross @ middle @ self.cross.T if second_moments else covariance)

    def right(self, middle: Tensor, *, second_moments: bool = False) -> Tensor:
        """Covariance of G with `middle` between: E[(G - EG)' M (G - EG)], M (out, out); (in, in)."""
        covariance = self.forward * (middle * self.backward).sum() + self.cross.T @ middle.T @ self.cross
        return 4 * (covariance + self.cross.T @ middle @ self.cross if second_moments else covariance)

    def trace(self, *, second_moments: bool = False) -> float:
        """E |G - EG|^2."""
        product = float(self.backward.trace() * self.forward.trace())
        square = float((self.cross**2).sum())
        return 4 * (product + (2 if second_moments else 1) * square)


def layer_moments(
    network: Network, parameters: Parameters, teacher: GaussianTeacher
) -> tuple[LayerMoments, ...]:
    """Moments of each layer, from the first to the last.

    Args:
        network: a linear network without biases, with squared error.
        parameters: by block.
        teacher: the law of the pairs.

    Raises:
        InvalidModelError: field "data.teacher" or "model.loss", the teacher does not fit.
        UnsupportedCombinationError: field "model", the network is not linear.
    """
    names, befores, afters = _products(network, parameters, teacher)
    gap, noisy = _residual(befores[-1], teacher)
    moments = []
    for name, before, after in zip(names, befores[:-1], afters, strict=True):
        cross = after.T @ gap @ teacher.input_cov @ before.T
        moments.append(
            LayerMoments(name, after.T @ noisy @ after, before @ teacher.input_cov @ before.T, cross)
        )
    return tuple(moments)


def population_statistics(
    network: Network, parameters: Parameters, teacher: GaussianTeacher, *, second_moments: bool = False
) -> GradientStatistics:
    """Exact statistics of all blocks, as `gradient_statistics` of infinitely many samples.

    Raises:
        InvalidModelError, UnsupportedCombinationError: as `layer_moments`.
    """
    layers = layer_moments(network, parameters, teacher)
    left, right = {}, {}
    for m in layers:
        left[m.weight] = m.left(_identity_like(m.forward), second_moments=second_moments)
        right[m.weight] = m.right(_identity_like(m.backward), second_moments=second_moments)
    power = {m.weight: m.trace(second_moments=True) for m in layers}
    check_overflow(sum(power.values()))
    return GradientStatistics(
        n=None,
        mean={m.weight: m.mean for m in layers},
        power=power,
        trace={m.weight: m.trace(second_moments=second_moments) for m in layers},
        left=left,
        right=right,
    )


def _identity_like(matrix: Tensor) -> Tensor:
    return torch.eye(matrix.shape[0], dtype=matrix.dtype, device=matrix.device)


def covariance_times(
    network: Network, parameters: Parameters, teacher: GaussianTeacher, direction: Parameters
) -> Parameters:
    """Sigma X for the whole gradient covariance Sigma (p, p) and a direction X, by block.

    With M = sum_j A_j X_j B_j (A_j the product of layers above j, B_j below), the sum of <G_j, X_j> is
    2 r' M x, and (Sigma X)_i = 4 A_i' (R M Sx + K M' K) B_i' with R = E[r r'], K = E[r x'].

    Raises:
        InvalidModelError, UnsupportedCombinationError: as `layer_moments`.
    """
    names, befores, afters = _products(network, parameters, teacher)
    gap, noisy = _residual(befores[-1], teacher)
    cross = gap @ teacher.input_cov
    turned = torch.zeros_like(teacher.teacher)
    for name, before, after in zip(names, befores[:-1], afters, strict=True):
        turned = turned + after @ direction[name] @ before
    inner = noisy @ turned @ teacher.input_cov + cross @ turned.T @ cross
    return {
        name: 4 * after.T @ inner @ before.T
        for name, before, after in zip(names, befores[:-1], afters, strict=True)
    }


def population_loss(network: Network, parameters: Parameters, teacher: GaussianTeacher) -> Tensor:
    """E |B x - y|^2 = Tr((B - V) Sx (B - V)') + Tr Se, scalar, differentiable, without weight decay.

    Raises:
        InvalidModelError, UnsupportedCombinationError: as `layer_moments`.
    """
    first, *others = linear_layers(network, teacher)
    product = parameters[first]
    for name in others:
        product = parameters[name] @ product
    gap = product - teacher.teacher
    return (gap @ teacher.input_cov * gap).sum() + teacher.noise_cov.trace()


def population_hessian_trace(network: Network, parameters: Parameters, teacher: GaussianTeacher) -> float:
    """Tr of the Hessian of `population_loss`: sum_i 2 |W_L ... W_{i+1}|^2 Tr P_i.

    The product of layers is linear in each entry of each layer, so the residual does not enter.

    Raises:
        InvalidModelError, UnsupportedCombinationError: as `layer_moments`.
    """
    _, befores, afters = _products(network, parameters, teacher)
    total = 0.0
    for before, after in zip(befores[:-1], afters, strict=True):
        total += 2 * float((after**2).sum() * (before @ teacher.input_cov * before).sum())
    return total


def linear_layers(network: Network, teacher: GaussianTeacher) -> Sequence[str]:
    """Names of the weights from the first to the last layer, if closed forms hold.

    Raises:
        InvalidModelError: field "data.teacher" or "model.loss", the teacher does not fit.
        UnsupportedCombinationError: field "model", the network is not linear or has biases.
    """
    check_teacher(network, teacher)
    if not is_linear(network):
        raise UnsupportedCombinationError(
            "model",
            given=type(network).__name__,
            allowed="a linear network without biases where the data are the population of a teacher",
            remedy="Draw samples from the teacher.",
        )
    return [weight for weight, _ in network.dense_layers]


def is_linear(network: Network) -> TypeGuard[DenseNetwork]:
    """Whether predictions are a product of weights with x."""
    if not isinstance(network, DenseNetwork):
        return False
    has_biases = any(bias is not None for _, bias in network.dense_layers)
    return not has_biases and (network.activation == "linear" or len(network.dense_layers) == 1)


def _products(
    network: Network, parameters: Parameters, teacher: GaussianTeacher
) -> tuple[Sequence[str], list[Tensor], list[Tensor]]:
    """Names; products of the layers below each layer, and of all; products of the layers above each."""
    names = linear_layers(network, teacher)
    befores = [torch.eye(teacher.n_inputs, dtype=teacher.teacher.dtype, device=teacher.teacher.device)]
    for name in names:
        befores.append(parameters[name] @ befores[-1])
    afters = [torch.eye(teacher.n_outputs, dtype=teacher.teacher.dtype, device=teacher.teacher.device)]
    for name in reversed(names[1:]):
        afters.append(afters[-1] @ parameters[name])
    return names, befores, afters[::-1]


def _residual(product: Tensor, teacher: GaussianTeacher) -> tuple[Tensor, Tensor]:
    """B - V, and the covariance of the residual r."""
    gap = product - teacher.teacher
    return gap, gap @ teacher.input_cov @ gap.T + teacher.noise_cov
