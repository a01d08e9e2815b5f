"""What a running service tells about itself: logs that join, metrics of workers, the view from a terminal."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.servers import clean_environment, running_service

from equipoise import Client

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
TOKEN = "a-token-that-nobody-may-read"
SPEC = {
    "task": "simulate",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
    "dynamics": {"kind": "sgd", "learning_rate": 0.05, "batch_size": 1},
    "n_paths": 100,
    "n_steps": 500,
    "seed": 3,
}


def metric(page: str, name: str) -> float:
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(name))


def test_a_running_service_tells_about_itself(tmp_path: Path) -> None:
    """All log JSON without the token; one id joins request and run; path-steps are counted; top shows it."""
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Request-ID": "mine-1"}
    with running_service(tmp_path, "--log-format", "json", environment={"EQUIPOISE_TOKEN": TOKEN}) as service:
        job = httpx.post(f"{service.url}/v1/jobs", json={"spec": SPEC}, headers=headers, timeout=30).json()
        with Client(service.url, token=TOKEN) as client:
            client.result(job["id"], timeout_s=90)
        httpx.get(f"{service.url}/v1/jobs?token={TOKEN}", headers={"Authorization": f"Bearer {TOKEN}x"})
        page = httpx.get(f"{service.url}/metrics", headers=headers).text
        command = [sys.executable, "-m", "equipoise.commands", "top", "--once", "--url", service.url]
        environment = clean_environment(EQUIPOISE_TOKEN=TOKEN, PYTHONIOENCODING="utf-8")
        view = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    text = service.log.read_text()
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    assert TOKEN not in text
    assert {"serve", "worker"} <= {line["process"] for line in lines}
    joined = {
        line["process"]
        for line in lines
        if line.get("request_id") == "mine-1" and line.get("job_id") == job["id"]
    }
    assert joined == {"api", "worker"}
    assert metric(page, 'equipoise_path_steps_total{device="cpu"}') == pytest.approx(100 * 500)
    assert metric(page, 'equipoise_jobs_finished_total{queue="quick",status="succeeded"}') == 1
    assert metric(page, 'equipoise_workers{device="cpu",state="ready"}') == 1
    assert view.startswith("Equipoise ")
    assert "WORKERS  1 alive" in view
