"""`python -m tests.chaos --jobs 300 --kills 40 --database sqlite`: a run of any size, with a report."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Plan, run
from tests.chaos.verdict import Truth


def main() -> int:
    """Run as the command line says; the exit code is 1 if something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=300, help="jobs (300)")
    parser.add_argument("--kills", type=int, default=40, help="kills and freezes (40)")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=0, help="draws jobs and attacks (0)")
    parser.add_argument("--seconds", type=float, default=3.0, help="longest simulation, in seconds (3)")
    parser.add_argument("--workers", type=int, default=3, help="workers (3)")
    parser.add_argument(
        "--ttl", type=float, default=5.0, help="time to live of a silent worker, in seconds (5)"
    )
    parser.add_argument("--report", type=Path, help="writes REPORT.json and REPORT.md")
    parser.add_argument("--keep", type=Path, help="folder for data and logs, kept; default: a temporary one")
    options = parser.parse_args()
    # Whoever ends the run ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    plan = Plan(
        n_jobs=options.jobs,
        n_attacks=options.kills,
        database=options.database,
        seed=options.seed,
        seconds=options.seconds,
        n_workers=options.workers,
        ttl_s=options.ttl,
    )
    with tempfile.TemporaryDirectory(prefix="equipoise-chaos-") as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        report = run(plan, folder, truth=Truth())
    if options.report:
        options.report.with_suffix(".json").write_text(report.as_json())
        options.report.with_suffix(".md").write_text(report.as_markdown())
    print(report.as_markdown())  # noqa: T201 - this is a command
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
