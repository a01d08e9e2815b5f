"""Real servers for tests: `python -m equipoise_service serve` on a free port, with a folder of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
READY = re.compile(r"Equipoise is ready at (http://\S+)")


def wait_until(condition: Callable[[], T | None], *, what: str, deadline_s: float = 30.0) -> T:
    """Poll until a condition gives something true; that is returned."""
    give_up = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < give_up, f"waited {deadline_s} s in vain: {what}"
        time.sleep(0.02)  # The interval of the polling, not a guess at how long something takes.
    return found


@dataclass(frozen=True)
class Process:
    """A process of this machine."""

    pid: int
    parent: int
    command: str


def processes() -> list[Process]:
    """All processes that run, zombies left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if fields[0] not in "ZX":
                found.append(Process(int(folder.name), int(fields[1]), command))
    return found


def descendants(pid: int) -> list[Process]:
    """The processes that a process started, and those that they started."""
    everyone = processes()
    found: list[Process] = []
    parents = {pid}
    while parents:
        children = [process for process in everyone if process.parent in parents]
        found += children
        parents = {process.pid for process in children}
    return found


def wait_until_gone(gone: list[Process], *, deadline_s: float = 3.0) -> None:
    """Wait until none of these processes runs."""
    pids = {process.pid for process in gone}
    wait_until(
        lambda: not pids & {process.pid for process in processes()},
        what=f"the end of {sorted(pids)}",
        deadline_s=deadline_s,
    )


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without settings of the service, plus the given ones.

    The file of tokens stays that of the session: nothing is read from the user's own or written there.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("EQUIPOISE_") or name == "EQUIPOISE_CREDENTIALS"
    }
    return {**kept, **variables}


class Service:
    """A running `serve`."""

    def __init__(self, process: subprocess.Popen[str], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self.process.pid

    def child(self, command: str) -> Process:
        """The child that runs a command, "api" or "worker", once it is there."""

        def find() -> Process | None:
            pattern = f"-m equipoise_service {command} "
            return next((child for child in descendants(self.pid) if pattern in child.command), None)

        return wait_until(find, what=f"the {command} runs")

    def kill(self, command: str) -> Process:
        """Kill a child with signal 9; returns what was killed."""
        child = self.child(command)
        os.kill(child.pid, signal.SIGKILL)
        return child

    def stop(self, number: int = signal.SIGINT, *, deadline_s: float = 15.0) -> int:
        """Send a signal to the supervisor and wait for its end; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(deadline_s)


def _without_tokens(environment: Mapping[str, str]) -> dict[str, str]:
    is_said = not {"EQUIPOISE_AUTH", "EQUIPOISE_TOKEN"}.isdisjoint(environment)
    return {**({} if is_said else {"EQUIPOISE_AUTH": "none"}), **environment}


@contextmanager
def running_service(
    data_dir: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Start `serve` on a free port and wait until it is ready; stop it at the end.

    It asks nobody for a token, unless the environment names EQUIPOISE_AUTH or EQUIPOISE_TOKEN.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / f"serve-{time.monotonic_ns()}.log"
    command = [sys.executable, "-m", "equipoise_service", "serve", "--port", "0", "--data-dir", str(data_dir)]
    with log.open("w") as sink:
        process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            env=clean_environment(**_without_tokens(environment or {})),
            cwd=data_dir,
        )
    started = descendants(process.pid)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = READY.search(line)
        assert found, f"serve said {line!r} and logged: {log.read_text()[-4000:]}"
        yield Service(process, found.group(1), log)
    finally:
        started += descendants(process.pid)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert process.stdout is not None
        process.stdout.close()
