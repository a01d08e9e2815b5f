"""Gradient noise of each block along an orbit: what the equilibrium needs to know of the samples.

A motion W -> L W R takes the gradient of every sample to L^-T G R^-T, so that statistics taken once serve on
the whole orbit. How much of them must be kept depends on the sides a block is acted on: matrices E[G G'] for
one side, variances of the entries for diagonal motions, factors of each sample or the whole covariance for
motions from both sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from equipoise_solver.errors import UnsupportedCombinationError
from equipoise_solver.networks.parameters import Parameters

Motion = Mapping[str, tuple[Tensor | None, Tensor | None]]
"""By block the matrices (L, R) of W -> L W R; None is the identity."""


class Noise(Protocol):
    """Covariance of the gradients at one point of the orbit; a block with one axis is a column."""

    def left(self, block: str, weight: Tensor | None = None) -> Tensor:
        """E[G weight G'] - E[G] weight E[G]', shape (rows, rows); weight (columns, columns), None for 1."""
        ...

    def right(self, block: str, weight: Tensor | None = None) -> Tensor:
        """E[G' weight G] - E[G]' weight E[G], shape (columns, columns); weight (rows, rows), None for 1."""
        ...

    def moved(self, parameters: Parameters, inverse: Motion) -> "Noise":
        """The noise at other parameters of the orbit.

        Args:
            parameters: there.
            inverse: the transposed inverses of the matrices that lead there, so that G -> L^-T G R^-T.
        """
        ...


class BlockNoise(Protocol):
    """Covariance of the gradient G, shape (rows, columns), of one block."""

    def left(self, weight: Tensor | None) -> Tensor:
        """As `Noise.left`."""
        ...

    def right(self, weight: Tensor | None) -> Tensor:
        """As `Noise.right`."""
        ...

    def moved(self, left: Tensor | None, right: Tensor | None) -> "BlockNoise":
        """The covariance of left G right; None is the identity."""
        ...


@dataclass(frozen=True)
class StoredNoise:
    """Noise whose statistics were taken once, block by block."""

    blocks: Mapping[str, BlockNoise]

    def left(self, block: str, weight: Tensor | None = None) -> Tensor:
        """E[G weight G'] centred, shape (rows, rows)."""
        return self.blocks[block].left(weight)

    def right(self, block: str, weight: Tensor | None = None) -> Tensor:
        """E[G' weight G] centred, shape (columns, columns)."""
        return self.blocks[block].right(weight)

    def moved(self, parameters: Parameters, inverse: Motion) -> "StoredNoise":
        """The same samples elsewhere on the orbit."""
        still = (None, None)
        return StoredNoise(
            {name: noise.moved(*inverse.get(name, still)) for name, noise in self.blocks.items()}
        )


@dataclass(frozen=True)
class OneSidedNoise:
    """Noise of a block that is acted on from one side only.

    Attributes:
        matrix: E[G G'] (side "left") or E[G' G] (side "right"), centred.
        side: from which the block is acted on.
    """

    matrix: Tensor
    side: str

    def left(self, weight: Tensor | None) -> Tensor:
        """E[G G'], if that is the side."""
        return self._moment("left", weight)

    def right(self, weight: Tensor | None) -> Tensor:
        """E[G' G], if that is the side."""
        return self._moment("right", weight)

    def _moment(self, side: str, weight: Tensor | None) -> Tensor:
        if side != self.side or weight is not None:
            raise UnsupportedCombinationError(
                "symmetries", given=side, allowed=f"motions from the {self.side}", remedy="Keep both sides."
            )
        return self.matrix

    def moved(self, left: Tensor | None, right: Tensor | None) -> "OneSidedNoise":
        """Congruence by the factor on the one side."""
        factor = left if self.side == "left" else right
        if factor is None:
            return self
        g = factor if self.side == "left" else factor.T
        return OneSidedNoise(g @ self.matrix @ g.T, self.side)


@dataclass(frozen=True)
class EntryNoise:
    """Variances of the entries, for motions that are diagonal on both sides.

    Attributes:
        variances: shape (rows, columns).
    """

    variances: Tensor

    def left(self, weight: Tensor | None) -> Tensor:
        """Diagonal of E[G weight G'], as a matrix."""
        weights = torch.ones(self.variances.shape[1], dtype=self.variances.dtype)
        return torch.diag(self.variances @ (weights if weight is None else weight.diagonal()))

    def right(self, weight: Tensor | None) -> Tensor:
        """Diagonal of E[G' weight G], as a matrix."""
        weights = torch.ones(self.variances.shape[0], dtype=self.variances.dtype)
        return torch.diag((weights if weight is None else weight.diagonal()) @ self.variances)

    def moved(self, left: Tensor | None, right: Tensor | None) -> "EntryNoise":
        """Rows and columns scaled by the squares of diagonal factors."""
        variances = self.variances
        if left is not None:
            variances = variances * left.diagonal()[:, None] ** 2
        if right is not None:
            variances = variances * right.diagonal() ** 2
        return EntryNoise(variances)


@dataclass(frozen=True)
class RankOneNoise:
    """Samples of gradients delta h' of a dense layer.

    Attributes:
        delta: gradients with respect to the outputs of the layer, shape (n, rows).
        h: inputs of the layer, shape (n, columns).
    """

    delta: Tensor
    h: Tensor

    def left(self, weight: Tensor | None) -> Tensor:
        """E[(h' weight h) delta delta'] less that of the mean."""
        return _weighted(self.delta, self.h, self._mean(), weight)

    def right(self, weight: Tensor | None) -> Tensor:
        """E[(delta' weight delta) h h'] less that of the mean."""
        return _weighted(self.h, self.delta, self._mean().T, weight)

    def moved(self, left: Tensor | None, right: Tensor | None) -> "RankOneNoise":
        """Factors left delta and right' h."""
        delta = self.delta if left is None else self.delta @ left.T
        return RankOneNoise(delta, self.h if right is None else self.h @ right)

    def _mean(self) -> Tensor:
        return self.delta.T @ self.h / self.delta.shape[0]


def _weighted(outer: Tensor, inner: Tensor, mean: Tensor, weight: Tensor | None) -> Tensor:
    weighted = inner if weight is None else inner @ weight
    strengths = (weighted * inner).sum(dim=1, keepdim=True)
    second = (outer * strengths).T @ outer / outer.shape[0]
    return second - (mean if weight is None else mean @ weight) @ mean.T


@dataclass(frozen=True)
class TensorNoise:
    """The whole covariance of a small block.

    Attributes:
        tensor: E[G_ij G_kl] centred, shape (rows, columns, rows, columns).
    """

    tensor: Tensor

    def left(self, weight: Tensor | None) -> Tensor:
        """Contraction over the columns."""
        w = torch.eye(self.tensor.shape[1], dtype=self.tensor.dtype) if weight is None else weight
        return torch.einsum("ijkl,jl->ik", self.tensor, w)

    def right(self, weight: Tensor | None) -> Tensor:
        """Contraction over the rows."""
        w = torch.eye(self.tensor.shape[0], dtype=self.tensor.dtype) if weight is None else weight
        return torch.einsum("ijkl,ik->jl", self.tensor, w)

    def moved(self, left: Tensor | None, right: Tensor | None) -> "TensorNoise":
        """All four axes transformed."""
        tensor = self.tensor
        if left is not None:
            tensor = torch.einsum("ai,ijkl,bk->ajbl", left, tensor, left)
        if right is not None:
            tensor = torch.einsum("ijkl,ja,lb->iakb", tensor, right, right)
        return TensorNoise(tensor)
