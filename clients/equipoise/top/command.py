"""The command `equipoise top`: one frame, or one after another until somebody has seen enough."""

import json
import os
import sys
import threading
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from shutil import get_terminal_size

from equipoise.client import Client
from equipoise.connection import DEFAULT_URL, URL_VARIABLE
from equipoise.errors import AccessDeniedError, ClientError, InvalidArgumentError
from equipoise.retries import RetryPolicy
from equipoise.top.drawing import ASCII, UNICODE, Glyphs
from equipoise.top.frame import Canvas, frame
from equipoise.top.screen import opened
from equipoise.top.snapshot import History, Snapshot, take

WHAT = "Watch a service: its queues, workers, your running jobs and failures (for admins, everybody's)."
EXAMPLE = "equipoise top --url http://lab:8000"
LEAST_INTERVAL_S = 0.2
# A frame that takes longer than this to ask for is shown as trouble.
_TIMEOUT_S = 10.0
_GRACE_S = 0.5


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--once", action="store_true", help="print one frame and exit")
    parser.add_argument(
        "--interval", type=float, default=2.0, metavar="SECONDS", help="time between two frames (default: 2)"
    )


def run(options: Namespace) -> int:
    """Show what a service is doing; returns the exit code.

    Raises:
        ClientError: the service cannot be reached, or does not let the caller know.
    """
    if options.interval < LEAST_INTERVAL_S:
        allowed = f"at least {LEAST_INTERVAL_S:g} seconds"
        raise InvalidArgumentError("--interval", given=options.interval, allowed=allowed)
    address = options.url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    # The next frame is the next attempt.
    with Client(options.url, token=options.token, timeout_s=_TIMEOUT_S, retries=RetryPolicy(1)) as client:
        first = take(client)
        if options.json:
            sys.stdout.write(f"{json.dumps(first.as_json())}\n")
        elif options.once or not sys.stdout.isatty():
            _print(first, address)
        else:
            with suppress(KeyboardInterrupt):  # The way to leave, not an accident.
                _watch(client, first, address, options.interval)
    return 0


class _Watcher(threading.Thread):
    """Takes snapshots while the terminal stays quick.

    Args:
        wake: written to when there is news.
    """

    def __init__(self, client: Client, first: Snapshot, interval_s: float, wake: int) -> None:
        super().__init__(name="top", daemon=True)
        self._client = client
        self._interval_s = interval_s
        self._wake = wake
        self._is_over = threading.Event()
        self.latest = first
        self.history = History()
        self.history.add(first)
        self.trouble: str | None = None
        self.refusal: ClientError | None = None

    def run(self) -> None:
        """Take snapshots until told to stop, or until the service refuses."""
        while not self._is_over.wait(self._interval_s):
            try:
                snapshot = take(self._client)
                self.history.add(snapshot)
                self.latest, self.trouble = snapshot, None
            except AccessDeniedError as error:
                self.refusal = error
                return
            except ClientError as error:
                self.trouble = f"no answer ({type(error).__name__}), trying again"
            finally:
                with suppress(OSError):  # The view may have been closed meanwhile.
                    os.write(self._wake, b"n")

    def stop(self) -> None:
        """Take no more snapshots."""
        self._is_over.set()


def _watch(client: Client, first: Snapshot, address: str, interval_s: float) -> None:
    wake = os.pipe()
    watcher = _Watcher(client, first, interval_s, wake[1])
    try:
        with opened(sys.stdout, wake) as screen:
            watcher.start()
            while True:
                width, height = screen.size
                canvas = Canvas(width, height, _is_coloured(), _glyphs())
                shown = frame(
                    watcher.latest, watcher.history, canvas, address=address, trouble=watcher.trouble
                )
                screen.draw(shown[:height])
                if watcher.refusal is not None:
                    raise watcher.refusal
                if screen.wait(interval_s):
                    return
    finally:
        watcher.stop()
        # A service that hangs is not waited for: the thread ends with the process.
        watcher.join(_GRACE_S)
        if not watcher.is_alive():
            for number in wake:
                os.close(number)


def _print(snapshot: Snapshot, address: str) -> None:
    history = History()
    history.add(snapshot)
    size = get_terminal_size((80, 24))
    canvas = Canvas(size.columns, max(size.lines - 1, 24), sys.stdout.isatty() and _is_coloured(), _glyphs())
    lines = frame(snapshot, history, canvas, address=address)
    # The last line tells about keys; the empty ones above it hold its place.
    text = "\n".join(lines[:-1]).rstrip()
    sys.stdout.write(f"{text}\n")


def _is_coloured() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _glyphs() -> Glyphs:
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    return UNICODE if encoding.startswith("utf") else ASCII
