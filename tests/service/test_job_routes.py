"""Jobs over HTTP while nobody runs them: submitting, finding, stopping, forgetting."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.service import fake_solver
from tests.service.asgi_client import AppClient, started
from tests.service.fake_solver import simulate_spec

from equipoise_service.http.app import create_app
from equipoise_service.settings import Settings


def submit(api: AppClient, *, seed: int = 1, headers: dict[str, str] | None = None, **options: Any) -> Any:
    return api.post("/v1/jobs", json={"spec": simulate_spec(seed=seed), **options}, headers=headers)


def test_submit_answers_202_with_the_place_of_a_queued_job(api: AppClient) -> None:
    answer = submit(api, tags=["b", "a"], priority=3, timeout_seconds=7.5)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert (job["status"], job["progress"], job["queue_position"], job["error"]) == ("queued", 0.0, 0, None)
    assert (job["tags"], job["priority"], job["timeout_seconds"]) == (["a", "b"], 3, 7.5)
    assert job["submitted_at"].endswith("Z")
    assert job["started_at"] is None
    assert api.get(answer.headers["location"]).json() == job


def test_the_same_spec_is_the_same_job(api: AppClient) -> None:
    first, again = submit(api, tags=["one"]).json(), submit(api, tags=["two"]).json()
    assert again["id"] == first["id"]
    assert again["tags"] == ["one", "two"]
    assert submit(api, seed=2).json()["id"] != first["id"]


def test_identical_submissions_at_the_same_time_are_one_job(api: AppClient) -> None:
    with ThreadPoolExecutor(10) as pool:
        ids = {job.result().json()["id"] for job in [pool.submit(submit, api) for _ in range(20)]}
    assert len(ids) == 1
    assert len(api.get("/v1/jobs").json()["jobs"]) == 1


def test_an_idempotency_key_returns_the_job_of_the_first_request(api: AppClient) -> None:
    key = {"Idempotency-Key": "a-1"}
    first = submit(api, headers=key).json()
    api.post(f"/v1/jobs/{first['id']}/cancel")
    assert submit(api, headers=key).json()["id"] == first["id"]
    assert submit(api).json()["id"] == f"{first['id']}-2"


def test_an_idempotency_key_of_another_body_is_refused(api: AppClient) -> None:
    key = {"Idempotency-Key": "a-1"}
    submit(api, headers=key)
    answer = submit(api, headers=key, priority=5)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_priority_goes_before_time_in_the_queue(api: AppClient) -> None:
    low, high, last = (submit(api, seed=n, priority=p).json()["id"] for n, p in ((1, 0), (2, 9), (3, 0)))
    places = {job["id"]: job["queue_position"] for job in api.get("/v1/jobs").json()["jobs"]}
    assert places == {high: 0, low: 1, last: 2}


def test_pages_hold_every_job_once_from_the_newest_on(api: AppClient) -> None:
    ids = [submit(api, seed=n).json()["id"] for n in range(5)]
    found, cursor, sizes = [], None, []
    while True:
        page = api.get("/v1/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        found += [job["id"] for job in page["jobs"]]
        sizes.append(len(page["jobs"]))
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == ids[::-1]
    assert sizes == [2, 2, 1]


def test_lists_are_filtered_by_status_and_tag(api: AppClient) -> None:
    one, two = (submit(api, seed=n, tags=[f"t{n}"]).json()["id"] for n in (1, 2))
    api.post(f"/v1/jobs/{two}/cancel")
    assert [job["id"] for job in api.get("/v1/jobs?status=queued").json()["jobs"]] == [one]
    assert [job["id"] for job in api.get("/v1/jobs?tag=t2").json()["jobs"]] == [two]
    assert api.get("/v1/jobs?tag=none").json() == {"jobs": [], "next_cursor": None}


def test_a_queued_job_is_cancelled_at_once_and_may_be_tried_again(api: AppClient) -> None:
    job = submit(api).json()
    answer = api.post(f"/v1/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert answer.json()["finished_at"] is not None
    assert api.post(f"/v1/jobs/{job['id']}/cancel").status_code == 202
    again = submit(api).json()
    assert (again["id"], again["status"]) == (f"{job['id']}-2", "queued")


def test_only_finished_jobs_are_forgotten(api: AppClient) -> None:
    job = submit(api, headers={"Idempotency-Key": "k"}).json()
    refused = api.delete(f"/v1/jobs/{job['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_finished")
    api.post(f"/v1/jobs/{job['id']}/cancel")
    assert api.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert api.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert submit(api, headers={"Idempotency-Key": "k"}).json()["id"] == job["id"]


@pytest.mark.parametrize("part", ["result", "arrays"])
def test_there_is_no_result_before_the_end_nor_after_a_cancellation(api: AppClient, part: str) -> None:
    job = submit(api).json()
    early = api.get(f"/v1/jobs/{job['id']}/{part}")
    assert (early.status_code, early.json()["code"]) == (409, "job_not_finished")
    api.post(f"/v1/jobs/{job['id']}/cancel")
    late = api.get(f"/v1/jobs/{job['id']}/{part}")
    assert (late.status_code, late.json()["code"]) == (409, "job_has_no_result")


def test_prefer_wait_is_applied_up_to_its_limit(api: AppClient) -> None:
    answer = submit(api, headers={"Prefer": "respond-async, wait=0.05"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=0.05")
    assert "preference-applied" not in submit(api, headers={"Prefer": "wait=soon"}).headers


def test_events_of_a_finished_job_are_its_state_and_its_end(api: AppClient) -> None:
    job = submit(api).json()
    api.post(f"/v1/jobs/{job['id']}/cancel")
    answer = api.get(f"/v1/jobs/{job['id']}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [block.splitlines() for block in answer.text.strip().split("\n\n")]
    assert [lines[1] for lines in events] == ["event: status", "event: progress", "event: end"]
    assert '"status":"cancelled"' in events[-1][2]
    ids = [int(lines[0].removeprefix("id: ")) for lines in events]
    assert ids == sorted(set(ids))


def test_the_queue_has_an_end(settings: Settings) -> None:

    small = settings.model_copy(update={"max_unfinished_jobs": 1, "max_path_steps": 1e6})
    with started(create_app(small, prepare=fake_solver.prepare)) as api:
        first = submit(api)
        full = submit(api, seed=2)
        assert (full.status_code, full.json()["code"], full.headers["retry-after"]) == (
            503,
            "overloaded",
            "10",
        )
        assert submit(api).json()["id"] == first.json()["id"]
        large = api.post("/v1/jobs", json={"spec": simulate_spec(seed=1, n_steps=10**4)})
        assert (large.status_code, large.json()["code"]) == (422, "limit_exceeded")


def test_metrics_count_jobs(api: AppClient) -> None:
    submit(api)
    assert 'equipoise_jobs{status="queued"} 1' in api.get("/metrics").text
