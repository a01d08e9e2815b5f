"""The header `Prefer` (RFC 7240), as far as this service honours it."""

import re

_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?([0-9]+(?:\.[0-9]+)?)"?\s*(?=[,;]|$)', re.IGNORECASE)


def wanted_wait(prefer: str | None, limit_s: float) -> float | None:
    """Seconds that the caller prefers to wait, at most `limit_s`; None if it states no such preference.

    A preference that cannot be read is no error: the standard has it ignored.
    """
    found = _WAIT.search(prefer or "")
    return None if found is None else min(float(found.group(1)), limit_s)
