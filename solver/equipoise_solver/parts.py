"""Parts of a computation: which there are, and which merge to the whole.

The scalars of a checkpoint say which part it is of: "part" is its number and of how many, None for the whole;
"plan" is the fingerprint of what is computed.
"""

from collections.abc import Sequence
from typing import cast

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.errors import InvalidModelError

REMEDY = "Give the last checkpoints of parts 0, 1, ... of one work, all of them, in this order."


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


def check_parts(parts: Sequence[Checkpoint], fingerprint: str) -> None:
    """Refuse what are not all parts of one computation, done and in order.

    Raises:
        InvalidModelError: a part is missing, not done, out of order, or of something else; field
            "checkpoints".
    """
    if not parts:
        raise _refused([], "at least one part")
    for i, part in enumerate(parts):
        if part.scalars.get("plan") != fingerprint:
            raise _refused(f"part {i} of another spec, or of another kind of work", "parts of this work")
        if not part.is_done:
            raise _refused(f"part {i}, {part.fraction:.3g} of which is done", "parts of which all is done")
    numbers = [list(part.scalars["part"] or (0, 1)) for part in parts]
    if numbers != [[i, len(parts)] for i in range(len(parts))]:
        raise _refused(numbers, "all parts of one division, in order")


def _refused(given: object, allowed: str) -> InvalidModelError:
    return InvalidModelError("checkpoints", given=given, allowed=allowed, remedy=REMEDY)
