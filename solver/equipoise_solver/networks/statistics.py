"""Mean and covariance of the gradients of samples, summed up in chunks, so that memory is bounded.

Chains of dense layers never form the gradients: with G = delta h',
sum G G' = sum |h|^2 delta delta', sum G' G = sum |delta|^2 h h', |G|^2 = |delta|^2 |h|^2.
Other networks form those of one chunk at a time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, LimitExceededError
from equipoise_solver.networks.data import Pairs, check_data
from equipoise_solver.networks.dense import dense_factors
from equipoise_solver.networks.memory import chunks, kept_bytes
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.parameters import Parameters, check_overflow, flatten, n_parameters
from equipoise_solver.networks.per_sample import per_sample_gradients

MAX_BYTES = 128 * 2**20
"""Memory that a chunk of samples may take, unless said otherwise."""

MAX_FULL = 2048
"""Most parameters of which the whole covariance is formed (32 MB)."""


@dataclass(frozen=True)
class GradientStatistics:
    """Moments of the gradients of samples' losses, without weight decay, by block.

    A block G with one axis counts as a column. "Covariance" means E[(G - EG) (G - EG)'], divided by n:
    the samples are the whole law, as for SGD that draws from them. Second moments leave out "- EG".
    Differences of nearly equal numbers: parts of a covariance below 1e-15 of `power` are rounding.

    Attributes:
        n: number of samples; None for the population of a Gaussian teacher.
        mean: E G.
        power: E |G|^2, never centred.
        trace: Tr of the covariance (second moment) of all entries of G, >= 0.
        left: covariance of G G', shape (rows, rows), of the blocks asked for.
        right: covariance of G' G, shape (columns, columns), of the blocks asked for.
    """

    n: int | None
    mean: Parameters
    power: dict[str, float]
    trace: dict[str, float]
    left: dict[str, Tensor]
    right: dict[str, Tensor]

    @property
    def total_trace(self) -> float:
        """Tr Sigma of all parameters."""
        return sum(self.trace.values())


@dataclass
class _Sums:
    """Sums over samples, float64."""

    mean: Parameters
    power: dict[str, Tensor]
    left: dict[str, Tensor] = field(default_factory=dict)
    right: dict[str, Tensor] = field(default_factory=dict)


def gradient_statistics(
    network: Network,
    parameters: Parameters,
    pairs: Pairs,
    *,
    left: Iterable[str] | None = None,
    right: Iterable[str] | None = None,
    second_moments: bool = False,
    max_bytes: int = MAX_BYTES,
) -> GradientStatistics:
    """Statistics of the gradients of samples.

    Args:
        network: the model and its loss.
        parameters: by block.
        pairs: samples.
        left: blocks whose `left` matrix is wanted; None for all.
        right: blocks whose `right` matrix is wanted; None for all with two axes.
        second_moments: leave the mean in.
        max_bytes: memory that a chunk of samples may take, about.

    Raises:
        InvalidModelError: field "data", fewer than two samples; "data.x" or "data.y", they do not fit;
            "left" or "right", no such block; "parameters", gradients overflow.
    """
    check_data(network, pairs, n_min=2)
    lefts = _asked("left", left, [block.name for block in network.blocks])
    rights = _asked("right", right, [block.name for block in network.blocks if len(block.shape) == 2])
    device = pairs.x.device
    sums = _Sums(
        {b.name: torch.zeros(b.shape, dtype=torch.float64, device=device) for b in network.blocks},
        {b.name: torch.zeros((), dtype=torch.float64, device=device) for b in network.blocks},
        {b.name: _zeros(b.shape[0], device) for b in network.blocks if b.name in lefts},
        {b.name: _zeros(b.shape[-1], device) for b in network.blocks if b.name in rights},
    )
    each = _bytes_per_sample(network, parameters, pairs)
    for x, y in chunks(pairs, bytes_per_sample=each, max_bytes=max_bytes):
        if isinstance(network, DenseNetwork):
            _add_dense(sums, network, parameters, x=x, y=y)
        else:
            _add_gradients(sums, per_sample_gradients(network, parameters, x, y))
    return _moments(sums, pairs.n, second_moments=second_moments)


def full_covariance(
    network: Network,
    parameters: Parameters,
    pairs: Pairs,
    *,
    second_moments: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Tensor:
    """Covariance of the flat gradients, shape (p, p), divided by n.

    Args:
        network: the model and its loss.
        parameters: by block.
        pairs: samples.
        second_moments: E[g g'] instead.
        max_bytes: memory that a chunk of samples may take, about.

    Raises:
        LimitExceededError: field "model", more than 2048 parameters.
        InvalidModelError: as `gradient_statistics`.
    """
    check_data(network, pairs, n_min=2)
    p = n_parameters(network)
    if p > MAX_FULL:
        raise LimitExceededError(
            "model",
            given=f"{p} parameters",
            allowed=f"at most {MAX_FULL} parameters for their whole covariance",
            remedy="Statistics by block have no such limit.",
        )
    mean = torch.zeros(p, dtype=torch.float64, device=pairs.x.device)
    second = torch.zeros((p, p), dtype=torch.float64, device=pairs.x.device)
    each = _bytes_per_gradient(network, parameters, pairs)
    for x, y in chunks(pairs, bytes_per_sample=each, max_bytes=max_bytes):
        gradients = flatten(per_sample_gradients(network, parameters, x, y), network.blocks)
        mean += gradients.sum(0)
        second += gradients.T @ gradients
    check_overflow(second.trace())
    mean /= pairs.n
    second /= pairs.n
    return second if second_moments else second - torch.outer(mean, mean)


def _asked(name: str, asked: Iterable[str] | None, available: list[str]) -> list[str]:
    names = available if asked is None else list(asked)
    if not set(names) <= set(available):
        raise InvalidModelError(name, given=sorted(set(names) - set(available)), allowed=f"among {available}")
    return names


def _zeros(size: int, device: torch.device) -> Tensor:
    return torch.zeros((size, size), dtype=torch.float64, device=device)


def _bytes_per_sample(network: Network, parameters: Parameters, pairs: Pairs) -> int:
    if not isinstance(network, DenseNetwork):
        return _bytes_per_gradient(network, parameters, pairs)
    # Inputs, outputs and deltas of each layer, and products for the matrices, beside what autograd keeps.
    return 8 * 4 * sum(sum(b.shape) for b in network.blocks) + 2 * kept_bytes(network, parameters, pairs)


def _bytes_per_gradient(network: Network, parameters: Parameters, pairs: Pairs) -> int:
    # Measured: 8 times the gradient, with terms and copies laid out for products, beside what autograd keeps.
    return 8 * 8 * n_parameters(network) + 2 * kept_bytes(network, parameters, pairs)


def _add_dense(sums: _Sums, network: DenseNetwork, parameters: Parameters, *, x: Tensor, y: Tensor) -> None:
    for layer in dense_factors(network, parameters, x, y):
        delta, h = layer.delta, layer.h
        delta_square, h_square = (delta**2).sum(1), (h**2).sum(1)
        sums.mean[layer.weight] += delta.T @ h
        sums.power[layer.weight] += delta_square @ h_square
        if layer.weight in sums.left:
            sums.left[layer.weight] += (delta * h_square[:, None]).T @ delta
        if layer.weight in sums.right:
            sums.right[layer.weight] += (h * delta_square[:, None]).T @ h
        if layer.bias is not None:
            sums.mean[layer.bias] += delta.sum(0)
            sums.power[layer.bias] += delta_square.sum()
            if layer.bias in sums.left:
                sums.left[layer.bias] += delta.T @ delta


def _add_gradients(sums: _Sums, gradients: Parameters) -> None:
    for name, gradient in gradients.items():
        g = gradient if gradient.ndim == 3 else gradient[:, :, None]
        sums.mean[name] += gradient.sum(0)
        sums.power[name] += (g**2).sum()
        if name in sums.left:
            rows = g.transpose(0, 1).flatten(start_dim=1)
            sums.left[name] += rows @ rows.T
        if name in sums.right:
            columns = g.flatten(end_dim=1)
            sums.right[name] += columns.T @ columns


def _moments(sums: _Sums, n: int, *, second_moments: bool) -> GradientStatistics:
    mean = {name: value / n for name, value in sums.mean.items()}
    power = {name: float(value) / n for name, value in sums.power.items()}
    check_overflow(sum(power.values()))
    if second_moments:
        left = {name: value / n for name, value in sums.left.items()}
        right = {name: value / n for name, value in sums.right.items()}
        return GradientStatistics(n, mean, power, dict(power), left, right)
    trace = {name: max(0.0, power[name] - float((mean[name] ** 2).sum())) for name in mean}
    left = {name: value / n - _outer(mean[name]) for name, value in sums.left.items()}
    right = {name: value / n - mean[name].T @ mean[name] for name, value in sums.right.items()}
    return GradientStatistics(n, mean, power, trace, left, right)


def _outer(mean: Tensor) -> Tensor:
    column = mean if mean.ndim == 2 else mean[:, None]
    return column @ column.T
