"""Retries: which answers are worth another attempt, and how long to wait before it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from equipoise.effects import Flow, Request, Response, Sleep
from equipoise.errors import TransportError

TOO_MANY_REQUESTS = 429
RETRIED_STATUSES = frozenset({TOO_MANY_REQUESTS, 502, 503, 504})


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently an idempotent request is repeated.

    Attributes:
        n_retries: attempts after the first.
        first_s: longest pause before the first retry; it doubles from one to the next.
        cap_s: longest pause of all.
        longest_wish_s: a Retry-After beyond this is not waited for: the answer is handed on.
        jitter: a number in [0, 1) for each pause, so that many clients do not come back at once.
    """

    n_retries: int = 4
    first_s: float = 0.2
    cap_s: float = 5.0
    longest_wish_s: float = 60.0
    jitter: Callable[[], float] = random.random

    def pauses(self) -> Iterator[float]:
        """Pauses between attempts, one for each retry."""
        for attempt in range(self.n_retries):
            # Half of the pause is fixed: full jitter would often retry at once.
            yield min(self.cap_s, self.first_s * 2**attempt) * (0.5 + 0.5 * self.jitter())


def send(request: Request, policy: RetryPolicy) -> Flow[Response]:
    """Send a request, again and again if that does no harm and the failure looks temporary.

    A request that is not idempotent is repeated only if it was turned away at the door for being one too
    many: nothing was done then.

    Raises:
        TransportError: no answer came, through all attempts.
    """
    pauses = policy.pauses()
    was_retried = False
    while True:
        pause_s = next(pauses, None)
        try:
            response: Response = yield request
        except TransportError:
            if pause_s is None or not request.is_idempotent:
                raise
        else:
            wish_s = _retry_after(response)
            if not _is_worth(request, response) or pause_s is None or wish_s > policy.longest_wish_s:
                return replace(response, was_retried=was_retried)
            # Those who are told the same second would all be too many again: they come spread out after it.
            pause_s = wish_s + pause_s if wish_s > 0 else pause_s
        was_retried = True
        yield Sleep(pause_s)


def _is_worth(request: Request, response: Response) -> bool:
    if request.is_idempotent:
        return response.status in RETRIED_STATUSES
    return response.status == TOO_MANY_REQUESTS


def _retry_after(response: Response) -> float:
    """Seconds to wait, as the service asks; 0 if it does not say, or names a date (which needs its clock)."""
    wish = response.headers.get("retry-after", "")
    return float(wish) if wish.isdecimal() else 0.0
