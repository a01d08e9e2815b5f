"""What an equilibrium changes: norms, noise, alignment of the two sides of a hidden layer."""

from equipoise_solver.networks import DenseNetwork, GaussianTeacher, Network, Parameters
from equipoise_solver.networks.gaussian_linear import population_statistics
from equipoise_solver.networks.representation import alignment, data_covariances, latent_covariances
from equipoise_solver.networks.statistics import GradientStatistics, gradient_statistics
from equipoise_solver.tasks.networks import Source

ROUNDING = 1e-13
"""Relative size of a covariance that is rounding."""
BESIDE = 1.1


def squared_norms(parameters: Parameters) -> dict[str, float]:
    """Squared norm of each block."""
    return {name: float((value**2).sum()) for name, value in parameters.items()}


def noise_traces(network: Network, parameters: Parameters, source: Source) -> dict[str, float]:
    """Trace of the covariance of the gradient of each block."""
    return dict(_statistics(network, parameters, source).trace)


def has_noise(network: Network, parameters: Parameters, source: Source) -> bool:
    """Whether gradients differ from sample to sample by more than rounding.

    At an exact fit all gradients are rounding: they are held against those of slightly larger parameters.
    """
    here = _statistics(network, parameters, source)
    beside = {name: BESIDE * value for name, value in parameters.items()}
    elsewhere = sum(_statistics(network, beside, source).power.values())
    power = sum(here.power.values())
    return bool(here.total_trace > max(ROUNDING * power, ROUNDING**1.5 * elsewhere))


def _statistics(network: Network, parameters: Parameters, source: Source) -> GradientStatistics:
    if isinstance(source, GaussianTeacher):
        return population_statistics(network, parameters, source)
    return gradient_statistics(network, parameters, source, left=(), right=())


def alignments(network: Network, parameters: Parameters, source: Source) -> dict[str, float]:
    """Cosine between W Sx W' and U' Se U at each hidden layer; of chains with squared error alone."""
    if not isinstance(network, DenseNetwork) or network.loss != "squared_error":
        return {}
    inputs, residuals = data_covariances(network, parameters, source)
    aligned = {}
    for layer in range(1, len(network.dense_layers)):
        below, above = latent_covariances(network, parameters, layer, input_cov=inputs, noise_cov=residuals)
        aligned[f"layer {layer}"] = float(alignment(below, above))
    return aligned
