"""Logs: lines for people or JSON for machines, with the ids of request and job, and never a secret.

What a line is about is carried by context variables: through tasks, and through threads that copy their
context, as those of anyio and `asyncio.to_thread` do.
"""

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

from equipoise_service.settings import Settings
from equipoise_service.telemetry.redaction import redacted, secrets_of

FIELDS = ("request_id", "user", "job_id", "worker", "trace_id")
"""What a line may be about."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")

_about: ContextVar[dict[str, str] | None] = ContextVar("about", default=None)
_presented: ContextVar[tuple[str, ...]] = ContextVar("presented", default=())


@dataclass(frozen=True)
class LogOptions:
    """How a process logs.

    Attributes:
        process: what the process is: serve, api, worker, computing.
        level: the least that is logged.
        is_json: one JSON object a line; else lines for people.
        secrets: words that never stand in a log.
    """

    process: str
    level: str
    is_json: bool
    secrets: tuple[str, ...] = field(default=(), repr=False)


# How this process logs, once it was set up.
_options: list[LogOptions] = []


@contextmanager
def about(**fields: str | None) -> Iterator[None]:
    """Within this block, lines are about these: some of FIELDS; None leaves one as it is."""
    token = _about.set({**(_about.get() or {}), **_given(fields)})
    try:
        yield
    finally:
        _about.reset(token)


def note(**fields: str | None) -> None:
    """From here on, in the innermost `about` block, lines are about these as well."""
    known = _about.get()
    if known is not None:
        known.update(_given(fields))


def context() -> dict[str, str]:
    """What a line logged here would be about."""
    return dict(_about.get() or {})


@contextmanager
def hiding(secret: str) -> Iterator[None]:
    """Within this block, a word that somebody presented is not logged."""
    token = _presented.set((*_presented.get(), secret) if len(secret) > 3 else _presented.get())
    try:
        yield
    finally:
        _presented.reset(token)


def set_up(settings: Settings, *, process: str) -> None:
    """Log to standard error as the settings say; whatever fails unseen is logged as well."""
    is_json = settings.log_format == "json"
    install(LogOptions(process, settings.log_level, is_json, secrets_of(settings, os.environ)))


def options() -> LogOptions | None:
    """How this process logs; None if it was not set up. For the processes that it starts."""
    return _options[0] if _options else None


def forget_options() -> None:
    """As if this process had not been set up; what it logs still goes where it went."""
    _options.clear()


def install(options: LogOptions, stream: TextIO | None = None) -> None:
    """Let everything that this process logs go to one stream."""
    _options[:] = [options]
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(JsonLines(options) if options.is_json else TextLines(options))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(options.level.upper())
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # The job engine tells what it does, step by step; the service tells what users did.
    logging.getLogger("dbos").setLevel(logging.ERROR)
    logging.captureWarnings(True)
    _catch_failures()


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; a record that cannot be written says so without its arguments."""

    def handleError(self, record: logging.LogRecord) -> None:
        kind = sys.exc_info()[0]
        with suppress(OSError, ValueError):  # Perhaps nobody reads the log any more.
            self.stream.write(f"a line of {record.name} could not be logged: {kind and kind.__name__}\n")


class _Lines(logging.Formatter):
    """What both formats share: the parts of a record as text without secrets."""

    def __init__(self, options: LogOptions) -> None:
        super().__init__()
        self._options = options

    def _clean(self, text: str) -> str:
        shown = redacted(text, (*_presented.get(), *self._options.secrets))
        return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", shown)

    def _exception(self, record: logging.LogRecord) -> str | None:
        if record.exc_info and record.exc_info[0] is not None:
            return self._clean(self.formatException(record.exc_info))
        return None


class JsonLines(_Lines):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        content: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._clean(record.getMessage()),
            "process": self._options.process,
            "pid": record.process,
            **{name: self._clean(value) for name, value in context().items()},
        }
        for name, value in getattr(record, "fields", {}).items():
            content[name] = self._clean(value) if isinstance(value, str) else value
        exception = self._exception(record)
        if exception is not None:
            content["exception"] = exception
        return json.dumps(content, ensure_ascii=False)


class TextLines(_Lines):
    """Lines for people; what goes on below its first line is indented, so that no message forges a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines of a record."""
        ids = "".join(f" {name}={self._clean(value)}" for name, value in context().items())
        text = self._clean(record.getMessage())
        exception = self._exception(record)
        if exception is not None:
            text = f"{text}\n{exception}"
        first, *others = text.split("\n")
        head = f"{_time(record)} {record.levelname} {record.name} {first}{ids}"
        return "\n".join([head, *(f"    {line}" for line in others)])


def _time(record: logging.LogRecord) -> str:
    return (
        datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def _given(fields: dict[str, str | None]) -> dict[str, str]:
    unknown = set(fields) - set(FIELDS)
    if unknown:
        raise TypeError(f"lines are about {', '.join(FIELDS)}, not about {', '.join(sorted(unknown))}")
    return {name: str(value) for name, value in fields.items() if value is not None}


def _catch_failures() -> None:
    """Log what would otherwise be printed with its values: exceptions that nobody catches."""
    logger = logging.getLogger("equipoise_service.failures")

    def uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        logger.critical("the process failed", exc_info=(kind, error, trace))

    def in_thread(failure: threading.ExceptHookArgs) -> None:
        if failure.exc_value is not None and not issubclass(failure.exc_type, SystemExit):
            name = failure.thread.name if failure.thread else "?"
            known = (failure.exc_type, failure.exc_value, failure.exc_traceback)
            logger.error("the thread %s failed", name, exc_info=known)

    sys.excepthook = uncaught
    threading.excepthook = in_thread
