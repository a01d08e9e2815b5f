"""Short jobs, on SQLite and on PostgreSQL: computed together, without the engine, and never lost."""

import os
import signal
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from tests.service.fake_solver import BREAKS, CRASHES, HANGS, REFUSES, SLOW, simulate_spec
from tests.service.test_engine import recorded_steps
from tests.service.workers import Bench, freeze, worker_process, working
from tests.support.servers import descendants, wait_until

from equipoise_service.jobs.short_jobs import Ending, ShortJobTable
from equipoise_service.settings import Settings
from equipoise_service.telemetry import counters
from equipoise_service.workers.chunks import LONGEST_AT_ONCE_S
from equipoise_service.workers.runner import JobRunner

pytestmark = pytest.mark.slow


def put_short(
    bench: Bench, *, seed: int, owner: str = "local", n_steps: int = 10**6, timeout_seconds: float = 600.0
) -> str:
    """A job that is expected to take 10 ms."""
    spec = simulate_spec(seed=seed, n_steps=n_steps)
    return bench.put(
        spec,
        owner=owner,
        queue="quick",
        timeout_seconds=timeout_seconds,
        cost_seconds=0.01,
        cost_path_steps=1e6,
    )


@pytest.fixture
def table(bench: Bench) -> ShortJobTable:
    return ShortJobTable(bench.database, bench.queue)


def test_short_jobs_give_the_bytes_of_long_ones(bench: Bench, engine_settings: Settings) -> None:
    """Each ends with the result that the engine would give it, which never hears of it."""
    short = [put_short(bench, seed=seed) for seed in range(20)]
    long = [bench.put(simulate_spec(seed=seed, n_steps=10**6), owner="other") for seed in range(3)]
    with working(engine_settings) as worker:
        found = [bench.ended(job_id) for job_id in short]
        assert [bench.result(job) for job in found[:3]] == [bench.result(bench.ended(job)) for job in long]
        assert set(bench.queue.states(short).values()) == {"unknown"}
        assert {(job.worker, job.progress, job.queue) for job in found} == {(worker.id, 1.0, "quick")}
        assert all(job.seconds is not None and job.started_at is not None for job in found)


def test_short_jobs_that_fail_say_why(bench: Bench, engine_settings: Settings) -> None:
    """A refusal and an error inside end their own job, and none of those computed with it."""
    refused, broken = put_short(bench, seed=REFUSES), put_short(bench, seed=BREAKS)
    good = [put_short(bench, seed=seed) for seed in range(6)]
    with working(engine_settings):
        assert (bench.ended(refused).status, bench.job(refused).error_code) == ("failed", "unstable_step")
        assert (bench.ended(broken).status, bench.job(broken).error_code) == ("failed", "internal_error")
        assert {bench.ended(job).status for job in good} == {"succeeded"}


def test_a_short_job_that_kills_its_process_takes_none_with_it(
    bench: Bench, engine_settings: Settings
) -> None:
    """Those computed with it are computed again; it goes on where its deaths are counted, and fails."""
    jobs = [put_short(bench, seed=seed) for seed in (1, 2, CRASHES, 3, 4)]
    with working(engine_settings):
        ends = [bench.ended(job).status for job in jobs]
    assert ends == ["succeeded", "succeeded", "failed", "succeeded", "succeeded"]
    assert (bench.job(jobs[2]).error_code, bench.job(jobs[2]).queue) == ("worker_crashed", "cpu")


def test_a_short_job_that_hangs_is_cancelled(bench: Bench, engine_settings: Settings) -> None:
    """The computing process is interrupted, long before its call is given up, and computes the next one."""
    with working(engine_settings):
        job_id = put_short(bench, seed=HANGS)
        wait_until(lambda: bench.job(job_id).status == "running", what="it runs")
        bench.cancel(job_id)
        assert bench.ended(job_id, deadline_s=10).status == "cancelled"
        assert bench.ended(put_short(bench, seed=1), deadline_s=15).status == "succeeded"


def test_short_jobs_are_computed_together(
    bench: Bench, engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call computes several, and there is one call at a time, whatever order they come in."""
    sizes: list[int] = []
    at_work: list[int] = []
    compute = JobRunner.compute

    async def counting(self: JobRunner, function: Any, *args: Any, **options: Any) -> Any:
        if options.get("turn") == "quick":
            sizes.append(len(args[0]))
            at_work.append(1)
            assert len(at_work) == 1
        try:
            return await compute(self, function, *args, **options)
        finally:
            if options.get("turn") == "quick":
                at_work.pop()

    monkeypatch.setattr(JobRunner, "compute", counting)
    jobs = [put_short(bench, seed=seed) for seed in range(40)]
    with working(engine_settings):
        assert {bench.ended(job).status for job in jobs} == {"succeeded"}
    assert sum(sizes) == len(jobs)
    assert max(sizes) == 8
    assert len(sizes) <= 10


def test_a_quick_simulation_waits_for_no_long_one(bench: Bench, engine_settings: Settings) -> None:
    """Beside a job that never ends, quick simulations end; one of them that is stopped stops no other."""
    with working(engine_settings):
        long = bench.put(simulate_spec(seed=HANGS))
        wait_until(lambda: bench.job(long).status == "running", what="the long one runs")
        late = put_short(bench, seed=HANGS, n_steps=200, timeout_seconds=1.0)
        others = [put_short(bench, seed=seed) for seed in range(12)]
        assert bench.ended(late).status == "timed_out"
        assert {bench.ended(job).status for job in others} == {"succeeded"}
        assert bench.job(long).status == "running"
        bench.cancel(long)
        assert bench.ended(long).status == "cancelled"
        assert bench.ended(bench.put(simulate_spec(seed=13))).status == "succeeded"


def test_what_is_longer_than_expected_goes_on_in_chunks(bench: Bench, engine_settings: Settings) -> None:
    """What was to take milliseconds and takes seconds gets checkpoints, and leaves its turn to others."""
    with working(engine_settings):
        long = put_short(bench, seed=SLOW + 1, n_steps=int(1.2e6 * LONGEST_AT_ONCE_S))
        ended = bench.ended(long)
        assert (ended.status, ended.progress) == ("succeeded", 1.0)
        steps = recorded_steps(bench, long)
    assert (steps[:2], steps[-1]) == (["begin", "advance"], "publish")


def test_the_short_jobs_of_a_dead_worker_are_taken_over(bench: Bench, engine_settings: Settings) -> None:
    """Killed with a job in hand, a worker loses none: others see it through, each once."""
    with worker_process(engine_settings, "victim") as victim:
        wait_until(lambda: descendants(victim.pid), what="the computing process", deadline_s=60)
        held = [put_short(bench, seed=SLOW + seed, n_steps=10**6) for seed in range(8)]
        wait_until(lambda: any(bench.job(job).status == "running" for job in held), what="it has some")
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
    with working(engine_settings, "heir"):
        found = [bench.ended(job) for job in held]
    assert {job.status for job in found} == {"succeeded"}
    assert {job.worker for job in found if job.queue == "cpu"} == {"heir"}
    assert any(job.queue == "cpu" for job in found)


def test_a_worker_that_was_frozen_ends_nothing_of_others(bench: Bench, engine_settings: Settings) -> None:
    """Its jobs were taken over meanwhile: what it brings is refused, and the answers are those of others."""
    with worker_process(engine_settings, "sleeper") as sleeper:
        wait_until(lambda: descendants(sleeper.pid), what="the computing process", deadline_s=60)
        held = [put_short(bench, seed=SLOW + seed, n_steps=2 * 10**6) for seed in range(3)]
        wait_until(lambda: bench.job(held[0]).status == "running", what="it has them")
        freeze(sleeper.pid, engine_settings)
        with working(engine_settings, "heir"):
            found = [bench.ended(job) for job in held]
        os.kill(sleeper.pid, signal.SIGCONT)
        # It ends others, and has had its time to end these.
        assert bench.ended(put_short(bench, seed=77)).worker == "sleeper"
        assert {job.status for job in found} == {"succeeded"}
        assert "heir" in {job.worker for job in found}
        assert [bench.job(job.id) for job in found] == found


def test_a_drained_worker_ends_its_short_jobs(bench: Bench, engine_settings: Settings) -> None:
    """On SIGTERM what was claimed is computed, or handed to the engine; nothing is left behind."""
    with worker_process(engine_settings, "drained") as drained:
        jobs = [put_short(bench, seed=SLOW + seed, n_steps=10**5) for seed in range(100)]
        wait_until(lambda: bench.job(jobs[0]).is_final, what="the first one", deadline_s=60)
        drained.send_signal(signal.SIGTERM)
        assert drained.wait(60) == 0
    statuses = {bench.job(job).status for job in jobs}
    assert statuses <= {"succeeded", "queued"}
    assert "queued" in statuses


def test_workers_claim_by_user_and_priority(bench: Bench, table: ShortJobTable) -> None:
    """A claim takes what comes first among one user's short jobs, and nothing that was claimed before."""
    jobs = [put_short(bench, seed=seed, owner=owner) for seed, owner in enumerate("aaab")]
    bench.put(simulate_spec(seed=9), owner="c")
    bench.put(simulate_spec(seed=10), owner="d", queue="quick", cost_seconds=0.01, cost_path_steps=0.0)
    assert sorted(table.waiting()) == ["a", "b"]
    with bench.database.begin() as connection:
        connection.execute(sa.text("UPDATE equipoise_jobs SET priority = 5 WHERE id = :id"), {"id": jobs[2]})
    assert [job.id for job in table.claim("one", "a", 2)] == [jobs[2], jobs[0]]
    assert table.running() == {"a": 2}
    assert [job.id for job in table.claim("two", "a", 2)] == [jobs[1]]
    assert table.claim("two", "a", 2) == []
    assert [job.spec for job in table.claim("two", "b", 1)] == [bench.job(jobs[3]).spec]
    assert table.waiting() == []


def test_only_the_holder_ends_a_short_job(bench: Bench, table: ShortJobTable) -> None:
    """Others, and those who held it, are told nothing of it; one that was cancelled ends so."""
    first, second = (put_short(bench, seed=seed) for seed in (1, 2))
    one, two = table.claim("holder", "local", 2)
    end = partial(Ending, status="succeeded", result="0" * 64, seconds=0.01)
    assert table.end("stranger", [end(one), end(two)]) == {}
    assert bench.table.move(second, "cancelling")
    ended = table.end("holder", [end(one), end(two)])
    assert {job_id: ending.status for job_id, ending in ended.items()} == {
        first: "succeeded",
        second: "cancelled",
    }
    assert table.end("holder", [end(one)]) == {}
    assert (bench.job(first).result, bench.job(second).result) == ("0" * 64, None)


def test_a_job_of_the_same_id_is_another_one(bench: Bench, table: ShortJobTable) -> None:
    """What was claimed, cancelled, deleted and submitted again is not ended by who held the first one."""
    job_id = put_short(bench, seed=1)
    (first,) = table.claim("holder", "local", 1)
    with bench.database.begin() as connection:
        bench.table.delete(connection, job_id)
    assert put_short(bench, seed=1) == job_id
    (second,) = table.claim("holder", "local", 1)
    assert table.stopped([first]) == {job_id}
    assert table.stopped([second]) == set()
    assert table.end("holder", [Ending(first, "failed", error_code="timed_out")]) == {}
    assert table.end("holder", [Ending(second, "succeeded", result="0" * 64)])[job_id].job == second


def test_what_is_handed_over_keeps_its_time(bench: Bench, table: ShortJobTable) -> None:
    """The engine gives it what is left of its limit, not all of it again."""
    put_short(bench, seed=1, timeout_seconds=100.0)
    table.claim("dead", "local", 1)
    with bench.database.begin() as connection:
        connection.execute(sa.text("UPDATE equipoise_jobs SET started_at = started_at - 60"))
    assert table.take_over(["dead"]) == 1
    query = f"SELECT workflow_timeout_ms FROM {bench.engine_schema}workflow_status"
    with bench.database.connect() as connection:
        assert 35_000 < connection.scalars(sa.text(query)).one() <= 40_000


def test_a_claim_that_fails_takes_nothing(
    bench: Bench, table: ShortJobTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim and counters are one transaction."""
    job_id = put_short(bench, seed=1)

    def fail(*_: Any) -> None:
        raise RuntimeError("not counted")

    monkeypatch.setattr(counters, "add", fail)
    with pytest.raises(RuntimeError):
        table.claim("worker", "local", 1)
    assert bench.job(job_id).status == "queued"


def test_what_is_held_without_being_known_is_handed_over(bench: Bench, table: ShortJobTable) -> None:
    """A claim whose answer was lost leaves jobs that nobody computes: the engine takes them."""
    held, known = put_short(bench, seed=1), put_short(bench, seed=2)
    table.claim("worker", "local", 2)
    assert table.holders(silent_s=60) == set()
    assert table.holders(silent_s=-1) == {"worker"}
    assert table.take_over(["worker"], but=[known], held_s=60) == 0
    assert table.take_over(["worker"], but=[known]) == 1
    assert table.take_over(["worker"], but=[known]) == 0
    assert (bench.job(held).queue, bench.job(known).queue) == ("cpu", "quick")
    assert bench.queue.states([held, known]) == {held: "waiting", known: "unknown"}
