"""Chunks: little at first, then about the time aimed at, and never very many."""

import itertools

import pytest

from equipoise_service.workers.pacing import FIRST_BUDGET, next_budget


def chunks_of(total: float, *, rate: float, aim_seconds: float = 2.0) -> list[float]:
    """Seconds of each chunk of a job of `total` path-steps, computed at `rate` path-steps a second."""
    seconds: list[float] = []
    budget: int | None = None
    done = spent = 0.0
    while done < total:
        budget = next_budget(budget, seconds[-1] if seconds else 0.0, spent, aim_seconds=aim_seconds)
        step = min(budget, total - done)
        seconds.append(step / rate)
        spent += step / rate
        done += step
    return seconds


@pytest.mark.parametrize("rate", [1e5, 1e7, 1e9])
def test_progress_shows_early_and_chunks_settle_at_the_aim(rate: float) -> None:
    seconds = chunks_of(60 * rate, rate=rate)
    assert seconds[0] <= FIRST_BUDGET / rate
    # Growth is bounded by a factor, so the aim is reached after a few chunks of rising size.
    settled = seconds[8:-1]
    assert settled
    assert all(1.9 <= chunk <= 2.1 for chunk in settled)


@pytest.mark.parametrize("hours", [1, 24, 24 * 30])
def test_the_number_of_chunks_stays_bounded(hours: float) -> None:
    seconds = chunks_of(3600 * hours * 1e8, rate=1e8)
    assert len(seconds) < 1100
    spent = list(itertools.accumulate(seconds))
    # What a death costs: at most one percent of what was done before, once that is more than the aim.
    later = [(before, chunk) for before, chunk in zip(spent, seconds[1:], strict=False) if before > 200]
    assert max(chunk / before for before, chunk in later) <= 0.0101


def test_a_slow_first_chunk_does_not_stop_the_growth() -> None:
    """Compiling takes seconds once; the budget never falls below the first one."""
    assert next_budget(FIRST_BUDGET, 30.0, 30.0, aim_seconds=2.0) == FIRST_BUDGET
    assert next_budget(FIRST_BUDGET, 0.001, 30.0, aim_seconds=2.0) == 8 * FIRST_BUDGET
