"""The health of a worker: what it is doing, how it goes, and what it takes of its machine."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# The share of busy time and the rate of path-steps are those of about this long, [s].
WINDOW_S = 60.0
# Longer messages than this say nothing more to the reader of a table.
_LONGEST_MESSAGE = 300


class Health:
    """Counts what a worker does. Its methods may be called from any thread."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._begun_at = clock()
        self._jobs = {"succeeded": 0, "failed": 0, "cancelled": 0, "timed_out": 0}
        self._current: list[str] = []
        self._chunks: deque[tuple[float, float, float]] = deque()
        self._last_chunk_at: float | None = None
        self._last_error: str | None = None
        self.children: dict[str, int] = {}
        """Ids of the computing processes, by what they computed last: "device" or "quick"."""

    @contextmanager
    def busy(self, job_id: str) -> Iterator[None]:
        """While a job computes, or waits for its turn to."""
        self._current.append(job_id)
        try:
            yield
        finally:
            self._current.remove(job_id)

    def count_chunk(self, path_steps: float, seconds: float) -> None:
        """A chunk was computed."""
        with self._lock:
            self._last_chunk_at = self._clock()
            self._chunks.append((self._last_chunk_at, path_steps, seconds))

    def count_end(self, status: str, message: str | None) -> None:
        """A job has ended."""
        with self._lock:
            self._jobs[status] += 1
            if message is not None:
                self._last_error = message[:_LONGEST_MESSAGE]

    def report(self) -> dict[str, Any]:
        """What others see, as JSON: counts of this life of the worker, sizes in bytes, times in seconds."""
        with self._lock:
            now = self._clock()
            while self._chunks and self._chunks[0][0] < now - WINDOW_S:
                self._chunks.popleft()
            seconds = sum(chunk[2] for chunk in self._chunks)
            path_steps = sum(chunk[1] for chunk in self._chunks)
            window = max(min(WINDOW_S, now - self._begun_at), 1e-3)
            last = self._last_chunk_at
            return {
                "job_id": next(iter(self._current), None),
                "jobs_succeeded": self._jobs["succeeded"],
                "jobs_failed": self._jobs["failed"],
                "jobs_stopped": self._jobs["cancelled"] + self._jobs["timed_out"],
                "seconds_since_chunk": None if last is None else round(now - last, 3),
                "busy_fraction": round(min(seconds / window, 1.0), 4),
                "path_steps_per_second": round(path_steps / seconds, 1) if seconds > 0 else None,
                "memory_bytes": sum(map(_resident, {os.getpid(), *self.children.values()})),
                "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
                "last_error": self._last_error,
            }


def _resident(pid: int) -> int:
    """Memory of a process in use, [bytes]; 0 where that cannot be seen."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
