"""Networks, data and parameters of a spec as the numerics of networks want them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise_solver import networks, specs
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks import GaussianTeacher, Network, Pairs, Parameters
from equipoise_solver.networks.data import check_data, pairs_of, teacher_of
from equipoise_solver.networks.initial import initial_parameters
from equipoise_solver.networks.parameters import check_parameters
from equipoise_solver.specs.network_data import NetworkData
from equipoise_solver.specs.network_models import Network as Model
from equipoise_solver.specs.network_parameters import NetworkParameters
from equipoise_solver.tasks.data import load_uploaded, standardized
from equipoise_solver.tasks.work import LoadDataset

Source = Pairs | GaussianTeacher


def network_of(model: Model) -> Network:
    """The network of a spec."""
    match model:
        case specs.LinearNetwork():
            return networks.LinearNetwork(model.widths, model.loss)
        case specs.Mlp():
            return networks.Mlp(model.widths, model.activation, model.bias, model.loss)
        case specs.MatrixFactorization():
            return networks.MatrixFactorization(model.widths, model.loss)
        case specs.Attention():
            return networks.Attention(model.tokens, model.dim, model.heads, model.head_dim, model.loss)
        case specs.NormalizedMlp():
            return networks.NormalizedMlp(model.widths, model.activation, model.normalization, model.loss)
        case specs.DiagonalNetwork():
            return networks.Diagonal(model.depth, model.width, model.loss)


def source_of(data: NetworkData, network: Network, *, load_dataset: LoadDataset | None) -> Source:
    """The samples of a spec, or the teacher that would draw more of them for ever.

    Raises:
        InvalidModelError: the dataset does not exist, does not fit the network, or cannot be standardised.
    """
    if isinstance(data, specs.TeacherData):
        teacher = _teacher(data)
        return teacher if data.n_samples is None else teacher.pairs(data.n_samples, data.seed)
    if isinstance(data, specs.RowsData):
        x, y = np.array(data.x), np.array(data.y)
    else:
        x, y = (_rows(column) for column in load_uploaded(data.id, load_dataset))
        _check_widths(network, x, y)
    if data.standardize:
        x = _standardized(x, "data.x")
        y = _standardized(y, "data.y") if network.loss == "squared_error" else y
    pairs = pairs_of(x, y)
    check_data(network, pairs, n_min=2)
    return pairs


def parameters_of(parameters: NetworkParameters, network: Network, source: Source) -> Parameters:
    """Parameters of a spec: those given, or those drawn with its seed, or with 0."""
    if isinstance(parameters, specs.NetworkInit):
        seed, scale = parameters.seed or 0, parameters.scale
        return initial_parameters(network, parameters.init, seed=seed, scale=scale, data=source)
    return check_parameters(network, parameters)


def arrays_of(parameters: Parameters) -> dict[str, NDArray[np.float64]]:
    """Tensors as arrays."""
    return {name: array_of(value) for name, value in parameters.items()}


def array_of(tensor: Tensor) -> NDArray[np.float64]:
    """A tensor as an array of float64."""
    array: NDArray[np.float64] = tensor.detach().to("cpu", torch.float64).numpy()
    return array


def _teacher(data: specs.TeacherData) -> GaussianTeacher:
    n_out, n_in = len(data.teacher), len(data.teacher[0])
    inputs = np.eye(n_in) if data.input_cov is None else _symmetric(data.input_cov)
    noise = np.eye(n_out) if data.noise_cov is None else _symmetric(data.noise_cov)
    return teacher_of(np.array(data.teacher), inputs, noise)


def _symmetric(rows: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """A covariance without what rounding leaves of asymmetry, and of negative eigenvalues."""
    given = np.array(rows)
    matrix: NDArray[np.float64] = 0.5 * (given + given.T)
    values, vectors = np.linalg.eigh(matrix)
    if values[0] >= 0:
        return matrix
    clipped: NDArray[np.float64] = (vectors * np.maximum(values, 0.0)) @ vectors.T
    symmetric: NDArray[np.float64] = 0.5 * (clipped + clipped.T)
    return symmetric


def _rows(column: NDArray[np.float64]) -> NDArray[np.float64]:
    return column if column.ndim == 2 else column[:, None]


def _check_widths(network: Network, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    n_labels = 1 if network.loss == "cross_entropy" else network.n_outputs
    for name, column, wanted in (("inputs", x, network.n_inputs), ("labels", y, n_labels)):
        if column.shape[1] != wanted:
            raise InvalidModelError(
                "data.id",
                given=f"{name} of {column.shape[1]} numbers",
                allowed=f"a dataset with {name} of {wanted}, as many as the model takes",
            )


def _standardized(columns: NDArray[np.float64], field: str) -> NDArray[np.float64]:
    return np.column_stack([standardized(column, field) for column in columns.T])


def size_of(source: Source) -> int:
    """Number of samples that an average takes; 1 for the closed forms of a teacher."""
    return source.n if isinstance(source, Pairs) else 1
