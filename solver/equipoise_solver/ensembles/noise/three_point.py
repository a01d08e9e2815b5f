"""Three-point increments: 0 and +-sqrt(3) with chances 2/3, 1/6, 1/6; the moments of N(0, 1) up to the fifth.

The chance of each end is floor(2**32/6)/2**32, below 1/6 by 2e-10; the law is symmetric exactly.

References:
    Kloeden and Platen, Numerical solution of stochastic differential equations (1992), eq. 14.2.8.
"""

from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.noise.lanes import keep_where, stream_of
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.streams import INCREMENTS, next_word

SQRT_3 = 1.7320508075688772
SIXTH = np.uint32(715827882)
"""floor(2**32/6)."""
TOP = np.uint32(0xFFFFFFFF - 715827882)


@inlined
def _three_points(word: Any) -> Any:
    value = SQRT_3 if word > TOP else 0.0
    return -SQRT_3 if word < SIXTH else value


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
    """Put two independent three-point numbers into out[:, lane]; see `compiled.noise_signature`."""
    for j in range(lanes):
        before = a, b, c, d = stream_of(words, j)
        first, a, b, c, d = next_word(a, b, c, d)
        second, a, b, c, d = next_word(a, b, c, d)
        out[0, j] = _three_points(first)
        out[1, j] = _three_points(second)
        keep_where(active, words, j, (a, b, c, d), before)


def source() -> NoiseSource:
    """Three-point increments."""
    return NoiseSource(name="three_point", fill=fill, purpose=INCREMENTS, weak_order=2)
