"""Results at hand: who may see them, for how long they are believed, and how many bytes are held."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service import fake_solver
from tests.service.asgi_client import started
from tests.service.fake_solver import simulate_spec

from equipoise_service.errors import NotFoundError
from equipoise_service.http.app import create_app
from equipoise_service.http.deps import Resources
from equipoise_service.http.result_cache import LruCache, ResultCache
from equipoise_service.jobs.job_service import JobService
from equipoise_service.jobs.job_table import JobTable
from equipoise_service.settings import Settings
from equipoise_service.storage.store import Store
from equipoise_service.users.callers import LOCAL, Caller

CONTENT = b'{"mean":1.5,"seconds":null}'
STRANGER = Caller("stranger", frozenset({"read"}))


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def finish(resources: Resources, job_id: str) -> None:
    """End a job as its worker would."""
    digest = Store(resources.settings.store).put_content("results", CONTENT, ".json")
    table = JobTable(resources.database)
    assert table.move(job_id, "running")
    assert table.move(job_id, "succeeded", result=digest, seconds=2.5, progress=1.0)


@pytest.fixture
def job_service(settings: Settings) -> Iterator[tuple[JobService, str]]:
    app = create_app(settings, prepare=fake_solver.prepare)
    with started(app) as api:
        job_id = api.post("/v1/jobs", json={"spec": simulate_spec(seed=1)}).json()["id"]
        finish(app.state.resources, job_id)
        yield app.state.resources.jobs, job_id


def test_a_result_is_at_hand_for_its_owner_as_long_as_it_is_fresh(
    job_service: tuple[JobService, str],
) -> None:
    jobs, job_id = job_service
    clock = Clock()
    cache = ResultCache(jobs, fresh_s=1.0, clock=clock)
    assert cache.at_hand(job_id, LOCAL) is None
    loaded = cache.load(job_id, LOCAL)
    assert loaded.content == b'{"mean":1.5,"seconds":2.5}'
    assert loaded.etag == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    clock.now += 1.0
    assert cache.at_hand(job_id, LOCAL) is loaded
    assert cache.at_hand(job_id, STRANGER) is None
    with pytest.raises(NotFoundError):
        cache.load(job_id, STRANGER)
    clock.now += 0.001
    assert cache.at_hand(job_id, LOCAL) is None


def test_what_another_process_forgets_is_gone_once_it_is_looked_at_again(
    job_service: tuple[JobService, str],
) -> None:
    jobs, job_id = job_service
    clock = Clock()
    here = ResultCache(jobs, clock=clock)
    here.load(job_id, LOCAL)
    jobs.forget(job_id, LOCAL)
    assert here.at_hand(job_id, LOCAL) is not None
    clock.now += 1.001
    assert here.at_hand(job_id, LOCAL) is None
    with pytest.raises(NotFoundError):
        here.load(job_id, LOCAL)


def test_a_result_is_read_again_from_memory_and_gone_at_once_where_it_is_forgotten(
    settings: Settings,
) -> None:
    app = create_app(settings, prepare=fake_solver.prepare)
    with started(app) as api:
        job = api.post("/v1/jobs", json={"spec": simulate_spec(seed=1)}).json()
        url = job["links"]["result"]
        assert api.get(url).status_code == 409
        finish(app.state.resources, job["id"])
        first = api.get(url)
        # Whatever becomes of the file, what was just read is at hand.
        for file in Path(settings.store.removeprefix("file://")).glob("results/*"):
            file.unlink()
        again = api.get(url)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["etag"] == first.headers["etag"]
        assert api.get(url, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
        assert api.delete(f"/v1/jobs/{job['id']}").status_code == 204
        assert api.get(url).status_code == 404


def test_the_cache_holds_no_more_bytes_than_it_may() -> None:
    cache: LruCache[str] = LruCache(10)
    cache.put("a", "first", 4)
    cache.put("b", "second", 4)
    assert cache.get("a") == "first"
    cache.put("c", "third", 4)
    assert [cache.get(name) for name in "abc"] == ["first", None, "third"]
    cache.put("a", "larger", 7)
    assert [cache.get(name) for name in "ac"] == ["larger", None]
    cache.put("a", "too large", 11)
    assert cache.get("a") is None
    cache.put("d", "fits", 10)
    assert cache.get("d") == "fits"
