"""Gradient noise of samples: statistics of each block in the cheapest form that serves the given families."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from equipoise_solver.errors import LimitExceededError
from equipoise_solver.networks.data import Pairs, check_data
from equipoise_solver.networks.dense import dense_factors
from equipoise_solver.networks.memory import chunks
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.parameters import Parameters, n_parameters
from equipoise_solver.networks.per_sample import per_sample_gradients
from equipoise_solver.networks.statistics import MAX_BYTES
from equipoise_solver.symmetry.noise import (
    BlockNoise,
    EntryNoise,
    OneSidedNoise,
    RankOneNoise,
    StoredNoise,
    TensorNoise,
)
from equipoise_solver.symmetry.orbit_sides import Sides

MOST_STORED = 2**30
"""Bytes that factors of samples, or covariances of whole blocks, may take."""

NO_VARIANCE = 1e-14
"""Share of the second moment below which a variance is what rounding leaves of none."""

Form = Literal["entries", "left", "right", "factors", "tensor"]
Layer = tuple[str, Tensor, Tensor | None]
"""A block with (delta, h) of samples, shapes (n, rows) and (n, columns); or with gradients and None."""


def noise_of_samples(
    network: Network, parameters: Parameters, pairs: Pairs, sides: Sides, *, max_bytes: int = MAX_BYTES
) -> StoredNoise:
    """Noise of the blocks that families act on, with covariances divided by n: the samples are the whole law.

    Args:
        network: the model and its loss.
        parameters: by block.
        pairs: samples.
        sides: the families, and where they act.
        max_bytes: memory that a chunk of samples may take, about.

    Raises:
        InvalidModelError: fewer than two samples, or samples that do not fit.
        LimitExceededError: matrices act on both sides of a block that is too large for it.
    """
    check_data(network, pairs, n_min=2)
    forms = {block: _form(sides, block, n=pairs.n, network=network) for block in sides.acting}
    sums = {block: _Sum(form) for block, form in forms.items()}
    for layers in _passes(network, parameters, pairs, max_bytes=max_bytes):
        for block, first, h in layers:
            if block in sums:
                sums[block].add(
                    first.to("cpu", torch.float64), None if h is None else h.to("cpu", torch.float64)
                )
    return StoredNoise({block: total.noise(pairs.n) for block, total in sums.items()})


def _form(sides: Sides, block: str, *, n: int, network: Network) -> Form:
    """The cheapest statistics that the motions of a block need."""
    acting = [side for side in ("left", "right") if any(s == side for _, s, _ in sides.acting[block])]
    kinds = [sides.structure(block, "left" if side == "left" else "right") for side in acting]
    if "full" not in kinds:
        return "entries"
    if len(acting) == 1:
        return "left" if acting[0] == "left" else "right"
    rows, columns = sides.shapes[block]
    of_factors, of_tensor = 8 * n * (rows + columns), 8 * (rows * columns) ** 2
    is_dense = isinstance(network, DenseNetwork)
    least = min(of_factors, of_tensor) if is_dense else of_tensor
    if least > MOST_STORED:
        raise LimitExceededError(
            "symmetries",
            given=f"matrices on both sides of {block}, shape {[rows, columns]}, with {n} samples",
            allowed=f"at most {MOST_STORED} bytes of statistics; this takes {least}",
            remedy="Use fewer samples, or fewer symmetries at a time.",
        )
    return "factors" if is_dense and of_factors <= of_tensor else "tensor"


def _passes(
    network: Network, parameters: Parameters, pairs: Pairs, *, max_bytes: int
) -> Iterator[list[Layer]]:
    """Gradients of chunks of samples, as factors where the network is a chain of dense layers."""
    if isinstance(network, DenseNetwork):
        each = 64 * (network.n_inputs + sum(sum(block.shape) for block in network.blocks))
        for x, y in chunks(pairs, bytes_per_sample=each, max_bytes=max_bytes):
            layers: list[Layer] = []
            for f in dense_factors(network, parameters, x, y):
                layers.append((f.weight, f.delta, f.h))
                if f.bias is not None:
                    layers.append((f.bias, f.delta, torch.ones_like(f.delta[:, :1])))
            yield layers
        return
    each = 8 * (6 * n_parameters(network) + 16 * (network.n_inputs + network.n_outputs))
    for x, y in chunks(pairs, bytes_per_sample=each, max_bytes=max_bytes):
        gradients = per_sample_gradients(network, parameters, x, y)
        yield [(block, g if g.ndim == 3 else g[:, :, None], None) for block, g in gradients.items()]


@dataclass
class _Sum:
    """Sums over samples of what one form of noise needs."""

    form: Form
    mean: Tensor | None = None
    second: Tensor | None = None
    factors: list[tuple[Tensor, Tensor]] | None = None

    def add(self, first: Tensor, h: Tensor | None) -> None:
        """Some more samples: (delta, h), or gradients and None."""
        if self.form == "factors" and h is not None:
            self.factors = [*(self.factors or []), (first, h)]
            return
        mean = first.sum(0) if h is None else first.T @ h
        second = self._second(first) if h is None else self._dense_second(first, h)
        self.mean = mean if self.mean is None else self.mean + mean
        self.second = second if self.second is None else self.second + second

    def _second(self, g: Tensor) -> Tensor:
        match self.form:
            case "left":
                return torch.einsum("nij,nkj->ik", g, g)
            case "right":
                return torch.einsum("nij,nik->jk", g, g)
            case "tensor":
                flat = g.flatten(start_dim=1)
                return flat.T @ flat
            case _:
                return (g**2).sum(0)

    def _dense_second(self, delta: Tensor, h: Tensor) -> Tensor:
        match self.form:
            case "left":
                return (delta * (h**2).sum(1, keepdim=True)).T @ delta
            case "right":
                return (h * (delta**2).sum(1, keepdim=True)).T @ h
            case "tensor":
                return self._second(delta[:, :, None] * h[:, None, :])
            case _:
                return (delta**2).T @ h**2

    def noise(self, n: int) -> BlockNoise:
        """The noise of all n samples."""
        if self.factors is not None:
            return RankOneNoise(
                torch.cat([d for d, _ in self.factors]), torch.cat([h for _, h in self.factors])
            )
        assert self.mean is not None
        assert self.second is not None
        mean, second = self.mean / n, self.second / n
        match self.form:
            case "left":
                return OneSidedNoise(second - mean @ mean.T, "left")
            case "right":
                return OneSidedNoise(second - mean.T @ mean, "right")
            case "tensor":
                flat = mean.flatten()
                return TensorNoise((second - torch.outer(flat, flat)).reshape(*mean.shape, *mean.shape))
            case _:
                variances = second - mean**2
                return EntryNoise(torch.where(variances > NO_VARIANCE * second, variances, 0.0))
