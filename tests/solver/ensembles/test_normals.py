"""Normal numbers in float32: their law on 10^8 numbers, and their accuracy for given words.

A longer run: python -m tests.solver.ensembles.normal_counts 1e9
"""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.solver.ensembles import normal_counts

from equipoise_solver.ensembles.reference.normals import single_normal_pair

Words = NDArray[np.uint32]


@pytest.mark.slow
def test_moments_tails_and_independence(seed: int) -> None:
    """Moments 1 to 6, five tails, products within and between pairs and the angle, on 10^8 numbers."""
    for score in normal_counts.scores(seed, 10**8):
        assert abs(score.z) <= 5, score
        # The sample sees a defect of 2 % of moments, sectors and P(|x| > 3), and of 13 % of P(|x| > 4).
        if score.exact > 1e-5:
            assert 9.75 * score.error < (0.02 if score.exact > 1e-3 else 0.13) * score.exact, score


def exact_pair(radius: Words, turn: Words) -> tuple[NDArray[np.float64], ...]:
    """Box and Muller by the library in float64, from the same words: the radius and both numbers."""
    u = (radius.astype(np.float64) + 0.5) * 2.0**-32
    rest = (2.0**32 - 0.5 - radius.astype(np.float64)) * 2.0**-32
    r = np.sqrt(-2 * np.where(u > 0.5, np.log1p(-rest), np.log(u)))
    quarter = (turn << np.uint32(2)).view(np.int32).astype(np.float64) * 2.0**-31
    angle = math.pi / 4 * (1 + quarter)
    first = np.where(turn >> np.uint32(31), -1.0, 1.0) * r * np.cos(angle)
    second = np.where(turn >> np.uint32(30) & np.uint32(1), -1.0, 1.0) * r * np.sin(angle)
    return r, first, second


def test_numbers_are_those_of_the_library(rng: np.random.Generator) -> None:
    """The error is below 2.5e-7 r + 6e-8/r: rounding, and of u where u is almost 1 and r is small."""
    anywhere = rng.integers(0, 2**32, 400_000, dtype=np.uint64)
    ends = np.arange(100_000, dtype=np.uint64)
    radius = np.concatenate([anywhere, ends, 2**32 - 1 - ends, 2**32 - 1 - 1000 * ends]).astype(np.uint32)
    turn = rng.integers(0, 2**32, radius.size, dtype=np.uint64).astype(np.uint32)
    turn[:8] = [0, 1, 0x1FFFFFFF, 0x20000000, 0x3FFFFFFF, 0x40000000, 0x80000000, 0xFFFFFFFF]
    r, *exact = exact_pair(radius, turn)
    found = single_normal_pair(radius, turn)
    for x, y in zip(found, exact, strict=True):
        assert x.dtype == np.float32
        error = np.abs(x - y)
        assert (error <= 2.5e-7 * r + 6e-8 / r).all()
        assert (error[r > 0.5] <= 4e-7 * r[r > 0.5]).all()
        assert np.abs(x).max() <= 6.77
        # All small radii are rounded, each by more than the bound would allow of a large one.
        assert error.max() < 2.5e-4
