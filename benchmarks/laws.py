"""Stationary laws against scipy.integrate.quad of the same density, and their latency over HTTP.

The scan is one call for many points; the loop over quad runs on some of the same points in the same rounds.
"""

import math
import statistics
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path

import httpx
import numpy as np
from examples.diabetes import service
from scipy.integrate import quad

from benchmarks.timing import Timing, interleaved
from equipoise_solver.theory import DataMoments, MomentArrays, scan, stationary_law
from equipoise_solver.theory.coefficients import Array

TEMPERATURES = np.linspace(0.02, 0.3, 40)
EXACT_MEAN, AT = 0.937630829186, 0.05
N_POINTS, N_BY_QUAD = 100_000, 100
# What quad itself reaches on these densities.
QUAD_ERROR = 1e-6


@dataclass(frozen=True)
class ScanSpeed:
    """One call of scan beside a loop over quad.

    Attributes:
        n_points, n_by_quad: points of the scan, and how many of them quad integrated.
        scan, quad: seconds of all of each.
    """

    n_points: int
    n_by_quad: int
    scan: Timing
    quad: Timing

    @property
    def ratio(self) -> float:
        """Seconds per point of the loop over quad, over those of the scan."""
        return (self.quad.median_s / self.n_by_quad) / (self.scan.median_s / self.n_points)


def scan_speed(*, n_points: int = N_POINTS, n_rounds: int, n_tries: int) -> ScanSpeed:
    """Time both; each answer of quad is compared with the scan first."""
    moments, temperatures = _points(n_points)

    def by_quad() -> list[tuple[float, float]]:
        return [_moments_by_quad(moments, temperatures, index) for index in range(N_BY_QUAD)]

    found = scan(moments, temperatures, depth=1)
    assert set(found["phase"]) == {"learning"}
    assert np.all(np.isfinite(found["mean"]) & np.isfinite(found["variance"]))
    own = np.stack([found["mean"], found["variance"]], axis=1)[:N_BY_QUAD]
    np.testing.assert_allclose(own, by_quad(), rtol=QUAD_ERROR)
    timings = interleaved(
        {"scan": lambda: scan(moments, temperatures, depth=1), "quad": by_quad},
        n_rounds=n_rounds,
        n_tries=n_tries,
        is_warm=True,
    )
    return ScanSpeed(n_points, N_BY_QUAD, timings["scan"], timings["quad"])


def _points(n: int) -> tuple[MomentArrays, Array]:
    """Gaussian data of order one, and temperatures from 0.05 to 0.9 of the critical one."""
    rng = np.random.default_rng(0)
    moments = MomentArrays.from_gaussian(rng.uniform(0.5, 2.0, n), rng.uniform(0.5, 2.0, n))
    critical = moments.beta2 / (moments.alpha1 * moments.root**2 + moments.floor)
    temperatures: Array = rng.uniform(0.05, 0.9, n) * critical
    return MomentArrays(*(np.broadcast_to(column, n).copy() for column in astuple(moments))), temperatures


def _moments_by_quad(moments: MomentArrays, temperatures: Array, index: int) -> tuple[float, float]:
    """Mean and variance by three calls of quad on the closed form, scaled to 1 at the least-squares point."""
    alpha1, root, floor, beta1, beta2 = (float(column[index]) for column in astuple(moments))
    t, alpha3, gap = float(temperatures[index]), alpha1 * root**2 + floor, math.sqrt(alpha1 * floor)
    power, tilt = (
        beta2 / (2 * alpha3 * t) - 1.5,
        (alpha3 * beta1 - alpha1 * root * beta2) / (2 * t * alpha3 * gap),
    )

    def log_density(v: float) -> float:
        g = alpha1 * (v - root) ** 2 + floor
        spread = (1 + beta2 / (4 * alpha3 * t)) * math.log(g)
        return power * math.log(v) - spread - tilt * math.atan(alpha1 * (v - root) / gap)

    shift = log_density(beta2 / beta1)
    zeroth, first, second = (
        quad(lambda v, k=k: v**k * math.exp(log_density(v) - shift), 0, math.inf)[0] for k in range(3)
    )
    return first / zeroth, second / zeroth - (first / zeroth) ** 2


def section(speed: ScanSpeed, *, n_requests: int) -> list[str]:
    """All tables, for the page."""
    return [
        "## Stationary laws",
        "",
        "| workload | contender | ms per law | spread |",
        "|---|---|---|---|",
        *table(),
        *_scan_rows(speed),
        "",
        "| request over HTTP, law not asked for before | median, ms | 95th percentile, ms |",
        "|---|---|---|",
        *latencies(n_requests),
        "",
    ]


def _scan_rows(speed: ScanSpeed) -> list[str]:
    what = f"{speed.n_points:,} points of D = 1"
    rows = [("equipoise, scan in one call", speed.scan, speed.n_points)]
    rows.append(("scipy.integrate.quad in a loop, on some of them", speed.quad, speed.n_by_quad))
    return [
        f"| {what} | {name} | {1e3 * timing.median_s / n:.4f} | {timing.spread:.0%} |"
        for name, timing, n in rows
    ]


def table() -> list[str]:
    """Markdown rows: what, contender, milliseconds per law, spread, ratio."""
    moments = DataMoments.from_gaussian(1.0, 1.0)
    assert abs((stationary_law(moments, depth=1, temperature=AT).mean or 0) - EXACT_MEAN) < 1e-11
    assert abs(_by_quad(AT) - EXACT_MEAN) < 1e-6
    timings = interleaved(
        {
            "equipoise, the whole law": lambda: [
                stationary_law(moments, depth=1, temperature=float(t)).mean for t in TEMPERATURES
            ],
            "equipoise, scan: phase, moments, mode": lambda: scan(moments, TEMPERATURES, depth=1),
            "scipy.integrate.quad, moments only": lambda: [_by_quad(float(t)) for t in TEMPERATURES],
        }
    )
    return [
        f"| 40 laws of D = 1 | {name} | {1e3 * timing.median_s / TEMPERATURES.size:.2f} "
        f"| {timing.spread:.0%} |"
        for name, timing in timings.items()
    ]


def _by_quad(temperature: float) -> float:
    """Mean and variance by three calls of quad on the closed form; returns the mean."""

    def density(v: float) -> float:
        g = 2 * v * v - 4 * v + 3
        exponent = -(3 - 2) / (2 * temperature * 3 * math.sqrt(2)) * math.atan((2 * v - 2) / math.sqrt(2))
        power = 1 / (6 * temperature) - 1.5
        return math.exp(power * math.log(v) - (1 + 1 / (12 * temperature)) * math.log(g) + exponent)

    moments = [quad(lambda v, k=k: v**k * density(v), 0, math.inf)[0] for k in range(3)]
    return float(moments[1] / moments[0])


def latencies(n_requests: int = 200) -> list[str]:
    """Markdown rows: median and 95th percentile of POST /v1/solve for laws not asked for before, [ms]."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder)) as url,
        httpx.Client(base_url=url) as http,
    ):
        for depth in (0, 1, 2, 5):
            seconds = [_timed_solve(http, depth, 0.05 + 1e-4 * k) for k in range(n_requests)][10:]
            median, worst = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
            rows.append(f"| POST /v1/solve, D = {depth} | {1e3 * median:.1f} | {1e3 * worst:.1f} |")
    return rows


def _timed_solve(http: httpx.Client, depth: int, temperature: float) -> float:
    spec = {
        "task": "stationary",
        "model": {"kind": "diagonal", "depth": depth},
        "data": {"kind": "gaussian"},
        "temperature": temperature,
    }
    started = time.perf_counter()
    http.post("/v1/solve", json={"spec": spec}).raise_for_status()
    return time.perf_counter() - started
