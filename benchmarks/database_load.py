"""What one job, one chunk and one idle worker cost the database: `python -m benchmarks.database_load`.

Runs the service on a throw-away PostgreSQL and reads the processor time of all its processes, its
transactions and its write-ahead log before and after. Prints the numbers of docs/deploy.md.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from tests.e2e.jobs import ended, simulation, submit
from tests.support.postgres import cluster, new_database
from tests.support.servers import clean_environment, descendants, wait_until

N_WORKERS = 2
KINDS: tuple[tuple[str, int, dict[str, int]], ...] = (
    ("short job", 100, {"n_steps": 20, "n_paths": 64}),
    ("job in chunks", 30, {"n_steps": 20_000, "n_paths": 1024}),
)
"""What is run: name, how many, and size."""
IDLE_S = 15.0


@dataclass(frozen=True)
class Reading:
    """Meters of the database: processor seconds, transactions, bytes of log, and the time."""

    processor_s: float
    transactions: int
    log_bytes: int
    at: float

    def minus(self, other: "Reading") -> "Reading":
        """What was used since another reading."""
        return Reading(
            self.processor_s - other.processor_s,
            self.transactions - other.transactions,
            self.log_bytes - other.log_bytes,
            self.at - other.at,
        )


def read(url: str) -> Reading:
    """Read the meters."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "select xact_commit, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, "
            "split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int "
            "from pg_stat_database where datname = current_database()"
        ).fetchone()
    assert row is not None
    # The server's own times, those of its processes that have ended, and those of the ones that run.
    ticks = sum(_ticks(row[2])) + sum(sum(_ticks(process.pid)[:2]) for process in descendants(row[2]))
    return Reading(ticks / os.sysconf("SC_CLK_TCK"), row[0], row[1], time.monotonic())


def _ticks(pid: int) -> list[int]:
    """Processor time of a process in user and kernel mode, and of its children that have ended, in ticks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return [0, 0, 0, 0]
    return [int(field) for field in fields[11:15]]


@contextmanager
def running(environment: dict[str, str], *command: str) -> Iterator[None]:
    """A process of the service."""
    process = subprocess.Popen([sys.executable, "-m", "equipoise_service", *command], env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Measure and print."""
    with cluster() as server, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url = new_database(server)
        environment = clean_environment(
            EQUIPOISE_DATABASE_URL=url,
            EQUIPOISE_DATA_DIR=folder,
            EQUIPOISE_AUTH="none",
            EQUIPOISE_LOG_LEVEL="warning",
            EQUIPOISE_THREADS="1",
            EQUIPOISE_CHUNK_SECONDS="0.1",
            EQUIPOISE_PORT="18765",
        )
        stack.enter_context(running(environment, "api"))
        api = stack.enter_context(httpx.Client(base_url="http://127.0.0.1:18765", timeout=60))
        wait_until(lambda: _answers(api), what="the API answers", deadline_s=60)
        for _ in range(N_WORKERS):
            stack.enter_context(running(environment, "worker", "--device", "cpu"))
        ended(api, submit(api, simulation(n_steps=10, seed=0)), deadline_s=300)
        time.sleep(3)
        start = read(url)
        time.sleep(IDLE_S)
        idle = read(url).minus(start)
        _show("idle worker, per second", idle, N_WORKERS * idle.at)
        for name, n_jobs, size in KINDS:
            start = read(url)
            specs = [simulation(seed=seed, **size) for seed in range(1, n_jobs + 1)]
            jobs = [submit(api, spec) for spec in specs]
            submitted = read(url).minus(start)
            for job in jobs:
                ended(api, job, deadline_s=300)
            used = read(url).minus(start)
            print(f"{name}: submitted in {submitted.at / n_jobs * 1e3:.1f} ms each, wall-clock")
            n_steps = _n_steps(url, jobs) / n_jobs
            _show(f"{name}, of {n_steps:.1f} steps", _without(used, idle), n_jobs)
        start = read(url)
        job = submit(api, simulation(n_steps=60_000, n_paths=1024, seed=1000))
        ended(api, job, deadline_s=300)
        used = read(url).minus(start)
        n_chunks = _n_steps(url, [job]) - 2
        _show(f"chunk, of {n_chunks}", _without(used, idle), n_chunks)


def _n_steps(url: str, jobs: list[dict[str, Any]]) -> int:
    """Durable steps that the engine has recorded of some jobs."""
    query = "select count(*) from dbos.operation_outputs where workflow_uuid = any(%s)"
    with psycopg.connect(url) as connection:
        row = connection.execute(query, ([job["id"] for job in jobs],)).fetchone()
    assert row is not None
    return int(row[0])


def _without(used: Reading, idle: Reading) -> Reading:
    share = used.at / idle.at
    return Reading(
        used.processor_s - share * idle.processor_s,
        used.transactions - round(share * idle.transactions),
        used.log_bytes - round(share * idle.log_bytes),
        used.at,
    )


def _show(what: str, used: Reading, number: float) -> None:
    print(
        f"{what}: {used.processor_s / number * 1e3:.2f} ms of processor, "
        f"{used.transactions / number:.1f} transactions, {used.log_bytes / number / 1e3:.1f} kB of log"
    )


def _answers(api: httpx.Client) -> bool:
    try:
        return api.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
