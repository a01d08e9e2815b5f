"""What is followed over time: numbers of each network of a group, of all at once where that is cheaper.

To add one: a function and a line in OBSERVABLES.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.activations import ACTIVATIONS
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.families import Family
from equipoise_solver.networks.gaussian_linear import population_statistics
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.parameters import Parameters, n_parameters
from equipoise_solver.networks.representation import alignment, effective_rank, latent_covariances
from equipoise_solver.networks.sharpness import Method, hessian_trace
from equipoise_solver.networks.statistics import GradientStatistics, gradient_statistics
from equipoise_solver.networks.training.balance import balance_residual, charges_of, sides_of
from equipoise_solver.networks.training.bend import trace_of
from equipoise_solver.networks.training.noise import noise_traces
from equipoise_solver.networks.training.predictions import mean_losses, predictions_of

Found = TypeVar("Found")

Values = dict[str, Tensor]
"""Numbers of all networks by name, shape (networks,)."""
MAX_COMPONENTS = 16
"""Most charges of a family that are shown one by one, beside their sum."""
MAX_OPERATIONS = 2e8
"""Multiplications that the trace of a Hessian may take at each record before it is estimated."""
N_PROBES = 32
"""Random vectors of that estimate."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What observables may use beside parameters.

    Attributes:
        network: the model and its loss.
        data: samples, or a Gaussian teacher where a linear network has closed forms.
        families: symmetries whose charges are followed.
        wanted: names of the observables.
        weight_decay: gamma.
        temperature: T of the balance of charges, at this time.
        seed: of estimates.
        sample_bytes: memory that one sample takes in one network.
    """

    network: Network
    data: Pairs | GaussianTeacher
    families: tuple[Family, ...]
    wanted: tuple[str, ...]
    weight_decay: float
    temperature: float
    seed: int
    sample_bytes: int

    def at(self, temperature: float) -> "Scene":
        """The scene at another temperature."""
        return replace(self, temperature=temperature)


@dataclass(frozen=True, eq=False)
class Group:
    """Some networks at one time.

    Attributes:
        scene: where they stand.
        parameters: by block, float64, with a leading axis of networks; finite.
        is_there: whether each network is wanted, shape (networks,).
    """

    scene: Scene
    parameters: Parameters
    is_there: Tensor

    @cached_property
    def columns(self) -> Parameters:
        """The parameters, each vector as a matrix of one column."""
        blocks = self.scene.network.blocks
        return {b.name: self.parameters[b.name].reshape(-1, b.shape[0], b.size // b.shape[0]) for b in blocks}

    @cached_property
    def statistics(self) -> list[GradientStatistics | None]:
        """Those of the gradients of each, with the matrices that the balance of charges needs."""
        network, data = self.scene.network, self.scene.data
        left, right = sides_of(self.scene.families if "balance_residual" in self.scene.wanted else ())

        def statistics(parameters: Parameters) -> GradientStatistics:
            if isinstance(data, GaussianTeacher):
                return population_statistics(network, parameters, data)
            return gradient_statistics(network, parameters, data, left=left, right=right)

        return self.each(statistics)

    def each(self, function: Callable[[Parameters], Found]) -> list[Found | None]:
        """A function of each network by itself; None where it is not there, or overflows."""
        found: list[Found | None] = []
        for i, is_there in enumerate(self.is_there.tolist()):
            one = {name: value[i] for name, value in self.parameters.items()}
            found.append(_unless_it_overflows(function, one) if is_there else None)
        return found


def _unless_it_overflows(function: Callable[[Parameters], Found], parameters: Parameters) -> Found | None:
    try:
        return function(parameters)
    except InvalidModelError as error:
        if error.field != "parameters":
            raise
        return None


def measure(scene: Scene, parameters: Parameters, is_there: Tensor | None = None) -> Values:
    """All observables of networks, in a fixed order of names; NaN where they overflow.

    The bits of one network do not depend on the others, only on how many they are.

    Args:
        scene: where they stand.
        parameters: by block, float64, with a leading axis of networks; finite.
        is_there: whether each network is wanted, shape (networks,), at least one; None for all.
            The numbers of others have no meaning.
    """
    n_networks = next(iter(parameters.values())).shape[0]
    there = torch.ones(n_networks, dtype=torch.bool) if is_there is None else is_there
    group = Group(scene, parameters, there)
    values: Values = {}
    for name in scene.wanted:
        values |= OBSERVABLES[name](group)
    return values


def has_closed_forms(network: Network, data: Pairs | GaussianTeacher) -> bool:
    """Whether averages over the population of a teacher are exact."""
    if not isinstance(data, GaussianTeacher) or not isinstance(network, DenseNetwork):
        return False
    return network.activation == "linear" and all(bias is None for _, bias in network.dense_layers)


def _loss(group: Group) -> Values:
    scene = group.scene
    losses = mean_losses(scene.network, group.parameters, scene.data, sample_bytes=scene.sample_bytes)
    return {"loss": losses}


def _norm(group: Group) -> Values:
    squares = {f"norm.{name}": (value**2).sum((-2, -1)) for name, value in group.columns.items()}
    return {"norm": torch.stack(list(squares.values())).sum(0), **squares}


def _charges(group: Group) -> Values:
    values: Values = {}
    for family in group.scene.families:
        each = charges_of(family, group.columns)
        name = f"charges.{family.name}"
        values[name] = each[:, : family.size].sum(-1)
        if 1 < each.shape[1] <= MAX_COMPONENTS:
            values |= {f"{name}.{i + 1}": charge for i, charge in enumerate(each.T)}
    return values


def _noise_trace(group: Group) -> Values:
    scene, data = group.scene, group.scene.data
    if isinstance(data, Pairs) and "balance_residual" not in scene.wanted:
        found = noise_traces(scene.network, group.parameters, data, sample_bytes=scene.sample_bytes)
    else:
        found = {block.name: _traces(group, block.name) for block in scene.network.blocks}
    traces = {f"noise_trace.{name}": trace for name, trace in found.items()}
    return {"noise_trace": torch.stack(list(traces.values())).sum(0), **traces}


def _traces(group: Group, block: str) -> Tensor:
    def trace(statistics: GradientStatistics) -> float:
        return statistics.trace[block]

    return _numbers(group.statistics, trace)


def _balance_residual(group: Group) -> Values:
    return {f"balance_residual.{family.name}": _residuals(group, family) for family in group.scene.families}


def _residuals(group: Group, family: Family) -> Tensor:
    scene = group.scene

    def residual(parameters: Parameters, statistics: GradientStatistics) -> float:
        heat, gamma = scene.temperature, scene.weight_decay
        return balance_residual(family, parameters, statistics, temperature=heat, weight_decay=gamma)

    pairs = [
        None if one is None else ({name: value[i] for name, value in group.parameters.items()}, one)
        for i, one in enumerate(group.statistics)
    ]
    return _numbers(pairs, lambda pair: residual(*pair))


def _sharpness(group: Group) -> Values:
    network, data, seed = group.scene.network, group.scene.data, group.scene.seed
    is_exact = trace_is_exact(network, data)

    def sharpness(parameters: Parameters) -> float:
        if isinstance(data, Pairs) and not isinstance(network, DenseNetwork):
            return trace_of(network, parameters, data, n_probes=None if is_exact else N_PROBES, seed=seed)
        method: Method = "exact" if is_exact else "hutchinson"
        return hessian_trace(network, parameters, data, method=method, n_probes=N_PROBES, seed=seed).value

    return {"sharpness": _numbers(group.each(sharpness), float)}


def _numbers(found: list[Found | None], number: Callable[[Found], float]) -> Tensor:
    """A number of each network, NaN where there is none, shape (networks,)."""
    return torch.tensor([math.nan if one is None else number(one) for one in found], dtype=torch.float64)


def trace_is_exact(network: Network, data: Pairs | GaussianTeacher) -> bool:
    """Whether the trace of the Hessian is exact: an estimate takes its place where that costs less."""
    if isinstance(data, GaussianTeacher):
        return True
    passes = n_parameters(network)
    if isinstance(network, DenseNetwork):
        is_kinked = ACTIVATIONS[network.activation].degree == 1
        units = sum(block.shape[0] for block in network.blocks if len(block.shape) == 2)
        passes = network.n_outputs if is_kinked else units
    return passes <= 2 * N_PROBES or 12.0 * data.n * n_parameters(network) * passes <= MAX_OPERATIONS


def _alignment(group: Group) -> Values:
    network = group.scene.network
    input_cov, noise_cov = _covariances(group)
    values: Values = {}
    for layer in range(1, n_hidden_layers(network) + 1):
        below, above = latent_covariances(
            network, group.parameters, layer, input_cov=input_cov, noise_cov=noise_cov
        )
        values[f"alignment.{layer}"] = alignment(below, above)
    return values


def _covariances(group: Group) -> tuple[Tensor, Tensor]:
    """Sx (in, in), and Se of all or of each network, (..., out, out): see `data_covariances`."""
    scene, data = group.scene, group.scene.data
    if isinstance(data, GaussianTeacher):
        return data.input_cov, data.noise_cov
    total = torch.zeros((), dtype=torch.float64)
    parts = predictions_of(scene.network, group.parameters, data, sample_bytes=scene.sample_bytes)
    for _, y, predictions in parts:
        residual = y - predictions
        total = total + residual.mT @ residual
    return data.x.T @ data.x / data.n, total / data.n


def _effective_rank(group: Group) -> Values:
    return {
        f"effective_rank.{block.name}": effective_rank(group.parameters[block.name])
        for block in group.scene.network.blocks
        if len(block.shape) == 2
    }


def n_hidden_layers(network: Network) -> int:
    """Hidden layers of a chain of dense layers; 0 for any other network."""
    return len(network.dense_layers) - 1 if isinstance(network, DenseNetwork) else 0


OBSERVABLES: dict[str, Callable[[Group], Values]] = {
    "loss": _loss,
    "norm": _norm,
    "charges": _charges,
    "noise_trace": _noise_trace,
    "balance_residual": _balance_residual,
    "sharpness": _sharpness,
    "alignment": _alignment,
    "effective_rank": _effective_rank,
}
"""Names, and the numbers each gives. "loss": the mean, without weight decay. "norm": |theta|^2, and that of
each block. "charges": their sum for each family, and each of them where they are few; for "full" families
the diagonal of C first, then sqrt(2) C_ij. "noise_trace": Tr Sigma, and that of each block. "sharpness": the
trace of the Hessian of the mean loss. "balance_residual": see `balance`. "alignment": of the covariances
W Sx W' and U' Se U that meet in each hidden layer. "effective_rank": that of each matrix. For both see
`networks.representation`."""
