"""kill -9 of anything at any time: jobs go on by themselves and give the same bytes."""

import os
import signal
from pathlib import Path

import httpx
import pytest
from tests.e2e.jobs import ended, etag_of_undisturbed_run, simulation, submit, under_way
from tests.support.postgres import new_database
from tests.support.servers import descendants, running_service, wait_until_gone

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
# Some seconds of work on any machine, in several chunks.
SPEC = simulation(n_steps=300_000, seed=11)
OPTIONS = ("--log-level", "warning")
CHUNKS = {"EQUIPOISE_CHUNK_SECONDS": "0.3"}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of a service on either kind of database."""
    if request.param == "sqlite":
        return CHUNKS
    return CHUNKS | {"EQUIPOISE_DATABASE_URL": new_database(request.getfixturevalue("postgres_server"))}


def test_jobs_survive_the_death_of_worker_api_and_both(tmp_path: Path, environment: dict[str, str]) -> None:
    """The job ends with the bytes of an undisturbed run, whichever processes were killed."""
    expected = etag_of_undisturbed_run(SPEC)
    with (
        running_service(tmp_path, *OPTIONS, environment=environment) as service,
        httpx.Client(base_url=service.url, timeout=60) as api,
    ):
        for victims in (["worker"], ["api"], ["api", "worker"]):
            job = under_way(api, submit(api, SPEC), beyond=0.05)
            killed = [service.kill(victim) for victim in victims]
            # The supervisor holds the socket: callers wait for the next API instead of being refused.
            answer = api.post("/v1/jobs", json={"spec": SPEC}) if victims == ["worker"] else None
            assert answer is None or answer.json()["id"] == job["id"]
            with httpx.Client(base_url=service.url, timeout=60) as fresh:
                assert ended(fresh, job)["status"] == "succeeded"
                result = fresh.get(job["links"]["result"])
                assert result.headers["etag"] == expected
                assert fresh.delete(f"/v1/jobs/{job['id']}").status_code == 204
            wait_until_gone(killed)


def test_jobs_survive_the_death_of_everything(tmp_path: Path) -> None:
    """After kill -9 of the supervisor nothing runs on; the next start on the same folder takes over."""
    with running_service(tmp_path, *OPTIONS, environment=CHUNKS) as service:
        with httpx.Client(base_url=service.url, timeout=60) as api:
            job = under_way(api, submit(api, SPEC), beyond=0.05)
        children = descendants(service.pid)
        assert len(children) >= 3
        os.kill(service.pid, signal.SIGKILL)
        service.process.wait()
        wait_until_gone(children, deadline_s=5)
    with (
        running_service(tmp_path, *OPTIONS, environment=CHUNKS) as service,
        httpx.Client(base_url=service.url, timeout=60) as api,
    ):
        assert ended(api, job, deadline_s=60)["status"] == "succeeded"
        assert api.get(job["links"]["result"]).headers["etag"] == etag_of_undisturbed_run(SPEC)
