"""The answer of an ensemble, from a checkpoint that is done."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles.accumulators import LOG, Means, Tail, histogram_quantiles, tail_of
from equipoise_solver.ensembles.notes import has_power_tail, notes_of
from equipoise_solver.ensembles.pilot import StepBias, pilot_of, step_bias
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.schedule import schedule_of
from equipoise_solver.ensembles.shards import means_in

QUANTILE_LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class LostPath:
    """A path that diverged.

    Attributes:
        path: its number.
        steps: updates it made before.
        value: v where it was found lost, which is beyond the bound; None if it is not finite.
    """

    path: int
    steps: int
    value: float | None


@dataclass(frozen=True, eq=False)
class TimeSeries:
    """An observable over time, averaged over the paths that have not diverged by then.

    Attributes:
        time: SDE time (sgf) or number of updates (sgd, gd), shape (n_records + 1,), the start first.
        mean: shape (n_records + 1,).
        standard_error: of the mean, shape (n_records + 1,); NaN for fewer than two paths.
        count: paths behind each mean, shape (n_records + 1,).
    """

    time: NDArray[np.float64]
    mean: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    count: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Passages:
    """First passages of v through a level.

    Attributes:
        level: the level.
        n_passed: paths that have passed it by the end.
        mean: time of their passage, in SDE time (sgf) or updates; NaN without any. It is conditional on
            passing within the run.
        standard_error: of the mean; NaN for fewer than two paths.
        edges: of the histogram of times, shape (n + 1,).
        counts: shape (n,).
    """

    level: float
    n_passed: int
    mean: float
    standard_error: float
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EnsembleResult:
    """Statistics of an ensemble, over time after burn-in and over paths that did not diverge.

    Standard errors come from the spread of time averages between independent paths.

    Attributes:
        n_paths: paths asked for.
        n_averaged: paths behind the averages, n_paths - n_diverged.
        n_diverged: paths that were lost: not finite, or |v| beyond the bound of the scheme, from which sgd
            and gd do not come back (`schemes.product_update.escape_bound`); for sgf 1e150, or that of
            Euler's step. The averages leave them out altogether; series and histogram hold their samples up
            to then.
        n_absorbed: paths that stay at v = 0 and count as 0 in all averages: below |v| of the scheme's floor,
            1e-300 to 1e-150 in float64.
        path_steps: steps taken in all.
        n_samples: samples of each path behind its averages.
        mean: of v; NaN without paths.
        standard_error: of the mean; NaN for fewer than two paths.
        variance: of v, pooled over time and paths.
        variance_standard_error: of the variance, by the delta method; not reliable where E[v^4] is infinite.
        moments: E[v], E[v^2], E[v^3], E[v^4], pooled, shape (4,).
        log_mean: of ln |v|, with |v| of at least 1e-300; NaN without paths.
        log_standard_error: of that mean.
        n_effective: effectively independent samples behind the mean: its variance over that of v.
        tail: index of the power-law tail of |v|; None without enough samples beyond.
        step_bias: estimated bias of the mean that the step leaves; None where there is none or the scheme
            adapts its steps.
        snapshots: v of the first paths at the records, shape (n_snapshots, n_records + 1).
        passages: first passages; None if none were asked for.
        quantile_levels: shape (q,).
        quantiles: by interpolation in the histogram, within the samples' extent, shape (q,); -inf or inf
            beyond its edges.
        edges: of the histogram, shape (n + 1,).
        counts: samples per bin, shape (n,).
        underflow: samples below the first edge.
        overflow: samples from the last edge on.
        observables: name to series over time.
        lost: the first diverged paths, at most 16.
        record_times: SDE time or updates at the records, shape (n_records + 1,).
        notes: sentences that qualify the numbers.
    """

    n_paths: int
    n_averaged: int
    n_diverged: int
    n_absorbed: int
    path_steps: int
    n_samples: int
    mean: float
    standard_error: float
    variance: float
    variance_standard_error: float
    moments: NDArray[np.float64]
    log_mean: float
    log_standard_error: float
    n_effective: float
    tail: Tail | None
    step_bias: StepBias | None
    snapshots: NDArray[np.float64]
    passages: Passages | None
    quantile_levels: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    underflow: int
    overflow: int
    observables: dict[str, TimeSeries]
    lost: tuple[LostPath, ...]
    record_times: NDArray[np.float64]
    notes: tuple[str, ...]


def finish(plan: EnsemblePlan, checkpoint: Checkpoint) -> EnsembleResult:
    """The answer, from a checkpoint that is done.

    Raises:
        ValueError: work is left to do, or the checkpoint is of a part.
    """
    if not checkpoint.is_done:
        raise ValueError(f"fraction={checkpoint.fraction:.3g} of the work is done: advance it to 1 first.")
    if checkpoint.scalars["part"] is not None:
        raise ValueError(f"part={checkpoint.scalars['part']} is not the whole: merge all parts first.")
    schedule = schedule_of(plan)
    paths = means_in(checkpoint.arrays, "paths")
    counts = checkpoint.arrays["counts"]
    levels = np.array(QUANTILE_LEVELS)
    edges = plan.histogram_edges
    low, high = checkpoint.arrays["extent"]
    n_lost = int(checkpoint.scalars["n_lost"])
    n_absorbed = int(checkpoint.scalars["n_absorbed"])
    mean, error, variance, variance_error, moments = _summary(paths, origin=plan.moments.minimum)
    n_effective = min(variance / error**2, float(counts.sum())) if error > 0 else float(paths.count[0])
    return EnsembleResult(
        n_paths=plan.n_paths,
        n_averaged=int(paths.count[0]),
        n_diverged=n_lost,
        n_absorbed=n_absorbed,
        path_steps=int(checkpoint.scalars["path_steps"]),
        n_samples=schedule.n_kept,
        mean=mean,
        standard_error=error,
        variance=variance,
        variance_standard_error=variance_error,
        moments=moments,
        log_mean=float(paths.mean[LOG]) if paths.count[0] > 0 else float("nan"),
        log_standard_error=float(paths.standard_error[LOG]),
        n_effective=n_effective,
        tail=tail_of(edges, counts, n_effective=n_effective) if has_power_tail(plan) else None,
        step_bias=_step_bias(plan, checkpoint),
        snapshots=checkpoint.arrays["snapshots"],
        passages=_passages(plan, checkpoint),
        quantile_levels=levels,
        quantiles=histogram_quantiles(levels, edges, counts, extent=(float(low), float(high))),
        edges=edges,
        counts=counts[1:-1],
        underflow=int(counts[0]),
        overflow=int(counts[-1]),
        observables=_series(plan, checkpoint, schedule.record_times()),
        lost=tuple(LostPath(int(p), int(s), v) for p, s, v in checkpoint.scalars["lost"]),
        record_times=schedule.record_times(),
        notes=notes_of(plan, n_lost=n_lost, n_absorbed=n_absorbed),
    )


def _summary(paths: Means, *, origin: float) -> tuple[float, float, float, float, NDArray[np.float64]]:
    """Mean, its error, variance, its error, and raw moments, from time averages of powers of v - origin."""
    n = float(paths.count[0])
    if n == 0:
        nan = float("nan")
        return nan, nan, nan, nan, np.full(4, nan)
    off, square = float(paths.mean[0]), float(paths.mean[1])
    variance = max(0.0, square - off * off)
    # Influence of a path on the variance: q - 2 off m, with Cov(m, q) from the spread of m + q.
    squares = paths.squares
    covariance = (squares[5] - squares[0] - squares[1]) / 2
    influence = max(0.0, float(squares[1] + 4 * off * off * squares[0] - 4 * off * covariance))
    error = float(np.sqrt(influence / (n - 1) / n)) if n > 1 else float("nan")
    shifted = np.concatenate([[1.0], paths.mean[:4]])
    binomials = ((1, 1), (1, 2, 1), (1, 3, 3, 1), (1, 4, 6, 4, 1))
    moments = [
        sum(c * origin ** (len(row) - 1 - k) * shifted[k] for k, c in enumerate(row)) for row in binomials
    ]
    return origin + off, float(paths.standard_error[0]), variance, error, np.array(moments)


def _series(plan: EnsemblePlan, checkpoint: Checkpoint, time: NDArray[np.float64]) -> dict[str, TimeSeries]:
    records = means_in(checkpoint.arrays, "records")
    series = {
        name: TimeSeries(
            time=time,
            mean=np.where(records.count[i] > 0, records.mean[i], np.nan),
            standard_error=records.standard_error[i],
            count=records.count[i].astype(np.int64),
        )
        for i, name in enumerate(plan.recorded)
    }
    if "autocorrelation" in series:
        series["autocorrelation"] = _correlation(plan, series, records)
    return {name: series[name] for name in plan.observables}


def _correlation(plan: EnsemblePlan, series: dict[str, TimeSeries], records: Means) -> TimeSeries:
    """Correlation of v with its value at the end of burn-in, from the mean of their product."""
    product, value = series["autocorrelation"], series["value"]
    place, start = plan.recorded.index("value"), schedule_of(plan).anchor
    origin = plan.moments.minimum
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(records.squares[place] / records.count[place])
        means = (value.mean - origin) * (value.mean[start] - origin)
        correlation = (product.mean - means) / (spread * spread[start])
        error = (1 - correlation**2) / np.sqrt(product.count)
    known = (np.arange(product.time.size) >= start) & np.isfinite(correlation)
    return TimeSeries(
        time=product.time,
        mean=np.where(known, correlation, np.nan),
        standard_error=np.where(known, np.abs(error), np.nan),
        count=product.count,
    )


def _step_bias(plan: EnsemblePlan, checkpoint: Checkpoint) -> StepBias | None:
    pilot = pilot_of(plan)
    if pilot is None:
        return None
    return step_bias(
        plan,
        checkpoint.arrays["path_means"],
        checkpoint.arrays["pilot_path_means"],
        pilot.step_size,
    )


def _passages(plan: EnsemblePlan, checkpoint: Checkpoint) -> Passages | None:
    if plan.first_passage is None:
        return None
    times = means_in(checkpoint.arrays, "passages")
    n = int(times.count[0])
    counts = checkpoint.arrays["passage_counts"]
    end = plan.duration if plan.duration is not None else float(plan.n_steps or 0)
    return Passages(
        level=plan.first_passage,
        n_passed=n,
        mean=float(times.mean[0]) if n > 0 else float("nan"),
        standard_error=float(times.standard_error[0]),
        edges=np.linspace(0.0, end, counts.size + 1),
        counts=counts,
    )
