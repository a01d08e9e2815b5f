"""`serve` as a command: it stops without a trace, and says what is wrong when it cannot start."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.e2e.jobs import simulation, submit, under_way
from tests.support.servers import clean_environment, descendants, running_service, wait_until_gone

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "equipoise_service", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, cwd=cwd, env=clean_environment(**variables)
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_within_seconds(tmp_path: Path, number: int) -> None:
    with running_service(tmp_path) as service, httpx.Client(base_url=service.url, timeout=30) as api:
        job = under_way(api, submit(api, simulation(n_steps=10**9, n_paths=10_000)))
        with api.stream("GET", job["links"]["events"]) as events:
            next(events.iter_text())
            children = descendants(service.pid)
            assert service.stop(number, deadline_s=8) == 0
    assert len(children) >= 3
    wait_until_gone(children, deadline_s=2)
    assert "Traceback" not in service.log.read_text()


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        answer = run("serve", "--port", str(port), cwd=tmp_path)
    assert answer.returncode == 2
    assert f"EQUIPOISE_PORT={port} is taken" in answer.stderr
    assert "--port 0" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["serve"], {"EQUIPOISE_PROT": "1"}, "Did you mean EQUIPOISE_PORT?"),
        (["serve", "--port", "http"], {}, "EQUIPOISE_PORT='http'"),
        (
            ["serve", "--host", "0.0.0.0"],
            {"EQUIPOISE_AUTH": "none"},
            "EQUIPOISE_AUTH='none' asks for no token",
        ),
        (["api", "--host", "0.0.0.0"], {"EQUIPOISE_AUTH": "none"}, "EQUIPOISE_AUTH='none' asks for no token"),
        (
            ["serve", "--host", "192.0.2.1", "--port", "0"],
            {"EQUIPOISE_TOKEN": "x" * 16},
            "cannot listen there",
        ),
        (["worker", "--device", "tpu"], {}, "EQUIPOISE_DEVICE='tpu'"),
        (["dance"], {}, "invalid choice: 'dance'"),
    ],
)
def test_what_cannot_start_says_why(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], words: str
) -> None:
    answer = run(*arguments, cwd=tmp_path, **variables)
    assert answer.returncode == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("command", ["serve", "api", "worker"])
@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--data-dir", "/proc/x", ["EQUIPOISE_DATA_DIR='/proc/x'", "--data-dir ~/equipoise-data"]),
        (
            "--database-url",
            "postgresql://u:secret@127.0.0.1:1/x",
            ["EQUIPOISE_DATABASE_URL='postgresql://u:(hidden)@127.0.0.1:1/x'", "Start the database"],
        ),
    ],
)
def test_a_place_that_cannot_be_used_is_said_at_once(
    tmp_path: Path, command: str, option: str, value: str, words: list[str]
) -> None:
    port = [] if command == "worker" else ["--port", "0"]
    answer = run(command, option, value, *port, cwd=tmp_path)
    assert answer.returncode == 2
    refusal = answer.stderr.splitlines()[-1]
    assert all(word in refusal for word in words), answer.stderr
    assert "Traceback" not in answer.stderr
    assert "secret" not in answer.stderr


@pytest.mark.parametrize("command", ["serve", "api", "worker", "openapi"])
def test_every_command_has_help(tmp_path: Path, command: str) -> None:
    answer = run(command, "--help", cwd=tmp_path)
    assert answer.returncode == 0
    assert "--data-dir" in answer.stdout
    shown = "equipoise" if command in ("serve", "worker") else "python -m equipoise_service"
    assert answer.stdout.startswith(f"usage: {shown} {command} ")
