"""Families of exponential symmetries that a network declares: plain data.

A family is a set of symmetric matrices K, size x size, each of which generates one symmetry
theta -> exp(lam A) theta: every action multiplies a block by exp(degree lam K), from the left (W -> exp(.) W)
or from the right (W -> W exp(.)). So the generator is (A theta)_block = degree K W or degree W K.
A block with one axis (a bias, a diagonal layer) is a column: exp(degree lam K) b, side "left".
"""

from dataclasses import dataclass
from typing import Literal

Side = Literal["left", "right"]
Structure = Literal["full", "diagonal", "scalar"]
Kind = Literal["rescaling", "scale", "double_rotation", "custom"]


@dataclass(frozen=True)
class Action:
    """How a family acts on one block.

    Attributes:
        block: name of the block.
        side: side from which the block is multiplied.
        degree: the factor is exp(degree K); negative for the partner that takes the change back.
    """

    block: str
    side: Side
    degree: float


@dataclass(frozen=True)
class Family:
    """A set of symmetries of one kind.

    Attributes:
        kind: "rescaling" (pairs of homogeneous layers), "scale" (predictions do not depend on a norm),
            "double_rotation" (U -> U M^-1, W -> M W), "custom".
        name: where in the network, for example "neurons of layer 1".
        size: side of K; 1 for structure "scalar".
        structure: which K: "full" (any symmetric matrix), "diagonal", "scalar" (K is a number k, which
            acts as k times the identity on blocks of any shapes).
        actions: blocks that are acted on, each once.
    """

    kind: Kind
    name: str
    size: int
    structure: Structure
    actions: tuple[Action, ...]

    @property
    def dimension(self) -> int:
        """Number of independent generators."""
        match self.structure:
            case "full":
                return self.size * (self.size + 1) // 2
            case "diagonal":
                return self.size
            case "scalar":
                return 1
