"""Matrix factorization f(x) = W2 W1 x through a layer of `rank` units."""

from dataclasses import dataclass

from equipoise_solver.networks.architectures.linear import LinearNetwork
from equipoise_solver.networks.architectures.widths import check_widths


@dataclass(frozen=True)
class MatrixFactorization(LinearNetwork):
    """A linear network of exactly two layers, W1 (rank, in) and W2 (out, rank).

    Attributes:
        widths: (in, rank, out).
        loss: name in `losses.LOSSES`.
    """

    def __post_init__(self) -> None:
        check_widths(self.widths, n_min=3, n_max=3)
        super().__post_init__()
