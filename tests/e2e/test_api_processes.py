"""Several processes of the API behind one port: any of them answers, and none is missed when it dies."""

import os
import signal
from pathlib import Path

import httpx
import pytest
from tests.e2e.jobs import STATIONARY, ended, submit
from tests.support.servers import Process, Service, descendants, running_service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def api_processes(service: Service) -> list[Process]:
    return [child for child in descendants(service.pid) if "-m equipoise_service api " in child.command]


def test_a_killed_process_of_the_api_is_not_missed_and_comes_back(tmp_path: Path) -> None:
    """What one process took is answered by the others; the supervisor starts another one."""
    with running_service(
        tmp_path, "--log-level", "warning", environment={"EQUIPOISE_API_PROCESSES": "2"}
    ) as service:
        both = wait_until(
            lambda: found if len(found := api_processes(service)) == 2 else None, what="two processes"
        )
        with httpx.Client(base_url=service.url, timeout=30) as api:
            job = submit(api, STATIONARY)
        os.kill(both[0].pid, signal.SIGKILL)
        for _ in range(10):
            # Each client is a connection of its own, which either process may take.
            with httpx.Client(base_url=service.url, timeout=30) as api:
                assert ended(api, job)["status"] == "succeeded"
                assert api.get(job["links"]["result"]).status_code == 200
        assert wait_until(
            lambda: [found for found in api_processes(service) if found.pid not in {p.pid for p in both}],
            what="the next process of the API",
        )
