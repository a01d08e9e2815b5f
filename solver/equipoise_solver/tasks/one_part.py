"""Works that are one part: what cannot be cut, and what has no chunks either."""

from collections.abc import Sequence

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.parts import check_part

__all__ = ["AtOnce", "OnePart", "check_part"]


class OnePart:
    """A work that cannot be cut: its one part is the whole."""

    @property
    def n_shards(self) -> int:
        """One."""
        return 1

    def merge(self, checkpoints: Sequence[Checkpoint]) -> Checkpoint:
        """The one part itself.

        Raises:
            InvalidModelError: there are more, or it is not done; field "checkpoints".
        """
        if len(checkpoints) != 1 or not checkpoints[0].is_done:
            raise InvalidModelError(
                "checkpoints",
                given=[checkpoint.fraction for checkpoint in checkpoints],
                allowed="the one part of this work, done, so of fraction 1",
            )
        return checkpoints[0]


class AtOnce(OnePart):
    """A work without chunks: everything happens in `finish`."""

    def begin(self, shard: tuple[int, int] | None = None) -> Checkpoint:
        """Nothing is done before the first chunk."""
        check_part(shard, self.n_shards)
        return Checkpoint(fraction=0.0)

    def advance(self, checkpoint: Checkpoint, budget: int, *, threads: int) -> Checkpoint:
        """There are no chunks."""
        return Checkpoint(fraction=1.0)
