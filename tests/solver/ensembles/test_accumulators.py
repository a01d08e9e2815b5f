"""Accumulators and results agree with plain statistics of the same samples."""

import numpy as np
import pytest

from equipoise_solver.ensembles import (
    Balanced,
    EnsemblePlan,
    GaussianPairs,
    Gd,
    Sgd,
    Sgf,
    advance,
    begin,
    finish,
)
from equipoise_solver.ensembles.accumulators import (
    LARGEST,
    LEAST,
    LOG,
    N_POWERS,
    Means,
    accumulate,
    bins_of,
    block_means,
    empty_sums,
    histogram_quantiles,
    merge_blocks,
    merge_means,
)
from equipoise_solver.ensembles.accumulators.samples import LOG_FLOOR, N_SUMS
from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.reference import reference_paths
from equipoise_solver.ensembles.schedule import schedule_of


def test_merged_means_are_the_means_of_all(rng: np.random.Generator) -> None:
    """Blocks merged from left to right have the count, mean and spread of all their finite values."""
    values = rng.normal(3.0, 2.0, (5, 3, 64))
    values[1, :, 10:] = np.nan
    blocks = block_means(values)
    total = Means.empty((3,))
    for b in range(5):
        total = merge_means(total, Means(blocks.count[b], blocks.mean[b], blocks.squares[b]))
    flat = values.transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_array_equal(total.count, np.isfinite(flat).sum(axis=1))
    np.testing.assert_allclose(total.mean, np.nanmean(flat, axis=1), rtol=1e-14)
    np.testing.assert_allclose(
        total.standard_error, np.nanstd(flat, axis=1, ddof=1) / np.sqrt(total.count), rtol=1e-13
    )


def test_numbers_whose_squares_overflow_merge() -> None:
    """Means of numbers near 1e200 merge with a side that is empty, and with each other, without a NaN."""
    large = block_means(np.array([[1e200, 1.00001e200], [3e200, 3e200]]))
    merged = merge_blocks(large)
    one = Means(large.count[1], large.mean[1], large.squares[1])
    empty = Means.empty(())
    for sum_of in (merge_means(empty, one), merge_means(one, empty)):
        assert [float(x) for x in (sum_of.count, sum_of.mean, sum_of.squares)] == [2.0, 3e200, 0.0]
    assert merged.mean == pytest.approx(2.0000025e200)
    assert merged.squares == np.inf


@pytest.mark.parametrize("first", [0, 3])
def test_sums_and_counts_are_exact(rng: np.random.Generator, first: int) -> None:
    """Every finite sample is counted once; bins include their lower edge, and NaN poisons its path alone."""
    edges = np.array([-1.0, 0.0, 0.5, 2.0])
    v = rng.normal(size=(40, 2 * LANES))
    v[4, :7] = [-1.0, 0.0, 0.5, 2.0, -0.0, -5.0, 7.0]
    v[5, LANES + 7] = np.nan
    v[6, 9] = 0.0
    sums, counts = empty_sums(2), np.zeros(5, dtype=np.int64)
    accumulate(v, first, origin=0.3, bins=bins_of(edges), sums=sums, counts=counts)
    kept = v[first:]
    finite = kept[np.isfinite(kept)]
    expected = np.bincount(np.searchsorted(edges, finite, side="right"), minlength=5)
    np.testing.assert_array_equal(counts, expected)
    rows = sums.transpose(1, 0, 2).reshape(N_SUMS, -1)
    powers = np.stack([((kept - 0.3) ** k).sum(axis=0) for k in (1, 2, 3, 4)])
    np.testing.assert_allclose(rows[:N_POWERS], powers, rtol=1e-11, atol=1e-11)
    logs = np.log(np.maximum(np.abs(kept), LOG_FLOOR)).sum(axis=0)
    alive = np.isfinite(logs)
    np.testing.assert_allclose(rows[LOG, alive], logs[alive], rtol=1e-13, atol=1e-13)
    assert np.isnan(rows[:N_POWERS, LANES + 7]).all()
    np.testing.assert_array_equal(rows[LEAST], np.nanmin(kept, axis=0))
    np.testing.assert_array_equal(rows[LARGEST], np.nanmax(kept, axis=0))


def test_quantiles_interpolate() -> None:
    """Quantiles are linear within bins, and infinite outside the edges."""
    levels = np.array([0.05, 0.1, 0.35, 0.6, 0.95])
    found = histogram_quantiles(levels, np.array([0.0, 1.0, 3.0]), np.array([10, 50, 25, 15]))
    np.testing.assert_allclose(found, [-np.inf, -np.inf, 0.5, 1.0, np.inf])
    assert np.isnan(histogram_quantiles(levels, np.array([0.0, 1.0]), np.zeros(3, dtype=np.int64))).all()


def test_quantiles_stay_within_the_samples() -> None:
    """Interpolation never leaves the samples: one number has that number for all its quantiles."""
    levels, edges, counts = np.array([0.01, 0.5, 0.99]), np.array([0.0, 1.0, 3.0]), np.array([0, 10, 10, 0])
    found = histogram_quantiles(levels, edges, counts, extent=(0.3, 2.0))
    np.testing.assert_allclose(found, [0.3, 1.0, 2.0])
    np.testing.assert_array_equal(histogram_quantiles(levels, edges, counts, extent=(0.7, 0.7)), [0.7] * 3)


def test_quantiles_of_a_run_without_spread_are_exact() -> None:
    """Gradient descent at its minimum has exactly that quantile."""
    plan = EnsemblePlan(
        depth=1, data=GaussianPairs(1.0, 1.0), dynamics=Gd(0.1), n_paths=3, n_steps=64, seed=1
    )
    found = finish(plan, advance(plan, begin(plan), budget=1e9))
    assert (found.quantiles == 1.0).all()


def test_a_start_far_out_does_not_blur_the_quantiles() -> None:
    """From v = 1e9 the quantiles after burn-in are those of a start at the minimum, within a bin of 2 %."""
    low, high = (
        EnsemblePlan(
            depth=1,
            data=GaussianPairs(1.0, 1.0),
            dynamics=Sgf(0.02),
            coordinate="model",
            init=Balanced(start),
            n_paths=2000,
            duration=10.0,
            n_records=20,
            seed=4,
        )
        for start in (1.0, 1e9)
    )
    near, far = (finish(plan, advance(plan, begin(plan), budget=1e12)) for plan in (low, high))
    np.testing.assert_allclose(far.quantiles[2:5], near.quantiles[2:5], rtol=0.04)
    np.testing.assert_allclose(far.quantiles, near.quantiles, rtol=0.15)
    assert far.quantiles[0] > 0
    assert high.histogram_edges[-1] >= 1e9


@pytest.mark.parametrize("n_paths", [1, 40])
def test_results_are_the_statistics_of_the_paths(n_paths: int) -> None:
    """Mean, errors, variance, moments, counts and series are those of the reference's own paths."""
    plan = EnsemblePlan(
        depth=1,
        data=GaussianPairs(0.9, 0.6),
        dynamics=Sgd(0.05, 2),
        n_paths=n_paths,
        n_steps=320,
        seed=11,
        burn_in=0.4,
        n_records=5,
        observables=("value", "loss", "norm", "imbalance", "noise", "excess_loss"),
    )
    state = advance(plan, begin(plan), budget=1e9)
    found = finish(plan, state)
    schedule = schedule_of(plan)
    theta = reference_paths(plan, np.arange(n_paths))
    v = theta[:, 0] * theta[:, 1]
    kept = v[schedule.first_kept :]
    assert found.n_samples == kept.shape[0]
    assert found.path_steps == n_paths * 320
    averages = kept.mean(axis=0)
    assert found.mean == pytest.approx(averages.mean(), rel=1e-13)
    assert state.live["mean"] == pytest.approx(found.mean, rel=1e-12)
    assert found.variance == pytest.approx(kept.var(), rel=1e-11)
    np.testing.assert_allclose(found.moments, [np.mean(kept**k) for k in (1, 2, 3, 4)], rtol=1e-11)
    assert found.underflow + found.counts.sum() + found.overflow == kept.size
    np.testing.assert_array_equal(found.counts, np.histogram(kept, found.edges)[0])
    records = v[:: schedule.samples_per_record]
    np.testing.assert_allclose(found.observables["value"].mean, records.mean(axis=1), rtol=1e-13)
    loss = (records - 0.9) ** 2 + 0.36
    np.testing.assert_allclose(found.observables["loss"].mean, loss.mean(axis=1), rtol=1e-12)
    noise = 2 * records**2 - 4 * 0.9 * records + 2 * 0.81 + 0.36
    np.testing.assert_allclose(found.observables["noise"].mean, noise.mean(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(found.observables["value"].time, 64.0 * np.arange(6))
    if n_paths == 1:
        assert np.isnan(found.standard_error)
        return
    assert found.standard_error == pytest.approx(averages.std(ddof=1) / np.sqrt(n_paths), rel=1e-12)
    influence = ((kept - found.mean) ** 2).mean(axis=0)
    assert found.variance_standard_error == pytest.approx(influence.std(ddof=1) / np.sqrt(n_paths), rel=1e-9)
    spread = records.std(axis=1, ddof=1) / np.sqrt(n_paths)
    np.testing.assert_allclose(found.observables["value"].standard_error, spread, rtol=1e-10, atol=1e-16)
