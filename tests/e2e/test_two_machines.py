"""Two machines with two APIs and four workers, PostgreSQL and an S3-compatible store between them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.e2e.jobs import FINAL, ended, etag_of_undisturbed_run, job_of, simulation, submit
from tests.support.machines import Machine, machines
from tests.support.postgres import new_database
from tests.support.s3 import S3Server
from tests.support.servers import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.postgres]
TOKEN = "a token of two machines"
# A shard has 65536 paths: four, of about a second each on a quiet core.
SPEC = simulation(n_steps=800, n_paths=4 * 65_536, seed=3)


@pytest.fixture
def lab(tmp_path: Path, postgres_server: str, s3_service: S3Server) -> Iterator[list[Machine]]:
    """Two machines that share nothing but the database and the bucket."""
    database = new_database(postgres_server)
    ports = [urlsplit(database).port or 5432, urlsplit(s3_service.endpoint).port or 80]
    environment = {
        **s3_service.environment,
        "AWS_ENDPOINT_URL": s3_service.endpoint.replace("127.0.0.1", "HOST"),
        "EQUIPOISE_DATABASE_URL": database.replace("127.0.0.1", "HOST"),
        "EQUIPOISE_STORE_URL": f"{s3_service.new_bucket()}/equipoise",
        "EQUIPOISE_TOKEN": TOKEN,
        "EQUIPOISE_THREADS": "1",
        "EQUIPOISE_CHUNK_SECONDS": "0.2",
        # So short that this spec is cut into as many shards as there are workers.
        "EQUIPOISE_SHARD_SECONDS": "0.1",
        "EQUIPOISE_HEARTBEAT_SECONDS": "0.3",
        "EQUIPOISE_HEARTBEAT_TTL_SECONDS": "5",
        "EQUIPOISE_LOG_LEVEL": "info",
    }
    with machines(tmp_path, "one", "two", environment=environment, ports=ports) as made:
        yield made


def client(machine: Machine) -> httpx.Client:
    return httpx.Client(
        base_url=machine.start_api(), timeout=60, headers={"Authorization": f"Bearer {TOKEN}"}
    )


def workers_alive(api: httpx.Client) -> int:
    found: list[dict[str, Any]] = api.get("/v1/workers").json()["workers"]
    return sum(worker["alive"] for worker in found)


def test_a_machine_may_be_lost(lab: list[Machine]) -> None:
    """A sharded ensemble on four workers of two machines, one of which dies: the same bytes."""
    one, two = lab
    with client(one) as here, client(two) as there:
        for machine in (one, one, two, two):
            machine.start("worker", "--device", "cpu")
        wait_until(lambda: workers_alive(here) == 4, what="four workers are there", deadline_s=60)
        job = submit(here, SPEC)
        assert job["n_shards"] >= 4
        # Both APIs are the same service: what one takes, the other shows.
        assert job_of(there, job)["id"] == submit(there, SPEC)["id"] == job["id"]
        wait_until(lambda: job_of(there, job)["progress"] > 0.1, what="the shards run", deadline_s=60)
        two.die()
        assert job_of(here, job)["status"] not in FINAL
        assert ended(here, job)["status"] == "succeeded"
        answer = here.get(f"/v1/jobs/{job['id']}/result")
        assert answer.headers["etag"] == etag_of_undisturbed_run(SPEC)
        assert workers_alive(here) == 2
