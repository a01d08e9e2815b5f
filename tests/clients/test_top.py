"""`equipoise top`: frames fit, tell the truth, steer no terminal; the live view comes and goes cleanly."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.clients.fake_service import job_state

from equipoise import Client
from equipoise.commands import main
from equipoise.records import JobRecord
from equipoise.top.drawing import ASCII, UNICODE, bar, short_number, short_time, sparkline
from equipoise.top.frame import Canvas, frame, time_left
from equipoise.top.snapshot import History, Snapshot, speed_of, take

NOW = 1.8e9
EVIL = "lab\x1b[2J\x9b1m\nforged\u202e"


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def worker(number: int, **health: Any) -> dict[str, Any]:
    known = {"path_steps_per_second": 2e6, "busy_fraction": 0.5, "memory_bytes": 2.0**30} | health
    return {"id": f"w{number}", "host": f"node{number}", "device": "cpu", "alive": True, "health": known}


def running(number: int, **changes: Any) -> JobRecord:
    state = job_state("running", id=f"job_{number:032d}", task="simulate", progress=0.25)
    return JobRecord.model_validate(state | {"started_at": moment(NOW - 100)} | changes)


def failed(number: int, message: str = "Out of memory.") -> JobRecord:
    error = {"code": "worker_crashed", "message": message}
    state = job_state("failed", id=f"job_{number:032d}", error=error, finished_at=moment(NOW - 7200))
    return JobRecord.model_validate(state)


def snapshot(n_workers: int = 2, n_jobs: int = 2, n_failed: int = 1) -> Snapshot:
    queues = [
        {"name": "quick", "queued": 0, "running": 2, "slots": 8, "yours": {"queued": 0, "running": 1}},
        {"name": "cpu", "queued": 340, "running": 3, "slots": 3, "oldest_wait_seconds": 7200.0},
        {"name": "gpu", "queued": 0, "running": 0, "slots": 0},
    ]
    return Snapshot(
        taken_at=NOW,
        health={"version": "1.2.3", "uptime_seconds": 90000.0},
        queues=queues,
        workers=[worker(number) for number in range(n_workers)],
        running=[running(number) for number in range(n_jobs)],
        failed=[failed(number) for number in range(n_failed)],
    )


def lines(shown: Snapshot, canvas: Canvas | None = None, **options: Any) -> list[str]:
    history = History()
    history.add(shown)
    return frame(shown, history, canvas or Canvas(), address="http://lab:8000", **options)


def test_a_frame_tells_what_is_going_on() -> None:
    """Version, uptime, queues, workers, jobs with what is left, and failures are on one page of 80 by 24."""
    text = "\n".join(lines(snapshot()))
    assert "Equipoise 1.2.3 at http://lab:8000  up 1.0 d" in text
    assert re.search(r"quick +0 +2 +8 +- +1 ", text)
    assert re.search(r"cpu +340 +3 +3 +2\.0 h +0 +█{10}", text)
    assert "gpu" not in text  # Nobody serves it and nothing waits there.
    assert "WORKERS  2 alive, 2 M path-steps/s" in text
    assert re.search(r"node0/cpu +ready +█████░░░░░ +50% +1 M/s +1\.0 GiB", text)
    assert re.search(r"simulate +local +█+░+ +25% +5\.0 min left", text)
    assert re.search(r"2\.0 h ago +worker_crashed Out of memory\.", text)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 8), (60, 12), (132, 50), (300, 100)])
@pytest.mark.parametrize("n", [0, 1, 7, 60])
@pytest.mark.parametrize("is_coloured", [False, True])
def test_a_frame_fits(width: int, height: int, n: int, is_coloured: bool) -> None:
    """No line is wider and no frame higher than the terminal, whatever there is to show."""
    shown = lines(snapshot(n, n, min(n, 5)), Canvas(width, height, is_coloured))
    assert len(shown) == height
    for each in shown:
        assert len(re.sub(r"\x1b\[[0-9;]*m", "", each)) <= width


def test_what_does_not_fit_is_counted() -> None:
    """Workers and jobs beyond the page are counted in the titles."""
    text = "\n".join(lines(snapshot(60, 60, 5)))
    shown = {name: len(re.findall(pattern, text)) for name, pattern in (("w", "node"), ("j", " left"))}
    assert min(shown.values()) >= 3
    assert f"({60 - shown['w']} not shown)" in text
    assert f"({60 - shown['j']} not shown)" in text


def test_names_from_the_service_cannot_steer_the_terminal() -> None:
    """Escape sequences, ends of lines and changes of direction in names and messages are shown as marks."""
    shown = snapshot()
    evil = Snapshot(
        NOW,
        {"version": EVIL},
        [{"name": EVIL, "queued": 1}],
        [{"host": EVIL, "device": EVIL, "status": EVIL, "id": EVIL, "health": {"job_id": EVIL}}],
        [running(1, task=EVIL, owner=EVIL)],
        [failed(1, EVIL)],
    )
    plain, with_evil = lines(shown), lines(evil, Canvas(200, 40), trouble=EVIL)
    assert len(with_evil) == 40
    assert len(plain) == 24
    assert not set("".join(with_evil)) & set("\x1b\x9b\n\r\u202e")


def test_troubles_are_said() -> None:
    """A service without workers, and one that stopped answering, are told apart from idle ones."""
    text = "\n".join(lines(snapshot(0, 0, 0), trouble="no answer"))
    assert "WORKERS  none: jobs wait until one is started" in text
    assert "no answer" in text.splitlines()[0]
    assert "FAILED LAST  none" in text


def test_time_left_goes_on_as_before() -> None:
    """A quarter done in 100 s leaves 300 s; one that has hardly begun leaves nobody knows what."""
    assert time_left(running(1), NOW) == pytest.approx(300.0)
    assert time_left(running(1, progress=0.001), NOW) is None
    assert time_left(running(1, started_at=None), NOW) is None


def test_the_speed_of_a_worker_is_that_of_all_its_time() -> None:
    """A worker that computes half of the time counts half; an idle or silent one not at all."""
    assert speed_of(worker(1)) == 1e6
    assert speed_of(worker(1, busy_fraction=0)) is None
    assert speed_of({"id": "w"}) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.2, "0 s"), (59.0, "59 s"), (90.0, "1.5 min"), (7200.0, "2.0 h"), (1e7, "116 d")],
)
def test_times_are_short(seconds: float | None, text: str) -> None:
    """A time is written with its largest unit."""
    assert short_time(seconds) == text


def test_pictures_of_numbers() -> None:
    """Bars fill up, sparklines are relative to their top, numbers have prefixes."""
    assert [bar(share, 4, ASCII) for share in (-1.0, 0.0, 0.5, 1.0, 9.0)] == [
        "....",
        "....",
        "##..",
        "####",
        "####",
    ]
    assert sparkline([0.0, 1.0, 2.0], 5, UNICODE) == "  ▁▅█"
    assert sparkline([], 2, UNICODE) == "  "
    assert sparkline([0.0] * 9, 3, UNICODE) == "▁▁▁"
    assert [short_number(number) for number in (None, 0.0, 999.0, 1500.0, 2.5e9)] == [
        "-",
        "0",
        "999",
        "1.5 k",
        "2.5 G",
    ]


def ended(status: str, number: int) -> dict[str, Any]:
    return job_state(status, id=f"job_{number:032d}", finished_at=moment(NOW + number))


ANSWERS: dict[str, Any] = {
    "/healthz": {"status": "ok", "version": "1.2.3", "uptime_seconds": 5.0},
    "/v1/queues": {"queues": [{"name": "cpu", "queued": 3, "running": 1, "slots": 1}]},
    "/v1/workers": {"workers": [worker(1), {**worker(2), "alive": False}]},
    "/v1/jobs?status=running": [job_state("running", progress=0.5)],
    "/v1/jobs?status=failed": [ended("failed", number) for number in (8, 4, 2, 1)],
    "/v1/jobs?status=timed_out": [ended("timed_out", number) for number in (9, 7, 3)],
}


class _Lab(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        status = parse_qs(query).get("status")
        answer = ANSWERS[f"{path}?status={status[0]}" if status else path]
        body = json.dumps({"jobs": answer, "next_cursor": None} if status else answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    """A service that answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Lab) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_snapshot_is_taken_of_what_is_alive(url: str) -> None:
    """Dead workers are left out."""
    with Client(url) as client:
        found = take(client)
    assert [one["id"] for one in found.workers] == ["w1"]
    assert (found.waiting, found.running[0].progress) == (3, 0.5)


def test_jobs_that_ran_out_of_time_are_failures_too(url: str) -> None:
    """What ended without a result stands by when it ended, the last first, whatever ended it."""
    with Client(url) as client:
        found = take(client).failed
    assert [int(job.id.removeprefix("job_")) for job in found] == [9, 8, 7, 4, 3]
    assert [job.status for job in found[:2]] == ["timed_out", "failed"]


def test_once_prints_one_frame(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`top --once`, and `top` into a pipe, print one frame without colours or keys."""
    for options in (["--once"], []):
        assert main(["top", "--url", url, *options]) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"Equipoise 1.2.3 at {url}")
        assert "node1/cpu" in text
        assert "\x1b" not in text
        assert "q quits" not in text


def test_json_prints_what_a_frame_is_made_of(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`top --json` is for programs."""
    assert main(["top", "--url", url, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["queues"][0]["queued"] == 3
    assert content["running"][0]["progress"] == 0.5


def test_bad_usage_and_absent_services_have_their_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """An interval of nothing is bad usage; a service that is not there cannot be reached."""
    assert main(["top", "--interval", "0"]) == 2
    assert "--interval" in capsys.readouterr().err
    assert main(["top", "--once", "--url", "http://127.0.0.1:9"]) == 3


class Terminal:
    """`equipoise top` in a terminal of 80 by 24."""

    def __init__(self, url: str) -> None:
        self._file, inside = pty.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(inside)
        self._inside = inside
        command = [sys.executable, "-m", "equipoise.commands", "top", "--url", url, "--interval", "0.2"]
        environment = {**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
        environment.pop("COLUMNS", None)
        environment.pop("LINES", None)
        self.process = subprocess.Popen(
            command, stdin=inside, stdout=inside, stderr=inside, env=environment, start_new_session=True
        )
        self.text = ""

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def until(self, pattern: str) -> None:
        """Read until something is shown."""
        give_up = time.monotonic() + 30
        while not re.search(pattern, self.text, re.DOTALL):
            assert time.monotonic() < give_up, f"{pattern!r} was not shown, but {self.text[-2000:]!r}"
            if select.select([self._file], [], [], 0.1)[0]:
                self.text += os.read(self._file, 65536).decode("utf-8", "replace")

    def rest(self) -> str:
        """What was shown last."""
        while select.select([self._file], [], [], 0.1)[0]:
            self.text += os.read(self._file, 65536).decode("utf-8", "replace")
        return self.text

    def press(self, key: str) -> None:
        os.write(self._file, key.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._file)
        os.close(self._inside)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["q", "ctrl-c"])
def test_the_live_view_comes_and_goes_cleanly(url: str, way: str) -> None:
    """Frames follow each other and the size of the terminal; q and Ctrl-C leave it as it was, with code 0."""
    terminal = Terminal(url)
    try:
        terminal.until(r"\x1b\[\?1049h.*Equipoise.*q quits.*Equipoise")
        terminal.text = ""
        terminal.resize(132, 40)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        # Only a wide terminal has room for the whole id of a job.
        terminal.until(r"█{15}")
        terminal.text = ""
        if way == "q":
            terminal.press("q")
        else:
            os.kill(terminal.process.pid, signal.SIGINT)
        terminal.until(r"\x1b\[\?25h\x1b\[\?1049l")
        assert terminal.process.wait(20) == 0, terminal.rest()
        assert termios.tcgetattr(terminal._inside)[3] == terminal.before[3]
    finally:
        terminal.close()
