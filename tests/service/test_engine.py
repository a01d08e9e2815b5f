"""The life of a job on the engine, on SQLite and on PostgreSQL: the same claims on both."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from tests.service import fake_solver
from tests.service.asgi_client import AppClient, started
from tests.service.fake_solver import BREAKS, CRASHES, HANGS, REFUSES, SLOW, simulate_spec
from tests.service.workers import FINAL, Bench, freeze, worker_process, working
from tests.support.servers import descendants, wait_until, wait_until_gone

from equipoise_service.http.app import create_app
from equipoise_service.settings import Settings
from equipoise_service.storage.store import Store
from equipoise_service.storage.tables import calibrations

pytestmark = pytest.mark.slow


@pytest.fixture
def api(engine_settings: Settings) -> Iterator[AppClient]:
    with started(create_app(engine_settings, prepare=fake_solver.prepare)) as client:
        yield client


def submit(api: AppClient, *, headers: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    spec = simulate_spec(seed=options.pop("seed", 1), n_steps=options.pop("n_steps", 10**6))
    answer = api.post("/v1/jobs", json={"spec": spec, **options}, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    job: dict[str, Any] = answer.json()
    return job


def job_of(api: AppClient, job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/v1/jobs/{job['id']}").json()
    return found


def ended(api: AppClient, job: dict[str, Any], *, deadline_s: float = 30.0) -> dict[str, Any]:
    def final() -> dict[str, Any] | None:
        now = job_of(api, job)
        return now if now["status"] in FINAL else None

    return wait_until(final, what=f"the end of {job['id']}", deadline_s=deadline_s)


def running(api: AppClient, job: dict[str, Any]) -> dict[str, Any]:
    return wait_until(
        lambda: found if (found := job_of(api, job))["status"] == "running" else None, what="the job runs"
    )


def test_the_life_of_a_job(api: AppClient, engine_settings: Settings) -> None:
    """Queued jobs run in chunks to a result; the same spec is answered at once; errors are told apart."""
    with working(engine_settings):
        job = submit(api, headers={"Prefer": "wait=30"})
        assert (job["status"], job["progress"], job["live"]) == ("succeeded", 1.0, {"path_steps": 10**9})
        assert job["submitted_at"] <= job["started_at"] <= job["finished_at"]

        result = api.get(job["links"]["result"])
        assert (result.json()["mean"], result.json()["path_steps"]) == (1.25, 10**9)
        assert result.json()["seconds"] >= 0
        same = api.get(job["links"]["result"], headers={"If-None-Match": result.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")
        assert submit(api)["id"] == job["id"]

        refused = ended(api, submit(api, seed=REFUSES))
        assert (refused["status"], refused["error"]["code"]) == ("failed", "unstable_step")
        assert "dynamics.learning_rate=9.0" in refused["error"]["message"]
        broken = ended(api, submit(api, seed=BREAKS))
        assert (broken["status"], broken["error"]["code"]) == ("failed", "internal_error")
        assert "secret" not in json.dumps(broken)
        crashed = ended(api, submit(api, seed=CRASHES))
        assert (crashed["status"], crashed["error"]["code"]) == ("failed", "worker_crashed")
        assert submit(api, seed=REFUSES)["id"] == f"{refused['id']}-2"

        assert Store(engine_settings.store).names("checkpoints") == []
        assert api.delete(f"/v1/jobs/{job['id']}").status_code == 204
        assert Store(engine_settings.store).names("results") == []
        again = submit(api, headers={"Prefer": "wait=30"})
        assert (again["id"], again["status"]) == (job["id"], "succeeded")
        assert api.get(job["links"]["result"]).headers["etag"] == result.headers["etag"]


def test_cancel_and_timeout_interrupt_a_running_chunk(api: AppClient, engine_settings: Settings) -> None:
    """A chunk that would take ten minutes ends within seconds, and the worker goes on with other jobs."""
    with working(engine_settings):
        job = running(api, submit(api, seed=HANGS))
        answer = api.post(f"/v1/jobs/{job['id']}/cancel")
        assert answer.status_code == 202
        assert answer.json()["status"] in ("cancelling", "cancelled")  # The worker may be quicker.
        cancelled = ended(api, job, deadline_s=5)
        assert (cancelled["status"], cancelled["error"]) == ("cancelled", None)

        late = ended(api, submit(api, seed=HANGS, timeout_seconds=0.5), deadline_s=10)
        assert (late["id"], late["status"]) == (f"{job['id']}-2", "timed_out")
        assert late["error"]["code"] == "timed_out"
        assert ended(api, submit(api, seed=5))["status"] == "succeeded"
        assert Store(engine_settings.store).names("checkpoints") == []


def test_a_job_of_milliseconds_is_one_durable_step(bench: Bench, engine_settings: Settings) -> None:
    """What is expected to take milliseconds is computed without checkpoints, to the bytes of the long way."""
    spec, steps = simulate_spec(seed=7, n_steps=10**6), {}
    with working(engine_settings):
        for owner, cost_seconds in (("short", 0.01), ("long", 10.0)):
            job = bench.ended(bench.put(spec, owner=owner, cost_seconds=cost_seconds))
            steps[owner] = (recorded_steps(bench, job.id), bench.result(job), job.progress)
        refused = bench.put(simulate_spec(seed=REFUSES), cost_seconds=0.01)
        stopped = bench.put(simulate_spec(seed=HANGS), cost_seconds=0.01, timeout_seconds=0.5)
        assert (bench.ended(refused).status, bench.ended(refused).error_code) == ("failed", "unstable_step")
        assert bench.ended(stopped).status == "timed_out"
    assert steps["short"][0] == ["begin"]
    assert steps["long"][0][-1] == "publish"
    assert steps["short"][1:] == steps["long"][1:]


def test_what_a_computing_process_does_corrects_estimates(bench: Bench, engine_settings: Settings) -> None:
    """So do those of less than 0.1 s; closed forms, which a thread computes, do not."""
    spec = partial(simulate_spec, n_steps=11 * 10**5)

    def measured() -> list[str]:
        with bench.database.connect() as connection:
            return list(connection.scalars(sa.select(calibrations.c.kind)))

    with working(engine_settings):
        bench.ended(bench.put(spec(seed=SLOW + 1), queue="quick", cost_seconds=0.01, cost_path_steps=0.0))
        assert measured() == []
        bench.ended(bench.put(spec(seed=SLOW + 2), queue="quick", cost_seconds=0.01, cost_path_steps=1e9))
        assert measured() == ["fake"]


def test_only_jobs_that_do_not_go_on_are_settled(bench: Bench) -> None:
    """However many wait, what a worker looks at again and again is those that the engine has let go."""

    def unsettled() -> list[str]:
        return [job.id for job in bench.table.unsettled(older_than_s=-1.0, goes_on=bench.queue.goes_on)]

    waiting, stopped, cancelled = (bench.put(simulate_spec(seed=seed)) for seed in (1, 2, 3))
    bench.put(simulate_spec(seed=4), queue="quick", cost_path_steps=1e6)  # The engine never hears of it.
    assert unsettled() == []
    bench.queue.cancel(stopped)
    assert bench.table.move(cancelled, "running")
    assert unsettled() == [stopped]
    assert bench.table.move(cancelled, "cancelling")
    assert sorted(unsettled()) == sorted([stopped, cancelled])
    with bench.database.begin() as connection:
        bench.queue.forget(connection, waiting)
    # Of old rows nobody knows the cost.
    unknown = bench.put(simulate_spec(seed=5), queue="quick", cost_path_steps=None)
    with bench.database.begin() as connection:
        bench.queue.forget(connection, unknown)
    assert sorted(unsettled()) == sorted([waiting, stopped, cancelled, unknown])


def recorded_steps(bench: Bench, job_id: str) -> list[str]:
    """Names of the steps of a job, once the last one is recorded."""
    wait_until(lambda: bench.queue.states([job_id]) == {job_id: "ended"}, what="the last record")
    query = (
        f"SELECT function_name FROM {bench.engine_schema}operation_outputs "
        "WHERE workflow_uuid = :id ORDER BY function_id"
    )
    with bench.database.connect() as connection:
        return list(connection.scalars(sa.text(query), {"id": job_id}))


def test_many_identical_submissions_run_once(api: AppClient, engine_settings: Settings) -> None:
    """Ten concurrent submissions of one spec are one job with one result; quick jobs pass long ones."""
    with working(engine_settings):
        submit(api, seed=HANGS)
        with ThreadPoolExecutor(10) as pool:
            futures = [pool.submit(submit, api, seed=7) for _ in range(10)]
        assert len({future.result()["id"] for future in futures}) == 1


def test_a_dead_workers_job_is_taken_over(api: AppClient, engine_settings: Settings) -> None:
    """After kill -9 of a worker in mid-job, another one brings the job to the result."""
    with worker_process(engine_settings, "first") as first:
        job = running(api, submit(api, seed=HANGS))
        child = wait_until(lambda: descendants(first.pid), what="the computing process")
        first.send_signal(signal.SIGKILL)
        first.wait()
        wait_until_gone(child, deadline_s=15)
    with working(engine_settings, "second"):
        wait_until(lambda: job_of(api, job)["worker"] == "second", what="the job is taken over")
        api.post(f"/v1/jobs/{job['id']}/cancel")
        assert ended(api, job, deadline_s=8)["status"] == "cancelled"


def test_a_job_of_a_worker_that_nobody_knows_is_taken_over(bench: Bench, engine_settings: Settings) -> None:
    """Who was given up for dead, thawed, took a job and died before its next beat keeps no job for ever."""
    job_id = bench.put(simulate_spec(seed=9))
    claim = (
        f"UPDATE {bench.engine_schema}workflow_status SET status = 'PENDING', executor_id = 'ghost', "
        "owner_xid = 'its-token', updated_at = :now WHERE workflow_uuid = :id"
    )
    with bench.database.begin() as connection:
        connection.execute(sa.text(claim), {"now": int(1000 * time.time()), "id": job_id})
    with working(engine_settings, "living"):
        # Until its time to live is over it may be about to register.
        assert bench.job(job_id).status == "queued"
        assert bench.ended(job_id).worker == "living"
    assert bench.job(job_id).status == "succeeded"


def test_a_silent_worker_counts_as_dead_until_it_beats_again(
    api: AppClient, engine_settings: Settings
) -> None:
    """A frozen worker loses its job after the time-to-live; thawed, it is welcome but cannot hold it."""

    def alive() -> dict[str, bool]:
        return {worker["id"]: worker["alive"] for worker in api.get("/v1/workers").json()["workers"]}

    with ExitStack() as stack:
        frozen = stack.enter_context(worker_process(engine_settings, "frozen"))
        job = running(api, submit(api, seed=HANGS))
        freeze(frozen.pid, engine_settings)
        stack.enter_context(working(engine_settings, "fresh"))
        wait_until(lambda: job_of(api, job)["worker"] == "fresh", what="the job is taken over")
        os.kill(frozen.pid, signal.SIGCONT)
        wait_until(lambda: alive() == {"fresh": True, "frozen": True}, what="the thawed worker is back")
        api.post(f"/v1/jobs/{job['id']}/cancel")
        assert ended(api, job, deadline_s=8)["status"] == "cancelled"
        assert ended(api, submit(api, seed=3))["status"] == "succeeded"
