"""What the service says about itself: health, readiness, workers and queues, and to whom it says what."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.service.asgi_client import AppClient
from tests.service.fake_solver import simulate_spec
from tests.service.users import lab

from equipoise_service.errors import OverloadedError
from equipoise_service.http.readiness import BAD_FOR_S, GOOD_FOR_S, ReadinessCheck
from equipoise_service.jobs.worker_table import WorkerTable
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import NEWEST, migrate, schema_version
from equipoise_service.storage.tables import workers
from equipoise_solver.version import __version__


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def add_worker(settings: Settings, **changes: Any) -> None:
    row = {"id": "lab/1", "host": "lab", "process_space": "", "process": "1:", "device": "cpu", "threads": 2}
    row |= {"queues": "quick,cpu", "version": "1", "started_at": 1.0, "seen_at": 4e9}
    engine = connect(settings.database)
    with engine.begin() as connection:
        connection.execute(workers.insert().values(**row, **changes))
    engine.dispose()


def test_a_process_that_runs_is_healthy(api: AppClient) -> None:
    """/healthz has the version and a time that goes on, and asks nobody for a token."""
    first, second = (api.get("/healthz").json() for _ in range(2))
    assert (first["status"], first["version"]) == ("ok", __version__)
    assert 0 < first["uptime_seconds"] <= second["uptime_seconds"]


def test_a_service_is_ready_with_all_its_parts(api: AppClient, settings: Settings) -> None:
    """/readyz names database, store, version of the tables and the number of workers alive."""
    expected = {"status": "ready", "version": __version__, "database": "ok", "store": "ok"}
    assert api.get("/readyz").json() == {**expected, "schema_version": NEWEST, "workers": 0}
    add_worker(settings)
    assert api.get("/readyz").json()["workers"] == 1


class Place:
    """A database and a store, and the check of them."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.clock = Clock()
        self.database = connect(f"sqlite:///{folder / 'a.db'}")
        migrate(self.database)
        table = WorkerTable(self.database, ttl_s=1.0)
        url = f"file://{self.store}"
        self.check = ReadinessCheck(self.database, url, table, clock=self.clock)


@pytest.fixture
def place(tmp_path: Path) -> Any:
    found = Place(tmp_path)
    yield found
    found.database.dispose()


def test_the_store_is_tried_now_and_then(place: Place) -> None:
    """A store that went bad is noticed after the time it is trusted for; one that is mended sooner."""
    assert place.check.check().schema == NEWEST
    place.store.rename(place.store.with_name("moved"))
    place.store.write_text("a file where a folder was")
    place.clock.now = GOOD_FOR_S - 1
    place.check.check()
    place.clock.now = GOOD_FOR_S + 1
    with pytest.raises(OverloadedError, match="store cannot be written") as caught:
        place.check.check()
    assert (caught.value.code, caught.value.status) == ("not_ready", 503)
    place.store.unlink()
    place.clock.now += BAD_FOR_S + 1
    place.check.check()
    assert not list(place.store.glob("probe*"))


def test_tables_of_another_version_are_refused(place: Place) -> None:
    """A process that ran on while the database was upgraded says that it is not ready, and what to do."""
    with place.database.begin() as connection:
        connection.execute(schema_version.insert().values(version=NEWEST + 1))
    with pytest.raises(OverloadedError, match=rf"version {NEWEST + 1}, this process needs {NEWEST}.*upgrade"):
        place.check.check()


def test_a_database_that_is_away_is_not_ready(tmp_path: Path) -> None:
    """Without a database the answer says so, and holds neither its address nor its words."""
    away = sa.create_engine("sqlite:////nowhere/at/all.db")
    check = ReadinessCheck(away, f"file://{tmp_path}", WorkerTable(away, ttl_s=1.0))
    with pytest.raises(OverloadedError) as caught:
        check.check()
    away.dispose()
    assert caught.value.code == "not_ready"
    assert "nowhere" not in caught.value.detail


def test_workers_tell_users_no_more_than_they_may_know(settings: Settings) -> None:
    """Everybody sees what workers are and how busy; their job and last error are for admins."""
    health = {"busy_fraction": 0.5, "job_id": "job_1", "last_error": "ann's data is bad"}
    with lab(settings) as service:
        add_worker(settings, health=json.dumps(health), capabilities='{"cores": 8}', status="draining")
        (seen,) = service.user("bob", "read").get("/v1/workers").json()["workers"]
        (all_of_it,) = service.user("root", "admin").get("/v1/workers").json()["workers"]
    assert seen["health"] == {"busy_fraction": 0.5}
    assert (seen["status"], seen["capabilities"], seen["alive"]) == ("draining", {"cores": 8}, True)
    assert all_of_it["health"] == health


def test_queues_show_users_their_share(settings: Settings) -> None:
    """Everybody sees how long a queue is and what of it is theirs; who else waits is for admins."""
    with lab(settings) as service:
        add_worker(settings)
        ann, bob = service.user("ann"), service.user("bob")
        for seed in (1, 2):
            assert ann.post("/v1/jobs", json={"spec": simulate_spec(seed=seed)}).status_code == 202
        assert bob.post("/v1/jobs", json={"spec": simulate_spec(seed=3)}).status_code == 202

        def quick(user: Any) -> dict[str, Any]:
            queues = {queue["name"]: queue for queue in user.get("/v1/queues").json()["queues"]}
            assert (queues["gpu"]["slots"], queues["gpu"]["oldest_wait_seconds"]) == (0, None)
            found: dict[str, Any] = queues["quick"]
            return found

        of_ann, of_bob, of_root = quick(ann), quick(bob), quick(service.user("root", "admin"))
    assert (of_ann["queued"], of_ann["running"], of_ann["slots"]) == (3, 0, 16)
    assert of_ann["oldest_wait_seconds"] >= 0
    assert (of_ann["yours"]["queued"], of_bob["yours"]["queued"]) == (2, 1)
    assert of_ann["users"] is None
    shares = {user: share["queued"] for user, share in of_root["users"].items()}
    assert shares == {"ann": 2, "bob": 1}


def test_what_is_shown_takes_the_scope_read(settings: Settings) -> None:
    """Queues, workers and metrics take a token that may read; health takes none."""
    with lab(settings) as service:
        submitter, reader = service.user("ann", "submit"), service.user("ann", "read")
        for path in ("/v1/queues", "/v1/workers", "/metrics"):
            assert service.api.get(path).status_code == 401
            assert submitter.get(path).status_code == 403
            assert reader.get(path).status_code == 200
        for path in ("/healthz", "/readyz"):
            assert service.api.get(path).status_code == 200
