"""Specs and calls that the end-to-end tests share."""

import hashlib
import json
from typing import Any

import httpx
from tests.support.servers import wait_until

from equipoise_solver.solving import solve

FINAL = {"succeeded", "failed", "cancelled", "timed_out"}
STATIONARY: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
    "temperature": 0.05,
}


def simulation(*, n_steps: int, seed: int = 1, n_paths: int = 1024) -> dict[str, Any]:
    """An ensemble of SGD."""
    return {
        "task": "simulate",
        "model": {"kind": "diagonal", "depth": 1, "width": 1},
        "data": {"kind": "gaussian", "slope": 1.3, "noise_std": 0.7},
        "dynamics": {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2},
        "n_paths": n_paths,
        "n_steps": n_steps,
        "seed": seed,
    }


def submit(api: httpx.Client, spec: dict[str, Any], *, wait_s: float = 0.0, **options: Any) -> dict[str, Any]:
    """Submit a spec as a job."""
    headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
    answer = api.post("/v1/jobs", json={"spec": spec, **options}, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    job: dict[str, Any] = answer.json()
    return job


def job_of(api: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job as it is now."""
    found: dict[str, Any] = api.get(f"/v1/jobs/{job['id']}").json()
    return found


def under_way(api: httpx.Client, job: dict[str, Any], *, beyond: float = 0.0) -> dict[str, Any]:
    """The job once it is running and its progress has passed a point."""

    def find() -> dict[str, Any] | None:
        now = job_of(api, job)
        assert now["status"] not in FINAL, now
        return now if now["status"] == "running" and now["progress"] > beyond else None

    return wait_until(find, what=f"{job['id']} passes {beyond:.0%}", deadline_s=60)


def ended(api: httpx.Client, job: dict[str, Any], *, deadline_s: float = 90.0) -> dict[str, Any]:
    """The job once it has ended."""

    def find() -> dict[str, Any] | None:
        now = job_of(api, job)
        return now if now["status"] in FINAL else None

    return wait_until(find, what=f"the end of {job['id']}", deadline_s=deadline_s)


def etag_of_undisturbed_run(spec: dict[str, Any]) -> str:
    """ETag that the result of a spec must have: the hash of what this process computes in one go."""
    return f'"{hashlib.sha256(solve(spec, threads=1).model_dump_json().encode()).hexdigest()}"'


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Names and data of server-sent events."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found
