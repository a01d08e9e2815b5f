"""No noise: the batch is the whole population, A = E[x^2] and B = E[xy]."""

from typing import Any

import numpy as np

from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.streams import MINIBATCHES


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
    """Put (A, B) = numbers into out[:, lane]; see `compiled.noise_signature`."""
    for j in range(lanes):
        out[0, j] = numbers[0]
        out[1, j] = numbers[1]


def source(*, beta1: float, beta2: float) -> NoiseSource:
    """The population's own A = beta1, B = beta2."""
    return NoiseSource(
        name="full_batch",
        fill=fill,
        purpose=MINIBATCHES,
        weak_order=None,
        numbers=np.array([beta1, beta2]),
    )
