"""The command line: results, messages and exit codes."""

import io
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.clients.examples import STATIONARY
from tests.clients.fake_service import AT_ONCE, JOB_ID, FakeService, job_state, problem

from equipoise import Client, actions
from equipoise.actions import service_command
from equipoise.commands import main


class _Handler(BaseHTTPRequestHandler):
    fake: FakeService

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        url = f"http://fake{self.path}"
        answer = self.fake(httpx.Request(self.command, url, headers=dict(self.headers), content=body))
        content = answer.read()
        self.send_response(answer.status_code)
        self.send_header("content-type", answer.headers.get("content-type", "application/json"))
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def url(fake: FakeService) -> Iterator[str]:
    """Address of the fake service, on a free port."""
    handler = type("Handler", (_Handler,), {"fake": fake})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(STATIONARY))
    return str(path)


Captured = pytest.CaptureFixture[str]


def test_solve_works_here_by_default(spec: str, capsys: Captured) -> None:
    """`solve` needs no server; the summary goes to standard output."""
    assert main(["solve", spec]) == 0
    out, err = capsys.readouterr()
    assert "phase" in out
    assert "learning" in out
    assert err == ""


def test_json_is_the_solution(spec: str, capsys: Captured) -> None:
    """With --json standard output is the solution and nothing else."""
    assert main(["solve", spec, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["task"] == "stationary"
    assert content["density"]["v"]


def test_specs_come_from_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """A dash reads the spec from standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(STATIONARY)))
    assert main(["solve", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["spec"]["temperature"] == 0.05


def test_plots_are_written(spec: str, tmp_path: Path, capsys: Captured) -> None:
    """--plot writes a picture and says so on standard error."""
    picture = tmp_path / "law.png"
    assert main(["solve", spec, "--plot", str(picture), "--json"]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    out, err = capsys.readouterr()
    assert str(picture) in err
    json.loads(out)


def test_solve_on_a_server(spec: str, url: str, fake: FakeService, capsys: Captured) -> None:
    """--url solves on the server that it names."""
    assert main(["solve", spec, "--url", url, "--json"]) == 0
    assert fake.calls == ["POST /v1/solve"]
    assert json.loads(capsys.readouterr().out)["mean"] == 0.75


def test_submit_prints_the_id(spec: str, url: str, fake: FakeService, capsys: Captured) -> None:
    """`submit` prints the id of the job, or the job as JSON."""
    arguments = ["submit", spec, "--url", url, "--tag", "a", "--tag", "b", "--priority", "2"]
    fake.states = [job_state("queued")]
    assert main([*arguments, "--timeout-seconds", "5", "--wait", "1"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{JOB_ID}\n"
    assert "about 4.5 s on the cpu, 2e+09 path-steps, 3 MB" in printed.err
    assert "starts about 03:05:06 UTC" in printed.err
    content = json.loads(fake.requests[0].content)
    assert (content["tags"], content["priority"], content["timeout_seconds"]) == (["a", "b"], 2, 5.0)
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == JOB_ID


def test_estimate_prints_what_a_spec_would_take(
    spec: str, url: str, fake: FakeService, capsys: Captured
) -> None:
    """`estimate` prints cost, place and start, and submits nothing."""
    assert main(["estimate", spec, "--url", url, "--device", "cpu", "--urgent"]) == 0
    printed = capsys.readouterr().out
    for said in ("about 4.5 s on the cpu", "cpu, 2 ahead", "2026-01-02 03:05:06 UTC", "Mind the gap."):
        assert said in printed
    assert fake.calls == ["POST /v1/estimate"]
    assert json.loads(fake.requests[0].content)["urgent"] is True
    assert main(["estimate", spec, "--url", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"]["path_steps"] == 2e9


def test_watch_prints_states(url: str, fake: FakeService, capsys: Captured) -> None:
    """`watch` prints a line for each change and ends with the job."""
    fake.states = [job_state("queued"), job_state("running", live={"mean": 0.5}), job_state("succeeded")]
    assert main(["watch", JOB_ID, "--url", url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "running" in lines[0]
    assert "mean 0.5" in lines[0]
    assert "succeeded" in lines[-1]
    fake.states = [job_state("queued"), job_state("succeeded")]
    assert main(["watch", JOB_ID, "--url", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["status"] == "succeeded"


def test_result_prints_the_solution(url: str, capsys: Captured) -> None:
    """`result` waits and prints."""
    assert main(["result", JOB_ID, "--url", url]) == 0
    assert "mean" in capsys.readouterr().out
    assert main(["result", JOB_ID, "--url", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["task"] == "stationary"


def test_cancel_jobs_upload_and_health(url: str, fake: FakeService, tmp_path: Path, capsys: Captured) -> None:
    """The other commands print text, or JSON if asked to."""
    fake.pages = {"": {"jobs": [job_state("running", tags=["a"])], "next_cursor": None}}
    table = tmp_path / "data.csv"
    table.write_text("x,y\n1,2\n3,4\n")
    for arguments, said in (
        (["cancel", JOB_ID], "cancelling"),
        (["jobs", "--status", "running", "--tag", "a"], JOB_ID),
        (["upload", str(table), "--x", "x", "--y", "y"], "ds_1"),
        (["health"], "ok"),
    ):
        assert main([*arguments, "--url", url]) == 0
        assert said in capsys.readouterr().out
        assert main([*arguments, "--url", url, "--json"]) == 0
        assert said in json.dumps(json.loads(capsys.readouterr().out))


def test_health_shows_what_is_known(url: str, fake: FakeService, capsys: Captured) -> None:
    """`health` has no line for a field that the service leaves empty."""
    fake.faults = [httpx.Response(200, json={"status": "ok", "version": "9.9", "workers": None})]
    assert main(["health", "--url", url]) == 0
    assert capsys.readouterr().out == "status   ok\nversion  9.9\n"


def test_failed_jobs_give_1(url: str, fake: FakeService, capsys: Captured) -> None:
    """A job that failed, or is not done in time, gives exit code 1 and says why on standard error."""
    fake.states = [job_state("failed", error={"code": "internal_error", "message": "Broken."})]
    for command in ("watch", "result"):
        assert main([command, JOB_ID, "--url", url]) == 1
        assert "Broken." in capsys.readouterr().err
    fake.states = [job_state("running")]
    assert main(["result", JOB_ID, "--url", url, "--timeout", "0.05"]) == 1
    assert "still running" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["{", '{"task": "stationary"}', '{"task": "stationary", "temperature": NaN}']
)
def test_bad_specs_give_2(text: str, tmp_path: Path, capsys: Captured) -> None:
    """What is no spec gives exit code 2 and one message."""
    path = tmp_path / "spec.json"
    path.write_text(text)
    assert main(["solve", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("equipoise: ")


def test_a_name_given_twice_is_refused(tmp_path: Path, capsys: Captured) -> None:
    """A spec file that says something twice is not read as if it said it once."""
    path = tmp_path / "spec.json"
    path.write_text('{"task": "stationary", "temperature": 0.1, "temperature": 0.2}')
    assert main(["solve", str(path)]) == 2
    assert "'temperature' is there twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["solve", "nowhere.json"],
        ["watch", "no/id", "--url", "http://127.0.0.1:1"],
        ["jobs", "--url", "lab"],
        ["upload", "nowhere.csv", "--url", "http://127.0.0.1:1"],
    ],
)
def test_bad_arguments_give_2(arguments: list[str], capsys: Captured) -> None:
    """Mistakes in the arguments are told before anything is sent."""
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("equipoise: ")


@pytest.mark.parametrize("plot", ["law.xyz", "/nowhere/law.png"])
def test_bad_pictures_are_refused_before_solving(spec: str, plot: str, capsys: Captured) -> None:
    """A picture that cannot be written is refused at once."""
    assert main(["solve", spec, "--plot", plot]) == 2
    assert "--plot" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["dance"], ["solve"], ["jobs", "--status", "lost"]])
def test_bad_usage_gives_2(arguments: list[str], capsys: Captured) -> None:
    """A command line that cannot be understood is refused with its usage and exit code 2."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: equipoise")
    assert "\nequipoise: " in err


MEMBERS = {"code", "message", "field", "given", "allowed", "remedy", "errors"}


def told(arguments: list[str], capsys: Captured) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON object of a command that fails."""
    code = main([*arguments, "--json"])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    content: dict[str, Any] = json.loads(err)
    assert set(content) - {"job"} == MEMBERS
    assert content["code"]
    assert "\n" not in content["message"]
    return code, content


def test_errors_are_json_with_json(spec: str, url: str, fake: FakeService, capsys: Captured) -> None:
    """With --json every error is one JSON object on standard error, with the usual exit code."""
    nowhere = ["--url", "http://127.0.0.1:1"]
    code, content = told(["jobs", "--url", "lab"], capsys)
    assert (code, content["code"]) == (2, "invalid_argument")
    assert (content["field"], content["given"]) == ("--url", "lab")
    assert "http" in content["allowed"]
    code, content = told(["jobs", "--status", "lost"], capsys)
    assert (code, content["code"], content["field"]) == (2, "bad_usage", None)
    code, content = told(["jobs", *nowhere], capsys)
    assert (code, content["code"]) == (3, "unreachable")
    assert "equipoise serve" in content["remedy"]
    code, content = told(["cancel", "job_9", "--url", url], capsys)
    assert (code, content["code"]) == (2, "job_not_found")
    fake.faults = [httpx.Response(200, text="hello")]
    code, content = told(["jobs", "--url", url], capsys)
    assert (code, content["code"]) == (3, "unexpected_answer")
    fake.states = [job_state("failed", error={"code": "worker_crashed", "message": "Broken."})]
    code, content = told(["result", JOB_ID, "--url", url], capsys)
    assert (code, content["code"], content["job"]) == (1, "worker_crashed", JOB_ID)
    fake.states = [job_state("running")]
    code, content = told(["result", JOB_ID, "--url", url, "--timeout", "0.05"], capsys)
    assert (code, content["code"]) == (1, "wait_timeout")


def test_refused_specs_are_json_with_json(tmp_path: Path, capsys: Captured) -> None:
    """A refused spec names its first field, and lists them all."""
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(STATIONARY | {"temperature": -1, "weight_decay": "a"}))
    code, content = told(["solve", str(path)], capsys)
    assert (code, content["code"]) == (2, "invalid_spec")
    assert (content["field"], content["given"], content["allowed"]) == ("temperature", -1, ">= 0")
    assert [entry["field"] for entry in content["errors"]] == ["temperature", "weight_decay"]
    assert all(
        set(entry) == {"field", "message", "given", "allowed", "remedy"} for entry in content["errors"]
    )
    path.write_text(json.dumps(STATIONARY | {"temperature": 10**400, "weight_decay": float("nan")}))
    assert told(["solve", str(path)], capsys)[0] == 2


JARGON = re.compile(
    r"HTTP|\bstatus\b|\b(GET|POST|DELETE|PUT)\b|/v1|header|query|Authorization|Bearer|timeout_s\b(?!=)|base_url|token="
)


@pytest.mark.parametrize(
    "fault",
    [
        *(httpx.Response(status) for status in (429, 502, 503, 504)),
        *(httpx.Response(200, text=text) for text in ("", "hello")),
        problem(401, "unauthorized", title="A token is needed", detail="Send Authorization: Bearer TOKEN."),
        problem(500, "internal_error", title="The service failed", detail="The log says why."),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("broken"),
        httpx.ConnectError("refused"),
    ],
    ids=str,
)
def test_messages_speak_of_the_command_line(
    fault: Any, fake: FakeService, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message needs no knowledge of HTTP or of the Python client, and says nothing twice."""
    fake.faults = [fault] * 9

    def client(*_: object, **__: object) -> Client:
        return Client("http://fake", retries=AT_ONCE, transport=httpx.MockTransport(fake))

    monkeypatch.setattr(actions, "Client", client)
    assert main(["jobs"]) in (2, 3)
    err = capsys.readouterr().err
    assert err.startswith("equipoise: ")
    assert not JARGON.search(err), err
    sentences = [part for part in re.split(r"(?<=[.?!])\s+", err.strip()) if part]
    assert len(set(sentences)) == len(sentences)


def test_unknown_jobs_give_2(url: str, capsys: Captured) -> None:
    """A job that is not there is a mistake of the caller."""
    assert main(["cancel", "job_9", "--url", url]) == 2
    assert "no such job" in capsys.readouterr().err


def test_an_unreachable_service_gives_3(capsys: Captured) -> None:
    """Nothing listens on port 1."""
    assert main(["jobs", "--url", "http://127.0.0.1:1"]) == 3
    assert "Cannot connect" in capsys.readouterr().err


def test_a_broken_service_gives_3(url: str, fake: FakeService, capsys: Captured) -> None:
    """A service that fails, or something else at the address, counts as not reached."""
    fake.faults = [problem(500, "internal_error")]
    assert main(["jobs", "--url", url]) == 3
    fake.faults = [httpx.Response(200, text="hello")]
    assert main(["jobs", "--url", url]) == 3
    assert "Traceback" not in capsys.readouterr().err


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """An interrupt gives exit code 130 and no traceback."""

    class Interrupted(io.StringIO):
        def read(self, *_: object) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Interrupted())
    assert main(["solve", "-"]) == 130
    assert capsys.readouterr().err == ""


COMMANDS = ("solve", "submit", "watch", "result", "cancel", "jobs", "upload", "health")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: Captured) -> None:
    """--help of each command has --json and an example."""
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert f"example:\n  equipoise {command}" in out
    assert "--json" in out


def test_the_help_lists_all_commands(capsys: Captured) -> None:
    """`--help` names every command."""
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(f"    {command} " in out for command in (*COMMANDS, "serve", "worker"))


def test_serve_and_worker_run_the_service() -> None:
    """All further arguments are handed on."""
    expected = [sys.executable, "-m", "equipoise_service", "worker", "--help", "-x"]
    assert service_command("worker", ["--help", "-x"]) == expected


def test_a_missing_service_is_explained() -> None:
    """Without the service's modules, `serve` says what to install and gives exit code 2."""
    code = (
        "import sys\n"
        "from equipoise import actions\n"
        "from equipoise.commands import main\n"
        "actions.SERVICE_MODULES = ('no_such_module',)\n"
        "sys.exit(main(['serve']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'equipoise[service]'" in done.stderr


def test_the_version_is_that_of_the_distribution(capsys: Captured) -> None:
    """`--version` prints what is installed."""
    from equipoise_solver.version import __version__

    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"equipoise {__version__}\n"


@pytest.mark.slow
def test_a_closed_pipe_is_no_error(spec: str) -> None:
    """A reader that leaves early causes no traceback."""
    command = f"{sys.executable} -m equipoise.commands solve {spec} --json | head -c 10"
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False)
    assert len(done.stdout) == 10
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
