"""Trace of the Hessian of the mean loss, weight decay included.

Exact where that is affordable: by layers in chains of dense layers, from the Hessian's diagonal in other
networks, in closed form under a Gaussian teacher. Elsewhere Hutchinson's estimate, with its error.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.curvature import dense_hessian_trace, dense_trace_operations
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.gaussian_linear import population_hessian_trace
from equipoise_solver.networks.memory import kept_bytes
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.objective import check_objective, hessian_times
from equipoise_solver.networks.parameters import Parameters, check_overflow, n_parameters
from equipoise_solver.networks.streams import PROBES, stream

MAX_OPERATIONS = 1e11
"""Multiplications that an exact trace may take when the method is "auto", about a minute of a core."""

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
        InvalidModelError: the data do not fit; field "method" or "n_probes", no such method, fewer than 2;
            "parameters", overflow.
        UnsupportedCombinationError: a teacher and a network that is not linear.

    References:
        Hutchinson, A stochastic estimator of the trace of the influence matrix (1989): E v' H v with signs v.
    """
    check_objective(network, data)
    if method not in ("auto", "exact", "hutchinson"):
        raise InvalidModelError("method", given=method, allowed='"auto", "exact" or "hutchinson"')
    decay = 2 * weight_decay * n_parameters(network)
    if not isinstance(data, Pairs):
        exact = population_hessian_trace(network, parameters, data) + decay
        check_overflow(exact)
        return HessianTrace(exact, 0.0, 0)
    if method == "hutchinson" or (
        method == "auto" and _operations(network, parameters, data) > MAX_OPERATIONS
    ):
        estimate = _hutchinson(network, parameters, data, n_probes=n_probes, seed=seed)
        return HessianTrace(estimate.value + decay, estimate.standard_error, estimate.n_probes)
    if isinstance(network, DenseNetwork):
        value = dense_hessian_trace(network, parameters, data)
    else:
        value = _by_columns(network, parameters, data)
    check_overflow(value)
    return HessianTrace(value + decay, 0.0, 0)


def _operations(network: Network, parameters: Parameters, pairs: Pairs) -> float:
    """About how many multiplications, or their time, the exact trace takes."""
    if isinstance(network, DenseNetwork):
        return dense_trace_operations(network, pairs.n)
    p = n_parameters(network)
    # A product with the Hessian takes 12 p multiplications, and each number kept the time of 200.
    return float(p) * pairs.n * (12 * p + 25 * kept_bytes(network, parameters, pairs))


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
    estimates = torch.tensor(values, dtype=torch.float64)
    error = float(estimates.std()) / math.sqrt(n_probes)
    check_overflow(error)
    return HessianTrace(float(estimates.mean()), error, n_probes)


def _by_columns(network: Network, parameters: Parameters, pairs: Pairs) -> float:
    """Exact trace from the diagonal, one column of the Hessian at a time."""
    like = next(iter(parameters.values()))
    total = 0.0
    for i in range(n_parameters(network)):
        unit = torch.zeros(n_parameters(network), dtype=like.dtype, device=like.device)
        unit[i] = 1.0
        total += float(hessian_times(network, parameters, pairs, unit)[i])
    return total
