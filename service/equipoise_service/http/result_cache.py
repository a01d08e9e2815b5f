"""Results at hand: those that are read again and again are answered without database and store."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from equipoise_service.http.solution_bodies import with_seconds
from equipoise_service.jobs.job_service import JobService
from equipoise_service.users.callers import Caller

# A result is held in two forms, each in so many bytes: as stored, and as it goes out.
MAX_BYTES = 16 * 2**20
# Another process of the API may forget a job: what was seen is believed for so long, [s].
FRESH_S = 1.0
Value = TypeVar("Value")


class LruCache(Generic[Value]):
    """Values by name up to a number of bytes; the one used longest ago gives way. Safe among threads.

    Args:
        max_bytes: sum of the sizes held; a larger value is not held at all.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: OrderedDict[str, tuple[Value, int]] = OrderedDict()
        self._n_bytes = 0
        self._lock = threading.Lock()

    def get(self, name: str) -> Value | None:
        """The value of that name, if it is held."""
        with self._lock:
            found = self._held.get(name)
            if found is None:
                return None
            self._held.move_to_end(name)
            return found[0]

    def put(self, name: str, value: Value, n_bytes: int) -> None:
        """Hold a value of so many bytes."""
        self.drop(name)
        if n_bytes > self._max_bytes:
            return
        with self._lock:
            self._held[name] = (value, n_bytes)
            self._n_bytes += n_bytes
            while self._n_bytes > self._max_bytes:
                _, (_, given_up) = self._held.popitem(last=False)
                self._n_bytes -= given_up

    def drop(self, name: str) -> None:
        """Hold it no longer."""
        with self._lock:
            found = self._held.pop(name, None)
            if found is not None:
                self._n_bytes -= found[1]


@dataclass(frozen=True)
class ResultBody:
    """The result of a finished job as it is sent.

    Attributes:
        owner: whose job it is.
        etag: in quotes, the SHA-256 of what was computed.
        content: JSON of the solution with the seconds of the job.
        seen_at: when the job's row was read, [s] of the clock.
    """

    owner: str
    etag: str
    content: bytes
    seen_at: float


class ResultCache:
    """The results that are asked for most.

    Args:
        jobs: where they come from.
        max_bytes: what may be held.
        fresh_s: time for which the row of a job is believed, [s].
        clock: seconds, never going back.
    """

    def __init__(
        self,
        jobs: JobService,
        *,
        max_bytes: int = MAX_BYTES,
        fresh_s: float = FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = jobs
        self._fresh_s = fresh_s
        self._clock = clock
        self._bodies: LruCache[ResultBody] = LruCache(max_bytes)

    def at_hand(self, job_id: str, caller: Caller) -> ResultBody | None:
        """The result, if the job was looked at just now and is the caller's."""
        body = self._bodies.get(job_id)
        if body is None or self._clock() - body.seen_at > self._fresh_s or not caller.owns(body.owner):
            return None
        return body

    def load(self, job_id: str, caller: Caller) -> ResultBody:
        """The result of a finished job, from the database and the store.

        Raises:
            NotFoundError: there is no such job, it belongs to somebody else, or its result was removed.
            ConflictError: it is not finished, or ended without a result.
        """
        seen_at = self._clock()
        job = self._jobs.get(job_id, caller)
        content = self._jobs.result(job)
        etag = f'"{job.result}"'
        held = self._bodies.get(job_id)
        # Bytes that are held already are kept, so that all answers under way share them.
        sent = held.content if held and held.etag == etag else with_seconds(content, job.seconds)
        body = ResultBody(job.owner, etag, sent, seen_at)
        self._bodies.put(job_id, body, len(sent))
        return body

    def forget(self, job_id: str) -> None:
        """Let go of the result of a job that is forgotten."""
        self._bodies.drop(job_id)
