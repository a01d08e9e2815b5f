"""The stage: an API and workers, each a process of its own, a database, a keeper that restarts them."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.postgres import Cluster, new_database, running_cluster
from tests.support.servers import Process, clean_environment, descendants, processes

# Signs of life in a time to live.
_BEATS = 10
# Time that a worker which is told to end takes at most, and the time that clients wait for an answer.
_GRACE_S = 20.0
_LOOK_EVERY_S = 0.1


@dataclass
class Role:
    """A process of the service that is started again whenever it has ended.

    Attributes:
        name: "api" or "worker" with a number.
        command: words after `python -m equipoise_service`.
        lives: how often it was started.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0

    def start(self, environment: Mapping[str, str]) -> None:
        """Begin a new life."""
        self.lives += 1
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "equipoise_service", *self.command],
                stdout=sink,
                stderr=sink,
                env=dict(environment),
                cwd=self.log.parent,
            )

    @property
    def is_alive(self) -> bool:
        """Whether its process runs, or is frozen."""
        return self.process is not None and self.process.poll() is None

    def family(self) -> list[int]:
        """Process ids of its process and of those it started."""
        if self.process is None or self.process.poll() is not None:
            return []
        return [self.process.pid, *(child.pid for child in descendants(self.process.pid))]


@dataclass
class Stage:
    """A running service under attack.

    Attributes:
        folder: data folder; its path is how our processes are told from others.
        url: where the API answers.
        database_url: URL of the service's database.
        roles: API and workers.
        ttl_s: silence after which a worker counts as dead, [s].
        cluster: the database server; None on SQLite.
    """

    folder: Path
    url: str
    database_url: str
    environment: Mapping[str, str]
    roles: list[Role]
    ttl_s: float
    cluster: Cluster | None = None
    _frozen: dict[int, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def workers(self) -> list[Role]:
        """The roles that compute."""
        return [role for role in self.roles if role.name != "api"]

    @property
    def api(self) -> Role:
        """The role that answers requests."""
        return next(role for role in self.roles if role.name == "api")

    def freeze(self, pids: list[int], seconds: float) -> None:
        """Stop processes, and let them go on after so many seconds."""
        with self._lock:
            for pid in pids:
                if send(pid, signal.SIGSTOP):
                    self._frozen[pid] = time.monotonic() + seconds

    def keep(self) -> None:
        """Start again what has ended and thaw what is due, until the run is over."""
        while not self._is_over.wait(_LOOK_EVERY_S):
            self.thaw(time.monotonic())
            for role in self.roles:
                if not role.is_alive and not self._is_over.is_set():
                    role.start(self.environment)

    def thaw(self, until: float) -> None:
        """Let the processes go on whose time has come."""
        with self._lock:
            for pid in [pid for pid, due in self._frozen.items() if due <= until]:
                del self._frozen[pid]
                send(pid, signal.SIGCONT)

    def close(self) -> bool:
        """End everything in order; whether every process ended by itself when it was told to."""
        self._is_over.set()
        self.thaw(float("inf"))
        running = [role.process for role in self.roles if role.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _GRACE_S
        in_time = True
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                in_time = False
                process.kill()
                process.wait()
        return in_time

    def strangers(self) -> list[Process]:
        """Processes of this service that belong to none of the roles."""
        known = {pid for role in self.roles for pid in role.family()}
        mark = f"EQUIPOISE_DATA_DIR={self.folder}".encode()
        return [process for process in processes() if process.pid not in known and _has(process.pid, mark)]


def send(pid: int, number: int) -> bool:
    """Send a signal; whether there was a process to take it."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _has(pid: int, variable: bytes) -> bool:
    try:
        return variable in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


@contextmanager
def stage(folder: Path, *, database: str, n_workers: int, ttl_s: float) -> Iterator[Stage]:
    """Set up a service of one API and some workers, and take it down again.

    Args:
        folder: an empty folder for data and logs.
        database: "sqlite" or "postgresql", which is a server of this run alone.
        n_workers: number of workers.
        ttl_s: silence after which a worker counts as dead, [s].
    """
    if database == "sqlite":
        with _roles(folder, None, f"sqlite:///{folder / 'equipoise.db'}", n_workers, ttl_s) as running:
            yield running
        return
    with running_cluster() as cluster:
        url = new_database(cluster.url)
        with _roles(folder, cluster, url, n_workers, ttl_s) as running:
            yield running


@contextmanager
def _roles(
    folder: Path, cluster: Cluster | None, database_url: str, n_workers: int, ttl_s: float
) -> Iterator[Stage]:
    port = _free_port()
    variables = {
        "EQUIPOISE_DATA_DIR": str(folder),
        "EQUIPOISE_DATABASE_URL": database_url,
        "EQUIPOISE_PORT": str(port),
        "EQUIPOISE_THREADS": "1",
        "EQUIPOISE_CHUNK_SECONDS": "0.3",
        "EQUIPOISE_SHARD_SECONDS": "0.5",
        "EQUIPOISE_HEARTBEAT_SECONDS": str(ttl_s / _BEATS),
        "EQUIPOISE_HEARTBEAT_TTL_SECONDS": str(ttl_s),
        "EQUIPOISE_LOG_LEVEL": "warning",
        "EQUIPOISE_AUTH": "none",
    }
    environment = clean_environment(**variables)
    roles = [Role("api", ("api",), folder / "api.log")]
    roles += [Role(f"worker {k}", ("worker",), folder / f"worker-{k}.log") for k in range(1, n_workers + 1)]
    set_up = Stage(folder, f"http://127.0.0.1:{port}", database_url, environment, roles, ttl_s, cluster)
    keeper = threading.Thread(target=set_up.keep, name="keeper", daemon=True)
    keeper.start()
    try:
        yield set_up
    finally:
        set_up.close()
        keeper.join()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
