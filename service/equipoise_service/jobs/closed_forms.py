"""Closed forms that take milliseconds are answered where they are submitted, not queued."""

import logging
import threading
import time
from typing import Any

from equipoise_service.jobs.job_table import Answer
from equipoise_service.jobs.routing import Route
from equipoise_service.storage.store import Store
from equipoise_solver.errors import SolverError

logger = logging.getLogger(__name__)

# What is expected to take longer goes to the queue of quick jobs, [s].
MOST_SECONDS = 0.05
# So many are computed at a time, so that requests for what is known are not kept waiting by them.
AT_A_TIME = 2
# One that does not get its turn within this goes to the queue as well, [s].
PATIENCE_S = 1.0
_ALL = 10**9


class ClosedForms:
    """Computes closed forms in this process, a few at a time.

    Args:
        store: where the results go.
        patience_s: longest wait for a turn, [s].
    """

    def __init__(self, store: Store, *, patience_s: float = PATIENCE_S) -> None:
        self._store = store
        self._patience_s = patience_s
        self._turns = threading.BoundedSemaphore(AT_A_TIME)

    @staticmethod
    def takes(route: Route) -> bool:
        """Whether a spec is answered here."""
        seconds = route.estimate.seconds
        return route.is_closed_form and seconds is not None and seconds <= MOST_SECONDS

    def solve(self, work: Any) -> Answer | None:
        """The result, written to the store; None if a worker is to compute it.

        Raises:
            SolverError: the spec has no solution.
        """
        if not self._turns.acquire(timeout=self._patience_s):
            return None
        try:
            return self._solve(work)
        except SolverError:
            raise
        except Exception:
            # A worker tries it again, and its job says what became of it.
            logger.exception("a closed form of task %s failed", work.spec.task)
            return None
        finally:
            self._turns.release()

    def _solve(self, work: Any) -> Answer:
        start = time.perf_counter()
        state = work.begin()
        while not state.is_done:
            state = work.advance(state, _ALL, threads=1)
        content = work.finish(state).model_dump_json().encode()
        seconds = time.perf_counter() - start
        return Answer(self._store.put_content("results", content, ".json"), round(seconds, 6))
