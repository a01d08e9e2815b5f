"""Minibatches of Gaussian data by their two sums, exact in law, at a cost that does not grow with the batch.

For x ~ N(0, sx^2), y = k x + N(0, s^2) a batch of S pairs enters only through A = mean x^2 = sx^2 chi2_S/S
and B = mean x y, where B given A is N(k A, s^2 A/S). For S <= 16 chi2_S is -2 ln of a product of S//2
uniforms, plus a squared normal if S is odd; for S > 16 it is its quantile function at Phi(normal), as a
polynomial in the normal.
"""

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.elementary import logarithm, normal_pair, unit_uniform
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.normals import single_normal_pair
from equipoise_solver.ensembles.streams import MINIBATCHES, next_word

LARGEST_DIRECT = 16
"""Largest batch whose chi-squared is drawn from products of uniforms."""
EXPANSION_FROM = 100_000
"""Degrees of freedom from which quantiles come from their expansion."""
SMALLEST_PAIRED = 16
"""Smallest batch whose chi-squared quantile a polynomial of degree 11 gives to 3e-7."""
SINGLE_REACH = 6.8
"""A bound of |normal| from 32 bits."""
DEGREE, REACH = 23, 9.5
"""Degree of the quantile polynomial, and the largest |normal| that the generator can give."""


def fill_direct(
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
    """Put (A, B) into out[:, lane]; numbers = (S, sx^2/S, k, s/sqrt(S)); see `compiled.noise_signature`."""
    pairs = np.int64(numbers[0]) // 2
    odd = np.float64(np.int64(numbers[0]) % 2)
    product = np.ones(lanes)
    for j in range(lanes):
        high, a, b, c, d = next_word(words[0, j], words[1, j], words[2, j], words[3, j])
        low, a, b, c, d = next_word(a, b, c, d)
        turn, a, b, c, d = next_word(a, b, c, d)
        words[0, j], words[1, j], words[2, j], words[3, j] = a, b, c, d
        out[0, j], out[1, j] = normal_pair(high, low, turn)
    for _ in range(pairs):
        for j in range(lanes):
            high, a, b, c, d = next_word(words[0, j], words[1, j], words[2, j], words[3, j])
            low, a, b, c, d = next_word(a, b, c, d)
            words[0, j], words[1, j], words[2, j], words[3, j] = a, b, c, d
            product[j] = product[j] * unit_uniform(high, low)
    for j in range(lanes):
        square = (odd * out[0, j] * out[0, j] - 2.0 * logarithm(product[j])) * numbers[1]
        out[0, j] = square
        out[1, j] = numbers[2] * square + numbers[3] * math.sqrt(square) * out[1, j]


def fill_by_quantile(
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
    """Put (A, B) into out[:, lane]; numbers = (S, sx^2, k, s/sqrt(S), coefficients).

    See `compiled.noise_signature`.
    """
    last = numbers.shape[0] - 1
    root = np.full(lanes, numbers[last])
    for j in range(lanes):
        high, a, b, c, d = next_word(words[0, j], words[1, j], words[2, j], words[3, j])
        low, a, b, c, d = next_word(a, b, c, d)
        turn, a, b, c, d = next_word(a, b, c, d)
        words[0, j], words[1, j], words[2, j], words[3, j] = a, b, c, d
        out[0, j], out[1, j] = normal_pair(high, low, turn)
    for i in range(last - 1, 3, -1):
        for j in range(lanes):
            root[j] = root[j] * out[0, j] + numbers[i]
    for j in range(lanes):
        square = root[j] * root[j] * root[j] * numbers[1]
        out[0, j] = square
        out[1, j] = numbers[2] * square + numbers[3] * math.sqrt(square) * out[1, j]


def fill_pairs(
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
    """Put two batches (A, B) into out[0:2] and out[2:4]; numbers = (sx^2, k, s/sqrt(S), 12 coefficients).

    See `compiled.noise_signature`.
    """
    zero = out[0, 0]
    power, slope, spread = like(zero, numbers[0]), like(zero, numbers[1]), like(zero, numbers[2])
    c0, c1, c2 = like(zero, numbers[3]), like(zero, numbers[4]), like(zero, numbers[5])
    c3, c4, c5 = like(zero, numbers[6]), like(zero, numbers[7]), like(zero, numbers[8])
    c6, c7, c8 = like(zero, numbers[9]), like(zero, numbers[10]), like(zero, numbers[11])
    c9, c10, c11 = like(zero, numbers[12]), like(zero, numbers[13]), like(zero, numbers[14])
    for j in range(LANES):
        a, b, c, d = words[0, j], words[1, j], words[2, j], words[3, j]
        r0, a, b, c, d = next_word(a, b, c, d)
        r1, a, b, c, d = next_word(a, b, c, d)
        r2, a, b, c, d = next_word(a, b, c, d)
        r3, a, b, c, d = next_word(a, b, c, d)
        words[0, j] = a
        words[1, j] = b
        words[2, j] = c
        words[3, j] = d
        x0, x1 = single_normal_pair(r0, r1)
        x2, x3 = single_normal_pair(r2, r3)
        out[0, j] = like(zero, x0)
        out[1, j] = like(zero, x1)
        out[2, j] = like(zero, x2)
        out[3, j] = like(zero, x3)
    for i in range(0, 4, 2):
        for j in range(LANES):
            z = out[i, j]
            p = fma(c11, z, c10)
            p = fma(p, z, c9)
            p = fma(p, z, c8)
            p = fma(p, z, c7)
            p = fma(p, z, c6)
            p = fma(p, z, c5)
            p = fma(p, z, c4)
            p = fma(p, z, c3)
            p = fma(p, z, c2)
            p = fma(p, z, c1)
            p = fma(p, z, c0)
            square = power * (p * p * p)
            out[i, j] = square
            out[i + 1, j] = fma(spread * math.sqrt(square), out[i + 1, j], slope * square)


def chi_squared_quantile(z: float, degrees: int) -> float:
    """Quantile of chi-squared at Phi(z), for more than 16 degrees of freedom, relative error below 1e-11.

    From 10^5 degrees on by Cornish and Fisher's expansion, whose next term is below z^6 degrees^-3; library
    functions lose digits there.

    References:
        Abramowitz and Stegun, Handbook of mathematical functions, 26.4 and 26.2.49.
    """
    from scipy.special import gammainccinv, gammaincinv, ndtr

    if degrees < EXPANSION_FROM:
        half = degrees / 2
        return float(
            2 * (gammaincinv(half, float(ndtr(z))) if z < 0 else gammainccinv(half, float(ndtr(-z))))
        )
    n = float(degrees)
    root = math.sqrt(2 * n)
    third = (z**3 - 7 * z) / (9 * root) - (6 * z**4 + 14 * z**2 - 32) / (405 * n)
    return n + root * z + (z**2 - 1) * 2 / 3 + third + (9 * z**5 + 256 * z**3 - 433 * z) / (4860 * root * n)


def cube_root_quantile(batch_size: int, *, degree: int = DEGREE, reach: float = REACH) -> NDArray[np.float64]:
    """Polynomial p with S p(z)^3 = the quantile of chi2_S at Phi(z), for |z| <= reach.

    Wilson and Hilferty's cube root is close to linear in z. The coefficients interpolate at Chebyshev nodes
    and are summed exactly rounded, so they are the same on every machine that has the same special functions.

    Args:
        batch_size: S >= 16.
        degree: of the polynomial.
        reach: largest |z|.

    Returns:
        coefficients, lowest order first, shape (degree + 1,); relative error of the quantile below 1e-9 at
        degree 23, and below 3e-7 for |z| < 5 at degree 11.
    """
    n = degree + 1
    angles = [math.pi * (2 * i + 1) / (2 * n) for i in range(n)]
    quantiles = [chi_squared_quantile(reach * math.cos(angle), batch_size) for angle in angles]
    values = [math.pow(quantile / batch_size, 1 / 3) for quantile in quantiles]
    series = [
        (1 if k == 0 else 2) / n * math.fsum(v * math.cos(k * t) for v, t in zip(values, angles, strict=True))
        for k in range(n)
    ]
    power = np.polynomial.chebyshev.cheb2poly(series)
    return np.asarray([power[i] / reach**i for i in range(n)])


def source(*, slope: float, noise_std: float, input_std: float, batch_size: int) -> NoiseSource:
    """Minibatches of y = slope x + noise, one per call, by 64-bit uniforms."""
    spread = noise_std / math.sqrt(batch_size)
    if batch_size <= LARGEST_DIRECT:
        numbers = np.array([batch_size, input_std**2 / batch_size, slope, spread])
        fill = fill_direct
    else:
        head = [batch_size, input_std**2, slope, spread]
        numbers = np.concatenate([head, cube_root_quantile(batch_size)])
        fill = fill_by_quantile
    return NoiseSource(
        name="minibatch_gaussian", fill=fill, purpose=MINIBATCHES, weak_order=None, numbers=numbers
    )


def pair_source(
    *,
    slope: float,
    noise_std: float,
    input_std: float,
    batch_size: int,
    precision: Literal["float64", "float32"],
) -> NoiseSource:
    """Minibatches of at least 16 pairs y = slope x + noise, two per call, by 32-bit uniforms."""
    head = [input_std**2, slope, noise_std / math.sqrt(batch_size)]
    return NoiseSource(
        name="minibatch_gaussian_pairs",
        fill=fill_pairs,
        purpose=MINIBATCHES,
        weak_order=None,
        numbers=np.concatenate([head, cube_root_quantile(batch_size, degree=11, reach=SINGLE_REACH)]),
        rows=4,
        steps=2,
        precision=precision,
    )
