"""The shape of a computation: its cost, and how to begin, advance and finish it in chunks."""

from collections.abc import Callable
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
    """

    path_steps: float
    memory_bytes: float
    is_quick: bool


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

    def begin(self) -> Checkpoint:
        """State before the first chunk."""
        ...

    def advance(self, checkpoint: Checkpoint, budget: int, *, threads: int) -> Checkpoint:
        """Do about `budget` path-steps more; any split of the work gives the same bits in the end."""
        ...

    def finish(self, checkpoint: Checkpoint) -> Solution:
        """The solution, from a checkpoint that is done."""
        ...
