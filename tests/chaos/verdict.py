"""The verdict: every answer right, none lost, none twice, nothing left behind."""

import hashlib
import itertools
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.chaos.plan import Errand
from tests.chaos.stage import Stage
from tests.chaos.users import Outcome
from tests.e2e.jobs import FINAL

from equipoise_service.jobs.engine_queue import JobQueue
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.garbage import DAY_S, Limits
from equipoise_service.storage.retention import Collector
from equipoise_service.storage.store import Store
from equipoise_solver.solving import solve

# Sweeps come every thirty beats; taking over and settling take a few.
_SETTLED_AFTER_S = 45.0
_SHOWN = 5


@dataclass(frozen=True)
class Check:
    """One claim about the run.

    Attributes:
        claim: what must hold.
        broken: what speaks against it; empty if it holds.
    """

    claim: str
    broken: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.broken


class Truth:
    """SHA-256 of undisturbed solutions; each spec is solved once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def digest(self, errand: Errand) -> str:
        """SHA-256 of the bytes that `solve` gives in this process, in one go."""
        key = json.dumps(errand.spec, sort_keys=True)
        if key not in self._known:
            content = solve(errand.spec, threads=1).model_dump_json().encode()
            self._known[key] = hashlib.sha256(content).hexdigest()
        return self._known[key]


def judge_answers(outcomes: Sequence[Outcome], failures: Sequence[str], truth: Truth) -> list[Check]:
    """What the users saw; `failures` are answers that say that the service failed."""
    lost = [f"{_name(o)}: {o.job.get('status', 'never taken')}" for o in outcomes if not o.is_over]
    ended = [o for o in outcomes if o.job.get("status") in FINAL]
    wrong_end = [_ending(o) for o in ended if not _ended_well(o)]
    solved = [o for o in ended if o.job["status"] == "succeeded" == o.errand.ending]
    other = [
        f"{_name(o)}: digest {o.digest}, etag {o.etag}, undisturbed {truth.digest(o.errand)}"
        for o in solved
        if not o.digest == o.etag == truth.digest(o.errand)
    ]
    twice = Counter(o.job_id for o in outcomes if o.job_id)
    return [
        _check("no job is lost: each one ends", lost),
        _check("each job ends the way it must", wrong_end),
        _check("each answer has the bytes of an undisturbed run", other),
        _check("no answer says that the service failed", failures),
        _check("each request has one job", [name for name, n in twice.items() if n > 1]),
        _check(
            "no request is answered wrongly", [f"{_name(o)}: {text}" for o in outcomes for text in o.wrong]
        ),
    ]


def judge_records(stage: Stage, outcomes: Sequence[Outcome]) -> list[Check]:
    """What the database and the store hold once the service has settled."""
    settings = Settings(data_dir=stage.folder, database_url=stage.database_url)
    engine = connect(settings.database)
    schema = "" if engine.dialect.name == "sqlite" else "dbos."
    try:
        expected = {o.job_id for o in outcomes if o.job_id}
        with engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT id, attempt, status, result FROM equipoise_jobs")).all()
            steps = connection.execute(
                sa.text(
                    "SELECT workflow_uuid, function_id, function_name, output "
                    f"FROM {schema}operation_outputs ORDER BY workflow_uuid, function_id"
                )
            ).all()
        return [
            _check("each job has one row", _difference(expected, [row.id for row in rows])),
            _check("no job was tried again", [row.id for row in rows if row.attempt != 1]),
            _check(
                "each job that the engine knows has ended there", _eventually(lambda: _open(engine, schema))
            ),
            _check("each chunk is recorded once, and goes on from the one before", _broken_chains(steps)),
            _check("no checkpoint is left", _eventually(lambda: _files(settings, "checkpoints/*/*"))),
            _check("what a write left that was killed is litter", _uncollected(settings, engine)),
            _check("each result is stored once, and nothing else is", _stored_twice(settings, rows)),
            _check(
                "the table of workers holds those that live", _eventually(lambda: _workers(engine, stage))
            ),
            _check("no process is left behind", _eventually(lambda: _strangers(stage))),
        ]
    finally:
        engine.dispose()


def judge_end(stage: Stage, *, ended_in_time: bool) -> list[Check]:
    """What is left once everything was told to end."""
    late = [] if ended_in_time else ["some process had to be killed"]
    return [
        _check("each process ends when it is told to", late),
        _check("nothing runs after the end", _eventually(lambda: _strangers(stage), deadline_s=5.0)),
    ]


def _check(claim: str, broken: Iterable[str]) -> Check:
    return Check(claim, tuple(broken))


def _name(outcome: Outcome) -> str:
    return f"errand {outcome.errand.number} ({outcome.errand.kind}, {outcome.job_id})"


def _ended_well(outcome: Outcome) -> bool:
    code = (outcome.job.get("error") or {}).get("code")
    return (outcome.job["status"], code) == (outcome.errand.ending, outcome.errand.code)


def _ending(outcome: Outcome) -> str:
    job, errand = outcome.job, outcome.errand
    return f"{_name(outcome)}: {job['status']} {job.get('error')}, not {errand.ending} {errand.code or ''}"


def _difference(expected: set[str], found: list[str]) -> list[str]:
    missing = [f"missing: {name}" for name in sorted(expected - set(found))]
    return missing + [f"unasked: {name}" for name in sorted(set(found) - expected)]


def _broken_chains(steps: Sequence[Any]) -> list[str]:
    """Jobs whose recorded steps are not one chain: numbers in order, each chunk from the one before."""
    broken = []
    by_job = defaultdict(list)
    for step in steps:
        by_job[step.workflow_uuid].append(step)
    for job_id, chain in by_job.items():
        names = [step.function_name for step in chain]
        numbers = [step.function_id for step in chain]
        if len(set(numbers)) != len(numbers):
            broken.append(f"{job_id}: numbers {numbers}")
        for name in ("begin", "publish"):
            if names.count(name) > 1:
                broken.append(f"{job_id}: {name} is recorded {names.count(name)} times")
        states = [
            json.loads(step.output) for step in chain if step.function_name == "advance" and step.output
        ]
        made = [state for state in states if state.get("checkpoint") and "superseded" in state]
        for before, after in itertools.pairwise(made):
            # A step that finds its job ended computes nothing and hands on what it was given.
            is_handed_on = after["checkpoint"] == before["checkpoint"]
            if not is_handed_on and before["checkpoint"] != after["superseded"]:
                broken.append(f"{job_id}: {_told(chain)}")
                break
    return broken


def _open(engine: sa.Engine, schema: str) -> list[str]:
    """What the engine has not ended; a worker that holds it may have died just now."""
    query = f"SELECT workflow_uuid, status, executor_id FROM {schema}workflow_status"
    with engine.connect() as connection:
        rows = connection.execute(sa.text(query)).all()
    return [" ".join(map(str, row)) for row in rows if row[1] in ("PENDING", "ENQUEUED", "DELAYED")]


def _told(chain: Sequence[Any]) -> str:
    """The steps of a job: from which checkpoint to which, and whether it was to go on."""
    told = []
    for step in chain:
        state = json.loads(step.output) if step.output else {}
        way = " > ".join(str(state.get(name))[-6:] for name in ("superseded", "checkpoint"))
        told.append(f"{step.function_id} {step.function_name} {way} {state.get('goes_on')}")
    return ", ".join(told)


def _stored_twice(settings: Settings, rows: Sequence[Any]) -> list[str]:
    wanted = {f"{row.result}.json" for row in rows if row.result}
    found = [path.name for path in (_store(settings) / "results").glob("*")]
    return _difference(wanted, found)


def _uncollected(settings: Settings, engine: sa.Engine) -> list[str]:
    """Unfinished writes that a collection leaves once they are old."""
    for name in _files(settings, "**/*.tmp"):
        long_ago = time.time() - 2 * DAY_S
        os.utime(_store(settings) / name, (long_ago, long_ago))
    queue = JobQueue(engine)
    try:
        collector = Collector(engine, Store(settings.store), queue)
        # A worker may be collecting at this moment.
        _eventually(lambda: [] if collector.collect(Limits()) else ["busy"])
    finally:
        queue.close()
    return _files(settings, "**/*.tmp")


def _files(settings: Settings, pattern: str) -> list[str]:
    store = _store(settings)
    return [str(path.relative_to(store)) for path in store.glob(pattern) if path.is_file()]


def _store(settings: Settings) -> Path:
    return Path(settings.store.removeprefix("file://"))


def _workers(engine: sa.Engine, stage: Stage) -> list[str]:
    living = {str(role.process.pid) for role in stage.workers if role.is_alive and role.process}
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT id, process FROM equipoise_workers")).all()
    return _difference(living, [row.process.split(":")[0] for row in rows])


def _strangers(stage: Stage) -> list[str]:
    return [f"{process.pid}: {process.command[:200]}" for process in stage.strangers()]


def _eventually(find: Callable[[], list[str]], *, deadline_s: float = _SETTLED_AFTER_S) -> list[str]:
    """What is still found after a while; empty as soon as nothing is."""
    give_up = time.monotonic() + deadline_s
    while (found := find()) and time.monotonic() < give_up:
        time.sleep(0.2)  # The interval of the polling.
    return found


def shown(check: Check) -> str:
    """A check as a line, with the first things that speak against it."""
    if check.holds:
        return f"- [x] {check.claim}"
    more = f" and {len(check.broken) - _SHOWN} more" if len(check.broken) > _SHOWN else ""
    return f"- [ ] **{check.claim}**: " + "; ".join(check.broken[:_SHOWN]) + more
