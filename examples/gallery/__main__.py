"""Solves the specs of the figures, draws them and writes docs/gallery.md (`make gallery`)."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from equipoise import Client
from examples.gallery.figure import Figure, Findings, Solutions
from examples.gallery.page import VERDICTS, section, update
from examples.gallery.registry import FIGURES
from examples.gallery.style import picture

DOCS = Path(__file__).parents[2] / "docs"
SEED = 2308
"""Of all runs of the page."""
SILENCE_S = 1.0
"""Time without a line, [s], after which the next solution is worth one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the figures that are named, or all; 0 once the page is written."""
    given = _parser().parse_args(arguments)
    started = time.perf_counter()
    names = given.names or list(FIGURES)
    with Client(given.url) if given.url else Client.local() as lab:
        for number, name in enumerate(names, 1):
            print(f"[{number}/{len(names)}] {FIGURES[name].TITLE}", flush=True)
            findings = _run(lab, name, FIGURES[name])
            update(DOCS / "gallery.md", FIGURES, {name: section(name, FIGURES[name], findings)})
            print(f"  {VERDICTS[findings.verdict]} {findings.sentence}", flush=True)
    print(f"Pictures: docs/gallery; page: docs/gallery.md. Done in {time.perf_counter() - started:.0f} s.")
    return 0


def solved(lab: Client, figure: Figure) -> Solutions:
    """Solve the specs of a figure at full size, one after another, and say how far it is."""
    asked = figure.specs("full", SEED)
    solutions = {}
    shown = time.perf_counter()
    for number, (name, spec) in enumerate(asked.items(), 1):
        solutions[name] = lab.solve(spec)
        if time.perf_counter() - shown > SILENCE_S or number == len(asked):
            shown = time.perf_counter()
            print(f"  {number}/{len(asked)} solved: {name}", flush=True)
    return Solutions(solutions)


def _run(lab: Client, name: str, figure: Figure) -> Findings:
    solutions = solved(lab, figure)
    with picture(DOCS / "gallery" / f"{name}.png", figure.PANELS) as axes:
        figure.draw(solutions, axes)
    return figure.measure(solutions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.gallery", description=__doc__)
    parser.add_argument("names", nargs="*", type=_known, metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--url", help="address of a service that solves the specs; this process if not given")
    return parser


def _known(name: str) -> str:
    if name not in FIGURES:
        raise argparse.ArgumentTypeError(f"{name!r} is no figure: choose among {', '.join(FIGURES)}")
    return name


if __name__ == "__main__":
    sys.exit(main())
