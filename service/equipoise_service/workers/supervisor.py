"""The API and the workers of a machine as child processes, restarted when they die, stopped together."""

import http.client
import logging
import os
import select
import signal
import socket
import subprocess  # nosec B404 # starts this program again, without a shell
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from equipoise_service.http.sockets import listen
from equipoise_service.settings import PREFIX, Settings
from equipoise_service.workers.devices import CPU, device_for, devices_for_all, devices_in_use
from equipoise_service.workers.processes import new_worker_id

logger = logging.getLogger(__name__)

# A child that lived this long was well; one that keeps dying sooner is given up after so many times.
WELL_AFTER_S = 10.0
MOST_FAILURES = 6
LONGEST_DELAY_S = 5.0
# Children that were asked to end are killed after this, and workers in `serve` have so long for their chunk.
GRACE_S = 5.0
SERVE_DRAIN_S = 3.0
_TICK_S = 0.25
_BAD_USAGE = 2
_PYTHON = (sys.executable, "-m", "equipoise_service")


@dataclass
class Child:
    """A process that is kept running.

    Attributes:
        name: what it is.
        command: makes the command line of each new life.
    """

    name: str
    command: Callable[[], list[str]]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    start_at: float = 0.0
    files: tuple[int, ...] = field(default=())

    def start(self, environment: Mapping[str, str]) -> None:
        """Start a new life, in a session of its own: Ctrl-C in a terminal reaches only the supervisor."""
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(  # nosec B603 # the command is our own
            self.command(), env=dict(environment), pass_fds=self.files, start_new_session=True
        )

    def end(self, number: int) -> None:
        """Send a signal to the process and those it started."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return


class Supervisor:
    """Keeps children running until told to stop.

    Args:
        children: what to run.
        environment: their environment.
        grace_s: after this, children that were asked to end are killed, [s].
    """

    def __init__(
        self, children: list[Child], environment: Mapping[str, str], *, grace_s: float = GRACE_S
    ) -> None:
        self._children = children
        self._environment = environment
        self._grace_s = grace_s
        self._order: int | None = None

    def run(self) -> int:
        """Run until a signal comes, or a child cannot be kept running; returns the exit code."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            return self._keep_running(reader)
        finally:
            self._stop_all()

    def _keep_running(self, wakeups: int) -> int:
        while self._order is None:
            for child in self._children:
                code = self._look_after(child)
                if code is not None:
                    return code
            if select.select([wakeups], [], [], _TICK_S)[0]:
                os.read(wakeups, 4096)
        return 0

    def _look_after(self, child: Child) -> int | None:
        """Start a child if it is time; an exit code if it cannot be kept running."""
        now = time.monotonic()
        if child.process is None:
            if now >= child.start_at:
                child.start(self._environment)
            return None
        code = child.process.poll()
        if code is None:
            return None
        child.end(signal.SIGKILL)  # What it started must not outlive it.
        child.process = None
        child.failures = 1 if now - child.started_at > WELL_AFTER_S else child.failures + 1
        if code == _BAD_USAGE:
            return _BAD_USAGE
        if child.failures >= MOST_FAILURES:
            logger.error("the %s ended %d times in a row: giving up", child.name, child.failures)
            return 1
        delay_s = 0.0 if child.failures == 1 else min(0.25 * 2**child.failures, LONGEST_DELAY_S)
        child.start_at = now + delay_s
        logger.warning("the %s %s: starting another one", child.name, _how_it_ended(code))
        return self._look_after(child)

    def _ask_to_stop(self, number: int, _frame: object) -> None:
        if self._order is not None:  # The second time: children that finish something end at once.
            self._tell_all(number)
        # A closed terminal is like Ctrl-C in it.
        self._order = signal.SIGTERM if number == signal.SIGTERM else signal.SIGINT

    def _tell_all(self, number: int) -> None:
        for child in self._children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(number)

    def _stop_all(self) -> None:
        self._tell_all(self._order or signal.SIGTERM)
        processes = [child.process for child in self._children if child.process is not None]
        deadline = time.monotonic() + self._grace_s
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("process %d did not end in time: killed", process.pid)
        for child in self._children:
            child.end(signal.SIGKILL)
        for process in processes:
            process.wait()


def serve(
    settings: Settings,
    *,
    environment: Mapping[str, str],
    on_listening: Callable[[str, int], None] | None = None,
) -> int:
    """Run the API and the workers of this machine until told to stop; returns the exit code.

    A worker computes on the processors; another one on each card that the setting `device` names, with "auto"
    or "all" on every card.

    Args:
        settings: settings of the service.
        environment: variables of the children.
        on_listening: called with host and port before anything answers there.

    Raises:
        SettingsError: the port is taken, the host unknown, the device not there, or no device for a queue.
    """
    devices = devices_in_use(_devices_of(settings.device), settings)
    listeners = listen(settings.host, settings.port, settings.n_apis)
    host, port = listeners[0].getsockname()[:2]
    if on_listening is not None:
        on_listening(host, port)
    children = [*_apis(listeners), *map(_worker, devices)]
    shown = f"[{host}]" if ":" in host else host
    ready = f"Equipoise is ready at http://{shown}:{port} (docs: http://{shown}:{port}/docs; Ctrl-C stops it)"
    threading.Thread(target=_announce, args=(host, port, ready), daemon=True).start()
    # Whoever stops everything waits for it: the next start goes on with the jobs wherever they are.
    drain = f"{min(settings.drain_seconds, SERVE_DRAIN_S):g}"
    code = Supervisor(children, {**environment, f"{PREFIX}DRAIN_SECONDS": drain}).run()
    logger.info("stopped")
    return code


def run_workers(settings: Settings, devices: Sequence[str], *, environment: Mapping[str, str]) -> int:
    """Run a worker for each device until told to stop; returns the exit code.

    Raises:
        SettingsError: the settings name a queue that none of the devices serves.
    """
    devices = devices_in_use(devices, settings)
    logger.info("a worker for each of %s", ", ".join(devices))
    grace_s = settings.drain_seconds + GRACE_S
    return Supervisor([_worker(device) for device in devices], environment, grace_s=grace_s).run()


def _worker(device: str) -> Child:
    lives: list[str] = []

    def command() -> list[str]:
        # The new life is told which one it replaces, so that it takes over without waiting for a silence.
        replaced = [f"--replaces={lives[-1]}"] if lives else []
        lives.append(new_worker_id())
        parent = f"--parent={os.getpid()}"
        return [*_PYTHON, "worker", f"--id={lives[-1]}", f"--device={device}", *replaced, parent]

    return Child("worker" if device == CPU else f"worker of {device}", command)


def _devices_of(name: str) -> list[str]:
    if name in ("auto", "all"):
        return devices_for_all()
    return list(dict.fromkeys([CPU, device_for(name)]))


def run_apis(settings: Settings, *, environment: Mapping[str, str]) -> int:
    """Run the API's processes behind one port until told to stop; returns the exit code.

    Raises:
        SettingsError: the port is taken or the host unknown.
    """
    listeners = listen(settings.host, settings.port, settings.n_apis)
    logger.info("API listens at %s:%d with %d processes", *listeners[0].getsockname()[:2], settings.n_apis)
    return Supervisor(_apis(listeners), environment).run()


def _apis(listeners: Sequence[socket.socket]) -> list[Child]:
    """A process for each socket; connections wait there while it starts again."""
    names = ["API"] if len(listeners) == 1 else [f"API {n}" for n in range(1, len(listeners) + 1)]
    return [_api(name, listener.fileno()) for name, listener in zip(names, listeners, strict=True)]


def _api(name: str, number: int) -> Child:
    command = [*_PYTHON, "api", f"--socket={number}", f"--parent={os.getpid()}"]
    return Child(name, lambda: command, files=(number,))


def _announce(host: str, port: int, line: str) -> None:
    """Print a line as soon as the service answers that it is ready."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # nosec B104 # binds nothing
    pause = threading.Event()
    while True:
        connection = http.client.HTTPConnection(address, port, timeout=30)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                print(line, flush=True)  # noqa: T201 - this is what the command is asked for
                return
        except OSError:
            pass
        finally:
            connection.close()
        pause.wait(0.1)


def _how_it_ended(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
