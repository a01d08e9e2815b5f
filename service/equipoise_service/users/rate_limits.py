"""Rate limits: a bucket per key, which a burst of requests may empty and which refills at a steady rate."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from equipoise_service.errors import MalformedError

# Buckets that are kept; beyond it those used longest ago are forgotten, which refills them.
MOST_KEYS = 10_000
# Share of an interval by which a request may be early: room for rounding, nothing else.
_SLACK = 1e-6


class RateLimiter:
    """Buckets of tokens, one per key, each kept as one number: when it will be full again.

    It is asked from the event loop only, so it needs no lock. (Known as the generic cell rate algorithm.)

    Args:
        per_second: requests in the long run, [1/s].
        burst: requests at once after a silence.
        clock: seconds, never going back.
        most_keys: buckets that are kept.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        most_keys: int = MOST_KEYS,
    ) -> None:
        self._interval_s = 1.0 / per_second
        self._room_s = (burst - 1 + _SLACK) * self._interval_s
        self._clock = clock
        self._most_keys = most_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def wait_s(self, key: str) -> float:
        """Seconds until a request is let through; 0 if one is now. Takes nothing."""
        return max(0.0, self._full_at.get(key, -math.inf) - self._clock() - self._room_s)

    def take(self, key: str) -> float:
        """Let a request through and return 0, or refuse it: the seconds until one is let through."""
        now = self._clock()
        full_at = max(now, self._full_at.get(key, now))
        too_early_s = full_at - now - self._room_s
        if too_early_s > 0:
            return too_early_s
        self._full_at[key] = full_at + self._interval_s
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._most_keys:
            self._full_at.popitem(last=False)
        return 0.0


def rate_limited(detail: str, wait_s: float) -> MalformedError:
    """The refusal of a request that came too early, with the whole seconds to wait."""
    seconds = max(1, math.ceil(wait_s))
    return MalformedError(
        f"{detail} Try again in {seconds} s.", code="rate_limited", headers={"Retry-After": str(seconds)}
    )


def network_of(address: str) -> str:
    """What an address is counted under: itself; for IPv6 its network, for one host may have all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or ipaddress.IPv6Network((int(parsed), 64), strict=False))
    return str(parsed)
