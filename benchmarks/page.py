"""The page in Markdown: benchmarks/RESULTS.md."""

from importlib.metadata import PackageNotFoundError, version

from benchmarks.asked import Claim, Rows, best_peer, undocumented
from benchmarks.contenders import F32, F64, Row
from benchmarks.memory import N_STEPS, Peak
from benchmarks.reference_kernel import MIXED_ROW
from benchmarks.roofline import Limit, bound
from benchmarks.startup import Startup
from benchmarks.workloads import FLOW, WORKLOADS, Workload

PACKAGES = ("numpy", "numba", "llvmlite", "scipy", "torch", "torchsde", "jax", "diffrax")
EMPTY = ("", "", "")


def packages() -> str:
    """Versions of what took part."""
    return ", ".join(f"{name} {_version(name)}" for name in PACKAGES)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def workload_table(workload: Workload, rows: Rows, missing: list[str]) -> list[str]:
    """One line per contender, both precisions, each with its ratio to the best documented peer."""
    found = rows[workload.key]
    lines = [
        f"### {workload.key}: {workload.title}",
        "",
        "| contender | float64, M/s | spread | of best peer | float32, M/s | spread | of best peer "
        "| lost | paths x steps |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    best = {dtype: peer.rate or 0.0 for dtype in (F64, F32) if (peer := best_peer(rows, workload.key, dtype))}
    for name in dict.fromkeys(row.contender.name for row in found):
        of_name = {row.contender.dtype: row for row in found if row.contender.name == name}
        cells = [cell for dtype in (F64, F32) for cell in _cells(of_name.get(dtype), best.get(dtype))]
        row = of_name.get(F64) or of_name[F32]
        lost = f"{row.answer.lost_fraction:.1%}" if row.answer else ""
        sizes = f"{row.contender.n_paths:,} x {row.contender.n_steps:,}"
        lines.append(f"| {name} | {' | '.join(cells)} | {lost} | {sizes} |")
    lines += [f"| {name} | not installed" + " |" * 8 for name in missing]
    return [*lines, ""]


def _cells(row: Row | None, best: float | None) -> tuple[str, str, str]:
    if row is None:
        return EMPTY
    if row.rate is None or row.timing is None:
        return (f"failed: {row.failure}".replace("|", "/"), "", "")
    mark = "*" if row.timing.is_disturbed else ""
    rate = f"{row.rate:.0f}" if row.rate >= 20 else f"{row.rate:.1f}"
    return (rate, f"{row.timing.spread:.0%}{mark}", f"{row.rate / best:.2g}x" if best else "")


def limits_table(limits: list[Limit], rows: Rows) -> list[str]:
    """The machine's limits, and how near to them the kernels come."""
    lines = [
        "## Roofline",
        "",
        "| operation, both threads | float64, 1e9/s | spread | float32, 1e9/s | spread |",
        "|---|---|---|---|---|",
    ]
    for operation in dict.fromkeys(limit.operation for limit in limits):
        pair = {limit.dtype: limit for limit in limits if limit.operation == operation}
        cells = (f"{pair[dtype].rate:.2f} | {pair[dtype].spread:.0%}" for dtype in (F64, F32))
        lines.append(f"| {operation} | {' | '.join(cells)} |")
    lines += ["", "W1 takes a square root a step, and half of one in float32 for its normal number."]
    for dtype in (F64, F32):
        ceiling = bound(limits, dtype)
        shares = [
            f"{row.contender.name} {row.rate / ceiling:.0%}"
            for row in rows.get(FLOW.key, [])
            if row.rate
            and row.contender.dtype == dtype
            and row.contender.name in ("equipoise, Euler", MIXED_ROW)
        ]
        shown = f" ({', '.join(shares)} of it)" if shares else ""
        lines.append(f"In {dtype} that alone allows {ceiling:.0f} million steps/s{shown}.")
    return [*lines, ""]


def process_tables(startups: list[Startup], peaks: list[Peak]) -> list[str]:
    """Start-up and memory, measured in processes of their own."""
    lines = [
        "## Start-up and memory",
        "",
        "| fresh process | imports, s | first run of all, s | first of its model, s | again, s |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {s.workload} | {s.import_s:.2f} | {s.first_s:.2f} | {s.model_s:.2f} | {s.reload_s:.2f} |"
        for s in startups
    ]
    lines += ["", "| W1 by Euler | peak memory, GB | M/s |", "|---|---|---|"]
    lines += [
        f"| {peak.dtype}, {peak.n_paths:,} x {N_STEPS:,} | {peak.gigabytes:.2f} | {peak.rate:.0f} |"
        for peak in peaks
    ]
    return [*lines, ""]


def claims_table(claims: list[Claim], rows: Rows) -> list[str]:
    """Asked and measured, side by side."""
    lines = ["## Asked and measured", "", "| what | asked | measured | |", "|---|---|---|---|"]
    for claim in claims:
        unit = claim.unit if claim.unit in ("x", "%") else f" {claim.unit}"
        measured = "not measured" if claim.measured is None else f"{claim.measured:.3g}{unit}"
        verdict = {True: "met", False: "**missed**", None: ""}[claim.is_met]
        note = f" ({claim.note})" if claim.note else ""
        lines.append(f"| {claim.text}{note} | {claim.asked}{unit} | {measured} | {verdict} |")
    lines.append("")
    more = undocumented(rows)
    if more:
        lines += ["Against a way to use torch that its own pages do not describe:", *more, ""]
    return lines


def head(machine: str, n_rounds: int, *, is_quick: bool) -> list[str]:
    """How it was measured."""
    quick = ["**A quick run with small sizes: the numbers say little.**", ""] if is_quick else []
    return [
        "# Benchmarks",
        "",
        f"Written by `make bench` on: {machine}.",
        f"With {packages()}.",
        "",
        *quick,
        "M/s: million path-steps per second on two threads, compiling excluded. All contenders of a table",
        f"run interleaved in one process; the median of {n_rounds} rounds counts; spread is (largest -",
        "smallest) / median. A repeat during which other processes used more than 4 % of the machine is",
        "redone; where every try was disturbed, the spread carries an asterisk. Before anything is timed,",
        "mean and quantiles of each contender's paths are held against the exact law. Of best peer: ratio to",
        "the fastest peer in a documented way of use, in the same precision. Lost: paths that have exploded.",
        "Not quite like for like in float64: equipoise draws float32 normals there, and its Euler takes the",
        "square root that multiplies them in float32 too; reference kernel and peers take it in float64.",
        "",
        "- " + "\n- ".join(f"{workload.key}: {workload.title}" for workload in WORKLOADS),
        "",
    ]
