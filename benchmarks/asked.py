"""What the project asks of its speed, beside what this run measured."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import engine, reference_kernel
from benchmarks.contenders import F32, F64, Row
from benchmarks.laws import ScanSpeed
from benchmarks.memory import N_PATHS, Peak
from benchmarks.peers import torch_peer
from benchmarks.startup import Startup
from benchmarks.workloads import DESCENT, FLOW, WEIGHTS

Rows = dict[str, list[Row]]
"""Per workload."""
O1_MARK = "O(1)"
"""In the names of peers that were given the shortcut of drawing a batch's sums."""


@dataclass(frozen=True)
class Claim:
    """One number that is asked for.

    Attributes:
        text: of what.
        asked: in words, for example "at least 8".
        measured: None where it could not be measured.
        is_met: None with it.
    """

    text: str
    asked: str
    measured: float | None
    is_met: bool | None
    unit: str = "x"
    note: str = ""


def at_least(text: str, threshold: float, measured: float | None, *, note: str = "") -> Claim:
    """A claim that is met from a threshold upwards."""
    met = None if measured is None else measured >= threshold
    return Claim(text, f"at least {threshold:g}", measured, met, "x", note)


def below(text: str, threshold: float, measured: float | None, *, unit: str) -> Claim:
    """A claim that is met below a threshold."""
    met = None if measured is None else measured < threshold
    return Claim(text, f"below {threshold:g}", measured, met, unit)


def claims(
    rows: Rows, startups: list[Startup], peaks: list[Peak], scan: ScanSpeed | None = None
) -> list[Claim]:
    """All claims, in the order of the project's own list."""
    return [
        *_against_peers(rows),
        *_descent(rows),
        *_within(rows),
        *_against_reference(rows),
        *[_memory_claim(peak) for peak in peaks if peak.n_paths == N_PATHS],
        below("compiling a model", 1.5, max((s.model_s for s in startups), default=None), unit="s"),
        below("reload from the disk cache", 0.4, max((s.reload_s for s in startups), default=None), unit="s"),
        *_scan_claims(scan),
    ]


def _scan_claims(scan: ScanSpeed | None) -> list[Claim]:
    seconds, ratio = (None, None) if scan is None else (scan.scan.median_s, scan.ratio)
    return [
        below("1e5 laws of D = 1: mean, variance, mode, phase", 1.0, seconds, unit="s"),
        at_least("1e5 laws of D = 1, over a loop of scipy.integrate.quad", 300, ratio),
    ]


def _memory_claim(peak: Peak) -> Claim:
    return below(f"peak memory, 1e7 paths x 1e3 steps, {peak.dtype}", 1.5, peak.gigabytes, unit="GB")


def rate(rows: Rows, key: str, name: str, dtype: str) -> float | None:
    """Million path-steps per second of one row."""
    for row in rows.get(key, []):
        if (row.contender.name, row.contender.dtype) == (name, dtype):
            return row.rate
    return None


def best_peer(
    rows: Rows, key: str, dtype: str, accepts: Callable[[str], bool] = lambda name: True
) -> Row | None:
    """The fastest peer of one workload and precision, among the documented ways whose name is accepted."""
    peers = [
        row
        for row in rows.get(key, [])
        if row.contender.is_peer and row.contender.is_documented and row.contender.dtype == dtype
    ]
    accepted = (row for row in peers if row.rate and accepts(row.contender.name))
    return max(accepted, key=lambda row: row.rate or 0.0, default=None)


def _ratio(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a / b


def _over(own: float | None, peer: Row | None) -> float | None:
    return _ratio(own, None if peer is None else peer.rate)


def _peer_claim(rows: Rows, key: str, name: str, dtype: str, threshold: float) -> Claim:
    peer = best_peer(rows, key, dtype)
    measured = _over(rate(rows, key, name, dtype), peer)
    note = f"against {peer.contender.name}" if peer else ""
    return at_least(f"{key}, {dtype}, {name}, over the best peer", threshold, measured, note=note)


def _against_peers(rows: Rows) -> list[Claim]:
    return [
        _peer_claim(rows, FLOW.key, engine.EULER, F64, 8),
        _peer_claim(rows, WEIGHTS.key, engine.EULER, F64, 7),
        _peer_claim(rows, FLOW.key, engine.EULER, F32, 8),
        _peer_claim(rows, WEIGHTS.key, engine.EULER, F32, 8),
        _peer_claim(rows, FLOW.key, engine.DEFAULT, F64, 5),
        _peer_claim(rows, FLOW.key, engine.DEFAULT, F32, 5),
    ]


def _descent(rows: Rows) -> list[Claim]:
    claims = []
    for dtype in (F64, F32):
        own = rate(rows, DESCENT.key, engine.SGD, dtype)
        direct = best_peer(rows, DESCENT.key, dtype, lambda name: O1_MARK not in name)
        shortcut = best_peer(rows, DESCENT.key, dtype, lambda name: O1_MARK in name and "numpy" in name)
        for title, peer, threshold in (
            ("the best direct peer", direct, 100),
            ("numpy by O(1)", shortcut, 20),
        ):
            note = f"against {peer.contender.name}" if peer else ""
            text = f"{DESCENT.key}, {dtype}, over {title}"
            claims.append(at_least(text, threshold, _over(own, peer), note=note))
    return claims


def _within(rows: Rows) -> list[Claim]:
    claims = []
    for dtype in (F64, F32):
        euler, alone = (rate(rows, FLOW.key, name, dtype) for name in (engine.EULER, engine.ONE_THREAD))
        claims.append(at_least(f"2 threads over 1, W1, {dtype}", 1.85, _ratio(euler, alone)))
    for dtype in (F64, F32):
        full, least = (rate(rows, FLOW.key, name, dtype) for name in (engine.FULL, engine.BARE))
        ratio = _ratio(least, full)
        cost = None if ratio is None else 100 * (ratio - 1)
        met = None if cost is None else cost <= 10
        claims.append(Claim(f"cost of all accumulators, W1, {dtype}", "at most 10", cost, met, "%"))
    return claims


def _against_reference(rows: Rows) -> list[Claim]:
    claims = []
    for key, name in ((FLOW.key, engine.EULER), (WEIGHTS.key, engine.EULER), (DESCENT.key, engine.SGD)):
        for dtype in (F64, F32):
            reference = rate(rows, key, reference_kernel.MIXED_ROW, dtype)
            text = f"{key}, {dtype}, over the bare reference kernel"
            claims.append(at_least(text, 0.95, _ratio(rate(rows, key, name, dtype), reference)))
    return claims


def undocumented(rows: Rows) -> list[str]:
    """Sentences on the peers' faster ways that their own pages do not describe."""
    sentences = []
    for key in (FLOW.key, WEIGHTS.key):
        for dtype in (F64, F32):
            other = rate(rows, key, torch_peer.BY_HAND_ROW, dtype)
            ratio = _ratio(rate(rows, key, engine.EULER, dtype), other)
            if ratio is not None:
                sentences.append(f"{key}, {dtype}: {ratio:.1f}x {torch_peer.BY_HAND_ROW}.")
    return sentences
