"""An upgrade from the version before users: its databases and stores are taken over, and nothing is lost."""

import functools
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.golden.write_database_v1 import DATASET, STATIONARY, simulation
from tests.service.asgi_client import AppClient, started
from tests.service.fake_solver import simulate_spec
from tests.service.workers import Bench
from tests.support.old_database import load_postgresql, load_sqlite, load_store, old_results
from tests.support.postgres import new_database
from tests.support.servers import clean_environment, wait_until

from equipoise_service.http.app import create_app
from equipoise_service.http.solution_bodies import with_seconds
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import NEWEST, migrate
from equipoise_solver.solving import solve
from equipoise_solver.version import __version__

pytestmark = pytest.mark.slow
FINAL = {"succeeded", "failed", "cancelled", "timed_out"}
# Version of the solver in the old databases: results of another one are computed anew.
MADE_BY = "0.1.0"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def old(kind: str, request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Settings:
    """Settings that lead to the database and the store of the old version."""
    load_store(kind, tmp_path / "store")
    if kind == "sqlite":
        load_sqlite(tmp_path / "equipoise.db")
        return settings
    url = new_database(request.getfixturevalue("postgres_server"))
    load_postgresql(url)
    return settings.model_copy(update={"database_url": url})


@pytest.fixture
def api(old: Settings) -> Iterator[AppClient]:
    """This version's API on the old database, after this version has looked at it."""
    database = connect(old.database)
    migrate(database)
    database.dispose()
    with started(create_app(old)) as client:
        yield client


def jobs_of(api: AppClient, tag: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.get(f"/v1/jobs?tag={tag}&limit=100").json()["jobs"]
    return items


def schema_of(url: str) -> dict[str, Any]:
    """All that the database says of our tables, in an order that does not matter."""
    engine = connect(url)
    inspector = sa.inspect(engine)
    found = {
        table: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in inspector.get_columns(table)
            },
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "unique": sorted(
                tuple(constraint["column_names"]) for constraint in inspector.get_unique_constraints(table)
            ),
            "indexes": sorted(
                (str(index["name"]), tuple(map(str, index["column_names"])), bool(index["unique"]))
                for index in inspector.get_indexes(table)
            ),
        }
        for table in inspector.get_table_names()
        if table.startswith("equipoise_")
    }
    engine.dispose()
    return found


def test_an_upgraded_database_is_like_a_fresh_one(
    kind: str, old: Settings, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Tables, columns, types, defaults, keys and indexes are the same; a second upgrade changes nothing."""
    if kind == "sqlite":
        fresh_url = f"sqlite:///{tmp_path}/fresh.db"
    else:
        url = new_database(request.getfixturevalue("postgres_server"))
        fresh_url = old.model_copy(update={"database_url": url}).database
    before = schema_of(old.database)
    for url in (fresh_url, old.database, old.database):
        engine = connect(url)
        migrate(engine)
        with engine.connect() as connection:
            newest = connection.execute(sa.text("select max(version) from equipoise_schema_version")).scalar()
        engine.dispose()
        assert newest == NEWEST
    upgraded, fresh = schema_of(old.database), schema_of(fresh_url)
    assert upgraded == fresh
    assert before != upgraded
    assert set(before) < set(upgraded)


def test_quick_simulations_that_the_engine_knows_stay_with_it(bench: Bench) -> None:
    """From version 2 on: unfinished ones leave the queue whose jobs workers claim themselves; others stay."""
    specs = {cost: simulate_spec(seed=number) for number, cost in enumerate((1e6, 0.0, 1e7))}
    jobs = {cost: bench.put(spec, queue="quick", cost_path_steps=cost) for cost, spec in specs.items()}
    assert bench.table.move(jobs[1e7], "running")
    assert bench.table.move(jobs[1e7], "succeeded")
    with bench.database.begin() as connection:
        connection.exec_driver_sql("DROP INDEX equipoise_jobs_short")
        connection.exec_driver_sql("DELETE FROM equipoise_schema_version")
        connection.exec_driver_sql("INSERT INTO equipoise_schema_version (version) VALUES (2)")
    migrate(bench.database)
    assert {cost: bench.job(job_id).queue for cost, job_id in jobs.items()} == {
        1e6: "cpu",
        0.0: "quick",
        1e7: "quick",
    }
    indexes = sa.inspect(bench.database).get_indexes("equipoise_jobs")
    assert "equipoise_jobs_short" in {index["name"] for index in indexes}


def test_a_failed_upgrade_changes_nothing(old: Settings) -> None:
    """An upgrade that ends in the middle leaves the old database as it was."""
    before = schema_of(old.database)
    engine = connect(old.database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE equipoise_properties (in_the_way INTEGER)")
    with pytest.raises(sa.exc.DBAPIError):
        migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE equipoise_properties")
    assert schema_of(old.database) == before
    migrate(engine)
    engine.dispose()


def test_old_results_are_served_to_the_byte(api: AppClient, kind: str) -> None:
    """Jobs keep status, tags and owner, and their results are the bytes that the old version wrote."""
    results = old_results(kind)
    done = jobs_of(api, "done")
    assert len(done) == len(results) == 3
    for job in done:
        assert (job["status"], job["owner"]) == ("succeeded", "local")
        answer = api.get(f"/v1/jobs/{job['id']}/result")
        digest = answer.headers["etag"].strip('"')
        assert answer.content == with_seconds(results[digest], answer.json()["seconds"])
    for tag in ("failed", "timed_out", "cancelled"):
        assert [job["status"] for job in jobs_of(api, tag)] == [tag]
    assert jobs_of(api, "failed")[0]["error"]["code"] == "unstable_step"


def test_old_answers_and_keys_still_hold(api: AppClient) -> None:
    """The same spec is answered from the store, and the same request by its old key."""
    for spec, tag in ((STATIONARY, "law"), (simulation(seed=1, n_steps=500), "ensemble")):
        old_job = jobs_of(api, tag)[0]
        again = api.post("/v1/jobs", json={"spec": spec}).json()
        assert (again["id"] == old_job["id"]) == (__version__ == MADE_BY)
        body = {"spec": spec, "tags": ["done", tag]}
        repeated = api.post("/v1/jobs", json=body, headers={"Idempotency-Key": f"key-{tag}"})
        assert repeated.status_code in (200, 202), repeated.text
        assert repeated.json()["id"] == old_job["id"]
        other = api.post("/v1/jobs", json={"spec": spec}, headers={"Idempotency-Key": f"key-{tag}"})
        assert other.json()["code"] == "idempotency_key_reused"


def test_old_datasets_belong_to_the_local_user(api: AppClient) -> None:
    """A dataset is found, uploading it again finds it, and new jobs may use it."""
    again = api.post("/v1/datasets", content=DATASET, headers={"content-type": "text/csv"})
    assert again.status_code == 200
    dataset = api.get(f"/v1/datasets/{again.json()['id']}").json()
    assert (dataset["n_rows"], dataset["x"], dataset["y"]) == (6, "x", "y")
    data = {"kind": "dataset", "id": dataset["id"]}
    job = api.post("/v1/jobs", json={"spec": simulation(seed=9, n_steps=50, data=data)})
    assert job.status_code == 202, job.text


@functools.cache
def undisturbed(seed: int, n_steps: int) -> str:
    """SHA-256 of the result that one uninterrupted run of this version gives."""
    solution = solve(simulation(seed=seed, n_steps=n_steps), threads=1)
    return hashlib.sha256(solution.model_dump_json().encode()).hexdigest()


@contextmanager
def worker_of(settings: Settings) -> Iterator[None]:
    """Run a worker of this version, killed at the end."""
    environment = clean_environment(
        EQUIPOISE_DATA_DIR=str(settings.data_dir),
        EQUIPOISE_DATABASE_URL=settings.database,
        EQUIPOISE_LOG_LEVEL="warning",
    )
    command = [sys.executable, "-m", "equipoise_service", "worker", "--device", "cpu"]
    process = subprocess.Popen(command, env=environment)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_waiting_and_interrupted_jobs_run_to_their_end(api: AppClient, old: Settings) -> None:
    """What the old version had queued, or was computing when it was killed, this version ends."""
    waiting = jobs_of(api, "queued") + jobs_of(api, "interrupted")
    assert sorted(job["status"] for job in waiting) == ["queued"] * 3 + ["running"]
    with worker_of(old):
        for job in waiting:
            find = functools.partial(_final, api, job)
            ended = wait_until(find, what=f"the end of {job['id']}", deadline_s=90)
            assert ended["status"] == "succeeded", ended
    etags = {api.get(f"/v1/jobs/{job['id']}/result").headers["etag"].strip('"') for job in waiting}
    wanted = {undisturbed(5, 300_000), undisturbed(6, 206), undisturbed(7, 207)}
    assert wanted < etags
    assert len(etags) == 4


def _final(api: AppClient, job: dict[str, Any]) -> dict[str, Any] | None:
    now: dict[str, Any] = api.get(f"/v1/jobs/{job['id']}").json()
    return now if now["status"] in FINAL else None
