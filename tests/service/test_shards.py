"""Jobs in shards, on SQLite and on PostgreSQL: any number of workers, any deaths, the same bytes."""

import os
import signal
from contextlib import ExitStack

import pytest
from tests.service.fake_solver import HANGS, REFUSES_IN_ITS_SECOND_SHARD, SLOW, simulate_spec
from tests.service.workers import Bench, freeze, worker_process, working
from tests.support.servers import descendants, wait_until, wait_until_gone

from equipoise_service.jobs.shards import merged_live, shard_id
from equipoise_service.settings import Settings

pytestmark = pytest.mark.slow
N_SHARDS = 4


def undisturbed(spec: dict[str, object], bench: Bench) -> bytes:
    """Bytes of the result of a spec in one piece."""
    return bench.result(bench.ended(bench.put(spec, owner="somebody-else")))


def done(bench: Bench, job_id: str) -> int:
    """Number of shards that are done."""
    return sum(shard.status == "done" for shard in bench.shards.of(job_id))


def test_shards_give_the_bytes_of_one_piece(bench: Bench, engine_settings: Settings) -> None:
    """Four shards merge to the result of the undivided job, and nothing of them is left behind."""
    spec = simulate_spec(seed=1, n_steps=10**6)
    with working(engine_settings):
        job_id = bench.put(spec, n_shards=N_SHARDS)
        job = bench.ended(job_id)
        assert bench.result(job) == undisturbed(spec, bench)
        assert (job.progress, job.live["path_steps"]) == (1.0, 10**9)
    assert [shard.number for shard in bench.shards.of(job_id)] == list(range(N_SHARDS))
    assert done(bench, job_id) == N_SHARDS
    assert bench.store.names("checkpoints") == []
    with bench.database.begin() as connection:
        bench.queue.forget(connection, job_id)
    assert bench.shards.of(job_id) == []
    assert set(bench.queue.states([job_id, shard_id(job_id, 0)]).values()) == {"unknown"}


def test_progress_of_shards_is_that_of_the_job(bench: Bench, engine_settings: Settings) -> None:
    """While shards run the job shows their mean progress and the sum of their path-steps."""
    with working(engine_settings):
        job_id = bench.put(simulate_spec(seed=SLOW, n_steps=2 * 10**6), n_shards=2)
        wait_until(lambda: done(bench, job_id) == 1, what="one of two shards is done")
        job = bench.job(job_id)
        assert 0.5 <= job.progress < 1
        assert 10**9 <= job.live["path_steps"] < 2 * 10**9
        assert bench.ended(job_id).status == "succeeded"


def test_shards_survive_deaths_of_workers(bench: Bench, engine_settings: Settings) -> None:
    """One worker is killed and one frozen and thawed amid the shards; the bytes are those of one piece."""
    spec = simulate_spec(seed=SLOW + 1, n_steps=6 * 10**6)
    with ExitStack() as stack:
        killed = stack.enter_context(worker_process(engine_settings, "killed"))
        frozen = stack.enter_context(worker_process(engine_settings, "frozen"))
        job_id = bench.put(spec, n_shards=6)
        wait_until(lambda: done(bench, job_id) >= 1, what="a shard is done", deadline_s=90)
        busy = {shard.worker for shard in bench.shards.of(job_id) if shard.status != "queued"}
        assert busy <= {"killed", "frozen"}
        freeze(frozen.pid, engine_settings)
        children = descendants(killed.pid)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        wait_until_gone(children, deadline_s=15)
        stack.enter_context(working(engine_settings, "fresh"))
        wait_until(
            lambda: bench.job(job_id).worker == "fresh", what="the shards are taken over", deadline_s=60
        )
        os.kill(frozen.pid, signal.SIGCONT)
        job = bench.ended(job_id, deadline_s=90)
        assert bench.result(job) == undisturbed(spec, bench)
        assert done(bench, job_id) == 6


def test_the_end_of_a_job_is_the_end_of_its_shards(bench: Bench, engine_settings: Settings) -> None:
    """Cancelled, out of time, or failed in one shard: no shard goes on, and the slot is free again."""

    def all_ended(job_id: str) -> bool:
        names = [shard_id(job_id, number) for number in range(N_SHARDS)]
        return set(bench.queue.states(names).values()) <= {"ended", "stopped"}

    with working(engine_settings):
        cancelled = bench.put(simulate_spec(seed=HANGS), n_shards=N_SHARDS)
        wait_until(lambda: bench.job(cancelled).status == "running", what="a shard runs")
        bench.cancel(cancelled)
        assert bench.ended(cancelled).status == "cancelled"
        wait_until(lambda: all_ended(cancelled), what="the end of all shards")

        late = bench.put(simulate_spec(seed=HANGS, n_steps=200), n_shards=N_SHARDS, timeout_seconds=0.5)
        job = bench.ended(late)
        assert (job.status, job.error_code) == ("timed_out", "timed_out")
        wait_until(lambda: all_ended(late), what="the end of all shards")

        failed = bench.put(simulate_spec(seed=REFUSES_IN_ITS_SECOND_SHARD), n_shards=N_SHARDS)
        job = bench.ended(failed)
        assert (job.status, job.error_code) == ("failed", "unstable_step")
        wait_until(lambda: all_ended(failed), what="the end of all shards")

        assert bench.ended(bench.put(simulate_spec(seed=5))).status == "succeeded"
        wait_until(lambda: bench.store.names("checkpoints") == [], what="the checkpoints are removed")


def test_live_numbers_of_shards_are_added_or_weighted() -> None:
    """Counts add up; means are weighted by path-steps; what nobody knows is null."""
    parts = [
        {"path_steps": 300, "mean": 1.0, "n_diverged": 2, "width": None},
        {"path_steps": 100, "mean": 3.0, "n_diverged": 0, "width": None},
        {},
    ]
    assert merged_live(parts) == {"path_steps": 400, "mean": 1.5, "n_diverged": 2, "width": None}
    assert merged_live([{"value": 1.0}, {"value": 2.0}]) == {"value": 1.5}
    assert merged_live([]) == {}
