"""The computing itself: functions that the warm child process runs, one chunk of a job per call."""

import functools
import importlib
import json
import os
import signal
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise_service.storage.store import Store, checkpoint_folder
from equipoise_service.telemetry import logs
from equipoise_service.telemetry.logs import LogOptions
from equipoise_service.uploads.dataset_arrays import load_arrays
from equipoise_service.workers.processes import die_with_parent
from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.errors import UnsupportedCombinationError

# Of a job that is computed at once, this much is done between two looks at the clock, [path-steps].
_AT_ONCE = 10**7
LONGEST_AT_ONCE_S = 2.0
"""After so long, a job that was expected to take less than 0.1 s goes on as others do, [s]."""
SOLVER = "equipoise_solver.solving:prepare"
"""Where `prepare` is found, as module:function."""


class Prepare(Protocol):
    """`equipoise_solver.solving.prepare`: a spec in, work that can be cut into chunks out."""

    def __call__(
        self, spec: Any, *, load_dataset: Callable[[str], Any] | None = None, device: str = "cpu"
    ) -> Any:
        """Validate a spec and resolve its data."""
        ...


@dataclass(frozen=True)
class JobInput:
    """What the child process needs to know of a job.

    Attributes:
        job_id: the job.
        spec: canonical JSON of the spec.
        store_url: where checkpoints, results and datasets are.
        solver: where `prepare` is found, as module:function.
        threads: threads to compute with.
        device: "cpu" or "cuda:N"; work that a card does not take is computed on the CPU.
        shard: number of the part to compute and of how many; None for the whole.
        begun_on: class of the device, "cpu" or "cuda", that the checkpoint was computed on.
        about: ids that its lines of the log carry.
    """

    job_id: str
    spec: str
    store_url: str
    solver: str
    threads: int
    device: str = "cpu"
    shard: tuple[int, int] | None = None
    begun_on: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a call of the child process came to.

    Attributes:
        checkpoint: name of the checkpoint written; None where there is none.
        fraction: share of the work that is done.
        live: small numbers worth showing.
        seconds: time of computing, [s].
        device: class of the device that computed, "cpu" or "cuda".
        kind: what kind of work it was, as estimates are calibrated; "" if unknown.
        path_steps: path-steps computed.
        predicted_s: prior estimate of the seconds on one thread, [s].
        process: id of the process that computed.
        is_done: whether nothing is left to advance.
        result: SHA-256 of the result's bytes, once there is one.
        error_code: code of the refusal, if the spec was refused.
        error_message: its message.
        report: traceback of an unexpected error, for the log.
    """

    checkpoint: str | None = None
    fraction: float = 0.0
    live: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    device: str = "cpu"
    kind: str = ""
    path_steps: float = 0.0
    predicted_s: float = 0.0
    process: int = field(default_factory=os.getpid)
    is_done: bool = False
    result: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    report: str | None = None


def find_solver(solver: str) -> Prepare:
    """Import `prepare` from its name, module:function."""
    module, name = solver.split(":")
    found: Prepare = getattr(importlib.import_module(module), name)
    return found


def make_ready(parent: int, solver: str, log: LogOptions | None) -> int:
    """Tie this process to its parent, let it log like that, and import the solver; returns its process id."""
    if not _tied:
        if log is not None:
            logs.install(replace(log, process="computing"))
        _tied.append(parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        die_with_parent(parent)
    find_solver(solver)
    return os.getpid()


def call(
    parent: int, solver: str, log: LogOptions | None, function: Callable[..., Any], *args: Any
) -> tuple[int, Any]:
    """Run a function in this process, which is made ready first; its id, and what the function gives."""
    return make_ready(parent, solver, log), function(*args)


def advance(job: JobInput, checkpoint: str | None, budget: int) -> Outcome:
    """Go on from a checkpoint by about `budget` path-steps and write the next one."""
    return _guarded(job, lambda: _advance(job, checkpoint, budget))


def finish(job: JobInput, checkpoint: str | None) -> Outcome:
    """Write the result of a job whose checkpoint is done."""
    return _guarded(job, lambda: _finish(job, checkpoint))


def merge(job: JobInput, checkpoints: tuple[str, ...]) -> Outcome:
    """Publish the result of a job whose parts are done, given the checkpoint of each."""
    return _guarded(job, lambda: _merge(job, checkpoints))


def solve_at_once(job: JobInput) -> Outcome:
    """Compute a small job from beginning to end, without checkpoints; give up what turns out to be long."""
    return _guarded(job, lambda: _solve_at_once(job))


def solve_together(jobs: Sequence[JobInput]) -> list[Outcome]:
    """Compute small jobs one after another; those that do not get their turn in time are left untouched."""
    start = time.perf_counter()
    outcomes: list[Outcome] = []
    for job in jobs:
        if outcomes and time.perf_counter() - start > LONGEST_AT_ONCE_S:
            break
        outcomes.append(solve_at_once(job))
    return outcomes


def _advance(job: JobInput, checkpoint: str | None, budget: int) -> Outcome:
    work, device = _work(job)
    start = time.perf_counter()
    # The devices agree to rounding only: what was begun on another kind begins afresh, so that the result is
    # that of one of them.
    is_foreign = job.begun_on is not None and job.begun_on != device
    before = state = _restore(job, work, None if is_foreign else checkpoint)
    if not state.is_done:
        state = work.advance(state, budget, threads=job.threads)
    seconds = time.perf_counter() - start
    name = f"{checkpoint_folder(job.job_id)}/{uuid.uuid4().hex}"
    Store(job.store_url).put(name, state.to_bytes())
    _last[:] = [(name, state)]
    share = max(state.fraction - before.fraction, 0.0) / (1 if job.shard is None else job.shard[1])
    return Outcome(
        checkpoint=name,
        fraction=float(min(max(state.fraction, 0.0), 1.0)),
        live=_showable(state.live),
        seconds=seconds,
        device=device,
        kind=str(getattr(work.cost, "kind", "")),
        path_steps=float(work.cost.path_steps) * share,
        predicted_s=float(getattr(work.cost, "seconds", 0.0)) * share,
        is_done=bool(state.is_done),
    )


def _finish(job: JobInput, checkpoint: str | None) -> Outcome:
    work, _ = _work(job)
    start = time.perf_counter()
    state = _completed(job, work, checkpoint)
    _let_go()
    return _publish(job, work.finish(state), start)


def _merge(job: JobInput, checkpoints: tuple[str, ...]) -> Outcome:
    work, _ = _work(job)
    start = time.perf_counter()
    of = len(checkpoints)
    parts = [
        _completed(replace(job, shard=(number, of)), work, name) for number, name in enumerate(checkpoints)
    ]
    _let_go()
    return _publish(job, work.finish(work.merge(parts)), start)


def _completed(job: JobInput, work: Any, checkpoint: str | None) -> Any:
    """The state of a checkpoint that is done; computed again if it was lost."""
    state = _restore(job, work, checkpoint)
    while not state.is_done:
        state = work.advance(state, 10**9, threads=job.threads)
    return state


def _let_go() -> None:
    """Forget the job that ends: its memory is needed by the next one."""
    _prepared.cache_clear()
    _last.clear()


def _solve_at_once(job: JobInput) -> Outcome:
    start = time.perf_counter()
    # A longer job may go on in another process and never ask for what it left here.
    _last.clear()
    work, device = _work(job)
    state = work.begin()
    while not state.is_done:
        if time.perf_counter() - start > LONGEST_AT_ONCE_S:
            return Outcome(seconds=time.perf_counter() - start, device=device)
        state = work.advance(state, _AT_ONCE, threads=job.threads)
    outcome = _publish(job, work.finish(state), start)
    return replace(
        outcome,
        device=device,
        kind=str(getattr(work.cost, "kind", "")),
        path_steps=float(work.cost.path_steps),
        predicted_s=float(getattr(work.cost, "seconds", 0.0)),
    )


def _publish(job: JobInput, solution: Any, start: float) -> Outcome:
    content = solution.model_dump_json().encode()
    digest = Store(job.store_url).put_content("results", content, ".json")
    return Outcome(fraction=1.0, seconds=time.perf_counter() - start, is_done=True, result=digest)


# Holds the parent once this process is tied to it.
_tied: list[int] = []
# State that this process computed last, and the name of its checkpoint: what is at hand is not read back.
_last: list[tuple[str, Any]] = []


def _begin(job: JobInput, work: Any) -> Any:
    return work.begin() if job.shard is None else work.begin(job.shard)


def _restore(job: JobInput, work: Any, name: str | None) -> Any:
    """The state of a checkpoint; of the start without one."""
    if name is None:
        return _begin(job, work)
    if _last and _last[0][0] == name:
        return _last[0][1]
    try:
        return Checkpoint.from_bytes(Store(job.store_url).get(name))
    except (FileNotFoundError, ValueError):
        # Written by another version, or lost with the disk: the same numbers come out from the start again.
        return _begin(job, work)


def _work(job: JobInput) -> tuple[Any, str]:
    """The work of a job, and the class of the device that computes it."""
    return _prepared(job.spec, job.store_url, job.solver, job.device)


@functools.lru_cache(maxsize=2)
def _prepared(spec: str, store_url: str, solver: str, device: str) -> tuple[Any, str]:
    store = Store(store_url)

    def load(dataset_id: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return load_arrays(store, dataset_id)

    prepare, given = find_solver(solver), json.loads(spec)
    if device != "cpu":
        try:
            return prepare(given, load_dataset=load, device=device), device.split(":")[0]
        except UnsupportedCombinationError as error:
            if error.field != "device":
                raise
    return prepare(given, load_dataset=load), "cpu"


def _guarded(job: JobInput, compute: Callable[[], Outcome]) -> Outcome:
    try:
        with logs.about(**job.about):
            return compute()
    except Exception as error:
        code = getattr(error, "code", None)
        if isinstance(code, str) and isinstance(error, ValueError):
            return Outcome(error_code=code, error_message=str(error))
        return Outcome(
            error_code="internal_error",
            error_message=f"{type(error).__name__} while computing.",
            report=traceback.format_exc(),
        )


def _showable(live: Any) -> dict[str, Any]:
    """The finite numbers of the live statistics; null for the others, which JSON cannot hold."""
    return {
        str(name): value if isinstance(value, int) or (value is not None and np.isfinite(value)) else None
        for name, value in dict(live).items()
    }
