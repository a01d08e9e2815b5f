"""The shape of a computation: its cost, and how to begin, advance and finish it in chunks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.specs import Solution, Spec

LoadDataset = Callable[[str], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Maps a dataset id to its (x, y), each of shape (n,), or (n, k) for vectors; raises KeyError."""


@dataclass(frozen=True)
class Cost:
    """Estimate of what a spec takes.

    Attributes:
        path_steps: steps of single trajectories; 0 for closed forms.
        memory_bytes: largest working memory, [bytes].
        is_quick: small and bounded enough to be answered on the spot.
        seconds: processor seconds of one thread of the reference machine, a prior estimate, [s].
        kind: what the estimate is calibrated by: work of one kind is off by one factor on a machine; at most
            64 characters.
    """

    path_steps: float
    memory_bytes: float
    is_quick: bool
    seconds: float = 0.0
    kind: str = ""


class Work(Protocol):
    """A validated spec, ready to be computed in chunks."""

    @property
    def spec(self) -> Spec:
        """The spec that is solved."""
        ...

    @property
    def cost(self) -> Cost:
        """What it takes."""
        ...

    @property
    def n_shards(self) -> int:
        """Most parts that the work can be cut into, >= 1, each computed on its own and anywhere."""
        ...

    def begin(self, shard: tuple[int, int] | None = None) -> Checkpoint:
        """State before the first chunk, of the whole or of a part.

        Args:
            shard: number of the part and of how many, 0 <= number < of <= n_shards; None for the whole.

        Raises:
            InvalidModelError: there is no such part; field "shard".
        """
        ...

    def advance(self, checkpoint: Checkpoint, budget: int, *, threads: int) -> Checkpoint:
        """Do about `budget` path-steps more; any split of the work gives the same bits in the end."""
        ...

    def merge(self, checkpoints: Sequence[Checkpoint]) -> Checkpoint:
        """What the whole ends in, bit for bit, from its parts 0, 1, ..., all done, in this order.

        Raises:
            InvalidModelError: a part is missing, not done, out of order, or of another work; field
                "checkpoints".
        """
        ...

    def finish(self, checkpoint: Checkpoint) -> Solution:
        """The solution, from a checkpoint that is done."""
        ...
