"""What takes part: a way to run a workload, sizes that suit it, and what became of it."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.timing import Timing, interleaved
from benchmarks.workloads import Answer, Workload, answer_of

F64, F32 = "float64", "float32"
DTYPES = (F64, F32)
CHECKED_PATHS = 4096
"""Paths of the run that is checked before a peer is timed."""

Run = Callable[[], Any]
Prepare = Callable[[int, int], Run]
"""(n_paths, n_steps) -> run; run() -> the paths' final v, or a solution of the solver."""


@dataclass(frozen=True)
class Contender:
    """One row of a table in one precision.

    Attributes:
        name: what it is.
        dtype: precision of the state.
        prepare: compiles for given sizes.
        n_paths, n_steps: the sizes that are timed.
        is_peer: False for the rows of equipoise and for the reference kernel.
        is_documented: a way to use a peer that its own pages describe.
        checks_itself: the timed run settles, and its answer is checked; others run once more for that.
        checked_paths: paths of that other run.
    """

    name: str
    dtype: str
    prepare: Prepare
    n_paths: int
    n_steps: int
    is_peer: bool = True
    is_documented: bool = True
    checks_itself: bool = False
    checked_paths: int = CHECKED_PATHS

    def smaller(self, factor: int) -> "Contender":
        """The same with fewer paths, or with fewer steps where the answer does not need them."""
        if self.checks_itself:
            return replace(self, n_paths=self.n_paths // factor)
        return replace(self, n_steps=max(self.n_steps // factor, 8))


@dataclass(frozen=True)
class Row:
    """A contender's result: a timing, or why there is none."""

    contender: Contender
    answer: Answer | None = None
    timing: Timing | None = None
    failure: str = ""

    @property
    def rate(self) -> float | None:
        """Million path-steps per second."""
        if self.timing is None:
            return None
        return self.contender.n_paths * self.contender.n_steps / self.timing.median_s / 1e6


def measured(workload: Workload, contenders: list[Contender], *, n_rounds: int, n_tries: int) -> list[Row]:
    """Check every contender's answer, then time those that are right, interleaved."""
    rows: list[Row] = []
    runs: dict[int, Run] = {}
    for place, contender in enumerate(contenders):
        started, failure, answer = time.perf_counter(), "", None
        try:
            runs[place], answer = _checked(workload, contender)
        except Exception as error:  # A peer that breaks is a line of the table, not the end of the run.
            failure = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        rows.append(Row(contender, answer, failure=failure))
        said = f"{failure or 'right'}, {time.perf_counter() - started:.1f} s"
        print(f"  {contender.name}, {contender.dtype}: {said}", file=sys.stderr, flush=True)
    timings = interleaved(runs, n_rounds=n_rounds, n_tries=n_tries, is_warm=True)
    return [Row(row.contender, row.answer, timings.get(place), row.failure) for place, row in enumerate(rows)]


def _checked(workload: Workload, contender: Contender) -> tuple[Run, Answer]:
    """A warm run of the timed sizes, and the right answer that a run gave."""
    run = contender.prepare(contender.n_paths, contender.n_steps)
    outcome = run()
    if not contender.checks_itself:
        outcome = contender.prepare(contender.checked_paths, workload.settled_after)()
    answer = answer_of(outcome)
    workload.check(answer)
    return run, answer
