"""What an equilibrium changes: norms, noise, alignment of the two sides of a hidden layer."""

from equipoise_solver.networks import DenseNetwork, GaussianTeacher, Network, Parameters
from equipoise_solver.networks.gaussian_linear import population_statistics
from equipoise_solver.networks.representation import alignment, data_covariances, latent_covariances
from equipoise_solver.networks.statistics import gradient_statistics
from equipoise_solver.tasks.networks import Source


def squared_norms(parameters: Parameters) -> dict[str, float]:
    """Squared norm of each block."""
    return {name: float((value**2).sum()) for name, value in parameters.items()}


def noise_traces(network: Network, parameters: Parameters, source: Source) -> dict[str, float]:
    """Trace of the covariance of the gradient of each block."""
    if isinstance(source, GaussianTeacher):
        return dict(population_statistics(network, parameters, source).trace)
    return dict(gradient_statistics(network, parameters, source, left=(), right=()).trace)


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
