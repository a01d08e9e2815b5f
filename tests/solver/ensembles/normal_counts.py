"""Statistics of many pairs of 32-bit normal numbers, and their exact values.

A long run, with one z-score per line: python -m tests.solver.ensembles.normal_counts 1e9 [seed]
"""

import math
import sys
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.normals import single_normal_pair
from equipoise_solver.ensembles.streams import INCREMENTS, next_word, stream_words

POWERS = tuple(range(1, 7))
TAILS = (1.0, 2.0, 3.0, 4.0, 5.0)
SECTORS = 16
"""Of the angle of a pair: the quadrant, and four sectors of 22.5 degrees in each."""
PRODUCTS = ("x y", "x^2 y", "x y^2", "x^3 y", "x y^3", "(x^2 - 1)(y^2 - 1)", "x next x", "x^2 next x^2")
PRODUCT_VARIANCES = (1.0, 3.0, 3.0, 15.0, 15.0, 4.0, 1.0, 4.0)
_TANGENTS = tuple(math.tan(math.pi / 8 * k) for k in (1, 2, 3))
_T1, _T2, _T3 = _TANGENTS


@dataclass(frozen=True)
class Score:
    """A statistic of a run: estimate, exact value and standard error."""

    name: str
    estimate: float
    exact: float
    error: float

    @property
    def z(self) -> float:
        """Standard errors between the two."""
        return (self.estimate - self.exact) / self.error


def _count(words: Any, n_steps: Any, powers: Any, products: Any, tails: Any, sectors: Any) -> None:
    before = np.zeros(LANES)
    for _ in range(n_steps):
        for j in range(LANES):
            a, b, c, d = words[0, j], words[1, j], words[2, j], words[3, j]
            radius, a, b, c, d = next_word(a, b, c, d)
            turn, a, b, c, d = next_word(a, b, c, d)
            words[0, j], words[1, j], words[2, j], words[3, j] = a, b, c, d
            first, second = single_normal_pair(radius, turn)
            x, y = np.float64(first), np.float64(second)
            x2, y2 = x * x, y * y
            powers[0, j] += x + y
            powers[1, j] += x2 + y2
            powers[2, j] += x2 * x + y2 * y
            powers[3, j] += x2 * x2 + y2 * y2
            powers[4, j] += x2 * x2 * x + y2 * y2 * y
            powers[5, j] += x2 * x2 * x2 + y2 * y2 * y2
            products[0, j] += x * y
            products[1, j] += x2 * y
            products[2, j] += x * y2
            products[3, j] += x2 * x * y
            products[4, j] += x * y2 * y
            products[5, j] += (x2 - 1.0) * (y2 - 1.0)
            products[6, j] += x * before[j]
            products[7, j] += (x2 - 1.0) * (before[j] * before[j] - 1.0)
            before[j] = x
            for k in range(5):
                level = k + 1.0
                tails[k, j] += np.int64(abs(x) > level) + np.int64(abs(y) > level)
            ratio, other = abs(y), abs(x)
            sector = np.int64(ratio > _T1 * other) + np.int64(ratio > _T2 * other)
            sector += np.int64(ratio > _T3 * other)
            sectors[4 * (2 * np.int64(x < 0.0) + np.int64(y < 0.0)) + sector, j] += 1


count = numba.njit(error_model="numpy")(_count)


def scores(seed: int, n_numbers: int) -> list[Score]:
    """Scores of about that many numbers from LANES streams."""
    words = stream_words(seed, first_path=0, n_blocks=1, lanes=LANES, purpose=INCREMENTS)[0]
    n_steps = round(n_numbers / (2 * LANES))
    powers, products = np.zeros((len(POWERS), LANES)), np.zeros((len(PRODUCTS), LANES))
    tails, sectors = (np.zeros((n, LANES), dtype=np.int64) for n in (len(TAILS), SECTORS))
    count(words, n_steps, powers, products, tails, sectors)
    pairs = n_steps * LANES
    found = [_moment(k, float(powers[k - 1].sum()) / (2 * pairs), 2 * pairs) for k in POWERS]
    found += [
        _share(f"P(|x| > {t:g})", row, 2 * pairs, 2 * stats.norm.sf(t))
        for t, row in zip(TAILS, tails, strict=True)
    ]
    found += [
        Score(f"E[{name}]", float(row.sum()) / pairs, 0.0, math.sqrt(variance / pairs))
        for name, row, variance in zip(PRODUCTS, products, PRODUCT_VARIANCES, strict=True)
    ]
    found += [_share(f"sector {i}", row, pairs, 1 / SECTORS) for i, row in enumerate(sectors)]
    return found


def _moment(power: int, estimate: float, n: int) -> Score:
    def exact(k: int) -> float:
        return 0.0 if k % 2 else float(math.prod(range(1, k, 2)))

    # Both numbers of a pair have one radius but are independent, so the error is that of n numbers.
    return Score(
        f"E[x^{power}]", estimate, exact(power), math.sqrt((exact(2 * power) - exact(power) ** 2) / n)
    )


def _share(name: str, row: NDArray[np.int64], n: int, exact: float) -> Score:
    return Score(name, int(row.sum()) / n, exact, math.sqrt(exact * (1 - exact) / n))


def main() -> None:
    """Print the scores of a run of the given size."""
    n, seed = int(float(sys.argv[1])), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for score in scores(seed, n):
        sys.stdout.write(
            f"{score.name:22} {score.estimate:+.9f}  exact {score.exact:+.9f}  z {score.z:+.2f}\n"
        )


if __name__ == "__main__":
    main()
