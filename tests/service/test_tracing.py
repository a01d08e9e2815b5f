"""Traces: sent where the variables say and nowhere else, through the service from request to chunk."""

import io
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from tests.service import fake_solver
from tests.service.asgi_client import started
from tests.service.fake_solver import REFUSES, simulate_spec
from tests.service.workers import FINAL, working
from tests.support.servers import clean_environment, wait_until

from equipoise_service.errors import SettingsError
from equipoise_service.http.app import create_app
from equipoise_service.settings import Settings
from equipoise_service.telemetry import logs, tracing
from equipoise_service.telemetry.logs import LogOptions

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """What is traced."""
    exporter = InMemorySpanExporter()
    tracing.install(SimpleSpanProcessor(exporter), process="test")
    yield exporter
    tracing.close()


def spans(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def parent_of(span: ReadableSpan) -> str | None:
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def id_of(span: ReadableSpan) -> str:
    return f"{span.context.span_id:016x}"


def trace_of(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}"


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_request_is_a_span_of_the_callers_trace(settings: Settings, exporter: InMemorySpanExporter) -> None:
    """A span has the pattern of the route and the status, hangs below the caller's, and is told to it."""
    with started(create_app(settings, prepare=fake_solver.prepare)) as api:
        answer = api.get("/v1/jobs/job_1?secret=hunter2", headers={"traceparent": PARENT})
    (span,) = spans(exporter, "GET /v1/jobs/{job_id}")
    assert (trace_of(span), parent_of(span)) == (TRACE, "b7ad6b7169203331")
    assert answer.headers["traceparent"] == f"00-{TRACE}-{id_of(span)}-01"
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.route": "/v1/jobs/{job_id}",
        "http.response.status_code": 404,
    }


@pytest.mark.parametrize(
    "given", ["", "00-xyz", f"00-{'0' * 32}-b7ad6b7169203331-01", f"{PARENT}-more", "9" * 500]
)
def test_a_bad_header_begins_a_trace(given: str, settings: Settings, exporter: InMemorySpanExporter) -> None:
    """What is no traceparent is left aside."""
    with started(create_app(settings, prepare=fake_solver.prepare)) as api:
        assert api.get("/healthz", headers={"traceparent": given}).status_code == 200
    (span,) = spans(exporter, "GET /healthz")
    assert span.parent is None


def test_failures_are_told_by_their_kind(settings: Settings, exporter: InMemorySpanExporter) -> None:
    """A request that breaks is an error span with the kind of the exception, without its words."""
    app = create_app(settings, prepare=fake_solver.prepare)

    @app.get("/break")
    def break_down() -> None:
        raise RuntimeError("password=hunter2")

    with started(app) as api:
        assert api.get("/break").status_code == 500
    (span,) = spans(exporter, "GET /break")
    assert span.status.status_code == StatusCode.ERROR
    assert "hunter2" not in span.to_json()


@pytest.mark.slow
def test_one_trace_and_one_id_lead_from_the_request_to_its_chunks(
    settings: Settings, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run of a job and its chunks are spans below the request, and lines of the log under its id."""
    stream = io.StringIO()
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    level = root.level
    logs.install(LogOptions("worker", "info", True), stream)
    try:
        with started(create_app(settings, prepare=fake_solver.prepare)) as api, working(settings):
            headers = {"traceparent": PARENT, "X-Request-ID": "request-1"}
            found = [
                api.post("/v1/jobs", json={"spec": simulate_spec(seed=seed)}, headers=headers).json()["id"]
                for seed in (1, REFUSES)
            ]
            for job_id in found:
                wait_until(
                    lambda job_id=job_id: api.get(f"/v1/jobs/{job_id}").json()["status"] in FINAL,  # type: ignore[misc]
                    what="the end",
                )
            wait_until(lambda: len(spans(exporter, "job")) == 2, what="the spans of the jobs")
            page = api.get("/metrics").text
    finally:
        logs.forget_options()
        logging.captureWarnings(False)
        root.setLevel(level)
    requests = spans(exporter, "POST /v1/jobs")
    by_job = {attributes(span)["equipoise.job_id"]: span for span in spans(exporter, "job")}
    good, bad = (by_job[job_id] for job_id in found)
    assert [trace_of(span) for span in (*requests, good, bad)] == [TRACE] * 4
    assert [parent_of(good), parent_of(bad)] == [id_of(span) for span in requests]
    chunks = [span for span in spans(exporter, "chunk") if parent_of(span) == id_of(good)]
    assert sum(attributes(span)["path_steps"] for span in chunks) == pytest.approx(1e5)
    assert attributes(good)["equipoise.status"] == "succeeded"
    assert (bad.status.status_code, attributes(bad)["error.type"]) == (StatusCode.ERROR, "unstable_step")
    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    about = [
        line for line in said if line.get("job_id") == found[0] and line.get("request_id") == "request-1"
    ]
    loggers = {line["logger"] for line in about}
    assert {"equipoise_service.requests", "equipoise_service.workers.job_watch"} <= loggers
    assert [line["message"] for line in about if line["logger"] == "equipoise_service.workers.job_watch"] == [
        "the job is taken up",
        "the job ended: succeeded",
    ]
    assert {line.get("trace_id") for line in about} == {TRACE}
    steps = re.search(r'equipoise_path_steps_total\{device="cpu"\} (\S+)', page)
    assert steps is not None
    assert float(steps[1]) == pytest.approx(1e5)


class _Collector(BaseHTTPRequestHandler):
    received: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Address of a collector, and what it received."""
    received: list[tuple[str, bytes]] = []
    handler = type("Handler", (_Collector,), {"received": received})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


def ran(code: str, *, environment: dict[str, str]) -> str:
    """What a program of its own prints."""
    known = {name: value for name, value in clean_environment().items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=known | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def names(received: Sequence[tuple[str, bytes]]) -> dict[str, set[str]]:
    """Names of the spans of each service."""
    found: dict[str, set[str]] = {}
    for path, body in received:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            known = {one.key: one.value.string_value for one in resource.resource.attributes}
            spans = {span.name for scope in resource.scope_spans for span in scope.spans}
            found.setdefault(known["service.name"], set()).update(spans)
    return found


_PROGRAM = """
import sys
from equipoise_service.telemetry import tracing
tracing.set_up("api")
with tracing.span("outer"), tracing.span("inner"):
    pass
tracing.close()
print(sorted(name for name in sys.modules if name.startswith("opentelemetry.sdk")) != [])
"""


@pytest.mark.slow
def test_spans_go_where_the_variables_say(collector: tuple[str, list[tuple[str, bytes]]]) -> None:
    """A collector at the usual address gets them by OTLP over HTTP, under the name that is set."""
    url, received = collector
    assert ran(_PROGRAM, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": url}) == "True\n"
    ran(_PROGRAM, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_SERVICE_NAME": "lab"})
    assert names(received) == {"equipoise-api": {"outer", "inner"}, "lab": {"outer", "inner"}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}],
)
def test_nothing_is_imported_or_sent_otherwise(
    more: dict[str, str], collector: tuple[str, list[tuple[str, bytes]]]
) -> None:
    """Switched off, or without an address, the SDK is not even imported."""
    url, received = collector
    assert ran(_PROGRAM, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": url, **more}) == "False\n"
    assert received == []


def test_other_commands_trace_nothing() -> None:
    """A command that makes no spans, such as `token`, does not care for the variables."""
    tracing.set_up(
        "token", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    )
    assert not tracing.current().is_recorded


def test_without_a_collector_a_trace_is_passed_on() -> None:
    """Where nothing is recorded, the caller's trace still reaches what follows, and ends with the block."""
    with tracing.request_span("GET", PARENT) as span:
        assert not span.is_recorded
        with tracing.span("inner"):
            assert tracing.current().parent_of_others == PARENT
    assert tracing.current().parent_of_others is None


def test_other_protocols_are_refused() -> None:
    """What is not offered stops the start with the variable, its value and the remedy."""
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with pytest.raises(SettingsError, match=r"OTEL_EXPORTER_OTLP_PROTOCOL='grpc'.*http/protobuf"):
        tracing.set_up("api", given)
