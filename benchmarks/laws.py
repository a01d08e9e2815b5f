"""Stationary laws against scipy.integrate.quad of the same density, and their latency over HTTP."""

import math
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
from examples.diabetes import service
from scipy.integrate import quad

from benchmarks.timing import interleaved
from equipoise_solver.theory import DataMoments, scan, stationary_law

TEMPERATURES = np.linspace(0.02, 0.3, 40)
EXACT_MEAN, AT = 0.937630829186, 0.05


def section(*, n_requests: int) -> list[str]:
    """Both tables, for the page."""
    return [
        "## Stationary laws",
        "",
        "| workload | contender | ms per law | spread |",
        "|---|---|---|---|",
        *table(),
        "",
        "| request over HTTP, law not asked for before | median, ms | 95th percentile, ms |",
        "|---|---|---|",
        *latencies(n_requests),
        "",
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
