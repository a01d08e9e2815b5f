"""Minibatches of Gaussian data by their two sums, exact in law, at a cost that does not grow with the batch.

For x ~ N(0, sx^2), y = k x + N(0, s^2) a batch of S pairs enters only through A = mean x^2 = sx^2 chi2_S/S
and B = mean x y, where B given A is N(k A, s^2 A/S). For S <= 16 chi2_S is -2 ln of a product of S//2
uniforms, plus a squared normal if S is odd; for S > 16 it is its quantile function at Phi(normal), as a
polynomial in the normal.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import GROUP, inlined
from equipoise_solver.ensembles.device import fma
from equipoise_solver.ensembles.elementary import logarithm, normal_pair, unit_uniform
from equipoise_solver.ensembles.noise.increments import fill_gaussian
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.streams import MINIBATCHES, next_word

LARGEST_DIRECT = 16
"""Largest batch whose chi-squared is drawn from products of uniforms."""
EXPANSION_FROM = 100_000
"""Degrees of freedom from which quantiles come from their expansion."""
SMALLEST_PAIRED = 16
"""Smallest batch that two normal numbers of 32 bits give, |z| < 6.8; see `root_quantile`."""


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


@inlined
def root_of(z: Any, c: Any) -> Any:
    """The root r of a batch's A, by a normal number and 12 coefficients.

    Given another normal number y, B is (k r + spread y) r.
    """
    z2 = z * z
    z4 = z2 * z2
    # Estrin's scheme: a short chain of operations, which Horner's would wait for.
    low = fma(fma(c[3], z, c[2]), z2, fma(c[1], z, c[0]))
    low = fma(fma(fma(c[7], z, c[6]), z2, fma(c[5], z, c[4])), z4, low)
    high = fma(fma(c[11], z, c[10]), z2, fma(c[9], z, c[8]))
    root = fma(high, z4 * z4, low)
    return root * root * root


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


def root_quantile(batch_size: int, *, root: int, degree: int, reach: float) -> NDArray[np.float64]:
    """Polynomial p with S p(z)^root = the quantile of chi2_S at Phi(z), for |z| <= reach.

    Wilson and Hilferty's cube root is close to linear in z, and the sixth root gives the square root of the
    quantile without another one. The coefficients interpolate at Chebyshev nodes and are summed exactly
    rounded, so they are the same on every machine that has the same special functions.

    Args:
        batch_size: S >= 16.
        root: 3 or 6.
        degree: of the polynomial.
        reach: largest |z|.

    Returns:
        coefficients, lowest order first, shape (degree + 1,). Relative error of the quantile below 1e-9 for
        the cube root at degree 23 and reach 9.5, and below 7e-7 for the sixth at degree 11 and reach 6.8.
    """
    n = degree + 1
    angles = [math.pi * (2 * i + 1) / (2 * n) for i in range(n)]
    quantiles = [chi_squared_quantile(reach * math.cos(angle), batch_size) for angle in angles]
    values = [math.pow(quantile / batch_size, 1 / root) for quantile in quantiles]
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
        numbers = np.concatenate([head, root_quantile(batch_size, root=3, degree=23, reach=9.5)])
        fill = fill_by_quantile
    return NoiseSource(
        name="minibatch_gaussian", fill=fill, purpose=MINIBATCHES, weak_order=None, numbers=numbers
    )


def pair_numbers(*, slope: float, noise_std: float, input_std: float, batch_size: int) -> NDArray[np.float64]:
    """(k, spread = s/sqrt(S), coefficients of `root_of`) for batches of at least 16 pairs, shape (14,)."""
    root = math.cbrt(input_std) * root_quantile(batch_size, root=6, degree=11, reach=6.8)
    return np.concatenate([[slope, noise_std / math.sqrt(batch_size)], root])


def pair_source(*, slope: float, noise_std: float, input_std: float, batch_size: int) -> NoiseSource:
    """Normal numbers for two minibatches of at least 16 pairs; the scheme makes them by `root_of`."""
    return NoiseSource(
        name="minibatch_gaussian_pairs",
        fill=fill_gaussian,
        purpose=MINIBATCHES,
        weak_order=None,
        numbers=pair_numbers(slope=slope, noise_std=noise_std, input_std=input_std, batch_size=batch_size),
        rows=GROUP,
        steps=GROUP // 2,
        precision="float32",
    )
