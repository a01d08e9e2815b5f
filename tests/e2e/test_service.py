"""A user's way through the service, against the real server and worker."""

import io
import re
import socket
from typing import Any

import httpx
import numpy as np
import pytest
from tests.e2e.jobs import (
    FINAL,
    STATIONARY,
    ended,
    etag_of_undisturbed_run,
    events_of,
    job_of,
    simulation,
    submit,
    under_way,
)
from tests.support.servers import Service

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
QUEUES = ["quick", "urgent", "cpu", "coordinate"]


def test_a_closed_form_is_answered_on_the_spot_and_as_a_job(api: httpx.Client) -> None:
    at_once = api.post("/v1/solve", json={"spec": STATIONARY}).json()
    job = submit(api, STATIONARY, wait_s=20)
    assert job["status"] == "succeeded"
    as_job = api.get(job["links"]["result"]).json()
    assert as_job.pop("seconds") > 0
    assert at_once.pop("seconds") > 0
    assert as_job == at_once
    assert abs(as_job["mean"] - 0.937630829186) < 1e-11


def test_a_simulation_goes_by_events_to_a_result_and_arrays(api: httpx.Client) -> None:
    spec = simulation(n_steps=50_000)
    job = submit(api, spec, tags=["e2e"])
    with api.stream("GET", job["links"]["events"]) as answer:
        events = events_of("".join(answer.iter_text()))
    names = [name for name, _ in events]
    assert names[0] == "status"
    assert (names[-1], events[-1][1]["status"]) == ("end", "succeeded")
    progress = [data["progress"] for name, data in events if name == "progress"]
    assert progress == sorted(progress)
    assert any(0 < fraction < 1 for fraction in progress)
    assert any(data["live"] for name, data in events if name == "progress")

    result = api.get(job["links"]["result"])
    assert result.headers["etag"] == etag_of_undisturbed_run(spec)
    content = result.json()
    with np.load(io.BytesIO(api.get(job["links"]["arrays"]).content), allow_pickle=False) as arrays:
        assert arrays["histogram.counts"].tolist() == content["histogram"]["counts"]
        assert arrays["observables.value.time"].size == len(content["observables"]["value"]["time"]) > 0
    assert submit(api, spec) == job_of(api, job)


@pytest.mark.parametrize("beyond", [0.0, 2e-5])
def test_a_long_job_is_cancelled_within_seconds(api: httpx.Client, beyond: float) -> None:
    """In its first, short chunks as in a long one: two seconds, and one more for a slow machine."""
    job = under_way(api, submit(api, simulation(n_steps=10**9, n_paths=10_000)), beyond=beyond)
    assert api.post(f"/v1/jobs/{job['id']}/cancel").status_code == 202
    assert ended(api, job, deadline_s=3)["status"] == "cancelled"


def test_a_job_runs_out_of_its_time(api: httpx.Client) -> None:
    late = ended(api, submit(api, simulation(n_steps=10**9, seed=2), timeout_seconds=1.5), deadline_s=15)
    assert (late["status"], late["error"]["code"]) == ("timed_out", "timed_out")


def test_a_dataset_is_uploaded_and_compared(api: httpx.Client) -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=200)
    rows = "\n".join(f"{a:.17g},{b:.17g}" for a, b in zip(x, 0.8 * x + rng.normal(size=200), strict=True))
    dataset = api.post("/v1/datasets", files={"file": ("data.csv", f"x,y\n{rows}\n")}).json()
    assert dataset["n_rows"] == 200
    spec = {
        "task": "compare",
        "model": {"kind": "diagonal", "depth": 1, "width": 1},
        "data": {"kind": "dataset", "id": dataset["id"]},
        "dynamics": {"kind": "sgf", "temperature": 0.1},
        "n_paths": 512,
        "duration": 10.0,
        "seed": 3,
    }
    job = submit(api, spec, wait_s=50)
    assert job["status"] == "succeeded", job
    distance = api.get(job["links"]["result"]).json()["distance"]
    assert 0 <= distance["ks"] <= 1


def test_the_service_shows_its_workers_limits_and_documents(api: httpx.Client) -> None:
    (worker,) = api.get("/v1/workers").json()["workers"]
    assert (worker["alive"], worker["device"], worker["queues"]) == (True, "cpu", QUEUES)
    assert api.get("/v1/limits").json()["max_path_steps"] > 0
    ready = {"status": "ready", "version": "0.1.0", "workers": 1}
    assert api.get("/readyz").json() == ready | {"database": "ok", "schema_version": 3, "store": "ok"}
    assert api.get("/", follow_redirects=True).url.path == "/docs"
    assert "/v1/jobs/{job_id}/events" in api.get("/openapi.json").json()["paths"]


EMPTY_BATCH = {"dynamics": {"kind": "sgd", "learning_rate": 0.1, "batch_size": 0}}
JSON = {"content-type": "application/json"}
NPZ = {"content-type": "application/x-npz"}
CSV = {"content-type": "text/csv"}


def law(**changes: Any) -> dict[str, Any]:
    return {"json": {"spec": STATIONARY | changes}}


@pytest.mark.parametrize(
    ("path", "options", "status", "code"),
    [
        ("/v1/jobs", law(depht=1), 422, "invalid_spec"),
        ("/v1/jobs", {"content": '{"spec": {"task": NaN}}', "headers": JSON}, 422, "invalid_spec"),
        ("/v1/jobs", law(temperature=-1), 422, "invalid_spec"),
        ("/v1/jobs", law(data={"kind": "gaussian", "noise_std": -1}), 422, "invalid_spec"),
        ("/v1/jobs", law(model={"kind": "diagonal", "depth": 10**9}), 422, "invalid_spec"),
        ("/v1/jobs", law(data={"kind": "samples", "x": [], "y": []}), 422, "invalid_spec"),
        ("/v1/jobs", law(data={"kind": "samples", "x": [0, 0], "y": [1, 2]}), 422, "invalid_spec"),
        ("/v1/jobs", {"json": {"spec": simulation(n_steps=9, n_paths=10**18)}}, 422, "invalid_spec"),
        ("/v1/jobs", {"json": {"spec": simulation(n_steps=10**6, n_paths=10**8)}}, 422, "limit_exceeded"),
        ("/v1/jobs", {"json": {"spec": simulation(n_steps=9) | EMPTY_BATCH}}, 422, "invalid_spec"),
        ("/v1/jobs", {"content": b'{"spec": ', "headers": JSON}, 400, "malformed_json"),
        ("/v1/jobs", {"content": b'{"a":' * 50_000, "headers": JSON}, 400, "malformed_json"),
        ("/v1/jobs", {"content": b"[" * 50_000 + b"]" * 50_000, "headers": JSON}, 400, "malformed_json"),
        ("/v1/jobs", {"content": b"spec=1", "headers": CSV}, 415, "unsupported_media_type"),
        ("/v1/solve", {"json": {"spec": simulation(n_steps=9)}}, 422, "needs_job"),
        ("/v1/datasets", {"content": b"", "headers": CSV}, 422, "invalid_dataset"),
        ("/v1/datasets", {"content": b"x,y\n1,2\n1,3\n", "headers": CSV}, 422, "invalid_dataset"),
        ("/v1/datasets", {"content": b"x,y\n1,2\n2", "headers": CSV}, 422, "invalid_dataset"),
        ("/v1/datasets", {"content": b"PK\x03\x04", "headers": NPZ}, 400, "malformed_upload"),
        ("/v1/datasets", {"content": b"{}", "headers": JSON}, 415, "unsupported_media_type"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_the_service_goes_on(
    api: httpx.Client, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    answer = api.post(path, **options)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 5000
    assert api.get("/readyz").status_code == 200


def test_a_pickle_in_an_archive_is_never_loaded(api: httpx.Client) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([{"a": 1}, {}], dtype=object), y=np.array([1.0, 2.0]))
    answer = api.post(
        "/v1/datasets", content=buffer.getvalue(), headers={"content-type": "application/x-npz"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_dataset")


def test_an_upload_that_breaks_off_leaves_nothing(api: httpx.Client, service: Service) -> None:
    host, port = re.findall(r"//(.*):(\d+)", service.url)[0]
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /v1/datasets HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/csv\r\n"
        connection.sendall(f"{head}Content-Length: 999\r\n\r\nx,y\n1,2\n".encode())
    assert api.get("/readyz").status_code == 200
    assert "Traceback" not in service.log.read_text()


def test_no_job_is_left_behind_unfinished(api: httpx.Client) -> None:
    assert {job["status"] for job in api.get("/v1/jobs?limit=1000").json()["jobs"]} <= FINAL
