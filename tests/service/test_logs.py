"""Logs: machines can read them, one id finds a request and its job, and no secret gets into them."""

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from tests.service.asgi_client import started
from tests.service.fake_solver import simulate_spec

from equipoise_service.http.app import create_app
from equipoise_service.settings import Settings
from equipoise_service.telemetry import logs
from equipoise_service.telemetry.logs import LogOptions, about, note
from equipoise_service.telemetry.redaction import HIDDEN, redacted, secrets_of

SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture
def restored() -> Iterator[None]:
    """The logging of the test run, as it was before."""
    root = logging.getLogger()
    kept = (list(root.handlers), root.level, sys.excepthook, threading.excepthook)
    yield
    root.handlers[:], level, sys.excepthook, threading.excepthook = kept
    root.setLevel(level)
    logging.captureWarnings(False)
    logs.forget_options()


@pytest.fixture
def stream(restored: None) -> io.StringIO:
    """What is logged as JSON."""
    stream = io.StringIO()
    logs.install(LogOptions("api", "info", True, (SECRET,)), stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object(stream: io.StringIO) -> None:
    """Every line has a time, level, logger, message and process; one of an error its exception as well."""
    logging.getLogger("a.b").info("two\nlines and \x1b[31mcolour")
    try:
        raise ValueError("wrong")
    except ValueError:
        logging.getLogger("a.b").exception("it failed")
    first, second = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert isinstance(first.pop("pid"), int)
    assert first == {
        "level": "info",
        "logger": "a.b",
        "message": "two\nlines and \\x1b[31mcolour",
        "process": "api",
    }
    assert second["exception"].startswith("Traceback")
    assert second["exception"].endswith("ValueError: wrong")


def test_lines_for_people_cannot_be_forged(restored: None) -> None:
    """A message of several lines begins one line; the others are indented."""
    stream = io.StringIO()
    logs.install(LogOptions("api", "info", False), stream)
    with about(request_id="r1", job_id=None):
        logging.getLogger("a").warning("hello\n2026-01-01T00:00:00.000Z INFO a forged")
    first, second = stream.getvalue().splitlines()
    assert first.endswith("WARNING a hello request_id=r1")
    assert second.startswith("    2026")


def test_what_a_line_is_about_goes_along(stream: io.StringIO) -> None:
    """Ids reach threads and tasks, notes made there come back, and all ends with the block."""

    def in_thread() -> None:
        note(job_id="job_1")
        logging.getLogger("thread").info("here")

    async def work() -> None:
        with about(request_id="r1"):
            await anyio.to_thread.run_sync(in_thread)
            logging.getLogger("task").info("after")
        logging.getLogger("task").info("outside")

    anyio.run(work)
    ids = [(line.get("request_id"), line.get("job_id")) for line in lines(stream)]
    assert ids == [("r1", "job_1"), ("r1", "job_1"), (None, None)]
    with pytest.raises(TypeError, match="not about colour"), about(colour="red"):
        pass


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            f"postgresql://ann:{SECRET}@host:5432/lab is down",
            "postgresql://ann:(hidden)@host:5432/lab is down",
        ),
        (f"s3://key:{SECRET}@bucket", "s3://key:(hidden)@bucket"),
        (f"Authorization: Bearer {SECRET}", "Authorization: (hidden)"),
        (f"(b'authorization', b'Bearer {SECRET}')", None),
        (f"proxy said Basic {SECRET.replace('-', '2')}=", "proxy said Basic (hidden)"),
        (f"{{'Authorization': 'Bearer {SECRET}', 'accept': '*/*'}}", None),
        (f"Cookie: session={SECRET}; a=b", "Cookie: (hidden)"),
        (f"GET /v1/jobs?token={SECRET}&limit=5", "GET /v1/jobs?token=(hidden)&limit=5"),
        (f"GET /x?access_token={SECRET}", "GET /x?access_token=(hidden)"),
        (f"https://s3/bucket?X-Amz-Signature={SECRET}&b=1", "https://s3/bucket?X-Amz-Signature=(hidden)&b=1"),
        (f"connect host=db password={SECRET} user=ann", "connect host=db password=(hidden) user=ann"),
        (f'{{"api_key": "{SECRET}", "n": 1}}', '{"api_key": (hidden), "n": 1}'),
        (f"AWS_SECRET_ACCESS_KEY='{SECRET}'", "AWS_SECRET_ACCESS_KEY=(hidden)"),
        (f"[SQL: SELECT 1] [parameters: {{'a': '{SECRET}'}}]", "[SQL: SELECT 1] [parameters: (hidden)]"),
        (f"GET /v1/eq_0123456789abcdef_{SECRET}", "GET /v1/eq_0123456789abcdef_(hidden)"),
        (f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.{SECRET} came", "(hidden) came"),
    ],
)
def test_secrets_are_known_by_how_they_look(text: str, kept: str | None) -> None:
    """Passwords in URLs, headers, queries, assignments and statements are hidden, their surroundings not."""
    shown = redacted(text)
    assert SECRET not in shown
    assert HIDDEN in shown
    assert kept is None or shown == kept


@pytest.mark.parametrize(
    "text",
    [
        "GET /v1/jobs/job_0123 200 1.3 ms",
        "http://127.0.0.1:8000/v1/jobs?limit=5&cursor=abc",
        "worker host/1 serves quick, cpu with 2 threads",
        "Basic statistics of the basic law",
        "the token bucket of ann is empty",
        "sigma=0.5 and key frames",
    ],
)
def test_what_is_no_secret_is_shown(text: str) -> None:
    """Lines without secrets stay as they are."""
    assert redacted(text) == text


@pytest.mark.parametrize(
    "part", ["a-", "://a:", "token", "eyJ", '"token":', "Bearer ", "=", "password=", "x"]
)
def test_no_text_makes_the_search_slow(part: str) -> None:
    """A long text is cut; what would take a search with nested repetition for ever is done at once."""
    text = f"= ': bearer basic eyj [parameters: :// {part * 200_000}"
    assert len(redacted(text)) < 60_000 * 2


def test_known_secrets_are_hidden_wherever_they_stand(stream: io.StringIO) -> None:
    """The token, passwords of URLs and secret variables are hidden as words, quoted too."""
    settings = Settings(
        token=SECRET,
        database_url="postgresql://ann:p%40ss-word@h/d",
        store_url="s3://key:storeword@bucket",
    )
    found = secrets_of(
        settings, {"AWS_SECRET_ACCESS_KEY": "amazon-word", "TOKEN_FILE": "/run/token", "A": "other"}
    )
    assert set(found) == {SECRET, "p%40ss-word", "p%2540ss-word", "p@ss-word", "storeword", "amazon-word"}
    assert redacted("it was p@ss-word or storeword", found) == "it was (hidden) or (hidden)"
    assert "amazon-word" not in repr(LogOptions("api", "info", True, found))


def test_secrets_in_exceptions_and_arguments_are_hidden(stream: io.StringIO) -> None:
    """A traceback, its causes, wrong arguments of a line hide them; a presented token is hidden too."""
    log = logging.getLogger("a")
    try:
        try:
            raise OSError(f"cannot reach postgresql://ann:{SECRET}@host/lab")
        except OSError as error:
            raise RuntimeError(f"with key {SECRET}") from error
    except RuntimeError:
        log.exception("failed for %s", SECRET)
    with logs.hiding("presented-word"):
        log.info("somebody sent presented-word")
    ours = next(each for each in logging.getLogger().handlers if isinstance(each.formatter, logs.JsonLines))
    ours.handle(logging.LogRecord("a", logging.INFO, "a.py", 1, "%d %d", (f"password={SECRET}",), None))
    text = stream.getvalue()
    assert SECRET not in text
    assert "presented-word" not in text
    assert "could not be logged: TypeError" in text
    assert text.count("Traceback") == 2


def test_failures_that_nobody_catches_are_logged_without_secrets(stream: io.StringIO) -> None:
    """An exception at the top of the process or of a thread is a line like any other."""

    def fail() -> None:
        raise RuntimeError(f"connect password={SECRET}")

    thread = threading.Thread(target=fail, name="t1")
    thread.start()
    thread.join()
    try:
        fail()
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    first, second = lines(stream)
    assert (first["level"], first["message"]) == ("error", "the thread t1 failed")
    assert (second["level"], second["message"]) == ("critical", "the process failed")
    assert SECRET not in stream.getvalue()


def test_a_request_is_logged_once_with_its_id_and_user(
    settings: Settings, stream: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    """The line of a request has its id, user, path, status and time; nothing of headers, body or query."""
    caplog.set_level(logging.WARNING, "httpx")  # The client of this test is in the same process.
    app = create_app(settings)

    @app.get("/break")
    def break_down() -> None:
        raise RuntimeError(f"lost postgresql://ann:{SECRET}@host/lab with token={SECRET}")

    with started(app) as api:
        header = {"X-Request-ID": "mine-1", "Authorization": "Bearer presented-by-somebody"}
        answer = api.get(f"/v1/jobs/presented-by-somebody?token={SECRET}", headers=header)
        assert answer.status_code == 404
        assert api.get("/break", headers=header).status_code == 500
        api.post("/v1/jobs", json={"spec": simulate_spec(seed=5)}, headers={"X-Request-ID": "mine-2"})
    found = [line for line in lines(stream) if line["logger"] == "equipoise_service.requests"]
    first = found[0]
    assert (first["request_id"], first["user"], first["method"]) == ("mine-1", "local", "GET")
    assert (first["path"], first["status"]) == ("/v1/jobs/(hidden)", 404)
    assert first["took_ms"] >= 0
    assert "exception" in found[1]
    assert (found[2]["path"], found[2]["status"]) == ("/break", 500)
    assert found[3]["request_id"] == "mine-2"
    assert SECRET not in stream.getvalue()
    assert "presented-by-somebody" not in stream.getvalue()


def test_libraries_log_like_everybody_else(stream: io.StringIO) -> None:
    """What uvicorn, the job engine and Python's warnings say are JSON lines too."""
    logging.getLogger("uvicorn.error").warning("server %s", "slow")
    logging.getLogger("dbos").error("engine down")
    logging.getLogger("py.warnings").warning("old")
    assert [(line["logger"], line["message"]) for line in lines(stream)] == [
        ("uvicorn.error", "server slow"),
        ("dbos", "engine down"),
        ("py.warnings", "old"),
    ]
