"""Gaussian increments of a Brownian motion: a pair of normal numbers per call."""

from typing import Any

import numpy as np

from equipoise_solver.ensembles.elementary import normal_pair
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
        a0, b0, c0, d0 = words[0, j], words[1, j], words[2, j], words[3, j]
        high, a, b, c, d = next_word(a0, b0, c0, d0)
        low, a, b, c, d = next_word(a, b, c, d)
        turn, a, b, c, d = next_word(a, b, c, d)
        out[0, j], out[1, j] = normal_pair(high, low, turn)
        on = active[j] != np.uint8(0)
        words[0, j] = a if on else a0
        words[1, j] = b if on else b0
        words[2, j] = c if on else c0
        words[3, j] = d if on else d0


def source() -> NoiseSource:
    """Gaussian increments."""
    return NoiseSource(name="gaussian", fill=fill, purpose=INCREMENTS, weak_order=2)
