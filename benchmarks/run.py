"""Measures everything and writes benchmarks/RESULTS.md (`make bench`); `--quick` shows that it works."""

import argparse
import sys
import time
from pathlib import Path

from benchmarks import asked, engine, gpu, laws, memory, page, peers, reference_kernel, roofline, startup
from benchmarks.contenders import measured
from benchmarks.timing import machine
from benchmarks.workloads import WORKLOADS

PAGE = Path(__file__).parent / "RESULTS.md"
PARTS = (*(workload.key for workload in WORKLOADS), "roofline", "startup", "memory", "laws", "gpu")
N_ROUNDS, N_TRIES, QUICK_ROUNDS, QUICK_FACTOR = 5, 3, 2, 8


def main() -> int:
    """Measure, write the page and print it; 1 if a row of equipoise failed."""
    options = _options()
    text, is_right = _measure(options)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text)
    return 0 if is_right else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, few repeats; the page is only printed"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run")
    parser.add_argument("--out", type=Path, help="where to write the page")
    options = parser.parse_args()
    if options.out is None and not options.quick and set(options.only) == set(PARTS):
        options.out = PAGE
    return options


def _measure(options: argparse.Namespace) -> tuple[str, bool]:
    factor, n_rounds, n_tries = (QUICK_FACTOR, QUICK_ROUNDS, 1) if options.quick else (1, N_ROUNDS, N_TRIES)
    started = time.perf_counter()

    def begins(part: str) -> bool:
        if part in options.only:
            print(f"[{time.perf_counter() - started:4.0f} s] {part}", file=sys.stderr, flush=True)
        return part in options.only

    rows: asked.Rows = {}
    tables: list[str] = []
    for workload in WORKLOADS:
        if begins(workload.key):
            others, missing = peers.contenders(workload)
            everyone = [*engine.contenders(workload), *reference_kernel.contenders(workload), *others]
            everyone = [contender.smaller(factor) for contender in everyone]
            rows[workload.key] = measured(workload, everyone, n_rounds=n_rounds, n_tries=n_tries)
            tables += page.workload_table(workload, rows, missing)
    if begins("roofline"):
        tables += page.limits_table(roofline.limits(n_rounds=n_rounds, n_tries=n_tries, size=factor), rows)
    startups = startup.startups(n_rounds=1 if options.quick else 3) if begins("startup") else []
    peaks = memory.peaks(n_paths=memory.N_PATHS // (10 if options.quick else 1)) if begins("memory") else []
    tables += page.process_tables(startups, peaks)
    if begins("gpu"):
        tables += gpu.section(n_rounds=n_rounds, n_tries=n_tries, factor=factor)
    scan = None
    if begins("laws"):
        scan = laws.scan_speed(n_rounds=n_rounds, n_tries=n_tries)
        tables += laws.section(scan, n_requests=40 if options.quick else 200)
    is_right = all(not row.failure for own in rows.values() for row in own if not row.contender.is_peer)
    summary = page.claims_table(asked.claims(rows, startups, peaks, scan), rows)
    how = page.head(machine(), n_rounds, is_quick=options.quick)
    seconds = f"The whole run took {time.perf_counter() - started:.0f} s."
    return "\n".join([*how, "## Ensembles", "", *tables, *summary, seconds, ""]), is_right


if __name__ == "__main__":
    sys.exit(main())
