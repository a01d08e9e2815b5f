"""Users see and touch only what is theirs; admins all. What belongs to others does not exist."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.service.asgi_client import started
from tests.service.fake_solver import simulate_spec
from tests.service.users import Lab, User, lab

from equipoise_service.http.app import create_app
from equipoise_service.jobs.job_table import JobTable
from equipoise_service.settings import Settings
from equipoise_service.storage.store import Store

CSV = b"x,y\n1,2\n2,3.5\n3,5\n"
RENAMED = b"dose,reply\n1,2\n2,3.5\n3,5\n"
CSV_TYPE = {"Content-Type": "text/csv"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(auth="none", data_dir=tmp_path_factory.mktemp("users"))


@pytest.fixture(scope="module")
def service(settings: Settings) -> Iterator[Lab]:
    with lab(settings) as running:
        yield running


@pytest.fixture(scope="module")
def ana(service: Lab) -> User:
    return service.user("ana")


@pytest.fixture(scope="module")
def olga(service: Lab) -> User:
    return service.user("olga")


@pytest.fixture(scope="module")
def admin(service: Lab) -> User:
    return service.user("root", "admin")


def submit(user: User, seed: int, **options: Any) -> dict[str, Any]:
    headers = options.pop("headers", {})
    answer = user.post("/v1/jobs", json={"spec": simulate_spec(seed=seed), **options}, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    content: dict[str, Any] = answer.json()
    return content


def listed(user: User, **query: Any) -> list[str]:
    answer = user.get("/v1/jobs", params=query)
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs/{id}"),
        ("GET", "/v1/jobs/{id}/result"),
        ("GET", "/v1/jobs/{id}/arrays"),
        ("GET", "/v1/jobs/{id}/events"),
        ("POST", "/v1/jobs/{id}/cancel"),
        ("DELETE", "/v1/jobs/{id}"),
    ],
)
def test_the_jobs_of_others_do_not_exist(ana: User, olga: User, admin: User, method: str, path: str) -> None:
    """Every route of a job answers another user as if there were none; its admin is answered."""
    job = submit(ana, seed=1)
    url = path.format(id=job["id"])
    refused = olga.request(method, url)
    never = olga.request(method, path.format(id="job_" + "0" * 32))
    assert (refused.status_code, refused.json()["code"]) == (404, "job_not_found")
    assert refused.json()["detail"].replace(job["id"], "") == never.json()["detail"].replace(
        "job_" + "0" * 32, ""
    )
    if method == "GET" and not path.endswith("events"):
        assert admin.request(method, url).status_code in (200, 409)
    assert ana.get(f"/v1/jobs/{job['id']}").json()["status"] in ("queued", "running")


def test_every_route_of_a_job_is_in_that_table(service: Lab, ana: User) -> None:
    """A route with a job's id that is new must be added above."""
    paths = ana.get("/openapi.json").json()["paths"]
    routes = {
        (method.upper(), path) for path, found in paths.items() for method in found if "{job_id}" in path
    }
    assert routes == {
        ("GET", "/v1/jobs/{job_id}"),
        ("DELETE", "/v1/jobs/{job_id}"),
        *(("GET", f"/v1/jobs/{{job_id}}/{part}") for part in ("result", "arrays", "events")),
        ("POST", "/v1/jobs/{job_id}/cancel"),
    }


def test_a_list_holds_ones_own(ana: User, olga: User, admin: User) -> None:
    """Neither tags nor cursors nor an owner's name lead to the jobs of others; admins choose."""
    mine = [submit(ana, seed=seed, tags=["paper"])["id"] for seed in (11, 12, 13)]
    hers = submit(olga, seed=14, tags=["paper"])["id"]
    assert listed(olga, tag="paper") == [hers]
    assert listed(ana, tag="paper") == mine[::-1]
    page = ana.get("/v1/jobs", params={"tag": "paper", "limit": 1}).json()
    assert not set(listed(olga, cursor=page["next_cursor"], limit=1000)) & set(mine)
    assert not set(listed(olga, owner="ana")) & set(mine)
    assert set(listed(admin, tag="paper")) == {*mine, hers}
    assert listed(admin, tag="paper", owner="olga") == [hers]


def test_the_same_spec_is_a_job_of_each(ana: User, olga: User, admin: User) -> None:
    """Two users who submit one spec have two jobs: cancelling one leaves the other."""
    mine, hers = submit(ana, seed=21), submit(olga, seed=21)
    assert mine["id"] != hers["id"]
    assert (mine["owner"], hers["owner"]) == ("ana", "olga")
    assert ana.post(f"/v1/jobs/{mine['id']}/cancel").json()["status"] == "cancelled"
    assert olga.get(f"/v1/jobs/{hers['id']}").json()["status"] == "queued"
    assert admin.post(f"/v1/jobs/{hers['id']}/cancel").json()["status"] == "cancelled"


def test_a_solved_spec_is_answered_for_everybody(
    service: Lab, settings: Settings, ana: User, olga: User
) -> None:
    """A result computed for one user answers the same spec of another, as a job of their own."""
    job = submit(ana, seed=31)
    table = JobTable(service.resources.database)
    digest = Store(settings.store).put_content("results", b'{"mean": 1.25}', ".json")
    assert table.move(job["id"], "running")
    assert table.move(job["id"], "succeeded", result=digest, seconds=1.5, progress=1.0)
    other = submit(olga, seed=31)
    assert (other["status"], other["owner"]) == ("succeeded", "olga")
    assert other["id"] != job["id"]
    assert olga.get(other["links"]["result"]).json()["mean"] == 1.25
    assert olga.get(job["links"]["result"]).status_code == 404
    assert olga.delete(f"/v1/jobs/{other['id']}").status_code == 204
    assert ana.get(job["links"]["result"]).json()["mean"] == 1.25


def test_idempotency_keys_are_ones_own(ana: User, olga: User) -> None:
    """The same key of two users names two requests; neither learns that the other one used it."""
    key = {"Idempotency-Key": "same"}
    mine, hers = submit(ana, seed=41, headers=key), submit(olga, seed=42, headers=key)
    assert submit(ana, seed=41, headers=key)["id"] == mine["id"]
    assert submit(olga, seed=42, headers=key)["id"] == hers["id"]
    reused = ana.post("/v1/jobs", json={"spec": simulate_spec(seed=43)}, headers=key)
    assert reused.json()["code"] == "idempotency_key_reused"


def test_the_same_numbers_belong_to_each_who_uploads_them(ana: User, olga: User, admin: User) -> None:
    """A dataset of somebody else does not exist until one uploads the same numbers, under one's own names."""
    first = ana.post("/v1/datasets", content=CSV, headers=CSV_TYPE)
    url = first.headers["location"]
    assert first.status_code == 201
    assert olga.get(url).json()["code"] == "dataset_not_found"
    second = olga.post("/v1/datasets?x=dose&y=reply", content=RENAMED, headers=CSV_TYPE)
    assert (second.status_code, second.headers["location"]) == (201, url)
    assert (olga.get(url).json()["x"], ana.get(url).json()["x"]) == ("dose", "x")
    assert olga.get(url).json()["created_at"] == second.json()["created_at"]
    assert olga.post("/v1/datasets?x=dose&y=reply", content=RENAMED, headers=CSV_TYPE).status_code == 200
    assert admin.get(url).json()["x"] == "x"


def test_a_spec_cannot_name_the_dataset_of_somebody_else(settings: Settings, tmp_path: Path) -> None:
    """On the real solver: with another user's dataset a spec is refused as with one that there never was."""
    with started(
        app := create_app(settings.model_copy(update={"auth": "tokens", "data_dir": tmp_path}))
    ) as api:
        running = Lab(app, api)
        ana, olga = running.user("ana"), running.user("olga")
        dataset = ana.post("/v1/datasets", content=CSV, headers=CSV_TYPE).json()["id"]

        def refusal(user: User, dataset_id: str, route: str) -> tuple[int, str]:
            data = {"kind": "dataset", "id": dataset_id}
            spec = {"task": "stationary", "model": {"kind": "diagonal"}, "data": data, "temperature": 0.05}
            answer = user.post(route, json={"spec": spec})
            return answer.status_code, answer.text.replace(dataset_id, "ID").split('"request_id"')[0]

        for route in ("/v1/solve", "/v1/jobs"):
            assert refusal(ana, dataset, route)[0] in (200, 202)
            assert refusal(olga, dataset, route) == refusal(olga, "ds_" + "0" * 32, route)
            assert refusal(olga, dataset, route)[0] in (404, 422)


def test_me_counts_ones_own_jobs(service: Lab) -> None:
    """The counts of /v1/me are the user's: queued and running against the cap."""
    carla = service.user("carla", "submit")
    jobs = [submit(carla, seed=seed)["id"] for seed in (61, 62, 63)]
    carla.post(f"/v1/jobs/{jobs[0]}/cancel")
    shares = carla.get("/v1/me").json()["jobs"]
    assert shares["unfinished"]["used"] == 2
    assert shares["running"]["used"] == 0
