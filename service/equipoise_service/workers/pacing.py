"""How much work goes into a chunk: little at first so that progress shows early, then by the clock."""

# A first chunk of this many path-steps takes milliseconds once the kernels are compiled.
FIRST_BUDGET = 200_000
# One chunk to the next: a slow first chunk (compiling) or a burst of other load must not swing the size.
LARGEST_GROWTH = 8.0
# From chunk_seconds / SHARE of computing on, a chunk takes this share of what is done: a job of any length
# stays near a thousand chunks (100 per factor e), and a dead worker costs at most this share again.
SHARE = 0.01


def next_budget(
    last_budget: int | None, last_seconds: float, spent_seconds: float, *, aim_seconds: float
) -> int:
    """Path-steps of the next chunk.

    Args:
        last_budget: path-steps of the chunk before, None at the start.
        last_seconds: what it took, [s].
        spent_seconds: what all chunks took, [s].
        aim_seconds: aim for one chunk, [s].

    Returns:
        At least FIRST_BUDGET.
    """
    if last_budget is None:
        return FIRST_BUDGET
    aim = max(aim_seconds, SHARE * spent_seconds)
    factor = min(max(aim / max(last_seconds, 1e-3), 1 / LARGEST_GROWTH), LARGEST_GROWTH)
    return max(FIRST_BUDGET, int(last_budget * factor))
