"""Machines for tests: namespaces of network and processes where that is permitted, else ports and folders."""

import os
import re
import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.servers import clean_environment, descendants, wait_until, wait_until_gone

_LISTENS = re.compile(r"API listens at (\S+):(\d+)")


@dataclass
class Machine:
    """Processes that share nothing with those of other machines but database and object store.

    Attributes:
        name: short.
        folder: home, data and temporary files of its processes.
        address: where its servers listen.
        prefix: command line that enters its network namespace.
        environment: variables of its processes.
        processes: what was started on it.
    """

    name: str
    folder: Path
    address: str
    prefix: tuple[str, ...]
    environment: Mapping[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str) -> Path:
        """Start a command of the service; its log."""
        log = self.folder / f"{command[0]}-{len(self.processes)}.log"
        with log.open("w") as sink:
            process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "equipoise_service", *command],
                env=clean_environment(
                    **self.environment,
                    HOME=str(self.folder),
                    XDG_CONFIG_HOME=str(self.folder),
                    XDG_DATA_HOME=str(self.folder),
                    TMPDIR=str(self.folder),
                    EQUIPOISE_DATA_DIR=str(self.folder / "data"),
                ),
                cwd=self.folder,
                stderr=sink,
                start_new_session=True,
            )
        self.processes.append(process)
        return log

    def start_api(self) -> str:
        """Start an API; its URL, as this test reaches it."""
        log = self.start("api", "--host", self.address, "--port", "0")
        found = wait_until(lambda: _LISTENS.search(log.read_text()), what=f"an API on {self.name}")
        return f"http://{self.address}:{found.group(2)}"

    def die(self) -> None:
        """End everything that runs here at once, by `kill -9`."""
        everyone = [child for process in self.processes for child in descendants(process.pid)]
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        for child in everyone:
            _kill(child.pid)
        for process in self.processes:
            process.wait()
        wait_until_gone(everyone)


@contextmanager
def machines(
    folder: Path, *names: str, environment: Mapping[str, str], ports: Sequence[int]
) -> Iterator[list[Machine]]:
    """Machines, each in a network namespace of its own where this process may make some; gone at the end.

    Args:
        folder: where their folders go.
        names: theirs.
        environment: variables of all their processes; HOST stands for the address at which they reach this
            machine.
        ports: of the servers of this machine's loopback that they need.
    """
    with ExitStack() as stack:
        made = []
        for number, name in enumerate(names):
            home = folder / name
            home.mkdir(parents=True)
            address, host, prefix = stack.enter_context(_network(number))
            stack.enter_context(_reachable(host, ports))
            variables = {key: value.replace("HOST", host) for key, value in environment.items()}
            machine = Machine(name, home, address, prefix, variables)
            stack.callback(machine.die)
            made.append(machine)
        yield made


@contextmanager
def _network(number: int) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Address of a machine, that of this one as it sees it, and the command that enters it."""
    name = f"eq-{uuid.uuid4().hex[:8]}"
    # Networks of four addresses in a range that is kept for tests of devices (RFC 2544).
    base = f"198.18.{os.getpid() % 256}.{4 * (number + 16 * (os.getpid() // 256 % 4))}"
    stem, last = base.rsplit(".", 1)
    host, address = f"{stem}.{int(last) + 1}", f"{stem}.{int(last) + 2}"
    if os.getuid() != 0 or not _ip(f"netns add {name}"):
        yield "127.0.0.1", "127.0.0.1", ()
        return
    try:
        for command in (
            f"link add {name}a type veth peer name {name}b netns {name}",
            f"addr add {host}/30 dev {name}a",
            f"link set {name}a up",
            f"-n {name} addr add {address}/30 dev {name}b",
            f"-n {name} link set {name}b up",
            f"-n {name} link set lo up",
        ):
            assert _ip(command), command
        # Process ids of their own as well: no machine sees whether a process of another one lives.
        processes = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
        yield address, host, ("ip", "netns", "exec", name, *processes)
    finally:
        _ip(f"link delete {name}a")
        _ip(f"netns delete {name}")


class _Forward(socketserver.BaseRequestHandler):
    """Passes the bytes of one connection on, both ways."""

    def handle(self) -> None:
        assert isinstance(self.server, _Forwarder)
        with socket.create_connection(self.server.target) as other:
            pair = {self.request: other, other: self.request}
            while True:
                for source in select.select(list(pair), [], [])[0]:
                    content = source.recv(65536)
                    if not content:
                        return
                    pair[source].sendall(content)


class _Forwarder(socketserver.ThreadingTCPServer):
    """A server that passes every connection on to a port of this machine's loopback."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, port: int) -> None:
        self.target = ("127.0.0.1", port)
        super().__init__((address, port), _Forward)

    def handle_error(self, request: object, client_address: object) -> None:
        """A machine that was killed leaves its connections torn."""


@contextmanager
def _reachable(host: str, ports: Sequence[int]) -> Iterator[None]:
    """Let the servers on ports of this machine's loopback be reached at another address of it."""
    if host == "127.0.0.1":
        yield
        return
    with ExitStack() as stack:
        for port in ports:
            forwarder = stack.enter_context(_Forwarder(host, port))
            threading.Thread(target=forwarder.serve_forever, daemon=True).start()
            stack.callback(forwarder.shutdown)
        yield


def _ip(arguments: str) -> bool:
    try:
        return subprocess.run(["ip", *arguments.split()], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
