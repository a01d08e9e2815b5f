"""Noise sources: exact moments and laws of what they draw, straight from the compiled kernels."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from tests.support.statistics import assert_fraction, assert_law, assert_mean, assert_same_fraction

from equipoise_solver.ensembles.compiled import LANES, compiled, key_of, noise_signature
from equipoise_solver.ensembles.noise import (
    ADAPTIVE_INCREMENTS,
    NoiseSource,
    increments,
    minibatch_epoch,
    minibatch_gaussian,
    minibatch_iid,
)
from equipoise_solver.ensembles.reference.arithmetic import Stream, exponential, logarithm
from equipoise_solver.ensembles.reference.noise import four_coarse, four_gaussian, four_three_point
from equipoise_solver.ensembles.reference.steps import root_of
from equipoise_solver.ensembles.streams import INCREMENTS, stream_words


def draw(source: NoiseSource, seed: int, n_steps: int) -> NDArray[np.float64]:
    """Rows drawn by one block, shape (n_steps, rows, LANES)."""
    fill = compiled(source.fill, noise_signature(source.precision))
    words = stream_words(seed, first_path=0, n_blocks=1, lanes=LANES, purpose=source.purpose)[0]
    work = np.zeros((LANES, source.work_columns), dtype=np.int32)
    active = np.ones(LANES, dtype=np.uint8)
    out = np.zeros((n_steps, source.rows, LANES), dtype=source.precision)
    for t in range(n_steps):
        fresh = int(t == 0)
        fill(
            words,
            active,
            out[t],
            LANES,
            t,
            fresh,
            key_of(seed),
            np.uint64(0),
            source.numbers,
            source.table,
            work,
        )
    return out.astype(np.float64)


class WordsOf(Stream):
    """A stream that gives chosen words."""

    def __init__(self, words: list[NDArray[np.uint64]]) -> None:
        self.words = list(words)

    def next(self, where: NDArray[np.bool_] | None = None) -> NDArray[np.uint64]:
        """The next of them."""
        return self.words.pop(0)


def test_elementary_functions_are_accurate() -> None:
    """The vectorisable exp and ln agree with the library's to a few units in the last place."""
    x = np.linspace(-700, 700, 100_001)
    np.testing.assert_allclose(exponential(x), np.exp(x), rtol=6e-16)
    y = np.exp(np.linspace(-44, 44, 100_001))
    assert np.max(np.abs(logarithm(y) - np.log(y)) / np.maximum(1.0, np.abs(np.log(y)))) < 4e-16


KINDS = {
    **{f"adaptive {name}": (source(), name) for name, source in ADAPTIVE_INCREMENTS.items()},
    **{f"fixed {name}": (increments.source(name), name) for name in ("gaussian", "three_point", "two_point")},
    "fixed coarse": (increments.source("coarse"), "gaussian"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_increments_have_their_moments(kind: str, seed: int) -> None:
    """Increments have mean 0, variance 1, their fourth moment, uncorrelated in a call and over time."""
    source, name = KINDS[kind]
    fourth = 1.0 if name == "two_point" else 3.0
    z = draw(source, seed, 1000)
    flat = z.ravel()
    assert_mean(flat, 0.0, resolves=0.011)
    assert_fraction(
        int((flat > 1e-9).sum()), flat.size, {"three_point": 1 / 6}.get(name, 0.5), resolves=0.006
    )
    if name != "two_point":
        assert_mean(flat**2, 1.0, resolves=0.016)
        assert_mean(flat**4, fourth, resolves=0.1)
    if name == "three_point":
        assert_mean(flat**6, 9.0, resolves=0.3)
    for i in range(source.rows):
        for j in range(i):
            assert_mean((z[:, i] * z[:, j]).ravel(), 0.0, resolves=0.015)
            if name == "gaussian":
                assert_mean(((z[:, i] ** 2 - 1) * (z[:, j] ** 2 - 1)).ravel(), 0.0, resolves=0.03)
        assert_mean((z[1:, i] * z[:-1, -1]).ravel(), 0.0, resolves=0.015)
    assert np.max(np.abs(flat**2)) <= {"gaussian": 40.0, "three_point": 3.00005}.get(name, 1.0)


def test_a_correlated_pair_is_caught(seed: int) -> None:
    """Twin of the moments: rows that share 2 % of their variance fail."""
    z = draw(increments.source("gaussian"), seed, 1000)
    mixed = 0.02 * z[:, 0] + math.sqrt(1 - 0.02**2) * z[:, 1]
    with pytest.raises(AssertionError, match="standard errors"):
        assert_mean((z[:, 0] * mixed).ravel(), 0.0, resolves=0.015)


def test_three_point_chances_are_exact() -> None:
    """Of the 2^16 halves of a word 10923 give each end: the variance is 1, the fourth moment 3 - 1e-4."""
    halves = np.arange(1 << 16)
    words = [halves.astype(np.uint64)]
    rows = four_three_point(WordsOf([words[0], words[0]]))
    ends = 2 * 10923
    assert set(np.unique(np.abs(rows)).tolist()) == {0.0, float(increments.THREE_POINT_SCALE)}
    for low in rows[0::2].astype(np.float64):
        assert (low > 0).sum() == (low < 0).sum() == 10923
        assert np.mean(low**2) == pytest.approx(1, abs=1e-7)
        assert np.mean(low**4) == pytest.approx(65536 / ends, abs=1e-6)
    assert abs(65536 / ends - 3) < 1e-4


def test_coarse_increments_are_sums_of_neighbours(seed: int) -> None:
    """From the same stream "coarse" gives the sums over sqrt(2) of the pairs that "gaussian" gives."""
    fine = draw(increments.source("gaussian"), seed, 50).reshape(200, LANES)
    coarse = draw(increments.source("coarse"), seed, 25).reshape(100, LANES)
    np.testing.assert_allclose(coarse, (fine[0::2] + fine[1::2]) / math.sqrt(2), rtol=3e-7, atol=1e-7)
    references = [Stream(seed, paths=np.arange(LANES), purpose=INCREMENTS) for _ in range(2)]
    np.testing.assert_array_equal(fine[:4], four_gaussian(references[0]))
    np.testing.assert_array_equal(coarse[:4], four_coarse(references[1]))


def test_normals_have_the_normal_law(seed: int) -> None:
    """Gaussian increments follow the normal law, tails beyond 4 included."""
    z = np.sort(draw(ADAPTIVE_INCREMENTS["gaussian"](), seed, 1000).ravel())
    assert_law(z, stats.norm.cdf(z), resolves=0.01)
    assert_fraction(int((np.abs(z) > 4).sum()), z.size, 2 * stats.norm.sf(4), resolves=1.2e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 16, 17, 64])
def test_gaussian_minibatches_are_exact_in_law(batch_size: int, seed: int) -> None:
    """A is sx^2 chi2_S/S, and B - k A over s sqrt(A/S) is normal and independent of A."""
    slope, noise_std, input_std = 0.7, 0.4, 1.3
    source = minibatch_gaussian.source(
        slope=slope, noise_std=noise_std, input_std=input_std, batch_size=batch_size
    )
    out = draw(source, seed, 200)
    a, b = out[:, 0].ravel(), out[:, 1].ravel()
    z = (b - slope * a) / (noise_std * np.sqrt(a / batch_size))
    uniform = stats.chi2.cdf(a * batch_size / input_std**2, batch_size)
    assert_law(np.sort(uniform), np.sort(uniform), resolves=0.03)
    order = np.sort(z)
    assert_law(order, stats.norm.cdf(order), resolves=0.03)
    assert_mean(uniform * z, 0.0, resolves=0.03)
    assert_mean(uniform * (z * z - 1), 0.0, resolves=0.05)


@pytest.mark.parametrize("batch_size", [17, 20, 32, 64, 1000, 10**6, 10**9])
def test_quantile_polynomial_states_its_error(batch_size: int) -> None:
    """The polynomial gives the quantile of chi-squared to 1e-9, up to the largest normal number there is."""
    p = minibatch_gaussian.root_quantile(batch_size, root=3, degree=23, reach=9.5)
    for z in np.linspace(-9.4, 9.4, 95):
        exact = minibatch_gaussian.chi_squared_quantile(float(z), batch_size)
        value = batch_size * np.polynomial.polynomial.polyval(z, p) ** 3
        assert value == pytest.approx(exact, rel=1e-9)


def test_quantile_expansion_joins_the_library() -> None:
    """Where the expansion takes over, it agrees with the library's quantile, which is exact there."""
    n = minibatch_gaussian.EXPANSION_FROM
    for z in (-9.0, -2.0, 0.3, 4.0, 9.0):
        quantile = minibatch_gaussian.chi_squared_quantile(z, n)
        library = stats.chi2.ppf(stats.norm.cdf(z), n) if z < 0 else stats.chi2.isf(stats.norm.sf(z), n)
        assert quantile == pytest.approx(float(library), rel=1e-11)


def test_iid_minibatches_draw_every_sample_equally(seed: int) -> None:
    """With replacement, every index has the chance 1/n in every place of the batch."""
    n = 5
    x = np.sqrt(10.0 ** np.arange(n))
    out = draw(minibatch_iid.source(x=x, y=x, batch_size=3), seed, 200)
    digits = np.round(3 * out[:, 0].ravel()).astype(np.int64)
    for power in range(n):
        count = digits // 10**power % 10
        assert_fraction(int((count == 0).sum()), count.size, (1 - 1 / n) ** 3, resolves=0.03)


@pytest.mark.parametrize(("n", "batch_size"), [(7, 3), (8, 4), (5, 1), (3, 9)])
def test_epochs_visit_every_sample_once(n: int, batch_size: int, seed: int) -> None:
    """In each epoch of each path every sample is drawn exactly once; the last batch holds what is left."""
    x = np.sqrt(10.0 ** np.arange(n))
    source = minibatch_epoch.source(x=x, y=2 * x, batch_size=batch_size)
    per_epoch = math.ceil(n / batch_size)
    sizes = np.array([min(batch_size, n - i * batch_size) for i in range(per_epoch)])
    out = draw(source, seed, 4 * per_epoch).reshape(4, per_epoch, 2, LANES)
    sums = np.round(out[:, :, 0] * sizes[:, None]).astype(np.int64)
    assert (sums.sum(axis=1) == int("1" * n)).all()
    np.testing.assert_allclose(out[:, :, 1], 2 * out[:, :, 0], rtol=1e-15)
    if per_epoch > 1:
        assert (sums[0] != sums[1]).any()
        assert len(np.unique(sums[0, 0])) > 1


@pytest.mark.parametrize("batch_size", [16, 17, 64, 1000, 10**6, 10**9])
def test_sixth_root_states_its_error(batch_size: int) -> None:
    """The polynomial of degree 11 gives the quantile to 7e-7, up to the largest normal number of 32 bits."""
    p = minibatch_gaussian.root_quantile(batch_size, root=6, degree=11, reach=6.8)
    for z in np.linspace(-6.77, 6.77, 95):
        exact = minibatch_gaussian.chi_squared_quantile(float(z), batch_size)
        value = batch_size * np.polynomial.polynomial.polyval(z, p) ** 6
        assert value == pytest.approx(exact, rel=7e-7)


def batches_of(seed: int, batch_size: int, n_steps: int, dtype: Any) -> tuple[Any, Any, Any]:
    """A, B and the numbers they are made of, by the reference, which is the kernel's bit for bit."""
    data = {"slope": 0.7, "noise_std": 0.4, "input_std": 1.3}
    source = minibatch_gaussian.pair_source(**data, batch_size=batch_size)
    z = draw(source, seed, n_steps).reshape(n_steps, 2, 2, LANES).astype(dtype)
    first, second = (np.ascontiguousarray(z[:, :, i]).ravel() for i in (0, 1))
    slope, spread, *coefficients = source.numbers.astype(dtype)
    root = root_of(first, np.array(coefficients))
    return root * root, (slope * root + spread * second) * root, first


@pytest.mark.parametrize("batch_size", [16, 17, 40])
def test_fast_batches_have_the_law_of_direct_draws(batch_size: int, seed: int) -> None:
    """A is sx^2 chi2_S/S, B - k A over s sqrt(A/S) is normal, and their moments are those of the data."""
    slope, noise_std, power = 0.7, 0.4, 1.3**2
    a, b, _ = batches_of(seed, batch_size, 200, np.float64)
    uniform = stats.chi2.cdf(a * batch_size / power, batch_size)
    assert_law(np.sort(uniform), np.sort(uniform), resolves=0.03)
    z = np.sort((b - slope * a) / (noise_std * np.sqrt(a / batch_size)))
    assert_law(z, stats.norm.cdf(z), resolves=0.03)
    off, other = a - power, b - slope * power
    variance = 2 * power**2 / batch_size
    spread = slope**2 * variance + noise_std**2 * power / batch_size
    assert_mean(off, 0.0, resolves=0.03 * power)
    assert_mean(other, 0.0, resolves=0.04 * power)
    assert_mean(off**2, variance, resolves=0.06 * variance)
    assert_mean(other**2, spread, resolves=0.06 * spread)
    assert_mean(off * other, slope * variance, resolves=0.08 * slope * variance)
    third = 8 * power**3 / batch_size**2
    assert_mean(off**3, third, resolves=0.35 * third)
    assert_mean(off**2 * other, slope * third, resolves=0.35 * slope * third)
    if batch_size == 16:
        direct = draw(
            minibatch_gaussian.source(slope=slope, noise_std=noise_std, input_std=1.3, batch_size=batch_size),
            seed,
            200,
        )
        for fast, slow in ((a, direct[:, 0].ravel()), (b, direct[:, 1].ravel())):
            for level in (0.001, 0.05, 0.5, 0.95, 0.999):
                assert_same_fraction(fast, slow, float(np.quantile(slow, level)), resolves=0.02)


@pytest.mark.parametrize("batch_size", [16, 1000])
def test_fast_batches_in_single_precision_are_rounded_only(batch_size: int, seed: int) -> None:
    """In float32 a batch differs from the one in float64, of the same numbers, by 3e-6 at most."""
    a, b, _ = batches_of(seed, batch_size, 50, np.float64)
    a32, b32, _ = batches_of(seed, batch_size, 50, np.float32)
    assert a32.dtype == b32.dtype == np.float32
    np.testing.assert_allclose(a32, a, rtol=3e-6)
    np.testing.assert_allclose(b32, b, atol=5e-6)
