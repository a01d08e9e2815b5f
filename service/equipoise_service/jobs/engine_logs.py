"""What the job engine logs, among what everybody logs."""

import logging

from dbos import error


def join_logs() -> None:
    """Let the engine log like everybody else, and leave out that a stopped job was stopped."""
    engine_log = logging.getLogger("dbos")
    if _is_news not in engine_log.filters:
        engine_log.addHandler(logging.NullHandler())  # Keeps the engine from installing a handler of its own.
        engine_log.addFilter(_is_news)
        engine_log.setLevel(logging.ERROR)


def _is_news(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    cancellations = (error.DBOSWorkflowCancelledError, error.DBOSAwaitedWorkflowCancelledError)
    return kind is None or not issubclass(kind, cancellations)
