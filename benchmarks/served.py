"""The service under measurement: `serve` in a folder of its own, and what its processes weigh."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOKEN = "benchmark-" + "x" * 32
_READY = re.compile(r"ready at http://([0-9.]+):(\d+)")


@dataclass(frozen=True)
class Served:
    """A running service.

    Attributes:
        host, port: where it answers.
        pid: process id of the supervisor.
    """

    host: str
    port: int
    pid: int

    def megabytes(self) -> dict[str, float]:
        """Resident memory of the API, the worker and its computing process, [MB]."""
        return self._by_process(_resident)

    def processor_seconds(self) -> dict[str, float]:
        """Processor time that each of them has used, [s]."""
        return self._by_process(_processor_seconds)

    def _by_process(self, measure: Callable[[int], float]) -> dict[str, float]:
        found: dict[str, float] = {}
        for pid in _descendants(self.pid):
            name = _name(pid)
            if name:
                found[name] = found.get(name, 0.0) + measure(pid)
        return found


@contextmanager
def served(folder: Path, *, database_url: str | None = None, api_processes: int = 2) -> Iterator[Served]:
    """Run the service with its defaults, but for the caps of one user, until the block ends.

    Args:
        folder: an empty folder for its data.
        database_url: a PostgreSQL database; None is the embedded SQLite.
        api_processes: processes of the API.
    """
    variables = {
        "EQUIPOISE_TOKEN": TOKEN,
        "EQUIPOISE_LOG_LEVEL": "warning",
        "EQUIPOISE_API_PROCESSES": str(api_processes),
        # All clients here are one user.
        "EQUIPOISE_MAX_REQUESTS_PER_SECOND": "1e6",
        "EQUIPOISE_MAX_REQUEST_BURST": "1000000",
        "EQUIPOISE_MAX_UNFINISHED_JOBS": "1000000",
        "EQUIPOISE_MAX_UNFINISHED_JOBS_PER_USER": "1000000",
    } | ({"EQUIPOISE_DATABASE_URL": database_url} if database_url else {})
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EQUIPOISE_")}
    command = [sys.executable, "-m", "equipoise_service", "serve", "--port", "0", "--data-dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=kept | variables) as process:
        assert process.stdout is not None
        try:
            found = next((found for line in process.stdout if (found := _READY.search(line))), None)
            if found is None:
                raise RuntimeError(f"the service ended with code {process.wait()} before it was ready")
            yield Served(found.group(1), int(found.group(2)), process.pid)
        finally:
            process.terminate()
            process.wait(timeout=60)


def _descendants(pid: int) -> list[int]:
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *_descendants(int(child))]
    return found


def _name(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    names = {" api ": "API", " worker ": "worker", "to_process": "computing process"}
    return next((name for part, name in names.items() if part in command), "")


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024
