"""How a hidden layer represents its inputs: covariances from both sides, their alignment, effective ranks."""

import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.objective import check_objective
from equipoise_solver.networks.parameters import Parameters


def alignment(first: Tensor, second: Tensor) -> Tensor:
    """Cosine <A, B>/(|A| |B|) of matrices, in [-1, 1]: (..., a, b), (..., a, b) -> (...,).

    A matrix that is 0 has no direction: the cosine is then 0.
    """
    product = (first * second).sum((-2, -1))
    norms = torch.linalg.matrix_norm(first) * torch.linalg.matrix_norm(second)
    return torch.where(norms > 0, product / torch.where(norms > 0, norms, 1.0), 0.0).clamp(-1.0, 1.0)


def effective_rank(matrix: Tensor) -> Tensor:
    """exp of the entropy of the singular values divided by their sum: (..., a, b) -> (...,).

    Between 1 and min(a, b); 0 for a matrix that is 0.

    References:
        Roy and Vetterli, The effective rank (2007).
    """
    values = torch.linalg.svdvals(matrix)
    total = values.sum(-1, keepdim=True)
    shares = values / torch.where(total > 0, total, 1.0)
    entropy = -torch.special.xlogy(shares, shares).sum(-1)
    return torch.where(total[..., 0] > 0, torch.exp(entropy), 0.0)


def data_covariances(
    network: Network, parameters: Parameters, data: Pairs | GaussianTeacher
) -> tuple[Tensor, Tensor]:
    """Sx and Se: those of a teacher, or of samples the second moments of x and of the residual y - f(x).

    Returns:
        Sx, shape (in, in), and Se, shape (out, out).

    Raises:
        InvalidModelError: the data do not fit; field "model.loss", residuals need squared error.
        UnsupportedCombinationError: a teacher and a network that is not linear.
    """
    check_objective(network, data)
    if not isinstance(data, Pairs):
        return data.input_cov, data.noise_cov
    if network.loss != "squared_error":
        raise InvalidModelError("model.loss", given=network.loss, allowed='"squared_error" for residuals')
    residual = data.y - network.predict(parameters, data.x)
    return data.x.T @ data.x / data.n, residual.T @ residual / data.n


def latent_covariances(
    network: Network, parameters: Parameters, layer: int, *, input_cov: Tensor, noise_cov: Tensor
) -> tuple[Tensor, Tensor]:
    """Covariances that meet in a hidden layer, from below W Sx W' and from above U' Se U.

    W is the product of the weights up to the layer, U of those above; activations are left out, as for two
    layers in arXiv 2402.07193.

    Args:
        network: a chain of dense layers.
        parameters: by block.
        layer: number of the hidden layer, from 1.
        input_cov: Sx, shape (in, in).
        noise_cov: Se, shape (out, out).

    Returns:
        two matrices, shape (width of the layer, width of the layer).

    Raises:
        InvalidModelError: field "layer", no such hidden layer.
        UnsupportedCombinationError: field "model", the network is no chain of dense layers.
    """
    if not isinstance(network, DenseNetwork):
        raise UnsupportedCombinationError(
            "model", given=type(network).__name__, allowed="a chain of dense layers for its representations"
        )
    names = [weight for weight, _ in network.dense_layers]
    if not 1 <= layer < len(names):
        raise InvalidModelError("layer", given=layer, allowed=f"a hidden layer, 1 to {len(names) - 1}")
    below = parameters[names[0]]
    for name in names[1:layer]:
        below = parameters[name] @ below
    above = parameters[names[layer]]
    for name in names[layer + 1 :]:
        above = parameters[name] @ above
    return below @ input_cov @ below.mT, above.mT @ noise_cov @ above


def latent_alignment(
    network: Network, parameters: Parameters, data: Pairs | GaussianTeacher, *, layer: int = 1
) -> float:
    """Alignment of the covariances that meet in a hidden layer; 1 at the noise equilibrium of a linear pair.

    Args:
        network: a chain of dense layers.
        parameters: by block.
        data: gives Sx and Se, see `data_covariances`.
        layer: number of the hidden layer, from 1.

    Raises:
        InvalidModelError, UnsupportedCombinationError: as `data_covariances` and `latent_covariances`.
    """
    input_cov, noise_cov = data_covariances(network, parameters, data)
    below, above = latent_covariances(network, parameters, layer, input_cov=input_cov, noise_cov=noise_cov)
    return float(alignment(below, above))
