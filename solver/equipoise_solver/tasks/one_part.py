"""Parts of a work: which there are, and the works that have one only."""

from collections.abc import Sequence
from typing import cast

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.errors import InvalidModelError


def check_part(shard: tuple[int, int] | None, n_shards: int) -> None:
    """Refuse a part that there is not.

    Args:
        shard: number of a part and of how many, 0 <= number < of <= n_shards; None for the whole.
        n_shards: most parts that the work can be cut into, >= 1.

    Raises:
        InvalidModelError: it is none of them; field "shard".
    """
    if shard is None:
        return
    numbers = cast(tuple[object, ...], shard)
    if len(numbers) != 2 or not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
        raise InvalidModelError("shard", given=shard, allowed="two integers (number, of), or None")
    number, of = shard
    if not 0 <= number < of <= n_shards:
        parts = "1 part, the whole" if n_shards == 1 else f"at most {n_shards} parts"
        raise InvalidModelError(
            "shard",
            given=list(shard),
            allowed=f"(number, of) with 0 <= number < of; this work can be cut into {parts}",
        )


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
