"""Backup and restore: of a service under load, checked to the byte, and refused where it would do harm."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.jobs import ended, etag_of_undisturbed_run, job_of, simulation, submit, under_way
from tests.support.postgres import new_database
from tests.support.servers import clean_environment, running_service

from equipoise_service.command_line.commands import main
from equipoise_service.settings import Settings
from equipoise_service.storage.backup import BackupError, back_up, restore, verify
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate
from equipoise_service.storage.store import Store
from equipoise_service.storage.tables import jobs

N_SHORT = 4
N_LONG = 80_000


def run(command: str, *arguments: str, environment: dict[str, str]) -> str:
    """Run a command of the service as a process; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "equipoise_service", command, *arguments],
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def result_of(api: httpx.Client, job: dict[str, Any]) -> tuple[bytes, str]:
    answer = api.get(f"/v1/jobs/{job['id']}/result")
    assert answer.status_code == 200, answer.text
    return answer.content, answer.headers["etag"]


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_service_backed_up_under_load_goes_on_elsewhere(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Killed after a backup and restored in another place: finished results are the same, others go on."""
    here, there = ({"EQUIPOISE_AUTH": "none", "EQUIPOISE_CHUNK_SECONDS": "0.2"} for _ in range(2))
    if kind == "postgresql":
        server = request.getfixturevalue("postgres_server")
        here["EQUIPOISE_DATABASE_URL"], there["EQUIPOISE_DATABASE_URL"] = (
            new_database(server),
            new_database(server),
        )
    backup = tmp_path / "backup"
    with running_service(tmp_path / "here", environment=here) as service:
        with httpx.Client(base_url=service.url, timeout=60) as api:
            short = [submit(api, simulation(n_steps=50 + seed, seed=seed)) for seed in range(N_SHORT)]
            done = [ended(api, job) for job in short[:2]]
            options = ("--data-dir", str(tmp_path / "here"))
            assert "of them new" in run("backup", str(backup), *options, environment=here)
            long = submit(api, simulation(n_steps=N_LONG, seed=77))
            under_way(api, long)
            settings = Settings(data_dir=tmp_path / "here", database_url=here.get("EQUIPOISE_DATABASE_URL"))
            made = back_up(settings.database, Store(settings.store), backup)
            assert made.n_copied <= len(made.files) - len(done)
            assert job_of(api, long)["status"] == "running"
            results = {job["id"]: result_of(api, job) for job in done}
        os.kill(service.pid, signal.SIGKILL)
    assert run("backup", "--verify", str(backup), environment={})
    run("restore", str(backup), "--data-dir", str(tmp_path / "there"), environment=there)
    with (
        running_service(tmp_path / "there", environment=there) as service,
        httpx.Client(base_url=service.url, timeout=60) as api,
    ):
        for job in done:
            assert result_of(api, job) == results[job["id"]]
        for job in [*short, long]:
            assert ended(api, job)["status"] == "succeeded"
        assert result_of(api, long)[1] == etag_of_undisturbed_run(simulation(n_steps=N_LONG, seed=77))


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A finished job."""
    text = {"task": "t", "spec": "{}", "spec_hash": "h", "queue": "cpu", "live": "{}", "status": "succeeded"}
    numbers = dict.fromkeys(("priority", "timeout_seconds", "progress", "submitted_at", "updated_at"), 1)
    name = f"job_{number:032d}"
    return {"id": name, "content_id": name, "attempt": 1, "revision": 1, **text, **numbers, **changes}


@pytest.fixture
def place(settings: Settings) -> tuple[str, Store]:
    """A database and a store with two results, a checkpoint of an unfinished job, and litter."""
    store = Store(settings.store)
    database = connect(settings.database)
    migrate(database)
    with database.begin() as connection:
        for number in range(2):
            digest = store.put_content("results", f"result {number}".encode(), ".json")
            connection.execute(jobs.insert().values(row(number, result=digest)))
        connection.execute(jobs.insert().values(row(7, status="running")))
    database.dispose()
    store.put(f"checkpoints/job_{7:032d}/c", b"checkpoint")
    store.put("checkpoints/job_gone/c", b"litter")
    store.put_content("results", b"litter", ".json")
    return settings.database, store


def test_a_backup_holds_what_rows_need(place: tuple[str, Store], tmp_path: Path) -> None:
    """Results, datasets and checkpoints of unfinished jobs are copied once; litter is not."""
    first = back_up(*place, tmp_path / "backup")
    assert len(first.files) == first.n_copied == 3
    assert f"checkpoints/job_{7:032d}/c" in first.files
    second = back_up(*place, tmp_path / "backup")
    assert (second.files, second.n_copied) == (first.files, 0)
    assert verify(tmp_path / "backup").files == first.files
    url, store = place
    store.remove(min(first.files))
    store.remove(max(first.files))
    third = back_up(url, store, tmp_path / "elsewhere")
    assert third.missing == (max(first.files),)
    with sqlite3.connect(tmp_path / "elsewhere" / third.database) as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
    database.close()


def test_a_restored_place_is_the_same(place: tuple[str, Store], tmp_path: Path) -> None:
    made = back_up(*place, tmp_path / "backup")
    url, store = f"sqlite:///{tmp_path}/new/e.db", Store(f"file://{tmp_path}/new/store")
    restore(tmp_path / "backup", url, store)
    assert {blob.name for blob in store.all()} == set(made.files)
    assert all(store.get(name) == place[1].get(name) for name in made.files)
    for target, why in (
        ((f"sqlite:///{tmp_path}/other.db", store), "is not empty"),
        ((url, Store(f"file://{tmp_path}/new/other")), "there is a database"),
        (("postgresql+psycopg://u@127.0.0.1:1/x", Store(f"file://{tmp_path}/o")), "one of sqlite"),
    ):
        with pytest.raises(BackupError, match=why):
            restore(tmp_path / "backup", *target)
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("harm", ["database", "store", "missing", "manifest", "newer", "outside"])
def test_a_damaged_backup_is_not_restored(place: tuple[str, Store], tmp_path: Path, harm: str) -> None:
    """A flipped byte, a lost file or a bad manifest is found before anything is written."""
    backup = tmp_path / "backup"
    made = back_up(*place, backup)
    manifest = json.loads((backup / "manifest.json").read_text())
    victim = backup / "store" / min(made.files)
    match harm:
        case "database":
            content = bytearray((backup / made.database).read_bytes())
            content[-1] ^= 1
            (backup / made.database).write_bytes(content)
        case "store":
            victim.write_bytes(victim.read_bytes()[:-1] + b"!")
        case "missing":
            victim.unlink()
        case "manifest":
            (backup / "manifest.json").write_text("{")
        case "newer":
            (backup / "manifest.json").write_text(json.dumps({**manifest, "schema": 999}))
        case "outside":
            manifest["files"]["../x"] = [1, "0" * 64]
            (backup / "manifest.json").write_text(json.dumps(manifest))
    url, store = f"sqlite:///{tmp_path}/new/e.db", Store(f"file://{tmp_path}/new/store")
    with pytest.raises(BackupError):
        restore(backup, url, store)
    assert not (tmp_path / "new").exists()


def test_other_folders_are_left_alone(
    place: tuple[str, Store], settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that holds something else is refused, and a backup that was killed begins anew."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("dear")
    assert main(["backup", str(tmp_path / "mine"), "--data-dir", str(settings.data_dir)]) == 1
    assert "holds something else" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    (tmp_path / "killed" / "store" / "results").mkdir(parents=True)
    (tmp_path / "killed" / "database.new").write_bytes(b"half")
    back_up(*place, tmp_path / "killed")
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {
        "manifest.json",
        "store",
        verify(tmp_path / "killed").database,
    }
    assert main(["restore", str(tmp_path / "nothing"), "--data-dir", str(tmp_path / "new")]) == 1
    assert "holds no backup" in capsys.readouterr().err
