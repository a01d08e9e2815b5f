"""Gaussian increments of a Brownian motion: a pair of normal numbers per call."""

from typing import Any

from equipoise_solver.ensembles.elementary import normal_pair
from equipoise_solver.ensembles.noise.lanes import keep_where, stream_of
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.streams import INCREMENTS, next_word


def fill(
    words: Any,
    active: Any,
    out: Any,
    lanes: Any,
    step: Any,
    fresh: Any,
    key: Any,
    first_path: Any,
    numbers: Any,
    table: Any,
    work: Any,
) -> None:
    """Put two independent N(0, 1) numbers into out[:, lane]; see `compiled.noise_signature`."""
    for j in range(lanes):
        before = a, b, c, d = stream_of(words, j)
        high, a, b, c, d = next_word(a, b, c, d)
        low, a, b, c, d = next_word(a, b, c, d)
        turn, a, b, c, d = next_word(a, b, c, d)
        out[0, j], out[1, j] = normal_pair(high, low, turn)
        keep_where(active, words, j, (a, b, c, d), before)


def source() -> NoiseSource:
    """Gaussian increments."""
    return NoiseSource(name="gaussian", fill=fill, purpose=INCREMENTS, weak_order=2)
