"""A throw-away PostgreSQL cluster for tests, from the binaries that are installed on this machine."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psycopg

_ACCOUNTS = ("postgres", "nobody")


def binaries() -> Path | None:
    """Folder of the newest PostgreSQL binaries, None if there are none."""
    on_path = shutil.which("initdb")
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    folders = [path.parent for path in versions] + ([Path(on_path).parent] if on_path else [])
    return max(folders, key=lambda folder: folder.parent.name, default=None)


@dataclass(frozen=True)
class Cluster:
    """A cluster that can be made to crash.

    Attributes:
        url: of the server, without a database.
        data: folder of its data.
    """

    url: str
    data: Path
    _control: Callable[..., None]

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def crash(self) -> None:
        """End every process of the server at once, as a loss of power would; what was committed stays."""
        self._control("--mode=immediate", "stop")

    def start(self) -> None:
        """Start the server again, on its old port, and wait until it answers."""
        self._control("start")


@contextmanager
def cluster() -> Iterator[str]:
    """Run a cluster on a free port; gives the URL of its server, without a database.

    Where PostgreSQL is not installed, see `go_without`.
    """
    with running_cluster() as running:
        yield running.url


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Run a cluster of one's own, which may be made to crash.

    Where PostgreSQL is not installed, see `go_without`.
    """
    folder = binaries()
    if folder is None:
        go_without(os.environ)
    account = _account()
    # Not below pytest's own folder, which only its owner may enter.
    home = Path(tempfile.mkdtemp(prefix="equipoise-postgres-"))
    try:
        if account is not None:
            os.chown(home, account.pw_uid, account.pw_gid)
        port = _free_port()
        data = home / "data"
        _run(
            account,
            str(folder / "initdb"),
            "--pgdata",
            str(data),
            "--username=test",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
        )
        # Durability is PostgreSQL's own affair: without it the tests are faster.
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off"
        control = (str(folder / "pg_ctl"), "--pgdata", str(data), "--wait")

        def run_control(*words: str) -> None:
            _run(account, *control, "--log", str(home / "log"), "--options", options, *words)

        run_control("start")
        try:
            yield Cluster(f"postgresql://test@127.0.0.1:{port}", data, run_control)
        finally:
            run_control("--mode=immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def go_without(environment: Mapping[str, str]) -> NoReturn:
    """Skip a test for want of PostgreSQL; in CI, where nothing may go untested unseen, fail it.

    A laptop runs embedded on SQLite, where the same tests run too: nobody must install a database server to
    work on the rest, and the run prints what it has skipped.

    Args:
        environment: variables; CI is set there.
    """
    import pytest  # Here, for benchmarks use this module without it.

    says = "PostgreSQL is not installed: no initdb in /usr/lib/postgresql or on the PATH."
    if environment.get("CI"):
        pytest.fail(f"{says} CI runs every test: install the package postgresql.", pytrace=False)
    pytest.skip(says)


def new_database(server: str) -> str:
    """Create a database on a server; its URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def _account() -> pwd.struct_passwd | None:
    """Account that the server runs as; None for our own, unless that is root, which PostgreSQL refuses."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(names[name] for name in _ACCOUNTS if name in names)


def _run(account: pwd.struct_passwd | None, *command: str) -> None:
    options = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C"},
        **options,  # type: ignore[call-overload]
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
