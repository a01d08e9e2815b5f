"""Measures everything and writes benchmarks/RESULTS.md (`make bench`)."""

from pathlib import Path

from benchmarks import ensembles, laws
from benchmarks.timing import machine

PAGE = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    """Measure, print and write the page."""
    page = "\n".join(
        [
            "# Benchmarks",
            "",
            f"Written by `make bench` on: {machine()}.",
            "Contenders of a table run interleaved in one process, five rounds after one untimed; the median",
            "counts, spread is (largest - smallest) / median. Answers are checked before anything is timed.",
            "",
            "## Ensembles, two threads",
            "",
            f"{ensembles.N_PATHS:,} paths. The peer's Euler-Maruyama loses paths; equipoise adapts its",
            f"steps, the peer takes {ensembles.STEP_SIZE:g} in SDE time.",
            "",
            "| workload | contender | million path-steps/s | spread | ratio to the best peer |",
            "|---|---|---|---|---|",
            *ensembles.table(),
            "",
            "## Stationary laws",
            "",
            "| workload | contender | ms per law | spread |",
            "|---|---|---|---|",
            *laws.table(),
            "",
            "| request over HTTP, law not asked for before | median, ms | 95th percentile, ms |",
            "|---|---|---|",
            *laws.latencies(),
            "",
        ]
    )
    PAGE.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
