"""Traces: spans of requests, jobs and chunks, sent where the standard OTEL_* variables say, if they do.

Without an address nothing of OpenTelemetry is imported here, and spans only pass on the trace that a caller
began. The provider is our own, not the global one, so that no library traces without being asked to.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from equipoise_service.errors import SettingsError
from equipoise_service.telemetry import logs
from equipoise_solver.version import __version__

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROCESSES = frozenset({"api", "worker"})
"""Those that make spans."""
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_TRACE_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")

# The provider of spans of this process, once it was set up.
_provider: list[Any] = []


class Span:
    """A piece of work in a trace.

    Attributes:
        parent_of_others: W3C traceparent for what follows from this span; None where there is no trace.
        is_recorded: whether spans are sent anywhere.
    """

    def __init__(self, span: Any, trace_parent: str | None) -> None:
        self._span = span
        self.parent_of_others = trace_parent
        self.is_recorded = span is not None

    def describe(self, name: str, *, route: str, status: int) -> None:
        """Say what a request turned out to be."""
        if self._span is not None:
            self._span.update_name(name)
            self._span.set_attributes({"http.route": route, "http.response.status_code": status})
            if status >= 500:
                self.fail(str(status))

    def set(self, **attributes: str | int | float | bool | None) -> None:
        """Add attributes; None leaves one out."""
        if self._span is not None:
            self._span.set_attributes(
                {name: value for name, value in attributes.items() if value is not None}
            )

    def fail(self, kind: str) -> None:
        """Say that the work failed, by a code or kind: the text of a failure may hold secrets."""
        if self._span is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_attribute("error.type", kind)
            self._span.set_status(StatusCode.ERROR)


_current: ContextVar[Span | None] = ContextVar("span", default=None)


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment says where traces go."""
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    is_off = is_off or environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() == "none"
    return not is_off and any(environment.get(name) for name in ENDPOINTS)


def set_up(process: str, environment: Mapping[str, str] | None = None) -> None:
    """Send spans of this process as the OTEL_* variables say; without an address do nothing.

    Processes that make no spans, such as the one that starts the others, need none of it.

    Raises:
        SettingsError: OpenTelemetry is not installed, or the variables ask for what is not offered.
    """
    environment = os.environ if environment is None else environment
    if process not in PROCESSES or not is_wanted(environment):
        return
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol!r} is not offered: need 'http/protobuf'. Set or unset it."
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(
            f"{' or '.join(ENDPOINTS)} is set, but OpenTelemetry is not installed ({error}): "
            "pip install 'equipoise[otel]', or unset it."
        ) from error
    install(BatchSpanProcessor(OTLPSpanExporter()), process=process)


def install(processor: Any, *, process: str) -> None:
    """Hand the spans of this process to a span processor of OpenTelemetry."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    known = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"equipoise-{process}"}
    provider = TracerProvider(resource=Resource.create({**known, "service.version": __version__}))
    provider.add_span_processor(processor)
    _provider[:] = [provider]


def close() -> None:
    """Send what is left; afterwards nothing is traced."""
    while _provider:
        _provider.pop().shutdown()


def current() -> Span:
    """The piece of work that is being done here; where there is none, one that goes nowhere."""
    return _current.get() or Span(None, None)


@contextmanager
def request_span(method: str, given: str | None) -> Iterator[Span]:
    """The span of a request, below the caller's own if it sent a `traceparent`."""
    with span(method, parent=given, kind="SERVER", **{"http.request.method": method}) as one:
        yield one


@contextmanager
def span(
    name: str, *, parent: str | None = None, kind: str = "INTERNAL", **attributes: Any
) -> Iterator[Span]:
    """Within this block a piece of work is done.

    Args:
        name: what it is, from a short list.
        parent: W3C traceparent of what it belongs to; default: the span around it.
        kind: name of a kind of span of OpenTelemetry.
        attributes: what is worth knowing; None leaves one out.
    """
    above = _context_of(parent) or _context_of(current().parent_of_others)
    if not _provider:
        with _as_current(Span(None, None if above is None else above[0])) as passed_on:
            yield passed_on
        return
    started = _start(name, above, kind)
    context = started.get_span_context()
    trace_parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    one = Span(started, trace_parent)
    one.set(**attributes)
    try:
        with _as_current(one), logs.about(trace_id=f"{context.trace_id:032x}"):
            yield one
    except BaseException as failure:
        one.fail(type(failure).__name__)
        raise
    finally:
        started.end()


def _start(name: str, above: tuple[str, str, str, str] | None, kind: str) -> Any:
    from opentelemetry import context, trace

    around = context.Context()
    if above is not None:
        _, trace_id, span_id, flags = above
        remote = trace.SpanContext(
            int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(int(flags, 16))
        )
        around = trace.set_span_in_context(trace.NonRecordingSpan(remote), around)
    tracer = _provider[0].get_tracer("equipoise", __version__)
    return tracer.start_span(name, context=around, kind=trace.SpanKind[kind])


@contextmanager
def _as_current(one: Span) -> Iterator[Span]:
    token = _current.set(one)
    try:
        yield one
    finally:
        _current.reset(token)


def _context_of(trace_parent: str | None) -> tuple[str, str, str, str] | None:
    """The header and its trace, span and flags; None if it is none."""
    found = _TRACE_PARENT.fullmatch(trace_parent or "")
    return None if found is None else (found[0], found[1], found[2], found[3])
