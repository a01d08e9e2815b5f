"""Requests as counters: counted in this process, and brought to the database every few seconds."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from equipoise_service.telemetry import counters
from equipoise_service.telemetry.counters import Increment, observation
from equipoise_service.telemetry.metric_table import OTHER, REQUEST_TIME, REQUESTS

logger = logging.getLogger(__name__)

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_PREFIX = "/v1"
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Not counted: they come every few seconds whether anybody works or not."""
FLUSH_SECONDS = 5.0
"""What a killed process has not counted yet is lost: at most the requests of so long, [s]."""


class RequestCounts:
    """What this process has answered and not yet brought to the database.

    Args:
        every_s: time between two visits to the database, [s].
    """

    def __init__(self, *, every_s: float = FLUSH_SECONDS) -> None:
        self._every_s = every_s
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, tuple[str, ...]], float] = {}

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            scope: the request, after the application has answered it.
            status: HTTP status; 0 if the client went away before.
            seconds: from the request to the end of the answer, [s].
        """
        route = route_of(scope)
        if route in PROBES:
            return
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self._add(
            [
                Increment(REQUESTS.name, (route, method, str(status))),
                *observation(REQUEST_TIME, (route, method), seconds),
            ]
        )

    def flush(self, database: sa.Engine) -> None:
        """Bring what was counted to the database; if it does not answer, keep it for the next time."""
        with self._lock:
            taken, self._waiting = self._waiting, {}
        if not taken:
            return
        increments = [Increment(name, labels, by) for (name, labels), by in taken.items()]
        try:
            with database.begin() as connection:
                counters.add(connection, increments)
        except SQLAlchemyError:
            self._add(increments)
            raise

    @contextmanager
    def flushing(self, database: sa.Engine) -> Iterator[None]:
        """Within this block a thread brings the counts to the database; the last ones at the end."""
        stop = threading.Event()

        def work() -> None:
            is_last = False
            while not is_last:
                is_last = stop.wait(self._every_s)
                try:
                    self.flush(database)
                except SQLAlchemyError as error:
                    logger.warning("requests are counted later: %s", type(error).__name__)

        thread = threading.Thread(target=work, name="request-counts", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _add(self, increments: list[Increment]) -> None:
        with self._lock:
            for increment in increments:
                key = (increment.name, increment.labels)
                self._waiting[key] = self._waiting.get(key, 0.0) + increment.by


def route_of(scope: Scope) -> str:
    """Pattern of a request's path, such as /v1/jobs/{job_id}; "other" if no route has it."""
    path = getattr(scope.get("route"), "path", None)
    if not isinstance(path, str):
        return OTHER
    # Some versions of the framework name a route without the prefix of the router that holds it.
    is_without_prefix = scope["path"].startswith(f"{_PREFIX}/") and not path.startswith(f"{_PREFIX}/")
    return f"{_PREFIX}{path}" if is_without_prefix else path
