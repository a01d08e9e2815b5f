"""Every regular expression takes time proportional to the text, whatever the text is."""

import re
import time
from collections.abc import Callable, Iterator

import pytest

from equipoise_service.http import middleware, preferences, schemas
from equipoise_service.jobs import job_service
from equipoise_service.telemetry import redaction
from equipoise_service.uploads import datasets
from equipoise_service.users import callers, tokens
from equipoise_solver import expressions

N = 20_000
PIECES = [
    "a", "0", " ", "-", "_", ".", "=", ",", ";", "wait=", 'wait="', "eq_", "ds_0", "job_0", "://", ":@", "\t",
    "bearer ", "token=", "password: ", "1e", "(", "%", "\\u0000", "\xe9", "a-", "0.", "<", "**",
]  # fmt: skip


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    modules = (callers, datasets, job_service, middleware, preferences, redaction, tokens, expressions)
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                yield f"{module.__name__}.{name}", value
    yield "tags", re.compile(schemas.TAG_PATTERN)
    yield "users", re.compile(callers.USER_PATTERN)
    for number, (_, pattern, _) in enumerate(redaction._PATTERNS):
        yield f"redaction.{number}", pattern


def cost_s(search: Callable[[str], object], text: str) -> float:
    start = time.process_time()
    search(text)
    return time.process_time() - start


@pytest.mark.parametrize("pattern", [pytest.param(pattern, id=name) for name, pattern in patterns()])
def test_no_text_makes_a_search_slow(pattern: re.Pattern[str]) -> None:
    """Repetitions that would backtrack in squares or worse take seconds; these take none."""
    for piece in PIECES:
        text = (piece * N)[:N]
        for end in ("", "\n", "!", "\0"):
            assert cost_s(pattern.search, text + end) < 0.5, (piece, end)


def test_a_slow_pattern_would_be_found() -> None:
    """A search that backtracks takes longer than the bound above on a text far shorter."""
    assert cost_s(re.compile(r"(a+)+$").search, "a" * 23 + "!") > 0.5
