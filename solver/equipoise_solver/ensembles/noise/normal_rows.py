"""Rows of independent normal numbers: one for every parameter, for the two steps of a pair."""

from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.noise.lanes import keep, stream_of
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.normals import single_normal_pair
from equipoise_solver.ensembles.streams import INCREMENTS, next_word

STEPS = 2
"""Steps that a call serves."""


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
    """Put independent N(0, 1) numbers into all rows, an even number; see `compiled.noise_signature`."""
    for i in range(0, out.shape[0], 2):
        for j in range(LANES):
            a, b, c, d = stream_of(words, j)
            first, a, b, c, d = next_word(a, b, c, d)
            second, a, b, c, d = next_word(a, b, c, d)
            keep(words, j, a, b, c, d)
            out[i, j], out[i + 1, j] = single_normal_pair(first, second)


def source(n: int) -> NoiseSource:
    """Independent increments for n parameters: rows 0..n-1 for one step, n..2n-1 for the next."""
    return NoiseSource(
        name="normal_rows",
        fill=fill,
        purpose=INCREMENTS,
        weak_order=None,
        numbers=np.zeros(1),
        rows=STEPS * n,
        steps=STEPS,
        precision="float32",
    )
