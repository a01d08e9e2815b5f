"""What is followed over time: numbers of one network. To add one: a function and a line in OBSERVABLES."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from equipoise_solver.networks.activations import ACTIVATIONS
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.families import Family
from equipoise_solver.networks.gaussian_linear import population_statistics
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.objective import mean_loss
from equipoise_solver.networks.parameters import Parameters, n_parameters
from equipoise_solver.networks.representation import (
    alignment,
    data_covariances,
    effective_rank,
    latent_covariances,
)
from equipoise_solver.networks.sharpness import Method, hessian_trace
from equipoise_solver.networks.statistics import GradientStatistics, gradient_statistics
from equipoise_solver.networks.training.balance import balance_residual, charges_of, sides_of
from equipoise_solver.networks.training.bend import trace_of

Values = dict[str, float]
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
    """

    network: Network
    data: Pairs | GaussianTeacher
    families: tuple[Family, ...]
    wanted: tuple[str, ...]
    weight_decay: float
    temperature: float
    seed: int

    def at(self, temperature: float) -> "Scene":
        """The scene at another temperature."""
        return replace(self, temperature=temperature)


@dataclass(frozen=True, eq=False)
class Moment:
    """One network at one time.

    Attributes:
        scene: where it stands.
        parameters: by block, float64.
    """

    scene: Scene
    parameters: Parameters

    @cached_property
    def statistics(self) -> GradientStatistics:
        """Those of the gradients, with the matrices that the balance of charges needs."""
        network, data = self.scene.network, self.scene.data
        if isinstance(data, GaussianTeacher):
            return population_statistics(network, self.parameters, data)
        needs_sides = "balance_residual" in self.scene.wanted
        left, right = sides_of(self.scene.families if needs_sides else ())
        return gradient_statistics(network, self.parameters, data, left=left, right=right)


def measure(scene: Scene, parameters: Parameters) -> Values:
    """All observables of a network, in a fixed order of names."""
    moment = Moment(scene, parameters)
    values: Values = {}
    for name in scene.wanted:
        values |= OBSERVABLES[name](moment)
    return values


def has_closed_forms(network: Network, data: Pairs | GaussianTeacher) -> bool:
    """Whether averages over the population of a teacher are exact."""
    if not isinstance(data, GaussianTeacher) or not isinstance(network, DenseNetwork):
        return False
    return network.activation == "linear" and all(bias is None for _, bias in network.dense_layers)


def _loss(moment: Moment) -> Values:
    return {"loss": mean_loss(moment.scene.network, moment.parameters, moment.scene.data)}


def _norm(moment: Moment) -> Values:
    squares = {f"norm.{name}": float((value**2).sum()) for name, value in moment.parameters.items()}
    return {"norm": sum(squares.values()), **squares}


def _charges(moment: Moment) -> Values:
    values: Values = {}
    for family in moment.scene.families:
        each = charges_of(family, moment.parameters)
        name = f"charges.{family.name}"
        values[name] = float(each[: family.size].sum())
        if 1 < each.numel() <= MAX_COMPONENTS:
            values |= {f"{name}.{i + 1}": float(charge) for i, charge in enumerate(each)}
    return values


def _noise_trace(moment: Moment) -> Values:
    traces = {f"noise_trace.{name}": value for name, value in moment.statistics.trace.items()}
    return {"noise_trace": sum(traces.values()), **traces}


def _balance_residual(moment: Moment) -> Values:
    scene = moment.scene
    return {
        f"balance_residual.{family.name}": balance_residual(
            family,
            moment.parameters,
            moment.statistics,
            temperature=scene.temperature,
            weight_decay=scene.weight_decay,
        )
        for family in scene.families
    }


def _sharpness(moment: Moment) -> Values:
    network, data, seed = moment.scene.network, moment.scene.data, moment.scene.seed
    is_exact = trace_is_exact(network, data)
    if isinstance(data, Pairs) and not isinstance(network, DenseNetwork):
        n_probes = None if is_exact else N_PROBES
        return {"sharpness": trace_of(network, moment.parameters, data, n_probes=n_probes, seed=seed)}
    method: Method = "exact" if is_exact else "hutchinson"
    trace = hessian_trace(network, moment.parameters, data, method=method, n_probes=N_PROBES, seed=seed)
    return {"sharpness": trace.value}


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


def _alignment(moment: Moment) -> Values:
    scene = moment.scene
    network, parameters = scene.network, moment.parameters
    input_cov, noise_cov = data_covariances(network, parameters, scene.data)
    values: Values = {}
    for layer in range(1, n_hidden_layers(network) + 1):
        below, above = latent_covariances(
            network, parameters, layer, input_cov=input_cov, noise_cov=noise_cov
        )
        values[f"alignment.{layer}"] = float(alignment(below, above))
    return values


def _effective_rank(moment: Moment) -> Values:
    return {
        f"effective_rank.{name}": float(effective_rank(value))
        for name, value in moment.parameters.items()
        if value.ndim == 2
    }


def n_hidden_layers(network: Network) -> int:
    """Hidden layers of a chain of dense layers; 0 for any other network."""
    return len(network.dense_layers) - 1 if isinstance(network, DenseNetwork) else 0


OBSERVABLES: dict[str, Callable[[Moment], Values]] = {
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
