"""Data of networks: pairs (x, y), and the Gaussian teacher y = V x + noise that pairs are drawn from."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import as_tensor
from equipoise_solver.networks.streams import DATA, stream


@dataclass(frozen=True)
class Pairs:
    """Samples, each as likely as any other.

    Attributes:
        x: inputs, shape (n, in).
        y: labels, shape (n, out), or (n, 1) with class numbers for cross entropy.
    """

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        for field, values in (("data.x", self.x), ("data.y", self.y)):
            if values.ndim != 2:
                raise InvalidModelError(
                    field,
                    given=f"shape {list(values.shape)}",
                    allowed="two axes",
                    remedy="A row is one sample, even of one number.",
                )
        if self.x.shape[0] != self.y.shape[0]:
            raise InvalidModelError(
                "data.y", given=f"{self.y.shape[0]} rows", allowed=f"as many rows as x, {self.x.shape[0]}"
            )
        if self.x.shape[0] == 0:
            raise InvalidModelError("data.x", given="no rows", allowed="at least one sample")

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.x.shape[0]


def pairs_of(x: object, y: object) -> Pairs:
    """Pairs from arrays or nested lists, float64.

    Raises:
        InvalidModelError: field "data.x" or "data.y": not numbers, not finite, not rows, unequal lengths.
    """
    return Pairs(as_tensor("data.x", x), as_tensor("data.y", y))


def check_data(network: Network, pairs: Pairs, *, n_min: int = 1) -> None:
    """Refuse samples that do not fit the network and its loss.

    Args:
        network: says the widths and the loss.
        pairs: samples.
        n_min: samples that the statistic asked for needs.

    Raises:
        InvalidModelError: field "data", "data.x" or "data.y".
    """
    if pairs.x.shape[1] != network.n_inputs:
        raise InvalidModelError(
            "data.x",
            given=f"{pairs.x.shape[1]} columns",
            allowed=f"{network.n_inputs} columns, the inputs of the network",
        )
    as_tensor("data.x", pairs.x)
    as_tensor("data.y", pairs.y)
    LOSSES[network.loss].check_labels(pairs.y, network.n_outputs)
    if pairs.n < n_min:
        raise InvalidModelError("data", given=f"{pairs.n} samples", allowed=f"at least {n_min} samples")


@dataclass(frozen=True)
class GaussianTeacher:
    """y = V x + e with x ~ N(0, Sx) and e ~ N(0, Se) independent.

    Attributes:
        teacher: V, shape (out, in).
        input_cov: Sx, shape (in, in), symmetric, no negative eigenvalue.
        noise_cov: Se, shape (out, out), likewise.
    """

    teacher: Tensor
    input_cov: Tensor
    noise_cov: Tensor

    def __post_init__(self) -> None:
        if self.teacher.ndim != 2 or 0 in self.teacher.shape:
            raise InvalidModelError(
                "data.teacher", given=f"shape {list(self.teacher.shape)}", allowed="a matrix (out, in)"
            )
        as_tensor("data.teacher", self.teacher)
        _check_covariance("data.input_cov", self.input_cov, self.teacher.shape[1])
        _check_covariance("data.noise_cov", self.noise_cov, self.teacher.shape[0])

    @property
    def n_inputs(self) -> int:
        """Width of x."""
        return self.teacher.shape[1]

    @property
    def n_outputs(self) -> int:
        """Width of y."""
        return self.teacher.shape[0]

    def draw(self, n: int, generator: np.random.Generator) -> Pairs:
        """n independent samples."""
        x = _normals(generator, n, self.n_inputs).to(self.teacher) @ _root(self.input_cov)
        noise = _normals(generator, n, self.n_outputs).to(self.teacher) @ _root(self.noise_cov)
        return Pairs(x, x @ self.teacher.T + noise)

    def pairs(self, n: int, seed: int) -> Pairs:
        """n independent samples, the same for the same seed."""
        return self.draw(n, stream(seed, purpose=DATA))


def teacher_of(teacher: object, input_cov: object, noise_cov: object) -> GaussianTeacher:
    """Gaussian teacher from arrays or nested lists, float64.

    Raises:
        InvalidModelError: field "data.teacher", "data.input_cov" or "data.noise_cov".
    """
    return GaussianTeacher(
        as_tensor("data.teacher", teacher),
        as_tensor("data.input_cov", input_cov),
        as_tensor("data.noise_cov", noise_cov),
    )


def check_teacher(network: Network, teacher: GaussianTeacher) -> None:
    """Refuse a teacher whose pairs do not fit the network.

    Raises:
        InvalidModelError: field "data.teacher" (shape) or "model.loss" (a teacher's labels are real numbers).
    """
    wanted = [network.n_outputs, network.n_inputs]
    if list(teacher.teacher.shape) != wanted:
        raise InvalidModelError(
            "data.teacher", given=f"shape {list(teacher.teacher.shape)}", allowed=f"shape {wanted}, (out, in)"
        )
    if network.loss != "squared_error":
        raise InvalidModelError(
            "model.loss",
            given=network.loss,
            allowed='"squared_error" with a teacher, whose labels are real numbers',
        )


def _check_covariance(field: str, covariance: Tensor, size: int) -> None:
    if tuple(covariance.shape) != (size, size):
        raise InvalidModelError(
            field, given=f"shape {list(covariance.shape)}", allowed=f"shape [{size}, {size}]"
        )
    as_tensor(field, covariance)
    scale = float(covariance.abs().max())
    gap = float((covariance - covariance.T).abs().max())
    if gap > 1e-12 * scale:
        raise InvalidModelError(
            field, given=f"entries that differ from their mirror by {gap:.3g}", allowed="a symmetric matrix"
        )
    lowest = float(torch.linalg.eigvalsh(covariance)[0])
    if lowest < -1e-12 * size * scale:
        raise InvalidModelError(
            field, given=f"eigenvalue {lowest:.6g}", allowed="a covariance, without negative eigenvalues"
        )


def _root(covariance: Tensor) -> Tensor:
    """Symmetric square root of a covariance, singular or not."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = (vectors * values.clamp(min=0.0).sqrt()) @ vectors.T
    return root


def _normals(generator: np.random.Generator, n: int, width: int) -> Tensor:
    return torch.from_numpy(generator.standard_normal((n, width)))
