"""Parameters to start from, by name; the same for the same seed."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.networks.data import GaussianTeacher, Pairs, check_data, check_teacher
from equipoise_solver.networks.gaussian_linear import is_linear
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.parameters import Block, Parameters
from equipoise_solver.networks.streams import INITIAL_STATE, stream

INITIALIZATIONS = ("kaiming", "xavier", "small", "orthogonal", "global_minimum")

_SMALL = 0.01
"""Standard deviation of "small": far below any of the others, so that a network starts close to 0."""

_HALF_RECTIFYING = ("relu", "leaky_relu", "relu2", "elu", "gelu", "silu")
"""Activations that pass about half of a symmetric input: variances double to make up for it."""

_GAUGE = 0.5
"""Size of the logarithms of the random changes of basis at a global minimum."""


def initial_parameters(
    network: Network,
    init: str,
    *,
    seed: int,
    path: int = 0,
    scale: float = 1.0,
    data: Pairs | GaussianTeacher | None = None,
) -> Parameters:
    """Random parameters, float64. Biases start at 0.

    Args:
        network: its blocks.
        init: "kaiming": N(0, g^2/in), g^2 = 2 after relu and its kin, 1 otherwise (He et al. 2015);
            "xavier": N(0, 2/(in + out)) (Glorot and Bengio 2010); "small": N(0, 0.01^2);
            "orthogonal": rows or columns orthonormal, uniformly distributed (a diagonal layer: random signs);
            "global_minimum": linear networks, `best_product` shared out by
            `at_product`. Entries of a diagonal layer count as
            having one input and one output.
        seed: of the stream.
        path: number of the network.
        scale: factor on all parameters, > 0; 1 for "global_minimum".
        data: what "global_minimum" is a minimum of.

    Raises:
        InvalidModelError: field "parameters.init", no such name, or no data; "parameters.scale".
        UnsupportedCombinationError: field "parameters.init", a global minimum of a curved network.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise InvalidModelError("parameters.scale", given=scale, allowed="a positive number")
    generator = stream(seed, path=path, purpose=INITIAL_STATE)
    if init == "global_minimum":
        return _global_minimum(network, data, generator, scale=scale)
    if init not in INITIALIZATIONS:
        raise InvalidModelError("parameters.init", given=init, allowed=f"one of {list(INITIALIZATIONS)}")
    gain = 2.0 if getattr(network, "activation", None) in _HALF_RECTIFYING else 1.0
    parameters = {}
    for block in network.blocks:
        values = _block(block, init, generator, gain=gain)
        parameters[block.name] = torch.from_numpy(scale * values)
    return parameters


def _block(block: Block, init: str, generator: np.random.Generator, *, gain: float) -> NDArray[np.float64]:
    if block.name.startswith("b"):
        return np.zeros(block.shape)
    n_out, n_in = block.shape if len(block.shape) == 2 else (1, 1)
    if init == "orthogonal":
        return _orthogonal(block, generator)
    std = {"kaiming": math.sqrt(gain / n_in), "xavier": math.sqrt(2 / (n_in + n_out)), "small": _SMALL}[init]
    return std * generator.standard_normal(block.shape)


def _orthogonal(block: Block, generator: np.random.Generator) -> NDArray[np.float64]:
    if len(block.shape) == 1:
        return np.where(generator.random(block.shape) < 0.5, -1.0, 1.0)
    n_out, n_in = block.shape
    q, r = np.linalg.qr(generator.standard_normal((max(n_out, n_in), min(n_out, n_in))))
    # Signs of the diagonal of R make the law of Q uniform (Mezzadri 2007).
    q = q * np.sign(np.diag(r))
    return q if n_out >= n_in else q.T


def _global_minimum(
    network: Network,
    data: Pairs | GaussianTeacher | None,
    generator: np.random.Generator,
    *,
    scale: float,
) -> Parameters:
    if data is None:
        raise InvalidModelError(
            "parameters.init", given="global_minimum", allowed="data together with a global minimum"
        )
    if scale != 1:
        raise InvalidModelError("parameters.scale", given=scale, allowed="1 at a global minimum")
    if not is_linear(network) or network.loss != "squared_error":
        raise UnsupportedCombinationError(
            "parameters.init",
            given="global_minimum",
            allowed="a linear network without biases, with squared error",
        )
    product = best_product(network, data)
    return at_product(network, product, generator)


def best_product(network: DenseNetwork, data: Pairs | GaussianTeacher) -> Tensor:
    """The matrix (out, in) of least mean squared error whose rank the hidden layers allow.

    Least squares gives V. Of rank r at most it is the r-fold singular value decomposition of V Sx^1/2, times
    Sx^-1/2 (Eckart and Young); directions without input variance are left out.

    Args:
        network: a linear network.
        data: samples, whose second moment of x takes the place of Sx, or a teacher.

    Raises:
        InvalidModelError: the data do not fit the network.
    """
    if isinstance(data, Pairs):
        check_data(network, data)
        covariance = data.x.T @ data.x / data.n
        teacher: Tensor = (torch.linalg.pinv(data.x, rtol=1e-12) @ data.y).T
    else:
        check_teacher(network, data)
        covariance, teacher = data.input_cov, data.teacher
    rank = _narrowest(network)
    if rank >= min(teacher.shape):
        return teacher
    values, vectors = torch.linalg.eigh(covariance)
    is_seen = values > 1e-12 * values[-1]
    root = vectors[:, is_seen] * values[is_seen].sqrt()
    a, s, r = torch.linalg.svd(teacher @ root, full_matrices=False)
    best: Tensor = (a[:, :rank] * s[:rank]) @ r[:rank] @ (vectors[:, is_seen] / values[is_seen].sqrt()).T
    return best


def at_product(network: DenseNetwork, product: Tensor, generator: np.random.Generator) -> Parameters:
    """Layers whose product is a given matrix, in random bases of the hidden layers.

    The singular values are shared out equally over the layers; hidden units beyond the rank of the product
    are fed and read by none of its directions. Then W_i -> M_i W_i M_{i-1}^-1 with M = exp(symmetric) times
    a rotation, both random.

    Args:
        network: a linear network.
        product: W_L ... W_1, shape (out, in), of rank at most the narrowest hidden layer.
        generator: of the bases.
    """
    names = [weight for weight, _ in network.dense_layers]
    if len(names) == 1:
        return {names[0]: product.clone()}
    shapes = {block.name: block.shape for block in network.blocks}
    a, s, r = torch.linalg.svd(product, full_matrices=False)
    rank = min(_narrowest(network), int((s > 1e-13 * s[0]).sum()))
    share = s[:rank] ** (1 / len(names))
    basis = torch.eye(shapes[names[0]][1]).to(product)
    parameters = {}
    for i, name in enumerate(names):
        n_out, n_in = shapes[name]
        layer = torch.zeros((n_out, n_in)).to(product)
        if i == 0:
            layer[:rank] = share[:, None] * r[:rank]
        elif i == len(names) - 1:
            layer[:, :rank] = a[:, :rank] * share
        else:
            layer[:rank, :rank] = torch.diag(share)
        layer = torch.linalg.solve(basis, layer, left=False)
        if i < len(names) - 1:
            basis = _random_basis(n_out, generator).to(product)
            layer = basis @ layer
        parameters[name] = layer
    return parameters


def _random_basis(size: int, generator: np.random.Generator) -> Tensor:
    normal = torch.from_numpy(generator.standard_normal((size, size)))
    rotation = torch.from_numpy(_orthogonal(Block("W", (size, size)), generator))
    return torch.matrix_exp(_GAUGE * (normal + normal.T) / math.sqrt(2 * size)) @ rotation


def _narrowest(network: DenseNetwork) -> int:
    shapes = {block.name: block.shape for block in network.blocks}
    return min(min(shapes[weight]) for weight, _ in network.dense_layers)
