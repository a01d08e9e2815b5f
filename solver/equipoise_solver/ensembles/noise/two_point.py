"""Two-point increments: +-1 with equal chances; N(0, 1) up to the third moment, so weak order 1."""

from typing import Any

import numpy as np

from equipoise_solver.ensembles.noise.lanes import keep_where, stream_of
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.streams import INCREMENTS, next_word

FIRST_SIGN, SECOND_SIGN = np.uint32(0x80000000), np.uint32(0x40000000)


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
    """Put two independent signs into out[:, lane], from one word; see `compiled.noise_signature`."""
    for j in range(lanes):
        before = a, b, c, d = stream_of(words, j)
        word, a, b, c, d = next_word(a, b, c, d)
        out[0, j] = -1.0 if (word & FIRST_SIGN) != 0 else 1.0
        out[1, j] = -1.0 if (word & SECOND_SIGN) != 0 else 1.0
        keep_where(active, words, j, (a, b, c, d), before)


def source() -> NoiseSource:
    """Two-point increments."""
    return NoiseSource(name="two_point", fill=fill, purpose=INCREMENTS, weak_order=1)
