"""Write database_v1_*.sql and store_v1_*.zip, as the version before users left them.

    git worktree add --detach OLD f2f7da2
    python -m tests.golden.write_database_v1 OLD
    git worktree remove OLD

Only commit f2f7da2 can write them: its own service and workers run here, and are killed in the middle of a
job. The names of this machine are replaced. Review the difference like code.
"""

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.support.postgres import cluster, new_database
from tests.support.servers import clean_environment, wait_until

HERE = Path(__file__).parent
DATASET = "x,y\n1,2\n2,3.5\n3,4\n4,8.5\n-1,-2.5\n0.5,0\n"
STATIONARY: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
    "temperature": 0.05,
}
# A seed for which the workers of the tests, which compute nothing, refuse the job.
REFUSED_SEED = 101


def simulation(*, seed: int, n_steps: int, data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A small ensemble of SGD."""
    return {
        "task": "simulate",
        "model": {"kind": "diagonal", "depth": 1, "width": 1},
        "data": data or {"kind": "gaussian", "slope": 1.3, "noise_std": 0.7},
        "dynamics": {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2},
        "n_paths": 64,
        "n_steps": n_steps,
        "seed": seed,
    }


class Old:
    """The old version on one database."""

    def __init__(self, checkout: Path, data_dir: Path, database_url: str | None) -> None:
        paths = [str(checkout / name) for name in ("solver", "service", "clients", ".")]
        self._checkout = checkout
        self._data_dir = data_dir
        data_dir.mkdir()
        self._environment = clean_environment(
            PYTHONPATH=os.pathsep.join(paths),
            EQUIPOISE_DATA_DIR=str(data_dir),
            EQUIPOISE_CHUNK_SECONDS="0.05",
            EQUIPOISE_THREADS="1",
            **({} if database_url is None else {"EQUIPOISE_DATABASE_URL": database_url}),
        )

    @contextmanager
    def running(self, *command: str) -> Iterator[None]:
        """Run a module of the old version; `kill -9` at the end."""
        self._log = self._data_dir / "log"
        self._log.write_text("")
        with self._log.open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=self._checkout,
                env=self._environment,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @contextmanager
    def api(self) -> Iterator[httpx.Client]:
        """Run the API alone."""
        with self.running("equipoise_service", "api", "--port", "0"):
            listens = re.compile(r"API listens at (\S+)")
            found = wait_until(lambda: listens.search(self._log.read_text()), what="the API listens")
            with httpx.Client(base_url=f"http://{found.group(1)}", timeout=60) as client:
                yield client


def fill(old: Old) -> None:
    """Make jobs of every status, and stop in the middle of one."""
    with old.api() as api:
        with old.running("equipoise_service", "worker"):
            _finished_jobs(api)
        with old.running("tests.service.worker_process", "refusing"):
            _ended(api, _submit(api, simulation(seed=REFUSED_SEED, n_steps=10), tags=["failed"]))
        with old.running("equipoise_service", "worker"):
            job = _submit(api, simulation(seed=5, n_steps=300_000), tags=["interrupted"])
            wait_until(lambda: _job(api, job)["progress"] > 0.02, what="the job to be interrupted runs")
            for seed in (6, 7):
                _submit(api, simulation(seed=seed, n_steps=200 + seed), tags=["queued"], priority=seed)
        _submit(api, {**STATIONARY, "temperature": 0.07}, tags=["queued"])


def _finished_jobs(api: httpx.Client) -> None:
    dataset = api.post("/v1/datasets", content=DATASET, headers={"content-type": "text/csv"}).json()
    data = {"kind": "dataset", "id": dataset["id"]}
    for spec, tag in (
        (STATIONARY, "law"),
        (simulation(seed=1, n_steps=500), "ensemble"),
        (simulation(seed=2, n_steps=500, data=data), "dataset"),
    ):
        _ended(api, _submit(api, spec, key=f"key-{tag}", tags=["done", tag]))
    _ended(api, _submit(api, simulation(seed=3, n_steps=10**8), timeout_seconds=0.3, tags=["timed_out"]))
    cancelled = _submit(api, simulation(seed=4, n_steps=10**8), tags=["cancelled"])
    wait_until(lambda: _job(api, cancelled)["status"] == "running", what="the job to be cancelled runs")
    api.post(f"/v1/jobs/{cancelled['id']}/cancel").raise_for_status()
    _ended(api, cancelled)


def _submit(api: httpx.Client, spec: Mapping[str, Any], *, key: str = "", **options: Any) -> dict[str, Any]:
    answer = api.post(
        "/v1/jobs", json={"spec": spec, **options}, headers={"Idempotency-Key": key} if key else {}
    )
    answer.raise_for_status()
    job: dict[str, Any] = answer.json()
    return job


def _job(api: httpx.Client, job: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/v1/jobs/{job['id']}").json()
    return found


def _ended(api: httpx.Client, job: Mapping[str, Any]) -> None:
    final = ("succeeded", "failed", "cancelled", "timed_out")
    wait_until(lambda: _job(api, job)["status"] in final, what=f"the end of {job['id']}", deadline_s=120)


def dump_store(data_dir: Path, target: Path) -> None:
    """Write all files of the store as one archive."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((data_dir / "store").rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(data_dir / "store"))


def dump_sqlite(path: Path) -> str:
    """A SQLite database as statements."""
    with sqlite3.connect(path) as connection:
        text = "\n".join(connection.iterdump()) + "\n"
    connection.close()
    return text


def dump_postgresql(url: str) -> str:
    """A PostgreSQL database as statements that any client can run."""
    command = [shutil.which("pg_dump") or "pg_dump", "--inserts", "--no-owner", "--no-privileges", url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # Comments, empty lines and commands of psql are left out.
    kept = [line for line in text.splitlines() if line and not line.startswith(("--", "\\"))]
    return "\n".join(kept) + "\n"


def nameless(text: str) -> str:
    """A dump without the names of the machine that made it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    host = re.escape(socket.gethostname())
    return re.sub(rf"(?<![\w.-]){host}(?=[/'\"])", "laboratory", text.replace(boot, "boot"))


def main(checkout: Path) -> None:
    """Write both databases and their stores."""
    with tempfile.TemporaryDirectory() as folder, cluster() as server:
        for kind in ("sqlite", "postgresql"):
            data_dir = Path(folder, kind)
            url = None if kind == "sqlite" else new_database(server)
            fill(Old(checkout, data_dir, url))
            text = dump_sqlite(data_dir / "equipoise.db") if url is None else dump_postgresql(url)
            (HERE / f"database_v1_{kind}.sql").write_text(nameless(text), encoding="utf-8")
            dump_store(data_dir, HERE / f"store_v1_{kind}.zip")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
