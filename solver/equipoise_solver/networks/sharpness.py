"""Sharpness: trace and top eigenvalue of the Hessian of the mean loss, weight decay included.

The trace is exact where that is affordable, and by Hutchinson's estimate, with its error, elsewhere. In a
chain of dense layers z = W h + b the parameters of one layer enter through z, linearly, so its part of the
trace is the mean over samples of (|h|^2 + 1 for a bias) Tr d2l/dz2; with piecewise linear activations
d2l/dz2 = (dz_L/dz)' l'' (dz_L/dz), and one backward pass per output gives it for all layers.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.activations import ACTIVATIONS
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.gaussian_linear import population_hessian_trace
from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.objective import check_objective, hessian_times, objective_chunks
from equipoise_solver.networks.parameters import Parameters, n_parameters
from equipoise_solver.networks.streams import PROBES, stream

MAX_OPERATIONS = 1e11
"""Multiplications that an exact trace may take when the method is "auto", tens of seconds on a core."""

Method = Literal["auto", "exact", "hutchinson"]


@dataclass(frozen=True)
class HessianTrace:
    """Trace of the Hessian.

    Attributes:
        value: Tr H, [loss/parameter^2].
        standard_error: of the estimate; 0 if exact.
        n_probes: random vectors used; 0 if exact.
    """

    value: float
    standard_error: float
    n_probes: int


def hessian_trace(
    network: Network,
    parameters: Parameters,
    data: Pairs | GaussianTeacher,
    *,
    weight_decay: float = 0.0,
    method: Method = "auto",
    n_probes: int = 100,
    seed: int = 0,
) -> HessianTrace:
    """Trace of the Hessian of the mean loss plus weight_decay |theta|^2.

    Args:
        network: the model and its loss.
        parameters: by block.
        data: samples, or a teacher of a linear network (always exact).
        weight_decay: adds 2 p weight_decay.
        method: "exact", "hutchinson" or "auto": exact up to 1e11 multiplications.
        n_probes: random vectors of Hutchinson's estimate, at least 2.
        seed: of the random vectors.

    Raises:
        InvalidModelError: the data do not fit; field "method" or "n_probes", no such method, fewer than 2.
        UnsupportedCombinationError: a teacher and a network that is not linear.

    References:
        Hutchinson, A stochastic estimator of the trace of the influence matrix (1989): E v' H v with signs v.
    """
    check_objective(network, data)
    if method not in ("auto", "exact", "hutchinson"):
        raise InvalidModelError("method", given=method, allowed='"auto", "exact" or "hutchinson"')
    decay = 2 * weight_decay * n_parameters(network)
    if not isinstance(data, Pairs):
        return HessianTrace(population_hessian_trace(network, parameters, data) + decay, 0.0, 0)
    if method == "hutchinson" or (method == "auto" and _operations(network, data) > MAX_OPERATIONS):
        estimate = _hutchinson(network, parameters, data, n_probes=n_probes, seed=seed)
        return HessianTrace(estimate.value + decay, estimate.standard_error, estimate.n_probes)
    if not isinstance(network, DenseNetwork):
        value = _by_columns(network, parameters, data)
    elif ACTIVATIONS[network.activation].degree == 1:
        value = _by_outputs(network, parameters, data)
    else:
        value = _by_units(network, parameters, data)
    return HessianTrace(value + decay, 0.0, 0)


def _operations(network: Network, pairs: Pairs) -> float:
    """About how many multiplications the exact trace takes."""
    per_pass = 12.0 * pairs.n * n_parameters(network)
    if not isinstance(network, DenseNetwork):
        return per_pass * n_parameters(network)
    if ACTIVATIONS[network.activation].degree == 1:
        return per_pass * network.n_outputs
    shapes = {block.name: block.shape for block in network.blocks}
    return per_pass * sum(shapes[weight][0] for weight, _ in network.dense_layers)


def _hutchinson(
    network: Network, parameters: Parameters, pairs: Pairs, *, n_probes: int, seed: int
) -> HessianTrace:
    if n_probes < 2:
        raise InvalidModelError(
            "n_probes", given=n_probes, allowed="at least 2, for the estimate to have an error"
        )
    generator = stream(seed, purpose=PROBES)
    like = next(iter(parameters.values()))
    values = []
    for _ in range(n_probes):
        signs = 2.0 * generator.integers(0, 2, n_parameters(network)) - 1
        probe = torch.from_numpy(signs).to(like)
        values.append(float(probe @ hessian_times(network, parameters, pairs, probe)))
    mean = math.fsum(values) / n_probes
    variance = math.fsum((value - mean) ** 2 for value in values) / (n_probes - 1)
    return HessianTrace(mean, math.sqrt(variance / n_probes), n_probes)


def _by_columns(network: Network, parameters: Parameters, pairs: Pairs) -> float:
    """Exact trace from the diagonal, one column of the Hessian at a time."""
    like = next(iter(parameters.values()))
    total = 0.0
    for i in range(n_parameters(network)):
        unit = torch.zeros(n_parameters(network), dtype=like.dtype, device=like.device)
        unit[i] = 1.0
        total += float(hessian_times(network, parameters, pairs, unit)[i])
    return total


@dataclass(frozen=True)
class _Pass:
    """A forward pass of some samples, its graph kept."""

    weights: list[Tensor]
    """What the squares of each layer are weighted with, |h|^2 + 1 for a bias, each of shape (n,)."""
    outputs: list[Tensor]
    """Outputs z of each layer, shape (n, out)."""


def _forward(network: DenseNetwork, parameters: Parameters, x: Tensor) -> _Pass:
    function = ACTIVATIONS[network.activation].function
    fixed = {name: value.detach() for name, value in parameters.items()}
    weights: list[Tensor] = []
    outputs: list[Tensor] = []
    for i, (weight, bias) in enumerate(network.dense_layers):
        h = function(outputs[-1]) if i else x
        z = functional.linear(h, fixed[weight], None if bias is None else fixed[bias])
        weights.append((h.detach() ** 2).sum(1) + (0.0 if bias is None else 1.0))
        outputs.append(z if i else z.requires_grad_())
    return _Pass(weights, outputs)


def _by_outputs(network: DenseNetwork, parameters: Parameters, pairs: Pairs) -> float:
    """Exact trace for piecewise linear activations: one backward pass per output."""
    total = 0.0
    for x, _ in objective_chunks(network, parameters, pairs):
        with torch.enable_grad():
            run = _forward(network, parameters, x)
            root = LOSSES[network.loss].curvature_root(run.outputs[-1].detach())
            for j in range(network.n_outputs):
                scalar = (run.outputs[-1] * root[:, :, j]).sum()
                slopes = torch.autograd.grad(scalar, run.outputs, retain_graph=True)
                for weight, slope in zip(run.weights, slopes, strict=True):
                    total += float(weight @ (slope**2).sum(1))
    return total / pairs.n


def _by_units(network: DenseNetwork, parameters: Parameters, pairs: Pairs) -> float:
    """Exact trace for any activation: one more backward pass per unit of each layer."""
    total = 0.0
    for x, y in objective_chunks(network, parameters, pairs):
        with torch.enable_grad():
            run = _forward(network, parameters, x)
            losses = LOSSES[network.loss].function(run.outputs[-1], y)
            slopes = torch.autograd.grad(losses.sum(), run.outputs, create_graph=True)
            for weight, slope, z in zip(run.weights, slopes, run.outputs, strict=True):
                for a in range(z.shape[1]):
                    (bend,) = torch.autograd.grad(slope[:, a].sum(), z, retain_graph=True)
                    total += float(weight @ bend[:, a])
    return total / pairs.n
