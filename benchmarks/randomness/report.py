"""Write REPORT.md from the logs of runs."""

import sys
from dataclasses import dataclass
from pathlib import Path

REPORT = Path(__file__).parent / "REPORT.md"
LISTED, SUSPECT, FAILED = "1e-3", "1e-4", "1e-10"
"""A p-value outside [x, 1 - x]: is listed; is a reason to repeat its test with other seeds; is a failure."""
PAGE = """\
# The random streams under TestU01

Written by `python -m benchmarks.randomness.report` from the logs of the runs below; no run of the streams
as they are is left out. How to repeat them stands in [`__init__.py`](__init__.py). TestU01: L'Ecuyer and
Simard, ACM Transactions on Mathematical Software 33(4), 22 (2007).

## What was fed

xoshiro128++ per path, its four words set by Philox4x32-10 of (seed, path, purpose INCREMENTS):
`stream_words` and `next_word` of `equipoise_solver.ensembles.streams`. Interleaved: word 0 of paths
0 .. n-1, then word 1 of the same paths, and so on, all 32 bits. `reversed` feeds each word from its lowest
bit to its highest, since TestU01 looks harder at high bits. Before each run, four paths of the first chunk
are compared with their own streams, word for word.

{fed}

## Verdict

{verdict}

{runs}

A p-value outside [{failed}, 1 - {failed}] is a failure; one outside [{suspect}, 1 - {suspect}] is
suspect, and its test is repeated with other seeds, which separates chance from a defect. Rows that name
single tests are such repeats, made here for every listed p-value.

## Every p-value outside [{listed}, 1 - {listed}]

{outside}

## What the batteries can see

The same feed with a defect planted in the starts of the streams. `copies`: the second half of the paths
repeats the first. `counters`: no Philox, the four words are (path, 0, 0, 1). `multiples`: no Philox, the four
words are odd multiples of path + 1.

{planted}

## Limits

A battery can only refute. These runs read words of purpose INCREMENTS for the stated seeds and paths; no
other purpose, and not the normals made from the words. A start that was planted and not seen is either
harmless, since xoshiro soon mixes it, or beyond that battery; in both cases the battery is no evidence for
Philox rather than that start. With 65536 paths, two words of one path lie 65536 words apart, farther than
most tests look: those runs test paths against paths, and the ones with fewer paths come nearer to the order
within a path.

## Raw logs

{raw}
"""


@dataclass(frozen=True)
class Log:
    """One run: its facts, its p-values by statistic, and the whole text."""

    facts: dict[str, str]
    p_values: list[tuple[str, float]]
    text: str

    def beyond(self, limit: str) -> list[tuple[str, float]]:
        """Statistics whose p-value lies outside [limit, 1 - limit]."""
        return [(name, p) for name, p in self.p_values if min(p, 1 - p) < float(limit)]

    @property
    def defect(self) -> str:
        """The planted defect, or nothing."""
        streams = self.facts["streams"]
        return streams.removeprefix("planted ") if streams.startswith("planted") else ""

    @property
    def verdict(self) -> str:
        if self.beyond(FAILED):
            return "**failed**"
        return "suspect" if self.beyond(SUSPECT) else "passed"

    @property
    def what(self) -> list[str]:
        """Cells that say what was run."""
        return [self.facts[name] for name in ("battery", "paths", "seed", "bits", "only")]


def read_log(path: Path) -> Log:
    """The log that `run` wrote at `path`."""
    facts, p_values = {}, []
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    for line in lines:
        match line.split("\t"):
            case "p-value", name, value:
                p_values.append((name, float(value)))
            case name, value:
                facts[name] = value
    return Log(facts, p_values, "\n".join(lines))


def report(logs: list[Log]) -> str:
    """The whole page."""
    ours = [log for log in logs if not log.defect]
    return PAGE.format(
        fed=_fed(ours),
        verdict=_verdict(ours),
        runs=_runs(ours),
        outside=_outside(ours),
        planted=_planted([log for log in logs if log.defect]),
        raw="\n\n".join(f"```\n{log.text.expandtabs(2)}\n```" for log in ours),
        listed=LISTED,
        suspect=SUSPECT,
        failed=FAILED,
    )


def _fed(logs: list[Log]) -> str:
    lines = {f"{log.facts['paths']} paths, seed {log.facts['seed']}: {log.facts['digest']}" for log in logs}
    dates = sorted(log.facts["date"] for log in logs)
    machines = {f"Machine: {log.facts['machine']}" for log in logs}
    versions = {f"Versions: {log.facts['versions']}" for log in logs}
    every = [*sorted(lines), f"Runs begun: {dates[0]} to {dates[-1]}", *sorted(machines), *sorted(versions)]
    return "\n".join(f"- {line}" for line in every)


def _verdict(logs: list[Log]) -> str:
    n_statistics = sum(len(log.p_values) for log in logs)
    counts = {limit: sum(len(log.beyond(limit)) for log in logs) for limit in (LISTED, SUSPECT, FAILED)}
    return "\n".join(
        [
            f"{counts[FAILED] or 'No'} failures in {len(logs)} runs with {n_statistics} statistics.",
            "",
            *(
                f"- Outside [{limit}, 1 - {limit}]: {count}; chance alone puts "
                f"{2 * float(limit) * n_statistics:.1g} there on average."
                for limit, count in counts.items()
            ),
        ]
    )


def _runs(logs: list[Log]) -> str:
    head = [
        "battery",
        "paths",
        "seed",
        "bits",
        "tests",
        "statistics",
        "words read",
        "minutes",
        "outside 1e-3",
    ]
    return _table(
        [*head, "verdict"],
        [
            [
                *log.what,
                str(len(log.p_values)),
                f"{int(log.facts['words read']):.2e}",
                f"{float(log.facts['seconds']) / 60:.1f}",
                str(len(log.beyond(LISTED))),
                log.verdict,
            ]
            for log in logs
        ],
    )


def _outside(logs: list[Log]) -> str:
    rows = [[*log.what, name, _shown(p)] for log in logs for name, p in log.beyond(LISTED)]
    head = ["battery", "paths", "seed", "bits", "tests", "statistic", "p-value"]
    return _table(head, rows) if rows else "None."


def _planted(logs: list[Log]) -> str:
    return _table(
        ["defect", "battery", "paths", "statistics", "outside 1e-3", "outside 1e-10", "seen"],
        [
            [
                log.defect,
                log.facts["battery"],
                log.facts["paths"],
                str(len(log.p_values)),
                str(len(log.beyond(LISTED))),
                str(len(log.beyond(FAILED))),
                "yes" if log.beyond(FAILED) else "**no**",
            ]
            for log in logs
        ],
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def _shown(p: float) -> str:
    return f"{p:.2g}" if p < 0.5 else f"1 - {1 - p:.2g}"


def main() -> None:
    paths = sorted(Path(sys.argv[1]).glob("*.log"))
    REPORT.write_text(report([read_log(path) for path in paths]))
    print(REPORT)


if __name__ == "__main__":
    main()
