"""A real server, and clients that are slow, endless or speak no HTTP: they are cut off, others are served."""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests.e2e.jobs import simulation, submit
from tests.security.conftest import BEARER, TOKEN
from tests.support.servers import Service, running_service, wait_until

from equipoise_service.http.security_headers import SECURITY_HEADERS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SILENCE_S, BODY_S, STREAMS = 1.0, 3.0, 3
AUTH = f"Authorization: Bearer {TOKEN}\r\n".encode()
JSON = b"Content-Type: application/json\r\n"
SOLVE = b"POST /v1/solve HTTP/1.1\r\nHost: x\r\n" + AUTH + JSON


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {
        "EQUIPOISE_TOKEN": TOKEN,
        "EQUIPOISE_MAX_SILENCE_SECONDS": str(SILENCE_S),
        "EQUIPOISE_MAX_BODY_SECONDS": str(BODY_S),
        "EQUIPOISE_MAX_BODY_BYTES": "65536",
        "EQUIPOISE_MAX_STREAMS_PER_USER": str(STREAMS),
        # Each process counts what it holds.
        "EQUIPOISE_API_PROCESSES": "1",
    }
    folder = tmp_path_factory.mktemp("slow") / "data"
    with running_service(folder, "--log-level", "warning", environment=environment) as service:
        yield service


def connect(server: Service) -> socket.socket:
    url = urlsplit(server.url)
    found = socket.create_connection((url.hostname, url.port), timeout=30)
    found.settimeout(30)
    return found


def heard(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection, which it must within the socket's timeout."""
    parts: list[bytes] = []
    try:
        while part := connection.recv(2**16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def dribbled(connection: socket.socket, piece: bytes, *, every_s: float) -> bytes:
    """Send a piece again and again until the server has closed the connection; returns what it said."""
    parts: list[bytes] = []
    for _ in range(500):
        readable, _, _ = select.select([connection], [], [], every_s)
        try:
            if readable:
                part = connection.recv(2**16)
                if not part:
                    return b"".join(parts)
                parts.append(part)
            connection.sendall(piece)
        except (ConnectionResetError, BrokenPipeError):
            return b"".join(parts)
    raise AssertionError("the server never closed the connection")


def assert_answer(answer: bytes, status: int, code: str) -> None:
    """The last of the answers is a problem of this status and code, with the security headers."""
    last = answer[answer.rindex(b"HTTP/1.1 ") :]
    head, _, body = last.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].split()[1] == str(status), answer[:2000]
    headers = {line.partition(":")[0].title() for line in lines[1:]}
    assert set(SECURITY_HEADERS) - headers <= {"X-Xss-Protection"}
    assert json.loads(body)["code"] == code


def assert_serves(server: Service) -> None:
    assert httpx.get(f"{server.url}/v1/limits", headers=BEARER, timeout=30).status_code == 200


def test_a_head_that_never_ends_is_cut_while_others_are_served(server: Service) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(40)]
        for connection in slow:
            connection.sendall(b"GET /v1/limits HTTP/1.1\r\n")
        assert_serves(server)
        assert b" 200 " not in dribbled(slow[0], b"a: b\r\n", every_s=0.1)
        for connection in slow[1:]:
            assert heard(connection) == b""
    assert_serves(server)


def test_a_connection_that_says_nothing_is_cut(server: Service) -> None:
    with connect(server) as connection:
        assert heard(connection) == b""


def test_a_body_that_stops_is_refused(server: Service) -> None:
    with connect(server) as connection:
        connection.sendall(SOLVE + b'Content-Length: 100\r\n\r\n{"spec"')
        assert_answer(heard(connection), 408, "request_timeout")


def test_a_body_that_takes_too_long_is_refused(server: Service) -> None:
    with connect(server) as connection:
        connection.sendall(SOLVE + b"Content-Length: 60000\r\n\r\n")
        assert_answer(dribbled(connection, b" ", every_s=0.2), 408, "request_timeout")


def test_an_upload_that_stops_is_refused(server: Service) -> None:
    with connect(server) as connection:
        connection.sendall(
            b"POST /v1/datasets HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n" + AUTH
            + b"Transfer-Encoding: chunked\r\n\r\n4\r\nx,y\n\r\n"
        )  # fmt: skip
        assert_answer(heard(connection), 408, "request_timeout")


def test_a_body_without_end_is_refused(server: Service) -> None:
    with connect(server) as connection:
        connection.sendall(SOLVE + b"Transfer-Encoding: chunked\r\n\r\n")
        answer = dribbled(connection, b"1000\r\n" + b" " * 4096 + b"\r\n", every_s=0.001)
        assert_answer(answer, 413, "body_too_large")


def test_a_stranger_who_goes_on_sending_is_cut(server: Service) -> None:
    """A body that nobody reads, for its sender has no token, does not hold a connection."""
    with connect(server) as connection:
        connection.sendall(
            b"POST /v1/solve HTTP/1.1\r\nHost: x\r\n" + JSON + b"Content-Length: 60000\r\n\r\n"
        )
        answer = dribbled(connection, b" ", every_s=0.1)
        assert_answer(answer, 401, "unauthorized")


@pytest.mark.parametrize(
    ("what", "sent"),
    [
        ("two lengths", SOLVE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        ("a negative length", SOLVE + b"Content-Length: -1\r\n\r\n{}"),
        ("a length with a sign", SOLVE + b"Content-Length: +2\r\n\r\n{}"),
        ("a length and chunks", SOLVE + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("an unknown coding", SOLVE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("two codings", SOLVE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("a size of a chunk that is no number", SOLVE + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n"),
        ("a space before a colon", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
        ("a NUL in a header", b"GET / HTTP/1.1\r\nHost: x\r\na: b\0c\r\n\r\n"),
        ("no host", b"GET / HTTP/1.1\r\n\r\n"),
        ("two hosts", b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
        ("no version", b"GET /\r\n\r\n"),
        ("bytes that are no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 3 + b"\r\n\r\n"),
        ("a URL of 100 kB", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a header of 100 kB", b"GET / HTTP/1.1\r\nHost: x\r\na: " + b"b" * 100_000 + b"\r\n\r\n"),
        ("20,000 headers", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 20_000 + b"\r\n"),
        ("rubbish after a request", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nrubbish\r\n\r\n"),
        ("more than the length says", SOLVE + b"Content-Length: 2\r\n\r\n{}{}{}\r\n\r\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_proper_request_is_refused(server: Service, what: str, sent: bytes) -> None:
    """It is answered by a problem, and the connection ends, so that nothing of it is read as a request."""
    with connect(server) as connection:
        connection.sendall(sent)
        assert_answer(heard(connection), 400, "malformed_request")
    assert_serves(server)


def test_requests_in_a_row_are_answered_in_order(server: Service) -> None:
    one = b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n"
    with connect(server) as connection:
        connection.sendall(
            one % (b"/healthz", b"") * 3
            + one % (b"/v1/nothing", b"")
            + one % (b"/healthz", b"Connection: close\r\n")
        )
        answer = heard(connection)
    assert [part.split()[0] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200"] * 3 + [b"404", b"200"]


def test_an_upgrade_is_not_made(server: Service) -> None:
    with connect(server) as connection:
        connection.sendall(
            b"GET /v1/limits HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
        )
        assert heard(connection).startswith(b"HTTP/1.1 401 ")


def test_an_answer_that_nobody_takes_is_thrown_away(server: Service) -> None:
    """Clients who ask for much and read nothing lose their connections, and the service its burden."""
    files = Path(f"/proc/{server.child('api').pid}/fd")
    url = urlsplit(server.url)
    with ExitStack() as stack:
        greedy = []
        before = len([*files.iterdir()])
        for _ in range(5):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((url.hostname, url.port))
            connection.sendall(b"GET /docs-files/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
            greedy.append(connection)
        wait_until(lambda: len([*files.iterdir()]) >= before + 5, what="five connections")
        wait_until(lambda: len([*files.iterdir()]) < before + 5, what="their end", deadline_s=60)
    assert_serves(server)


def test_a_user_holds_a_bounded_number_of_streams(server: Service) -> None:
    with httpx.Client(base_url=server.url, headers=BEARER, timeout=60) as api, ExitStack() as stack:
        job = submit(api, simulation(n_steps=10**9, n_paths=10_000))
        for _ in range(STREAMS):
            answer = stack.enter_context(api.stream("GET", job["links"]["events"]))
            assert answer.status_code == 200
        refused = api.get(job["links"]["events"])
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) > 0
        stack.close()

        def is_open_again() -> bool:
            with api.stream("GET", job["links"]["events"]) as again:
                return again.status_code == 200

        wait_until(is_open_again, what="a place among the streams")
        api.post(f"{job['links']['self']}/cancel")


def test_the_log_of_all_this_holds_no_traceback(server: Service) -> None:
    """Nothing above was an error of the service."""
    assert_serves(server)
    assert "Traceback" not in server.log.read_text()
